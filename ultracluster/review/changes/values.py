"""Reading of resolved values by rules: nothing here raises for what is not known."""

from collections.abc import Mapping, Sequence
from typing import Any

from ultracluster.templates.resolved import Encoded, Text, Unknown
from ultracluster.templates.resolved_values import UndeterminedError, items, links, number, text
from ultracluster.templates.texts import identity

Key = tuple[str, str]
"""Stack and logical id of a resource."""


def linked(value: Any) -> set[Key]:
    return {(link.stack, link.logical_id) for link in links(value)}


def at(value: Any, path: Sequence[str]) -> Any:
    """Return what lies at a path of a resolved value, for `*` of every item of a list."""
    for index, part in enumerate(path):
        if part == "*":
            rest = path[index + 1 :]
            return [at(item, rest) for item in value] if isinstance(value, list) else None
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def differs(one: Any, other: Any) -> bool:
    """Whether two resolved values differ, or may."""
    mine, its = identity(one), identity(other)
    return mine is None or its is None or mine != its


def entries(value: Any) -> list[Mapping[str, Any]]:
    """Return the mappings of a list, none where it is not known."""
    try:
        return [item for item in items(value) if isinstance(item, Mapping)]
    except LookupError:
        return []


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
    try:
        return items(value)
    except LookupError:
        return [value]


def count(value: Any) -> int | None:
    """Return a resolved value as a whole number, None where it is none or is not known."""
    try:
        return number(value)
    except UndeterminedError:
        return None


def known_text(value: Any) -> str | None:
    """Return a resolved value as text, None where it is none or is not known."""
    try:
        return text(value)
    except UndeterminedError:
        return None


def true(value: Any) -> bool:
    return known_text(value) in ("true", "True")
