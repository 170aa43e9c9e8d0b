"""Reading of resolved values by rules: nothing here raises for what is not known."""

from collections.abc import Mapping
from typing import Any

from ultracluster.review.topology.known import NotKnown, or_none, read
from ultracluster.templates.resolved import Encoded, Text, Unknown
from ultracluster.templates.resolved_values import items, links, number, text
from ultracluster.templates.texts import identity

Key = tuple[str, str]
"""Stack and logical id of a resource."""


def linked(value: Any) -> set[Key]:
    return {link.key for link in links(value)}


def differs(one: Any, other: Any) -> bool:
    """Whether two resolved values differ, or may."""
    mine, its = identity(one), identity(other)
    return mine is None or its is None or mine != its


def entries(value: Any) -> list[Mapping[str, Any]]:
    """Return the mappings of a list, none where it is not known."""
    return [item for item in or_none(read(items, value)) or () if isinstance(item, Mapping)]


def missing(value: Any) -> str | None:
    """Return why a value refers to nothing, None where everything in it leads somewhere."""
    left = [value]
    while left:
        found = left.pop()
        if isinstance(found, Unknown) and found.dangling:
            return found.because
        if isinstance(found, Mapping):
            left.extend(found.values())
        elif isinstance(found, list | tuple):
            left.extend(found)
        elif isinstance(found, Text):
            left.extend(found.parts)
        elif isinstance(found, Encoded):
            left.append(found.content)
    return None


def lost(was: Any, now: Any) -> list[Any]:
    kept = {identity(item) for item in _items(now)}
    return [item for item in _items(was) if identity(item) not in kept]


def _items(value: Any) -> list[Any]:
    found = read(items, value)
    return [value] if isinstance(found, NotKnown) else found


def count(value: Any) -> int | None:
    """Return a resolved value as a whole number, None where it is none or is not known."""
    return or_none(read(number, value))


def known_text(value: Any) -> str | None:
    """Return a resolved value as text, None where it is none or is not known."""
    return or_none(read(text, value))


def true(value: Any) -> bool:
    return known_text(value) in ("true", "True")
