"""Changes that CloudFormation makes by a new resource, and what follows from them elsewhere."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.registry.schemas import Schema, at
from ultracluster.review.changes.capacity import RESERVATION, second_reservation
from ultracluster.review.changes.change import Danger, Difference, Key
from ultracluster.review.changes.difference import Path, dotted
from ultracluster.review.changes.launch_templates import TEMPLATE, template_data
from ultracluster.review.changes.retention import replaced
from ultracluster.review.changes.rules import ANY, Edit, Effect, when_changed
from ultracluster.review.changes.update import Update, VariantPair
from ultracluster.review.known import differs, known_text, linked, true
from ultracluster.review.resource_types import resource_type
from ultracluster.review.tables import (
    CUSTOM_NAME,
    EXPORTS,
    ORDER,
    PURPOSE,
    REFERENCE,
    REGISTRY,
)

Consequence = tuple[Edit, Difference, Difference, list[Effect]]
"""A edit that follows, its place, what it follows from, and what it does."""
WORTH_A_LINE: Final = (
    Danger.LOSES_DATA,
    Danger.REPLACES,
    Danger.FAILS,
    Danger.INTERRUPTS,
    Danger.REDUCES_CAPACITY,
)
"""What of a consequence is said; what it costs more stands where it comes from."""


@when_changed(ANY)
def create_only(edit: Edit) -> Iterator[Effect]:
    """Judge a property that is part of what a resource is made as."""
    schema, known = edit.schema, resource_type(edit.type)
    if schema is None or edit.old is None or edit.new is None or edit.beside:
        return
    if known.passes_traffic:
        return
    if always := _differing(edit, schema.create_only):
        yield from _replacement(edit, _source(schema, always), always)
        return
    sometimes = _differing(edit, schema.conditional_create_only)
    if sometimes and sometimes[0] not in known.updated_in_place:
        because = f"{dotted(sometimes)} is create-only for some of its changes ({REGISTRY})"
        yield from _replacement(edit, because, sometimes, "may")


def _differing(edit: Edit, pointers: tuple[Path, ...]) -> Path | None:
    """Return the first of some paths at which the values differ because of this change."""
    return next((p for p in pointers if edit.touches(*p) and edit.differs(*p)), None)


def _source(schema: Schema, path: Path) -> str:
    """Return who says that a property is create-only."""
    name = dotted(path)
    if path in schema.documented:
        return f"{name}: update requires replacement ({REFERENCE}; the registry's schema is silent)"
    return f"{name} is create-only ({REGISTRY})"


def _replacement(edit: Edit, because: str, path: Path, will: str = "will") -> Iterator[Effect]:
    """Yield everything about a replacement; `may` where it is not sure."""
    yield from replaced(edit, because, will)
    yield from what_ends(edit)
    yield from _named_by_hand(edit, path)
    yield from exported(edit)
    yield from twin(edit)


def what_ends(edit: Edit) -> Iterator[Effect]:
    if says := resource_type(edit.type).ends:
        yield Effect(Danger.INTERRUPTS, says, PURPOSE)


def _named_by_hand(edit: Edit, path: Path) -> Iterator[Effect]:
    """A resource whose name is written cannot be made a second time."""
    name = edit.schema.custom_name if edit.schema else None
    was, now = edit.both(name) if name and (name,) != path else (None, None)
    if was is not None and not differs(was, now):
        says = f"CloudFormation refuses: {edit.name} is named {known_text(now) or 'by hand'}, and a"
        says += " second one of that name cannot be made"
        advice = f"change {name} in the same deployment"
        yield Effect(Danger.FAILS, says, CUSTOM_NAME, advice)


def exported(edit: Edit) -> Iterator[Effect]:
    """An export that another stack imports cannot change its value."""
    assert edit.old_key is not None  # noqa: S101  (only what was there is replaced)
    users = edit.pair.old.users.get(edit.old_key, ())
    if stacks := {user.place.stack for user in users} - {edit.old_key[0]}:
        others = ", ".join(sorted(stacks))
        verb = "imports" if len(stacks) == 1 else "import"
        says = f"the deployment stops at the export that {others} {verb}: its value cannot change "
        advice = f"remove the use of it in {others} first, in a deployment of its own"
        yield Effect(Danger.FAILS, f"{says}while it is in use", EXPORTS, advice)


def twin(edit: Edit) -> Iterator[Effect]:
    """Some things cannot stand beside what they replace."""
    known = resource_type(edit.type)
    follows = edit.follows and edit.path[0] in known.alone_by
    if known.alone and not follows and not any(map(edit.differs, known.alone_by)):
        yield Effect(Danger.FAILS, f"the new one is refused: {known.alone}", ORDER)
    if edit.type == "AWS::EC2::VPCEndpoint" and all(map(true, edit.both("PrivateDnsEnabled"))):
        elsewhere = edit.follows and edit.path[0] == "VpcId"
        if not elsewhere and not edit.differs("ServiceName") and not edit.differs("VpcId"):
            says = "the new endpoint is refused: its private DNS name is the old one's"
            advice = "set PrivateDnsEnabled to false in a deployment before"
            yield Effect(Danger.FAILS, says, ORDER, advice)


def consequences(update: Update, pair: VariantPair) -> Iterator[Consequence]:
    """Yield everything that follows from replacements: whoever is made with the old one's id."""
    seen = set(pair.replaced)
    waiting = deque(pair.replaced.items())
    updated: set[tuple[Key, Path]] = set()
    while waiting:
        target, cause = waiting.popleft()
        for user in pair.new.users.get(target, ()):
            key = user.place.key
            # What is new itself, or was renamed, is another one anyhow.
            if pair.old.at(key) is None or key == target:
                continue
            for path in _paths(user.properties, target):
                edit = Edit(update, pair, key, key, path, follows=True)
                place = Difference(*key, dotted(path))
                pointer = _create_only(edit, path)
                if pointer is not None and key not in seen:
                    seen.add(key)
                    waiting.append((key, place))
                    if not resource_type(edit.type).passes_traffic:
                        yield edit, place, cause, list(_follows(edit, pointer, cause))
                elif pointer is None and (key, path) not in updated and key not in seen:
                    updated.add((key, path))
                    found = template_data(edit) if edit.type == TEMPLATE else ()
                    if effects := [v for v in found if v.danger in WORTH_A_LINE]:
                        yield edit, place, cause, effects


def _paths(properties: Mapping[str, Any], target: Key) -> Iterator[Path]:
    """Yield the paths of the values that refer to a resource; lists are one value."""
    left: list[tuple[Path, Any]] = [((str(name),), value) for name, value in properties.items()]
    while left:
        path, value = left.pop()
        if isinstance(value, Mapping):
            left.extend(((*path, str(name)), inner) for name, inner in value.items())
        elif target in linked(value):
            yield path


def _create_only(edit: Edit, path: Path) -> Path | None:
    """Return the create-only path that a reference at a path belongs to, if there is one."""
    schema = edit.schema
    if schema is None:
        return None
    for pointer in schema.create_only:
        if edit.touches(*pointer) and linked(at(edit.resource.properties, pointer)):
            return pointer
    in_place = resource_type(edit.type).updated_in_place
    sometimes = (p for p in schema.conditional_create_only if p[0] not in in_place)
    return next((p for p in sometimes if path[: len(p)] == p), None)


def _follows(edit: Edit, pointer: Path, cause: Difference) -> Iterator[Effect]:
    assert edit.schema is not None  # noqa: S101  (its pointer was just found)
    source = _source(edit.schema, pointer)
    because = f"it refers to {cause.resource}, which is replaced; {source}"
    yield from _replacement(edit, because, pointer)
    if edit.type == RESERVATION:
        yield second_reservation(edit)
