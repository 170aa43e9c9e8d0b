"""Requests that somebody else wrote, read from JSON."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

from ultracluster.exit_status import CommandError

STANDARD_INPUT: Final = "-"
MOST_CHARACTERS: Final = 1_000_000
"""A request that SageMaker takes is a hundredth of it."""


class RequestFileError(CommandError):
    """A file that holds no request."""


def read(name: str) -> Any:
    """Return what a JSON file holds; `-` is standard input."""
    try:
        text = sys.stdin.read() if name == STANDARD_INPUT else Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise RequestFileError(f"{name}: {reason}; write the path of a JSON file") from error
    if len(text) > MOST_CHARACTERS:
        raise RequestFileError(f"{name}: {len(text):,} characters are no request")
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _once(name, pairs))
    except json.JSONDecodeError as error:
        raise RequestFileError(
            f"{name}:{error.lineno}:{error.colno}: no JSON: {error.msg}"
        ) from error
    except ValueError as error:  # of Python's limit on digits
        raise RequestFileError(
            f"{name}: it holds a number of thousands of digits; mend it"
        ) from error
    except RecursionError as error:
        raise RequestFileError(f"{name}: it is nested too deep to be a request") from error


def _once(name: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # The last one would count, in silence.
    for key, count in Counter(key for key, _ in pairs).items():
        if count > 1:
            raise RequestFileError(f"{name}: {key} is there {count} times; write it once")
    return dict(pairs)
