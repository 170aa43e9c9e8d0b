"""Requests that somebody else wrote, read from JSON."""

from collections import Counter
from typing import Any, Final

from ultracluster.exit_status import CommandError
from ultracluster.given_file import json_of, text_of

STANDARD_INPUT: Final = "-"
MOST_BYTES: Final = 1_000_000
"""A request that SageMaker takes is a hundredth of it."""


class RequestFileError(CommandError):
    """A file that holds no request."""


def read(name: str) -> Any:
    """Return what a JSON file holds; `-` is standard input.

    Raises:
        UnreadableError: where it cannot be read, or is no JSON.
        RequestFileError: where a name is there twice.
    """
    path = "/dev/stdin" if name == STANDARD_INPUT else name
    text = text_of(path, MOST_BYTES, "a request has 0.01")
    return json_of(name, text, lambda pairs: _once(name, pairs))


def _once(name: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # The last one would count, in silence.
    for key, count in Counter(key for key, _ in pairs).items():
        if count > 1:
            raise RequestFileError(f"{name}: {key} is there {count} times; write it once")
    return dict(pairs)
