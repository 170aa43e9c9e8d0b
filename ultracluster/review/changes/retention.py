"""Whether data outlives its resource, and what a replacement or a removal does to it."""

from collections.abc import Iterator
from typing import Final

from ultracluster.model.storage import KEPT
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.rules import ANY, Edit, Effect, when_changed, when_removed
from ultracluster.review.naming import holdings, named, noun
from ultracluster.review.resource_types import resource_type
from ultracluster.review.tables import LUSTRE_DELETION, RETENTION
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


def outlives(*resources: ResolvedResource | None, name: str) -> str | None:
    """Return what keeps the data: `Retain` or `Snapshot`; None where nothing does.

    Both the old and the new resource must keep it: which of two policies holds in the update that
    changes them is not documented.
    """
    there = [resource for resource in resources if resource is not None]
    found = [policy(resource, name) for resource in there]
    if all(value in KEPT for value in found):
        return "Retain"
    snapshots = all(resource_type(resource.resource_type).snapshots for resource in there)
    if snapshots and all(value in (*KEPT, SNAPSHOT) for value in found):
        return SNAPSHOT
    unwritten = name == "DeletionPolicy" and all(value is None for value in found)
    return SNAPSHOT if unwritten and all(map(_snapshot_by_default, there)) else None


def _snapshot_by_default(resource: ResolvedResource) -> bool:
    """Whether a snapshot is left where no DeletionPolicy is written (the same reference)."""
    kind, cluster = resource.resource_type, resource.properties.get("DBClusterIdentifier")
    return kind == "AWS::RDS::DBCluster" or (kind == "AWS::RDS::DBInstance" and cluster is None)


def replaced(
    edit: Edit,
    because: str,
    will: str = "will",
    keep: str = "keep the value",
    policy: str = "UpdateReplacePolicy",
) -> Iterator[Effect]:
    """Yield what a replacement does, with what becomes of the data; `may` where it is not sure."""
    assert edit.old is not None  # noqa: S101  (only what was there is replaced)
    says, kind = f"{edit.name} {will} be replaced by a new one", noun(edit.old.resource_type)
    if not resource_type(edit.old.resource_type).holds:
        advice = f"{keep}, or plan for a new one"
        yield Effect(Danger.REPLACES, says, because, advice, new_id=True)
        return
    advice = (
        f"{keep}; or make a second {kind} beside the first, copy, switch over, remove the first"
    )
    data = holdings(edit.old)
    # For a removal the old template decides; for an update which of both does is not documented.
    deciding = (edit.old,) if policy == "DeletionPolicy" else (edit.old, edit.new)
    kept = outlives(*deciding, name=policy)
    if kept == "Retain":
        says += f", empty; the old one with {data} is left behind, out of the stack"
        why = f"{because}; {policy} Retain keeps the old one ({RETENTION})"
        yield Effect(Danger.REPLACES, says, why, advice, new_id=True)
        yield Effect(Danger.INTERRUPTS, f"what uses the old {kind} loses it", because)
        says = "the old one is billed until somebody deletes it"
        yield Effect(Danger.COSTS_MORE, says, RETENTION)
    elif kept == SNAPSHOT:
        says += f", empty; of {data} a snapshot is left"
        why = f"{because}; {policy} Snapshot ({RETENTION})"
        yield Effect(Danger.REPLACES, says, why, advice, new_id=True)
    else:
        both = " in both templates" if len(deciding) > 1 else ""
        why = f"{because}; without {policy} Retain{both} the old one is deleted "
        why += f"({RETENTION}{_deleted(edit.old)})"
        advice = f"deploy {policy}: Retain first; {advice}"
        yield Effect(Danger.LOSES_DATA, f"{says}: {data} gone", why, advice)
        yield Effect(Danger.REPLACES, "", because, new_id=True)


def _deleted(old: ResolvedResource) -> str:
    return f"; {LUSTRE_DELETION}" if old.resource_type == "AWS::FSx::FileSystem" else ""


@when_removed(ANY)
def data_removed(edit: Edit) -> Iterator[Effect]:
    old = edit.old or edit.resource
    known = resource_type(old.resource_type)
    if not known.holds:
        return
    data, name = holdings(old), named(old)
    kept = outlives(old, name="DeletionPolicy")
    if kept == "Retain":
        says = f"{name} leaves the stack and stays in the account with {data}: nobody manages it "
        says += "from now on, and it is still billed"
        why = f"DeletionPolicy {policy(old, 'DeletionPolicy')} of the old template ({RETENTION})"
        yield Effect(Danger.HARMLESS, says, why)
    elif kept == SNAPSHOT:
        says = f"{name} will be deleted; of {data} a snapshot is left"
        yield Effect(Danger.INTERRUPTS, says, f"DeletionPolicy Snapshot ({RETENTION})")
    else:
        but = f"; {known.refuses_deletion}" if known.refuses_deletion else ""
        yield Effect(
            Danger.LOSES_DATA,
            f"{name} will be deleted: {data} gone{but}",
            f"its DeletionPolicy keeps nothing ({RETENTION}{_deleted(old)})",
            "deploy DeletionPolicy: Retain first, then remove it from the template",
        )


@when_changed(ANY)
def retention_policy(edit: Edit) -> Iterator[Effect]:
    name = edit.path[0].removeprefix("@")
    if name not in POLICIES or not (edit.old and edit.new):
        return
    when, known = POLICIES[name], resource_type(edit.type)
    was, now = outlives(edit.old, name=name), outlives(edit.new, name=name)
    if policy(edit.new, name) == SNAPSHOT and not known.snapshots:
        says = f"CloudFormation refuses {name}: Snapshot for {edit.name}: it makes no snapshots of "
        yield Effect(Danger.FAILS, f"{says}{edit.type}", RETENTION, f"write {name}: Retain")
    elif not known.holds:
        says = f"{edit.name} is {'kept' if now else 'deleted'} when {when}"
        yield Effect(Danger.HARMLESS, says, f"it holds no data that would be lost ({RETENTION})")
    elif was and not now:
        says = f"{edit.name} is no longer kept: {holdings(edit.new)} will be gone when {when}"
        to = policy(edit.new, name) or "Delete"
        why = f"{name} {policy(edit.old, name)} becomes {to} ({RETENTION})"
        yield Effect(Danger.LOSES_DATA, says, why, f"keep {name}: Retain")
    else:
        says = f"{edit.name} is {'kept' if now else 'deleted'} when {when}"
        why = f"no less is kept than before ({RETENTION})"
        yield Effect(Danger.HARMLESS, says, why)
