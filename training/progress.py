"""Say how far a run has come: the step of its newest committed checkpoint, 0 where there is none.

    python -m training.progress gpt-1b --set checkpoint.path=/fsx/run/checkpoints

Takes the arguments of `training.train`, needs no PyTorch and no GPU, and is therefore also the
cheapest way to find a mistake in the settings before nodes are taken: it then ends with 2.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from training.manifest import UnreadableError, committed
from training.problems import UserError
from training.recipes import chosen, parser_of
from training.record import say

MISTAKEN, UNAVAILABLE = 2, 69


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the step, and return the exit status."""
    given = parser_of("training.progress", __doc__).parse_args(arguments)
    try:
        path = chosen(given.recipe, given.set).checkpoint.path
        steps = committed(Path(path)) if path else []
    except UserError as error:
        say(str(error), sys.stderr)
        return MISTAKEN
    except UnreadableError as error:
        say(f"checkpoint.path cannot be read now ({error})", sys.stderr)
        return UNAVAILABLE
    say(str(max(steps, default=0)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
