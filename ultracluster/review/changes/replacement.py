"""What CloudFormation replaces, what becomes of the data in it, and what follows elsewhere."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.model.storage import KEPT
from ultracluster.registry.schemas import Schema, at
from ultracluster.review import tables as source
from ultracluster.review.changes.change import Danger, Difference, Key
from ultracluster.review.changes.difference import Path, dotted
from ultracluster.review.changes.nodes import (
    RESERVATION,
    TEMPLATE,
    second_reservation,
    template_data,
)
from ultracluster.review.changes.update import ANY, Edit, Effect, Update, VariantPair, when
from ultracluster.review.naming import holdings, named, noun
from ultracluster.review.resolved import differs, known_text, linked, true
from ultracluster.review.resource_types import resource_type
from ultracluster.templates.resolved import ResolvedResource, Unknown

SNAPSHOT: Final = "Snapshot"
POLICIES: Final = {
    "DeletionPolicy": "the stack is deleted or it is removed from the template",
    "UpdateReplacePolicy": "an update replaces it",
}
"""When each of them is applied."""


def policy(resource: ResolvedResource, name: str) -> str | None:
    """Return DeletionPolicy or UpdateReplacePolicy, None where none is written or known."""
    found = resource.deletion_policy if name == "DeletionPolicy" else resource.update_replace_policy
    return None if isinstance(found, Unknown) else found


def outlives(resource: ResolvedResource, name: str) -> str | None:
    """Return what keeps the data: `Retain` or `Snapshot`; None where nothing does."""
    found, kind = policy(resource, name), resource.resource_type
    if found in KEPT:
        return "Retain"
    if found == SNAPSHOT and resource_type(kind).snapshots:
        return SNAPSHOT
    # Of a database a snapshot is left where no DeletionPolicy is written (the same reference).
    cluster = resource.properties.get("DBClusterIdentifier")
    alone = kind == "AWS::RDS::DBCluster" or (kind == "AWS::RDS::DBInstance" and cluster is None)
    return SNAPSHOT if name == "DeletionPolicy" and found is None and alone else None


def replaced(
    edit: Edit,
    because: str,
    will: str = "will",
    keep: str = "keep the value",
    policy: str = "UpdateReplacePolicy",
) -> Iterator[Effect]:
    """Yield what a replacement does, with what becomes of the data; `may` where it is not sure."""
    old, data = edit.former, holdings(edit.former)
    says, kind = f"{named(old)} {will} be replaced by a new one", noun(old.resource_type)
    if not resource_type(old.resource_type).holds:
        advice = f"{keep}, or plan for a new one"
        yield Effect(Danger.REPLACES, says, because, advice, new_id=True)
        return
    advice = (
        f"{keep}; or make a second {kind} beside the first, copy, switch over, remove the first"
    )
    # For a removal the old template decides; for an update which of both does is not documented,
    # so that both must keep the data.
    deciding = (old,) if policy == "DeletionPolicy" else (old, edit.resource)
    ways = [outlives(each, policy) for each in deciding]
    kept = None if None in ways else max(map(str, ways))
    if kept == "Retain":
        says += f", empty; the old one with {data} is left behind, out of the stack"
        why = f"{because}; {policy} Retain keeps the old one ({source.RETENTION})"
        yield Effect(Danger.REPLACES, says, why, advice, new_id=True)
        yield Effect(Danger.INTERRUPTS, f"what uses the old {kind} loses it", because)
        says = "the old one is billed until somebody deletes it"
        yield Effect(Danger.COSTS_MORE, says, source.RETENTION)
    elif kept == SNAPSHOT:
        says += f", empty; of {data} a snapshot is left"
        why = f"{because}; {policy} Snapshot ({source.RETENTION})"
        yield Effect(Danger.REPLACES, says, why, advice, new_id=True)
    else:
        both = " in both templates" if len(deciding) > 1 else ""
        why = f"{because}; without {policy} Retain{both} the old one is deleted "
        why += f"({source.RETENTION}{_deleted(old)})"
        advice = f"deploy {policy}: Retain first; {advice}"
        yield Effect(Danger.LOSES_DATA, f"{says}: {data} gone", why, advice)
        yield Effect(Danger.REPLACES, "", because, new_id=True)


def _deleted(old: ResolvedResource) -> str:
    return f"; {source.LUSTRE_DELETION}" if old.resource_type == "AWS::FSx::FileSystem" else ""


@when("removed", ANY)
def data_removed(edit: Edit) -> Iterator[Effect]:
    old, data, name = edit.former, holdings(edit.former), named(edit.former)
    known, kept = resource_type(old.resource_type), outlives(old, "DeletionPolicy")
    if not known.holds:
        return
    if kept == "Retain":
        says = f"{name} leaves the stack and stays in the account with {data}: nobody manages it "
        says += "from now on, and it is still billed"
        why = f"its DeletionPolicy is {policy(old, 'DeletionPolicy')} ({source.RETENTION})"
        yield Effect(Danger.HARMLESS, says, why)
    elif kept == SNAPSHOT:
        says = f"{name} will be deleted; of {data} a snapshot is left"
        yield Effect(Danger.INTERRUPTS, says, f"DeletionPolicy Snapshot ({source.RETENTION})")
    else:
        but = f"; {known.refuses_deletion}" if known.refuses_deletion else ""
        yield Effect(
            Danger.LOSES_DATA,
            f"{name} will be deleted: {data} gone{but}",
            f"its DeletionPolicy keeps nothing ({source.RETENTION}{_deleted(old)})",
            "deploy DeletionPolicy: Retain first, then remove it from the template",
        )


def retention(edit: Edit, name: str) -> Effect:
    """Return what it does that DeletionPolicy or UpdateReplacePolicy changes."""
    applied, known = POLICIES[name], resource_type(edit.type)
    was, now = outlives(edit.former, name), outlives(edit.resource, name)
    stated = policy(edit.resource, name)
    if stated == SNAPSHOT and not known.snapshots:
        says = f"CloudFormation refuses {name}: Snapshot for {edit.name}: it makes no snapshots of "
        return Effect(Danger.FAILS, f"{says}{edit.type}", source.RETENTION, f"write {name}: Retain")
    if was and not now and known.holds:
        says = f"{edit.name} is no longer kept: {holdings(edit.resource)} will be gone when "
        why = (
            f"{name} {policy(edit.former, name)} becomes {stated or 'Delete'} ({source.RETENTION})"
        )
        return Effect(Danger.LOSES_DATA, f"{says}{applied}", why, f"keep {name}: Retain")
    says = f"{edit.name} is {'kept' if now else 'deleted'} when {applied}"
    why = "no less is kept than before" if known.holds else "it holds no data that would be lost"
    return Effect(Danger.HARMLESS, says, f"{why} ({source.RETENTION})")


Consequence = tuple[Edit, Difference, Difference, list[Effect]]
"""An edit that follows, its place, what it follows from, and what it does."""
WORTH_A_LINE: Final = (
    Danger.LOSES_DATA,
    Danger.REPLACES,
    Danger.FAILS,
    Danger.INTERRUPTS,
    Danger.REDUCES_CAPACITY,
)
"""What of a consequence is said; what it costs more stands where it comes from."""


@when("changed", ANY)
def create_only(edit: Edit) -> Iterator[Effect]:
    """Judge a property that is part of what a resource is made as."""
    schema, known = edit.schema, resource_type(edit.type)
    if schema is None or known.passes_traffic:
        return
    always, sometimes = (
        next((p for p in pointers if edit.touches(*p) and edit.differs(*p)), None)
        for pointers in (schema.create_only, schema.conditional_create_only)
    )
    if always:
        yield from _replacement(edit, _source(schema, always), always)
    elif sometimes and sometimes[0] not in known.updated_in_place:
        because = f"{dotted(sometimes)} is create-only for some of its changes ({source.REGISTRY})"
        yield from _replacement(edit, because, sometimes, "may")


def _source(schema: Schema | None, path: Path) -> str:
    """Return who says that a property is create-only."""
    name = dotted(path)
    if schema and path in schema.documented:
        return f"{name}: update requires replacement ({source.REFERENCE}; not in the schema)"
    return f"{name} is create-only ({source.REGISTRY})"


def _replacement(edit: Edit, because: str, path: Path, will: str = "will") -> Iterator[Effect]:
    """Yield everything about a replacement; `may` where it is not sure."""
    yield from replaced(edit, because, will)
    yield from what_ends(edit)
    name = edit.schema.custom_name if edit.schema else None
    was, now = edit.both(name) if name and (name,) != path else (None, None)
    if was is not None and not differs(was, now):
        says = f"CloudFormation refuses: {edit.name} is named {known_text(now) or 'by hand'}, and a"
        says += " second one of that name cannot be made"
        advice = f"change {name} in the same deployment"
        yield Effect(Danger.FAILS, says, source.CUSTOM_NAME, advice)
    yield from exported(edit)
    yield from twin(edit)


def what_ends(edit: Edit) -> Iterator[Effect]:
    if says := resource_type(edit.type).ends:
        yield Effect(Danger.INTERRUPTS, says, source.PURPOSE)


def exported(edit: Edit) -> Iterator[Effect]:
    """An export that another stack imports cannot change its value."""
    own = edit.former.place
    users = edit.pair.old.users.get(own.key, ())
    if stacks := {user.place.stack for user in users} - {own.stack}:
        others = ", ".join(sorted(stacks))
        verb = "imports" if len(stacks) == 1 else "import"
        says = f"the deployment stops at the export that {others} {verb}: its value cannot change "
        advice = f"remove the use of it in {others} first, in a deployment of its own"
        yield Effect(Danger.FAILS, f"{says}while it is in use", source.EXPORTS, advice)


def twin(edit: Edit) -> Iterator[Effect]:
    """Some things cannot stand beside what they replace."""
    known = resource_type(edit.type)
    follows = edit.follows and edit.path[0] in known.alone_by
    if known.alone and not follows and not any(map(edit.differs, known.alone_by)):
        yield Effect(Danger.FAILS, f"the new one is refused: {known.alone}", source.ORDER)
    if edit.type == "AWS::EC2::VPCEndpoint" and all(map(true, edit.both("PrivateDnsEnabled"))):
        elsewhere = edit.follows and edit.path[0] == "VpcId"
        if not elsewhere and not edit.differs("ServiceName") and not edit.differs("VpcId"):
            says = "the new endpoint is refused: its private DNS name is the old one's"
            advice = "set PrivateDnsEnabled to false in a deployment before"
            yield Effect(Danger.FAILS, says, source.ORDER, advice)


def consequences(update: Update, pair: VariantPair) -> Iterator[Consequence]:
    """Yield everything that follows from replacements: whoever is made with the old one's id."""
    seen = set(pair.replaced)
    waiting = deque(pair.replaced.items())
    updated: set[tuple[Key, Path]] = set()
    while waiting:
        target, cause = waiting.popleft()
        for user in pair.new.users.get(target, ()):
            key = user.place.key
            # What is new itself, or was renamed, is another resource already.
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
                        because = f"it refers to {cause.resource}, which is replaced; "
                        because += _source(edit.schema, pointer)
                        effects = list(_replacement(edit, because, pointer))
                        if edit.type == RESERVATION:
                            effects.append(second_reservation(edit))
                        yield edit, place, cause, effects
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
