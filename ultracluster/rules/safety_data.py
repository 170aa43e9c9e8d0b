"""SAFETY rules about data and images that an update, a deletion or an expiry deletes."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.model.model import Model
from ultracluster.model.policies import Identity
from ultracluster.model.resource import Index, Stack, index
from ultracluster.model.storage import (
    KEPT,
    STATEFUL,
    FileSystem,
    holds_data,
    kept_at_deletion,
    kept_at_replacement,
    keys_of,
    lost_when_replaced,
)
from ultracluster.rules.rule import About, Fault, file_systems, of
from ultracluster.rules.sagemaker_clusters import SERVICE
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import ResolvedResource
from ultracluster.templates.resolved_values import Key, UndeterminedError
from ultracluster.templates.texts import document

DELETION_GUIDE: Final = "CloudFormation User Guide, DeletionPolicy, read 2026-11-23"
POLICIES: Final = "aws cloudformation get-template --stack-name <stack>"
KEY: Final = "AWS::KMS::Key"
BUCKET: Final = "AWS::S3::Bucket"
ASSOCIATION: Final = "AWS::FSx::DataRepositoryAssociation"
SHORT: Final = 90
"""Days below which an expiry of what jobs write is worth a question."""
FEW: Final = 5
"""Images below which a job of last week may have none."""


@About(lambda model: [r for r in model.stateful if r.resource_type.endswith("FileSystem")]).warning(
    "SAFETY-1",
    what="A file system has neither DeletionPolicy nor UpdateReplacePolicy.",
    why="Without DeletionPolicy and UpdateReplacePolicy a deletion, and an update that replaces "
    "(another subnet, group or key), delete the file system with its data.",
    source=f"aws-parallelcluster#4651; {DELETION_GUIDE}",
    fix="write DeletionPolicy and UpdateReplacePolicy, Retain or, for data that may go, Delete",
    check=POLICIES,
)
def decided_policies(_model: Model, system: ResolvedResource) -> Iterator[Fault]:
    if system.deletion_policy is None and system.update_replace_policy is None:
        yield Fault("neither DeletionPolicy nor UpdateReplacePolicy is written")


def _lost_in_updates(_model: Model, resource: ResolvedResource) -> Iterator[Fault]:
    if not lost_when_replaced(resource):
        return
    if kept_at_deletion(resource) and not kept_at_replacement(resource):
        yield Fault(
            f"DeletionPolicy is {read.shown(resource.deletion_policy)}, UpdateReplacePolicy is "
            f"{read.shown(resource.update_replace_policy or 'not written')}"
        )


def _without_its_key(model: Model, resource: ResolvedResource) -> Iterator[Fault]:
    if resource.resource_type == "AWS::KMS::Key" or not kept_at_deletion(resource):
        return
    for stated in keys_of(resource):
        if stated is None:
            continue
        found = model.find(stated, "AWS::KMS::Key", "AWS::KMS::Alias")
        if found and found.resource_type == "AWS::KMS::Alias":
            found = model.find(found.properties.get("TargetKeyId"), "AWS::KMS::Key")
        if found and not kept_at_deletion(found):
            yield Fault(
                f"{found.place.logical_id} is deleted with its stack, this "
                f"{STATEFUL[resource.resource_type]} is kept"
            )


data_that_is_kept = About[ResolvedResource](lambda model: model.stateful).fatal(
    "SAFETY-2",
    what="Data that outlives its stack is lost by an update, or with the key that decrypts it.",
    why="DeletionPolicy says nothing about updates: one that replaces the resource deletes the "
    "old one, and its data; a deleted key makes everything that was encrypted with it unreadable.",
    source=f"aws-parallelcluster#4651; KMS developer guide, deleting keys; {DELETION_GUIDE}",
    fix="write DeletionPolicy and UpdateReplacePolicy Retain, for the key as well",
    check=f"{POLICIES}; aws kms describe-key --key-id <key> --query KeyMetadata.DeletionDate",
)(_lost_in_updates, _without_its_key)


@file_systems.warning(
    "SAFETY-4",
    what="A file system is kept, but its security group or subnet is not.",
    why="The file system's network interfaces stay: the deletion of the group and of the subnet "
    "fails, and the stack with it (DependencyViolation).",
    source="aws-cdk#31521, read 2026-11-23",
    fix="write DeletionPolicy Retain for the group and the subnet as well",
    check="aws ec2 describe-network-interfaces --filters Name=group-id,Values=<group>",
)
def groups_kept_with_interfaces(model: Model, system: FileSystem) -> Iterator[Fault]:
    # A snapshot is no file system any more, and has no interfaces.
    if read.settled(system.resource.deletion_policy) not in KEPT:
        return
    for stated in (*system.groups(), *read.items(system.properties, "SubnetIds")):
        found = model.find(stated, "AWS::EC2::SecurityGroup", "AWS::EC2::Subnet")
        if found and read.settled(found.deletion_policy) not in KEPT:
            yield Fault(f"{found.place.logical_id} is deleted with its stack")


@of("AWS::EC2::CapacityReservation").warning(
    "SAFETY-15",
    what="A capacity reservation is cancelled with its stack, or by an update that replaces it.",
    why="Capacity that is given up may not be got again: a destroy by mistake, or a change of a "
    "create-only property (type, zone, placement group), costs the cluster its machines.",
    source=f"EC2 User Guide, Capacity Reservations; {DELETION_GUIDE}",
    fix="write DeletionPolicy: RetainExceptOnCreate and UpdateReplacePolicy: Retain; then cancel "
    "it by hand, as it is charged until then",
    check=POLICIES,
)
def kept_capacity(_model: Model, reservation: ResolvedResource) -> Iterator[Fault]:
    if reservation.properties.get("EndDate") is not None:
        return
    if not (kept_at_deletion(reservation) and kept_at_replacement(reservation)):
        yield Fault(
            f"DeletionPolicy is {read.shown(reservation.deletion_policy or 'not written')}, Update"
            f"ReplacePolicy is {read.shown(reservation.update_replace_policy or 'not written')}"
        )


@About[Stack](lambda model: model.stacks).info(
    "SAFETY-14",
    what="A stack that keeps data has no termination protection.",
    why="Without termination protection one command deletes everything around the data, and "
    "leaves what is retained to be found and imported by hand.",
    source="botocore 1.44.5 cloudformation model, EnableTerminationProtection; read 2026-11-26",
    fix="write termination_protection=True for the stack",
    check="aws cloudformation describe-stacks --stack-name <stack> "
    "--query 'Stacks[].EnableTerminationProtection'",
)
def termination_protection_for_data(_model: Model, stack: Stack) -> Iterator[Fault]:
    # A template alone does not say it: whoever deploys it does.
    if stack.template is None or stack.template.protected is not False:
        return
    for resource in stack.resources:
        beside = resource.resource_type == KEY or not lost_when_replaced(resource)
        if holds_data(resource) and not beside and kept_at_deletion(resource):
            yield Fault(
                f"{resource.place.logical_id} is kept, and {stack.place.stack} has no "
                "termination protection",
                place=resource.place,
            )
            return


@of("AWS::Budgets::Budget").warning(
    "SAFETY-6",
    what="A budget notifies nobody of its spending.",
    why="Without a notification that has subscribers nothing happens when it is spent.",
    source="aws-parallelcluster#3205, #2104, read 2026-11-23",
    fix="write NotificationsWithSubscribers with an address or a topic",
    check="aws budgets describe-notifications-for-budget --account-id <id> --budget-name <budget>",
)
def budget_with_subscribers(_model: Model, budget: ResolvedResource) -> Iterator[Fault]:
    notifications = read.items(budget.properties, "NotificationsWithSubscribers")
    unknown = None
    for notification in notifications:
        try:
            if read.settled(notification, "Subscribers"):
                return
        except UndeterminedError as error:
            unknown = error
    if unknown:
        raise unknown
    yield Fault("no notification has a subscriber")


def _paths(model: Model) -> Index[Any]:
    stated = [a.properties.get("DataRepositoryPath") for a in model.of(ASSOCIATION)]
    return index(stated, lambda path: [link.key for link in read.links(path)])


def _linked_paths(model: Model, bucket: ResolvedResource) -> list[str]:
    """Return the prefixes of a bucket that file systems are linked to."""
    linked = model.cached(_paths).found.get(bucket.place.key, ())
    return [read.written(path).rpartition("\x00/")[2] for path in linked]


def _written(model: Model) -> Index[Identity]:
    """Return the roles of jobs and nodes by what they may write to."""

    def named(role: Identity) -> Iterator[Key]:
        services = {service for service, _ in role.trusted()}
        if SERVICE in services or role.key in model.roles_of_nodes:
            for statement in role.statements:
                if statement.names("s3:PutObject") and statement.allows():
                    yield from (link.key for link in read.links(statement.resources()))

    return index(model.roles, named)


def _expiring(bucket: ResolvedResource) -> Iterator[tuple[str, int]]:
    """Yield prefix and days of the rules that delete objects which are current."""
    for rule in read.items(bucket.properties, "LifecycleConfiguration", "Rules"):
        days = read.number(rule, "ExpirationInDays")
        if read.text(rule, "Status") == "Enabled" and days and not read.part(rule, "TagFilters"):
            yield read.text(rule, "Prefix") or read.text(rule, "Filter", "Prefix") or "", days


def _data_expires(model: Model, bucket: ResolvedResource) -> Iterator[Fault]:
    for prefix, days in _expiring(bucket):
        paths = _linked_paths(model, bucket)
        hit = [path for path in paths if path.startswith(prefix) or prefix.startswith(path)]
        of_jobs = not prefix and days <= SHORT and any(model.cached(_written).of(bucket.place.key))
        if hit or of_jobs:
            what = f"/{hit[0]}" if hit else "what jobs write"
            yield Fault(f"{what} expires after {days} days")


def _expired_images(repository: ResolvedResource) -> Iterator[str]:
    policy = document(read.part(repository.properties, "LifecyclePolicy", "LifecyclePolicyText"))
    stated: Any = policy.get("rules") if isinstance(policy, Mapping) else None
    for rule in stated if isinstance(stated, list) else []:
        if read.part(rule, "selection", "tagStatus") != "any":
            continue
        count = read.number(rule, "selection", "countNumber") or 0
        if read.part(rule, "selection", "countType") == "sinceImagePushed":
            yield f"every image goes {count} days after it was pushed"
        elif count < FEW:
            yield f"all but {count} images go"


def _images_go(model: Model, repository: ResolvedResource) -> Iterator[Fault]:
    mutability = read.text(repository.properties, "ImageTagMutability") or "MUTABLE"
    if mutability == "MUTABLE":
        yield Fault("ImageTagMutability is MUTABLE: a tag can be pushed again")
    kept = kept_at_deletion(repository)
    data = (r.place.logical_id for r in model.resources if holds_data(r) and kept_at_deletion(r))
    beside = next(data, None)
    if beside and read.flag(repository.properties, "EmptyOnDelete"):
        yield Fault(f"EmptyOnDelete deletes its images, while {beside} is kept")
    elif beside and not kept:
        yield Fault(f"it is deleted with its stack, while {beside} is kept")
    for said in _expired_images(repository):
        yield Fault(said)


stores_that_stay = of(BUCKET, "AWS::ECR::Repository").warning(
    "SAFETY-22",
    what="Datasets, checkpoints or results expire, or images can be deleted or overwritten.",
    why="S3 deletes them for good after these days, and where the file system imports deletions "
    "it deletes them there as well, in the middle of a run; a job that is restarted after weeks "
    "pulls nothing, or another image than it was tested with.",
    source="S3 user guide, lifecycle; FSx guide, automatic import; ECR user guide, lifecycle "
    "policies and tag mutability; CloudFormation reference, EmptyOnDelete; read 2026-11-27",
    fix="remove ExpirationInDays, or write the Prefix of what may go; write ImageTagMutability: "
    "IMMUTABLE, expire untagged images alone, and keep the repository as the data is kept",
    check="aws s3api get-bucket-lifecycle-configuration --bucket <bucket>; aws ecr "
    "get-lifecycle-policy --repository-name <repository>",
)(lambda model, r: (_data_expires if r.resource_type == BUCKET else _images_go)(model, r))
