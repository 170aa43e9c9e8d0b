"""Changes that have one cause, so that a reader judges each cause once.

for group in grouped(changes):
    print(group.danger, group.cause, [change.place for change in group.changes])
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from ultracluster.review.changes.change import Change, Danger, Difference
from ultracluster.review.changes.difference import canonical
from ultracluster.templates import resolved_values

LONGEST_OF_A_CAUSE: Final = 100
"""Characters of a value that a cause quotes; of a longer one it says only that it changes."""
MOST_EDITS: Final = 2
"""Edits of a section that its cause quotes."""
FOLLOWED: Final = ("Parameters", "Mappings", "Conditions", "Outputs")
"""Sections whose values are used at resources."""
RETENTION: Final = ("@DeletionPolicy", "@UpdateReplacePolicy")
"""Attributes that CDK's removal policy sets together."""


T = TypeVar("T")
K = TypeVar("K")


@dataclass(frozen=True)
class Group:
    """Changes with one cause: the same edit of several resources, and everything that follows."""

    cause: str
    """What was edited: `DeletionPolicy and UpdateReplacePolicy: Retain → Delete`."""
    danger: Danger
    """The worst that any of its changes does."""
    changes: tuple[Change, ...]
    """In the order in which they were given."""

    @property
    def places(self) -> tuple[str, ...]:
        """The places of its changes, each once: one resource may have several changes."""
        return tuple(dict.fromkeys(change.place for change in self.changes))


def grouped(changes: Sequence[Change]) -> tuple[Group, ...]:
    """Return changes in groups of one cause, in the order of the first change of each.

    Changes belong together where they make the same edit with the same danger, where they do the
    same to one resource, and where one follows from the other (`Change.caused_by`). Each change is
    in exactly one group.
    """
    by_place = {Difference(c.stack, c.resource, c.property): c for c in changes}
    done: dict[object, object] = {}

    def key(change: Change) -> object:
        root = _root(change, by_place)
        said = root.what.replace(root.property.rpartition(".")[2] or root.what, "")
        own = root.stack, root.resource, root.worst, said
        return done.setdefault(own, _key(root)) if root.property else _key(root)

    groups = together(changes, key)
    return tuple(
        Group(
            _cause([change for change in members if _root(change, by_place) is change] or members),
            min((change.worst for change in members), key=lambda danger: danger.rank),
            tuple(members),
        )
        for members in groups.values()
    )


def _root(change: Change, by_place: Mapping[Difference, Change]) -> Change:
    """Return the change from which another follows, itself where it follows from none."""
    seen = {id(change)}
    while change.caused_by is not None:
        found = by_place.get(change.caused_by)
        if found is None or id(found) in seen:
            break
        seen.add(id(found))
        change = found
    return change


def _key(change: Change) -> object:
    """Return what is equal for all changes of one cause."""
    if change.caused_by is not None:
        return change.caused_by
    if change.resource_type is None and change.resource in FOLLOWED:
        # What a section's values become at resources stands with the section as a whole.
        return Difference(change.stack, change.resource, "")
    if change.resource_type is None:
        return change.resource, change.property, change.worst
    if not change.property:
        return _verb(change), change.resource_type, change.worst
    if change.property in RETENTION:
        return "retention", canonical(change.after), change.worst
    name, before, after = _edit(change)
    return name, canonical(before), canonical(after), change.worst


def _edit(change: Change) -> tuple[str, Any, Any]:
    """Return where a property differs, as narrowly as one place has it, and both values there."""
    name = change.property.removeprefix("@")
    before, after = _entries_that_differ(change.before, change.after)
    if before is not change.before or after is not change.after:
        name += " (an entry)"
    while True:
        keys: list[Any] = []
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            keys = [key for key in after if key in before]
            if len(keys) < max(len(before), len(after)):
                break
        elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
            keys = list(range(len(after)))
        differ = [key for key in keys if before[key] != after[key]]
        if len(differ) != 1:
            break
        before, after = before[differ[0]], after[differ[0]]
        if isinstance(differ[0], str) and not differ[0].startswith("Fn::"):
            name += f".{differ[0]}"
    if isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        before, after = _lines_that_differ(before, after)
    return name, before, after


def _entries_that_differ(before: Any, after: Any) -> tuple[Any, Any]:
    """Return two values, of lists of which one has an entry more that entry alone."""
    lists = [[] if value is None else value for value in (before, after)]
    if all(isinstance(value, list) for value in lists) and len(lists[0]) != len(lists[1]):
        texts = [[canonical(entry) for entry in value] for value in lists]
        gone, new = (
            [entry for entry, text in zip(own, mine, strict=True) if text not in other]
            for own, mine, other in zip(lists, texts, reversed(texts), strict=True)
        )
        if len(gone) + len(new) == 1:
            return next(iter(gone), None), next(iter(new), None)
    return before, after


def _lines_that_differ(before: str, after: str) -> tuple[str, str]:
    """Return two texts without the lines with which both begin, and with which both end."""
    old, new = before.splitlines(), after.splitlines()
    for _ in range(2):
        same = next((n for n, (o, w) in enumerate(zip(old, new, strict=False)) if o != w), None)
        same = min(len(old), len(new)) if same is None else same
        old, new = old[same:][::-1], new[same:][::-1]
    return "\n".join(old).strip(), "\n".join(new).strip()


def _verb(change: Change) -> str:
    if change.before is None:
        return "added"
    return "removed" if change.after is None else "renamed or moved"


def _cause(changes: Sequence[Change]) -> str:
    """Return in a few words what the edit was."""
    own = [change for change in changes if change.caused_by is None]
    first = (own or changes)[0]
    if first.resource_type is not None and own and not first.property:
        return f"{first.resource_type} {_verb(first)}"
    edits = list(dict.fromkeys((n, *map(_written, values)) for n, *values in map(_edit, own)))
    said = ", ".join(
        f"{name}: {before} → {after}".removeprefix(": ")
        if max(len(before), len(after)) <= LONGEST_OF_A_CAUSE
        else f"{name} changes".strip()
        for name, before, after in edits
    )
    if first.resource_type is None or not own:
        section = (first.caused_by or first).resource
        stacks = ", ".join(dict.fromkeys((c.caused_by or c).stack for c in changes))
        told = own and len(edits) <= MOST_EDITS
        return f"{section} of {stacks}" + (f": {said}" if told else "")
    if {change.property for change in own} <= {*RETENTION}:
        name, before, after = (list(dict.fromkeys(each)) for each in zip(*edits, strict=True))
        return f"{' and '.join(name)}: {'/'.join(before)} → {'/'.join(after)}"
    return said


def _written(value: Any) -> str:
    if value is None:
        return "none"
    return json.dumps(value) if isinstance(value, dict | list) else resolved_values.shown(value)


def causes(changes: Sequence[Change]) -> list[Group]:
    return sorted(grouped(changes), key=lambda group: group.danger.rank)


def together(items: Sequence[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Return things by a key, in the order in which each key comes first."""
    found: dict[K, list[T]] = {}
    for each in items:
        found.setdefault(key(each), []).append(each)
    return found
