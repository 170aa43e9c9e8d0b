"""Reads untrusted JSON values: a value of another type is None or empty.

And of the catalogue's own tables, which are JSON and TOML files in this folder.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from ultracluster.untrusted_file import UnreadableError, json_of

LARGEST_NUMBER: Final = 2**31 - 1
WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
"""One of more digits stays a text, as the readers of templates leave it."""
LONGEST_NUMBER: Final = 20
"""Characters; Python itself refuses to read thousands of digits."""


@cache
def table(name: str) -> Any:
    """Return what is in one of the catalogue's tables, `instances` for example."""
    by_hand = Path(__file__).parent / f"{name}.toml"
    if by_hand.is_file():
        return tomllib.loads(by_hand.read_text("utf-8"))
    return json.loads(by_hand.with_suffix(".json").read_text("utf-8"))


def part(value: object, *path: str) -> Any:
    """Return what lies at a path of names, None where there is nothing."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def items(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def number(value: object) -> int | None:
    """Return a whole number of 32 bits, also one that is written as text; else None.

    Whoever divides such a number by all that could divide it is done in no time.
    """
    if isinstance(value, str) and value.strip().isdecimal() and len(value) <= LONGEST_NUMBER:
        value = int(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if isinstance(value, int) and whole and abs(value) <= LARGEST_NUMBER else None


def written_number(value: object) -> object:
    """Return a number that is written as text as a number, and anything else as it is."""
    return int(value) if isinstance(value, str) and WHOLE.fullmatch(value) else value


def text(value: object) -> str:
    """Return a text, an empty one for anything else."""
    return value if isinstance(value, str) else ""


def document(value: object) -> Any:
    """Return what a JSON text holds; None where it is none.

    Nesting that is too deep is no document either.
    """
    try:
        return json_of("", value) if isinstance(value, str) else None
    except UnreadableError:
        return None
