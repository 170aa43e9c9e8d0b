"""CAPACITY rules about instance types and zones: what EC2 has, and what is sold where."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from ultracluster.catalogue import instances
from ultracluster.model.model import Model
from ultracluster.model.nodes import Node
from ultracluster.rules.rule import About, Fault, nodes
from ultracluster.suggestions import did_you_mean
from ultracluster.templates.resolved import ResolvedResource, Unknown
from ultracluster.templates.resolved_values import UndeterminedError, number, part, text

BATCH_CHOOSES: Final = re.compile(r"optimal|default_")


def _zoned(model: Model) -> Sequence[ResolvedResource]:
    kinds = ("AWS::EC2::Subnet", "AWS::EC2::CapacityReservation")
    return [r for r in model.of(*kinds) if "AvailabilityZone" in r.properties]


@About(_zoned).info(
    "CAPACITY-4",
    what="A zone is given by its name instead of its id.",
    why="Names such as us-east-1a mean another zone in each account, so that capacity and a type "
    "that were found in one account are missing in the next; ids such as use1-az6 do not.",
    source="aws-parallelcluster#4061, #4342; read 2026-11-23",
    fix="write AvailabilityZoneId, for example use1-az6, in place of AvailabilityZone",
    check="aws ec2 describe-availability-zones --query 'AvailabilityZones[].[ZoneName,ZoneId]'",
)
def zone_by_id(_model: Model, zoned: ResolvedResource) -> Iterator[Fault]:
    # A name that stands in the template, not one that is chosen.
    stated = zoned.properties["AvailabilityZone"]
    if isinstance(stated, str):
        yield Fault(f"AvailabilityZone is {stated}")


def _sold(name: str, region: str | Unknown, zone: str) -> Iterator[Fault]:
    """Yield a fault where a type of the catalogue is not sold in a Region, or in a zone of it."""
    if isinstance(region, Unknown):
        raise UndeterminedError(region.because)
    zones = instances.find(name).zones(region)
    if zones is None:
        raise UndeterminedError(f"the zones of {region} are not known")
    if not zones:
        yield Fault(
            f"{name} is not sold in {region}", fix="write another InstanceType, or another Region"
        )
    elif zone not in zones:
        yield Fault(
            f"{name} is not sold in {zone}", fix=f"write AvailabilityZoneId {' or '.join(zones)}"
        )


@nodes.error(
    "CAPACITY-5",
    what="An instance type is not sold in the zone that its nodes are launched into.",
    why="Accelerated types are in a few zones of a Region; elsewhere every launch fails with "
    "Unsupported.",
    source="aws-parallelcluster#4061, #4342; DescribeInstanceTypeOfferings dump of 2026-11-23",
    fix="choose a zone that sells the type, by AvailabilityZoneId",
    check="aws ec2 describe-instance-type-offerings --location-type availability-zone-id "
    "--filters Name=instance-type,Values=<type>",
)
def type_sold_in_the_zone(model: Model, node: Node) -> Iterator[Fault]:
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


def _typed(model: Model) -> Sequence[Node | ResolvedResource]:
    return [*model.nodes, *model.of("AWS::EC2::CapacityReservation")]


@About(_typed).warning(
    "CAPACITY-30",
    what="No list of EC2's instance types has this name.",
    why="EC2 refuses a type that it does not have, and no other rule can judge such a node; a type "
    "that is newer than the list is right all the same.",
    source="DescribeInstanceTypes dump and botocore 1.43.106 (InstanceType); cfn-lint 1.58.0 says "
    "E3628; read 2026-11-27",
    fix="write the name of a type as EC2 has it, for example p4d.24xlarge",
    check="aws ec2 describe-instance-types --instance-types <type>",
)
def type_that_is_known(_model: Model, typed: Node | ResolvedResource) -> Iterator[Fault]:
    if isinstance(typed, ResolvedResource):
        stated = [text(typed.properties.get("InstanceType"))]
    elif typed.launcher is None and part(typed.launch, "InstanceType") is None:
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
    options = part(node.launch, "CpuOptions")
    if options is None:
        return
    cores, threads = number(part(options, "CoreCount")), number(part(options, "ThreadsPerCore"))
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


@nodes.error(
    "CAPACITY-17",
    what="A Capacity Block is requested of a type that is not sold by block.",
    why="Only some accelerated types have the usage class capacity-block.",
    source="EC2 DescribeInstanceTypes, SupportedUsageClasses, read 2026-11-23",
    fix="write a reservation, or a type that is sold by block such as p5.48xlarge",
    check="aws ec2 describe-instance-types --instance-types <type> "
    "--query 'InstanceTypes[].SupportedUsageClasses'",
)
def block_of_a_type_sold_so(_model: Model, node: Node) -> Iterator[Fault]:
    for name in node.type_names() if node.in_a_block() else []:
        try:
            sold = instances.find(name).capacity_blocks
        except instances.UnknownInstanceTypeError as error:
            if error.lacks is None:
                raise UndeterminedError(f"the catalogue does not hold {name}") from error
            sold = False  # known, and without an accelerator
        if not sold:
            yield Fault(f"{name} by Capacity Block")
