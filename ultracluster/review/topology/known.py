"""What the templates leave open is `NotKnown`, with its reason."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ultracluster.templates.resolved_values import Key, UndeterminedError, key, part


@dataclass(frozen=True, slots=True)
class NotKnown:
    """What the templates leave open."""

    because: str


T = TypeVar("T")


def read(function: Callable[..., T], *arguments: Any) -> T | NotKnown:
    """Return what a function reads of resolved values, or why that is not known."""
    try:
        return function(*arguments)
    except UndeterminedError as error:
        return NotKnown(error.because)


def at(function: Callable[[Any], T], value: Any, *path: str) -> T | NotKnown:
    """Return what a function reads at a path of a resolved value, or why that is not known."""
    return read(lambda: function(part(value, *path)))


def or_none(value: T | NotKnown | None) -> T | None:
    return None if isinstance(value, NotKnown) else value


def key_at(value: Any, *path: str) -> Key | None:
    """Return what a resolved value refers to at a path, None where that is not known."""
    found = at(key, value, *path)
    return None if isinstance(found, NotKnown) else found


def words(value: object, unknown: str = "not known") -> str:
    """Return a value for a reader."""
    if isinstance(value, NotKnown) or value is None:
        return unknown
    return f"{value:,}" if isinstance(value, int) else str(value)


def zone_title(zone: str) -> str:
    """Return what a zone is called: `zone 0 of the Region` and `zone not known` say it."""
    if zone.startswith("zone not"):
        return zone
    return f"Zone {zone.removeprefix('zone ')}"
