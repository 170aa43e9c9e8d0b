"""Versions as tuples, so that 1.9 comes before 1.10."""

import re
from typing import Final

Version = tuple[int, ...]

NUMBER: Final = re.compile(r"v?(\d+(?:\.\d+)+)")
"""A version in a text, without suffixes such as `-aws` or `amzn5.0`."""


def version(text: str | None) -> Version | None:
    """Return the first version in a text, None where it holds none."""
    found = NUMBER.search(text or "")
    return tuple(int(part) for part in found[1].split(".")) if found else None


def written(value: Version | None) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, value)) if value else "of an unknown version"
