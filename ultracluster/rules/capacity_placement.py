"""CAPACITY rules about placement groups, instance types and what is sold where."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from ultracluster.catalogue import instances
from ultracluster.model.model import Model
from ultracluster.model.nodes import Node, described
from ultracluster.rules.rule import About, Fault, nodes, of
from ultracluster.suggestions import did_you_mean
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import ResolvedResource, Unknown
from ultracluster.templates.resolved_values import Key, UndeterminedError

GROUP: Final = "AWS::EC2::PlacementGroup"
RESERVATION: Final = "AWS::EC2::CapacityReservation"
PLACEMENT_GUIDE: Final = "EC2 User Guide, placement groups, read 2026-11-23"
READ_ONLY: Final = ("GroupName", "GroupId")
BATCH_CHOOSES: Final = re.compile(r"optimal|default_")
DESCRIBE: Final = "aws ec2 describe-placement-groups --group-names <group>"


def _strategy(group: ResolvedResource) -> str:
    """Return the strategy of a group; EC2 takes cluster where none is written."""
    return read.text(group.properties, "Strategy") or "cluster"


def in_a_cluster_group(model: Model, node: Node) -> bool:
    """Whether a node is in a placement group that packs its members.

    Raises:
        UndeterminedError: where the group is somebody else's.
    """
    stated = node.placement_group()
    return stated is not None and _strategy(model.get(stated, GROUP)) == "cluster"


@nodes.fatal(
    "CAPACITY-1",
    what="Nodes of a cluster placement group are launched into several availability zones.",
    why="A cluster placement group lies in one zone: launches into every other one fail.",
    source=f"aws-parallelcluster PlacementGroup validators; {PLACEMENT_GUIDE}",
    fix="keep the subnets of one zone, or give each zone a placement group of its own",
    check=DESCRIBE,
)
def cluster_group_in_one_zone(model: Model, node: Node) -> Iterator[Fault]:
    if node.placement_group() is None:
        return
    several = model.networks.several_zones(node.subnets())
    if several and in_a_cluster_group(model, node):
        yield Fault(f"{described(node)} launches into {several} in one cluster placement group")


@of(GROUP).fatal(
    "CAPACITY-2",
    what="GroupName is written for a placement group.",
    why="GroupName is read-only in CloudFormation: the stack is refused, or the name is dropped "
    "and whoever uses it finds no group; cfn-lint 1.58 passes it.",
    source="registry schema AWS::EC2::PlacementGroup, 2026-10-20; cfn-lint 1.58.0 run on "
    "2026-11-23",
    fix="remove GroupName, and use Ref of the group wherever the name is needed",
    check="aws cloudformation describe-type --type RESOURCE "
    "--type-name AWS::EC2::PlacementGroup --query Schema",
)
def placement_group_without_name(_model: Model, group: ResolvedResource) -> Iterator[Fault]:
    for name in READ_ONLY:
        if read.settled(group.properties, name) is not None:
            yield Fault(f"{name} is {read.shown(group.properties[name])}")


@About(lambda model: [n for n in model.nodes if n.launcher and n.launcher.kind == "batch"]).warning(
    "CAPACITY-23",
    what="Nodes with EFA of a Batch environment are bought on Spot.",
    why="EFA is for jobs of several nodes, which Batch does not place on Spot: they stay RUNNABLE.",
    source="AWS Batch user guide, multi-node parallel jobs (facts sheet, 6), read 2026-11-23",
    fix="write Type: EC2 for the compute environment",
    check="aws batch describe-compute-environments --compute-environments <environment> "
    "--query 'computeEnvironments[].computeResources.type'",
)
def on_demand_for_multi_node_jobs(_model: Model, node: Node) -> Iterator[Fault]:
    if node.launcher is None or not node.efa_interfaces():
        return
    kind = read.text(node.launcher.properties, "ComputeResources", "Type")
    if kind in ("SPOT", "FARGATE_SPOT"):
        yield Fault(f"{described(node)} has Type {kind}")


@of("AWS::AutoScaling::AutoScalingGroup").warning(
    "CAPACITY-7",
    what="New nodes are protected from scaling in.",
    why="CloudFormation sets the size to zero and waits when it deletes a group: protected nodes "
    "stay, are billed, and the deletion of the stack fails.",
    source="aws-cdk#18179, read 2026-11-23",
    fix="remove NewInstancesProtectedFromScaleIn",
    check="aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names <group> "
    "--query 'AutoScalingGroups[].NewInstancesProtectedFromScaleIn'",
)
def nodes_may_scale_in(_model: Model, group: ResolvedResource) -> Iterator[Fault]:
    if read.flag(group.properties, "NewInstancesProtectedFromScaleIn"):
        yield Fault("NewInstancesProtectedFromScaleIn is true")


def _unused(model: Model) -> list[str]:
    """Return the placement groups of the templates that no node is known to be in."""
    used: set[Key] = set()
    for node in model.nodes:
        with suppress(UndeterminedError):
            used.add(read.key(node.placement_group()))
    return [g.place.logical_id for g in model.of(GROUP) if g.place.key not in used]


def kept_apart(model: Model, node: Node) -> Iterator[Fault]:
    stated = node.placement_group() if node.efa_interfaces() else None
    group = None if stated is None else model.get(stated, GROUP)
    if group is not None and _strategy(group) in ("spread", "partition"):
        yield Fault(f"{group.place.logical_id} has Strategy {_strategy(group)}")


def in_no_group(model: Model, node: Node) -> Iterator[Fault]:
    apart = node.launcher is None or node.alone() or node.in_a_block() or not node.efa_interfaces()
    if apart or node.placement_group() is not None:
        return
    stated, unused = node.reservation(), model.cached(_unused)
    reserved = stated and model.find(stated, RESERVATION)
    if reserved and reserved.properties.get("PlacementGroupArn") is not None:
        return  # That one says more.
    if not reserved and not unused and node.reservation_target():
        raise UndeterminedError("the reservation that it targets may lie in one")
    made = "".join(f"; {name} is made, and no node is in it" for name in unused[:1])
    yield Fault(f"{described(node)} names none{made}")


def in_a_group_of_nobody(model: Model, node: Node) -> Iterator[Fault]:
    stated = node.placement_group()
    named = None if stated is None else read.key(stated)
    if named is None or not read.known(named) or node.launcher is None:
        return
    resource = model.at(named)
    if resource is not None and resource.resource_type != GROUP:
        yield Fault(f"{read.shown(stated)} is {resource.resource_type}")
    elif isinstance(named, str) and (unused := model.cached(_unused)):
        yield Fault(f"{named} is written, {unused[0]} is made and no node is in it")


@of("AWS::EC2::Subnet", RESERVATION).info(
    "CAPACITY-4",
    what="An Availability Zone is given by its name instead of its id.",
    why="Names such as us-east-1a mean another zone in each account, so that capacity and a type "
    "that were found in one account are missing in the next; ids such as use1-az6 do not.",
    source="aws-parallelcluster#4061, #4342; read 2026-11-23",
    fix="write AvailabilityZoneId, for example use1-az6, in place of AvailabilityZone",
    check="aws ec2 describe-availability-zones --query 'AvailabilityZones[].[ZoneName,ZoneId]'",
)
def zone_by_id(_model: Model, zoned: ResolvedResource) -> Iterator[Fault]:
    # A name that stands in the template, not one that is chosen.
    stated = zoned.properties.get("AvailabilityZone")
    if isinstance(stated, str):
        yield Fault(f"AvailabilityZone is {stated}")


def _sold(name: str, region: str | Unknown, zone: str) -> Iterator[Fault]:
    """Yield a fault where a type of the catalogue is not sold in a Region, or in a zone of it."""
    if isinstance(region, Unknown):
        raise UndeterminedError(region.because)
    zones, prefix = instances.find(name).zones(region), instances.zone_id_prefix(region)
    if prefix and not zone.startswith(f"{prefix}-"):
        yield Fault(f"{zone} is in another Region", fix=f"write one such as {prefix}-az1")
    elif zones is None:
        raise UndeterminedError(f"the zones of {region} are not known")
    elif not zones:
        yield Fault(
            f"{name} is not offered in {region}",
            fix="write another InstanceType, or another Region",
        )
    elif zone not in zones:
        yield Fault(
            f"{name} is not offered in {zone}", fix=f"write AvailabilityZoneId {' or '.join(zones)}"
        )


def _not_in_the_zone(model: Model, node: Node) -> Iterator[Fault]:
    names = [n for n in node.type_names() if n in instances.names()]
    # Of several types any one may be launched, and of several zones as well.
    if len(names) != 1:
        return
    found = [model.networks.subnet(name).zone() for name in node.subnets()]
    if len(found) != 1:
        return
    if not found[0].is_known():
        raise UndeterminedError(found[0].because)
    if found[0].form == "id":
        yield from _sold(names[0], model.variant.region, found[0].name)


def _not_by_block(_model: Model, node: Node) -> Iterator[Fault]:
    for name in node.type_names() if node.in_a_block() else []:
        try:
            sold = instances.find(name).capacity_blocks
        except instances.UnknownInstanceTypeError as error:
            if error.lacks is None:
                raise UndeterminedError(f"{name} is not in the catalogue") from error
            sold = False  # known, and without an accelerator
        if not sold:
            yield Fault(
                f"{name} by Capacity Block",
                fix="write a reservation, or a type that is sold by block such as p5.48xlarge",
            )


type_that_is_sold = nodes.error(
    "CAPACITY-5",
    what="An instance type is not offered in the zone of its nodes, or not by Capacity Block.",
    why="Accelerated types are in a few zones of a Region, and only some are sold by block: every "
    "launch fails with Unsupported.",
    source="aws-parallelcluster#4061, #4342; DescribeInstanceTypeOfferings dump and "
    "DescribeInstanceTypes, SupportedUsageClasses, of 2026-11-23",
    fix="choose a zone that sells the type, by AvailabilityZoneId",
    check="aws ec2 describe-instance-type-offerings --location-type availability-zone-id "
    "--filters Name=instance-type,Values=<type>",
)(_not_in_the_zone, _not_by_block)


@About[Node | ResolvedResource](lambda model: [*model.nodes, *model.of(RESERVATION)]).warning(
    "CAPACITY-30",
    what="EC2 has no instance type of this name.",
    why="EC2 refuses a type that it does not have, and no other rule can judge such a node; a type "
    "that is newer than the list is right all the same.",
    source="DescribeInstanceTypes dump and botocore 1.43.106 (InstanceType); cfn-lint 1.58.0 says "
    "E3628; read 2026-11-27",
    fix="write the name of a type as EC2 has it, for example p4d.24xlarge",
    check="aws ec2 describe-instance-types --instance-types <type>",
)
def type_that_is_known(_model: Model, typed: Node | ResolvedResource) -> Iterator[Fault]:
    if isinstance(typed, ResolvedResource):
        stated = [read.text(typed.properties, "InstanceType")]
    elif typed.launcher is None and read.part(typed.launch, "InstanceType") is None:
        return  # Whoever launches it says the type.
    else:
        stated = [*typed.type_names()]
    known = instances.every_name()
    for name in filter(None, stated):
        # AWS Batch takes families as well, and chooses itself where it is told so.
        if name in known or BATCH_CHOOSES.match(name):
            continue
        if not any(each.startswith(f"{name}.") for each in known):
            yield Fault(f"InstanceType {name}{did_you_mean(name, sorted(known))}")


@nodes.fatal(
    "CAPACITY-6",
    what="CPU options are incomplete, or the instance type does not have them.",
    why="EC2 takes CoreCount and ThreadsPerCore only together, and only values of the type.",
    source="EC2 User Guide, CPU options; DescribeInstanceTypes dump, read 2026-11-23",
    fix="write both, for p4d.24xlarge CoreCount 48 and ThreadsPerCore 1 or 2",
    check="aws ec2 describe-instance-types --instance-types <type> "
    "--query 'InstanceTypes[].VCpuInfo'",
)
def cpu_options_of_the_type(_model: Model, node: Node) -> Iterator[Fault]:
    options = read.part(node.launch, "CpuOptions")
    if options is None:
        return
    cores, threads = read.number(options, "CoreCount"), read.number(options, "ThreadsPerCore")
    if (cores is None) != (threads is None):
        missing = "CoreCount" if cores is None else "ThreadsPerCore"
        yield Fault(f"CpuOptions without {missing}", fix=f"write {missing} as well")
        return
    for instance in node.instance_types():
        if threads and instance.threads_per_core and threads not in instance.threads_per_core:
            yield Fault(
                f"ThreadsPerCore {threads} on {instance.name}",
                fix=f"write {' or '.join(str(t) for t in instance.threads_per_core)}",
            )
        if cores and instance.cores and cores > instance.cores:
            yield Fault(
                f"CoreCount {cores} on {instance.name}", fix=f"write at most {instance.cores}"
            )
