"""SAFETY rules about data: what an update or a deletion loses, and what stays behind."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ultracluster.model.model import Model, Stack
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
from ultracluster.rules.rule import About, Fault, file_systems, in_turn, of
from ultracluster.templates.resolved import ResolvedResource
from ultracluster.templates.resolved_values import UndeterminedError, items, part, settled, shown
from ultracluster.templates.scope import mapping

DELETION_GUIDE: Final = "CloudFormation User Guide, DeletionPolicy, read 2026-11-23"
POLICIES: Final = "aws cloudformation get-template --stack-name <stack>"
MOST_RESOURCES: Final = 500
MOST_OF_A_SECTION: Final = 200
MOST_BYTES: Final = 1024 * 1024
SECTIONS: Final = ("Parameters", "Outputs", "Mappings")
KEY: Final = "AWS::KMS::Key"
AWS: Final = "AWS::"
"""How the names of AWS's own transforms begin."""


@About(lambda model: [r for r in model.stateful if r.resource_type.endswith("FileSystem")]).warning(
    "SAFETY-1",
    what="No policy says what happens to the data of a file system.",
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
            f"DeletionPolicy is {shown(resource.deletion_policy)}, UpdateReplacePolicy is "
            f"{shown(resource.update_replace_policy or 'not written')}"
        )


def _without_its_key(model: Model, resource: ResolvedResource) -> Iterator[Fault]:
    if resource.resource_type == "AWS::KMS::Key" or not kept_at_deletion(resource):
        return
    for stated in keys_of(resource):
        if stated is None:
            continue
        found = model.found(stated, "AWS::KMS::Key", "AWS::KMS::Alias")
        if found and found.resource_type == "AWS::KMS::Alias":
            found = model.found(found.properties.get("TargetKeyId"), "AWS::KMS::Key")
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
)(in_turn(_lost_in_updates, _without_its_key))


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
    if settled(system.resource.deletion_policy) not in KEPT:
        return
    for stated in (*system.groups(), *items(system.properties.get("SubnetIds"))):
        found = model.found(stated, "AWS::EC2::SecurityGroup", "AWS::EC2::Subnet")
        if found and settled(found.deletion_policy) not in KEPT:
            yield Fault(f"{found.place.logical_id} is deleted with its stack")


@of("AWS::EC2::CapacityReservation").warning(
    "SAFETY-15",
    what="A capacity reservation is given up with its stack, or by an update that replaces it.",
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
            f"DeletionPolicy is {shown(reservation.deletion_policy or 'not written')}, "
            f"UpdateReplacePolicy is {shown(reservation.update_replace_policy or 'not written')}"
        )


@About(lambda model: model.stacks).fatal(
    "SAFETY-5",
    what="A template is larger than CloudFormation takes, or one of its resources has no type.",
    why="500 resources, 200 parameters, outputs and mappings, and 1 MB are fixed limits, and every "
    "resource has a Type such as AWS::EC2::VPC; the template is refused.",
    source="CloudFormation quotas, read 2026-11-23; template anatomy, Resources, read 2026-11-27",
    fix="split the template into stacks that are deployed together; write the Type",
    check="aws cloudformation validate-template --template-body file://<template>",
)
def template_within_quotas(_model: Model, stack: Stack) -> Iterator[Fault]:
    if (count := len(stack.resources)) > MOST_RESOURCES:
        yield Fault(f"{count} resources in {stack.place.stack}")
    if stack.template is None:
        return
    for name in SECTIONS:
        section = stack.template.body.get(name)
        if isinstance(section, dict) and len(section) > MOST_OF_A_SECTION:
            yield Fault(f"{len(section)} {name} in {stack.place.stack}")
    if stack.template.size is not None and stack.template.size > MOST_BYTES:
        yield Fault(f"{stack.template.size:,} bytes in {stack.place.stack}")
    yield from _without_type(stack.template.body, stack.resources)


def _without_type(body: Mapping[str, Any], found: Sequence[ResolvedResource]) -> Iterator[Fault]:
    """Yield a fault for each resource that CloudFormation could not make for want of a type."""
    untyped = [r for r in found if "::" not in r.resource_type]
    if not untyped:
        return
    transforms = items(body.get("Transform"))
    if "Fn::Transform" in body["Resources"] or not all(str(t).startswith(AWS) for t in transforms):
        raise UndeterminedError("a macro may write the Type of a resource")
    for resource in untyped:
        stated = mapping(body["Resources"].get(resource.place.logical_id)).get("Type")
        said = "no Type" if stated is None else f"Type {shown(stated)}, which is none"
        yield Fault(f"{resource.place.logical_id} has {said}", "write its Type", resource.place)


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
    notifications = items(budget.properties.get("NotificationsWithSubscribers"))
    unknown = None
    for notification in notifications:
        try:
            if settled(part(notification, "Subscribers")):
                return
        except UndeterminedError as error:
            unknown = error
    if unknown:
        raise unknown
    yield Fault("no notification has a subscriber")
