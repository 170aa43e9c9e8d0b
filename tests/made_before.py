"""Commands that look at a deployed environment, with templates that were made before.

`python -m tests.made_before FOLDER WORD ...` is the command line with them. A synthesis takes more
time than all else that such a command does, and every test of it would make the same templates.
"""

import sys
from pathlib import Path

from ultracluster import synthesis
from ultracluster.cli import main


def copied(assembly: Path) -> list[str]:
    """Return a command that takes the place of the CDK app: it copies an assembly."""
    return ["/bin/sh", "-c", 'mkdir -p "$CDK_OUTDIR" && cp -R "$0/." "$CDK_OUTDIR"', str(assembly)]


def made_before(given: str) -> list[str]:
    """Return the command for the assembly that the command line names, for any environment."""
    del given
    return copied(Path(sys.argv[1]))


if __name__ == "__main__":
    synthesis.synthesize_command = made_before
    sys.exit(main(sys.argv[2:]))
