"""Changes that have one cause, so that a reader judges each cause once.

for group in grouped(changes):
    print(group.danger, group.cause, [change.place for change in group.changes])
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from ultracluster.review.changes.change import Change, Danger, Difference
from ultracluster.review.changes.difference import canonical, is_function, without_common_ends
from ultracluster.review.naming import group_by
from ultracluster.templates.resolved_values import shown

LONGEST_OF_A_CAUSE: Final = 100
"""Characters of a value that a cause quotes; of a longer one it says only that it changes."""
MOST_EDITS: Final = 2
"""Edits of a section that its cause quotes."""
FOLLOWED: Final = ("Parameters", "Mappings", "Conditions", "Outputs")
"""Sections whose values are used at resources."""
RETENTION: Final = ("@DeletionPolicy", "@UpdateReplacePolicy")
"""Attributes that CDK's removal policy sets together."""


@dataclass(frozen=True)
class Group:
    """Changes with one cause: the same edit of several resources, and everything that follows."""

    cause: str
    """What was edited: `DeletionPolicy and UpdateReplacePolicy: Retain → Delete`."""
    changes: tuple[Change, ...]
    """The most dangerous first."""

    @property
    def danger(self) -> Danger:
        """The worst that any of its changes does."""
        return self.changes[0].worst

    @property
    def places(self) -> tuple[str, ...]:
        """The places of its changes, each once: one resource may have several changes."""
        return tuple(dict.fromkeys(change.place for change in self.changes))


def grouped(changes: Sequence[Change]) -> tuple[Group, ...]:
    """Return changes, the most dangerous first, in groups of one cause, in the same order.

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

    return tuple(
        Group(
            _cause([change for change in members if _root(change, by_place) is change] or members),
            tuple(members),
        )
        for members in group_by(changes, key).values()
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
    name, before, after = change.property.removeprefix("@"), change.before, change.after
    while len(parts := _parts_that_differ(before, after)) == 1:
        part, before, after = parts[0]
        name += part
    if isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        lines = without_common_ends(before.splitlines(), after.splitlines())
        before, after = ("\n".join(each).strip() for each in lines)
    return name, before, after


def _parts_that_differ(before: Any, after: Any) -> list[tuple[str, Any, Any]]:
    """Return the parts in which two values differ; none where they do not have the same parts."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        keys = [key for key in after if before.keys() == after.keys() and before[key] != after[key]]
        return [("" if is_function(after) else f".{key}", before[key], after[key]) for key in keys]
    if not isinstance(before or [], list) or not isinstance(after or [], list):
        return []
    old, new = without_common_ends(before or [], after or [])
    if len(old) == len(new):
        pairs = zip(old, new, strict=True)
        return [("", was, now) for was, now in pairs if was != now]
    entry = (" (an entry)", next(iter(old), None), next(iter(new), None))
    return [entry] if len(old) + len(new) == 1 else []


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
    edits = dict.fromkeys(
        (n, written(was, "none"), written(now, "none")) for n, was, now in map(_edit, own)
    )
    said = ", ".join(map(_edits, group_by(edits, itemgetter(2)).values()))
    if first.resource_type is not None and own:
        return said
    section = (first.caused_by or first).resource
    stacks = ", ".join(dict.fromkeys((c.caused_by or c).stack for c in changes))
    told = own and len(edits) <= MOST_EDITS
    return f"{section} of {stacks}" + (f": {said}" if told else "")


def _edits(alike: Iterable[tuple[str, str, str]]) -> str:
    """Return edits that lead to the same value in words."""
    names, before, after = (list(dict.fromkeys(each)) for each in zip(*alike, strict=True))
    if max(map(len, [*before, *after])) > LONGEST_OF_A_CAUSE:
        return f"{' and '.join(names)} changes".strip()
    return f"{' and '.join(names)}: {'/'.join(before)} → {after[0]}".removeprefix(": ")


def written(value: Any, nothing: str = "nothing") -> str:
    """Return a text as it is, and any other value as JSON."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return nothing if value is None else value if isinstance(value, str) else shown(value)
