"""Whether data outlives its resource, and what a replacement or a removal does to it."""

from collections.abc import Iterator, Mapping
from typing import Final

from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.sources import LUSTRE_DELETION, RETENTION
from ultracluster.review.changes.verdict import ANY, Site, Verdict, changed
from ultracluster.review.changes.words import holdings, named
from ultracluster.review.naming import noun
from ultracluster.templates.resolved import ResolvedResource, Unknown

KEPT: Final = ("Retain", "RetainExceptOnCreate")
SNAPSHOT: Final = "Snapshot"

STATEFUL: Final = frozenset(
    {
        "AWS::Backup::BackupVault",
        "AWS::Cognito::UserPool",
        "AWS::DocDB::DBCluster",
        "AWS::DynamoDB::GlobalTable",
        "AWS::DynamoDB::Table",
        "AWS::EC2::Volume",
        "AWS::ECR::Repository",
        "AWS::EFS::FileSystem",
        "AWS::ElastiCache::ReplicationGroup",
        "AWS::FSx::FileSystem",
        "AWS::FSx::Volume",
        "AWS::KMS::Key",
        "AWS::KMS::ReplicaKey",
        "AWS::Kinesis::Stream",
        "AWS::Logs::LogGroup",
        "AWS::Neptune::DBCluster",
        "AWS::OpenSearchService::Domain",
        "AWS::RDS::DBCluster",
        "AWS::RDS::DBInstance",
        "AWS::Redshift::Cluster",
        "AWS::S3::Bucket",
        "AWS::SQS::Queue",
        "AWS::SecretsManager::Secret",
    }
)
"""Types whose deletion deletes what cannot be made again."""

SNAPSHOTS: Final = frozenset(
    {
        "AWS::DocDB::DBCluster",
        "AWS::EC2::Volume",
        "AWS::ElastiCache::CacheCluster",
        "AWS::ElastiCache::ReplicationGroup",
        "AWS::Neptune::DBCluster",
        "AWS::RDS::DBCluster",
        "AWS::RDS::DBInstance",
        "AWS::Redshift::Cluster",
    }
)
"""Types of which CloudFormation can make a snapshot (the same reference); of others it refuses."""

LEAVES_OBJECTS: Final[Mapping[str, str]] = {
    "AWS::S3::Bucket": "S3 refuses to delete a bucket that still holds objects",
    "AWS::ECR::Repository": "ECR refuses to delete a repository that still holds images, unless "
    "EmptyOnDelete is true",
}
"""Types whose deletion fails while there is something in them."""


def policy(resource: ResolvedResource, name: str) -> str | None:
    """Return DeletionPolicy or UpdateReplacePolicy, None where none is written or known."""
    found = resource.deletion_policy if name == "DeletionPolicy" else resource.update_replace_policy
    return None if isinstance(found, Unknown) else found


def outlives(*resources: ResolvedResource | None, name: str) -> str | None:
    """Return what keeps the data: `Retain` or `Snapshot`; None where nothing does.

    Both sides must keep it: which of two policies holds in the update that changes them is not
    documented.
    """
    found = [policy(resource, name) for resource in resources if resource is not None]
    kinds = [resource.resource_type for resource in resources if resource is not None]
    if all(value in KEPT for value in found):
        return "Retain"
    if all(value in (*KEPT, SNAPSHOT) for value in found) and set(kinds) <= SNAPSHOTS:
        return SNAPSHOT
    written = any(value is not None for value in found)
    if name == "DeletionPolicy" and not written and all(map(_snapshot_by_default, resources)):
        return SNAPSHOT
    return None


def _snapshot_by_default(resource: ResolvedResource | None) -> bool:
    """Whether a snapshot is left where no DeletionPolicy is written (the same reference)."""
    if resource is None:
        return True
    kind, cluster = resource.resource_type, resource.properties.get("DBClusterIdentifier")
    return kind == "AWS::RDS::DBCluster" or (kind == "AWS::RDS::DBInstance" and cluster is None)


def replaced(site: Site, because: str, will: str = "will") -> Iterator[Verdict]:
    """Yield what a replacement does, with what becomes of the data; `may` where it is not sure."""
    old = site.old
    assert old is not None  # noqa: S101  (only what was there is replaced)
    name, instead = site.name, _instead(old)
    if old.resource_type not in STATEFUL:
        yield Verdict(Danger.REPLACES, f"{name} {will} be replaced", because, instead, remakes=True)
        return
    data = holdings(old)
    kept = outlives(site.old, site.new, name="UpdateReplacePolicy")
    if kept == "Retain":
        yield Verdict(
            Danger.REPLACES,
            f"{name} {will} be replaced by an empty one; the old one with {data} is left behind, "
            "out of the stack",
            f"{because}; UpdateReplacePolicy Retain keeps the old one ({RETENTION})",
            instead,
            remakes=True,
        )
        yield Verdict(
            Danger.INTERRUPTS, f"what uses the old {noun(old.resource_type)} loses it", because
        )
        yield Verdict(
            Danger.COSTS_MORE,
            "the old one is billed until somebody deletes it",
            f"{RETENTION}",
        )
    elif kept == SNAPSHOT:
        yield Verdict(
            Danger.REPLACES,
            f"{name} {will} be replaced by an empty one; of {data} a snapshot is left",
            f"{because}; UpdateReplacePolicy Snapshot ({RETENTION})",
            instead,
            remakes=True,
        )
    else:
        yield Verdict(
            Danger.LOSES_DATA,
            f"{name} {will} be replaced: {data} gone",
            f"{because}; without UpdateReplacePolicy Retain in both templates the old one is "
            f"deleted ({RETENTION}{_deleted(old)})",
            f"deploy UpdateReplacePolicy: Retain first; {instead}",
        )
        yield Verdict(Danger.REPLACES, "", because, remakes=True)


def _deleted(old: ResolvedResource) -> str:
    return f"; {LUSTRE_DELETION}" if old.resource_type == "AWS::FSx::FileSystem" else ""


def _instead(old: ResolvedResource) -> str:
    if old.resource_type in STATEFUL:
        return (
            f"keep the value; or make a second {noun(old.resource_type)} beside the first, copy, "
            "switch over, then remove the first"
        )
    return "keep the value, or plan for a new one"


def removed(old: ResolvedResource) -> Iterator[Verdict]:
    """Yield what the removal of something that holds data does to it."""
    data, name = holdings(old), named(old)
    kept = outlives(old, name="DeletionPolicy")
    if kept == "Retain":
        yield Verdict(
            Danger.HARMLESS,
            f"{name} leaves the stack and stays in the account with {data}: nobody manages it "
            "from now on, and it is still billed",
            f"DeletionPolicy {policy(old, 'DeletionPolicy')} of the old template ({RETENTION})",
        )
    elif kept == SNAPSHOT:
        yield Verdict(
            Danger.INTERRUPTS,
            f"{name} will be deleted; of {data} a snapshot is left",
            f"DeletionPolicy Snapshot ({RETENTION})",
        )
    else:
        but = LEAVES_OBJECTS.get(old.resource_type)
        yield Verdict(
            Danger.LOSES_DATA,
            f"{name} will be deleted: {data} gone{f'; {but}' if but else ''}",
            f"its DeletionPolicy keeps nothing ({RETENTION}{_deleted(old)})",
            "deploy DeletionPolicy: Retain first, then remove it from the template",
        )


@changed(ANY)
def retention_policy(site: Site) -> Iterator[Verdict]:
    """Judge a change of DeletionPolicy or UpdateReplacePolicy."""
    name = site.path[0].removeprefix("@")
    if name not in ("DeletionPolicy", "UpdateReplacePolicy") or not (site.old and site.new):
        return
    was, now = outlives(site.old, name=name), outlives(site.new, name=name)
    when = (
        "the stack is deleted or it is removed from the template"
        if name == "DeletionPolicy"
        else "an update replaces it"
    )
    if policy(site.new, name) == SNAPSHOT and site.type not in SNAPSHOTS:
        yield Verdict(
            Danger.FAILS,
            f"CloudFormation refuses {name}: Snapshot for {site.name}: it makes no snapshots of "
            f"{site.type}",
            RETENTION,
            f"write {name}: Retain",
        )
    elif was and not now and site.type in STATEFUL:
        yield Verdict(
            Danger.LOSES_DATA,
            f"{site.name} is no longer kept: {holdings(site.new)} will be gone when {when}",
            f"{name} {policy(site.old, name)} becomes {policy(site.new, name) or 'Delete'} "
            f"({RETENTION})",
            f"keep {name}: Retain",
        )
    elif was == now or site.type not in STATEFUL:
        yield Verdict(
            Danger.HARMLESS,
            f"{site.name} is {'kept' if now else 'deleted'} when {when}",
            f"it holds no data that would be lost ({RETENTION})"
            if site.type not in STATEFUL
            else f"both keep it as much as each other ({RETENTION})",
        )
    elif now:
        yield Verdict(
            Danger.HARMLESS,
            f"{site.name} is kept from now on when {when}",
            RETENTION,
        )


__all__ = ["KEPT", "RETENTION", "STATEFUL", "outlives", "removed", "replaced"]
