"""Changes that have one cause, so that a reader judges each cause once.

for group in grouped(changes):
    print(group.danger, group.cause, [change.place for change in group.changes])
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.review.changes.change import Change, Danger, Difference
from ultracluster.review.changes.difference import canonical
from ultracluster.templates.resolved_values import shown

LONGEST: Final = 60
"""Characters of a value that a cause quotes; of a longer one it says only that it changes."""
FOLLOWED: Final = ("Parameters", "Mappings", "Conditions", "Outputs")
"""Sections whose values are used at resources."""
RETENTION: Final = ("@DeletionPolicy", "@UpdateReplacePolicy")
"""Attributes that CDK's removal policy sets together."""


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

    Changes belong together where they make the same edit with the same danger, and where one
    follows from the other (`Change.caused_by`). Each change is in exactly one group.
    """
    by_place = {Difference(c.stack, c.resource, c.property): c for c in changes}
    groups: dict[object, list[Change]] = {}
    for change in changes:
        groups.setdefault(_key(_root(change, by_place)), []).append(change)
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
    return change.property, canonical(change.before), canonical(change.after), change.worst


def _verb(change: Change) -> str:
    if change.before is None:
        return "added"
    return "removed" if change.after is None else "renamed or moved"


def _cause(changes: Sequence[Change]) -> str:
    """Return in a few words what the edit was."""
    first = changes[0]
    if first.caused_by is not None or first.resource_type is None:
        section = (first.caused_by or first).resource
        stacks = ", ".join(_unique((change.caused_by or change).stack for change in changes))
        return f"{section} of {stacks}"
    if not first.property:
        return f"{first.resource_type} {_verb(first)}"
    names = " and ".join(_unique(c.property.removeprefix("@") for c in changes))
    before = _unique(_short(change.before) for change in changes)
    after = _unique(_short(change.after) for change in changes)
    if None in before or None in after:
        return f"{names} {'changes' if ' and ' not in names else 'change'}"
    return f"{names}: {'/'.join(before)} → {'/'.join(after)}"


def _unique(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _short(value: Any) -> str | None:
    """Return a value as a cause quotes it, None where it is too long."""
    if value is None:
        return "none"
    written = json.dumps(value) if isinstance(value, dict | list) else shown(value)
    return written if len(written) <= LONGEST else None
