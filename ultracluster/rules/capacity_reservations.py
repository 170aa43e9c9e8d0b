"""CAPACITY rules about on-demand capacity reservations."""

from collections.abc import Iterator
from typing import Final

from ultracluster.model.model import Model
from ultracluster.model.networks import apart, zone_of
from ultracluster.model.nodes import Node, described
from ultracluster.rules.rule import Fault
from ultracluster.rules.subjects import nodes, of
from ultracluster.templates.resolved import Link, ResolvedResource
from ultracluster.templates.resolved_values import (
    UndeterminedError,
    key,
    number,
    part,
    same,
    settled,
    shown,
    text,
)

LINUX: Final = "Linux/UNIX"
PLACEMENT: Final = "AWS::EC2::PlacementGroup"
RESERVATION: Final = "AWS::EC2::CapacityReservation"
MOST_RESERVED: Final = 1000
DESCRIBE: Final = "aws ec2 describe-capacity-reservations --capacity-reservation-ids <id>"


def _reserved(model: Model, node: Node, *, certain: bool = True) -> ResolvedResource | None:
    """Return the reservation that a node names, None where it names none.

    Raises:
        UndeterminedError: where it is not in the templates, if that must be certain.
    """
    stated = node.reservation()
    if stated is None:
        return None
    return model.given(stated, RESERVATION) if certain else model.found(stated, RESERVATION)


@nodes.warning(
    "CAPACITY-9",
    what="A node names a reservation and a placement group that do not belong together.",
    why="The reserved machines are not near each other, and EC2 finds fewer than are reserved "
    "(InsufficientInstanceCapacity: 16 reserved, 11 got).",
    source="eksctl#7949; terraform-aws-eks PR 3730; aws-parallelcluster#3776; read 2026-11-23",
    fix="write PlacementGroupArn of the group for the reservation, or remove the group",
    check=f"{DESCRIBE} --query 'CapacityReservations[].PlacementGroupArn'",
)
def reservation_in_the_placement_group(model: Model, node: Node) -> Iterator[Fault]:
    group = node.placement_group()
    reservation = None if node.in_a_block() else _reserved(model, node, certain=group is not None)
    if reservation is None:
        return
    name, own = reservation.place.logical_id, reservation.properties.get("PlacementGroupArn")
    if own is None:
        if group is not None:
            yield Fault(f"{name} is in no placement group, its nodes are in {shown(group)}")
    elif group is None:
        yield Fault(
            f"{name} is in {shown(own)}, its nodes are in no placement group",
            fix="write Placement: {GroupName: <Ref of the group>} for the nodes",
        )
    elif isinstance(group, str) and model.found(own, PLACEMENT) is None:
        return
    elif not isinstance(group, Link | str) or not same(own, group):
        yield Fault(f"{name} is in {shown(own)}, its nodes are in {shown(group)}")


@nodes.fatal(
    "CAPACITY-13",
    what="Both a preference and a target are written for reservations.",
    why="EC2 takes CapacityReservationPreference or CapacityReservationTarget and refuses both.",
    source="EC2 API reference, CapacityReservationSpecification, read 2026-11-23",
    fix="keep CapacityReservationTarget and remove CapacityReservationPreference",
    check="aws ec2 describe-launch-template-versions --launch-template-id <id> "
    "--versions '$Latest'",
)
def preference_or_target(_model: Model, node: Node) -> Iterator[Fault]:
    specification = part(node.launch, "CapacityReservationSpecification")
    preference = settled(part(specification, "CapacityReservationPreference"))
    # AWS's own console writes this pair for a target.
    if preference and node.reservation_target() and preference != "capacity-reservations-only":
        yield Fault(f"CapacityReservationPreference {shown(preference)} beside a target")


@nodes.fatal(
    "CAPACITY-14",
    what="Nodes are not what the reservation that they name is for.",
    why="A targeted reservation takes its own instance type, platform and tenancy, and no Spot "
    "instances: launches fail and the reservation is billed unused.",
    source="EC2 User Guide, launch into a Capacity Reservation, read 2026-11-27; "
    "aws-parallelcluster capacity reservation validators, read 2026-11-23",
    fix="write the same InstanceType, InstancePlatform and Tenancy for both, and buy on demand",
    check=f"{DESCRIBE} --query 'CapacityReservations[].[InstanceType,InstancePlatform,Tenancy]'",
)
def reservation_of_the_type(model: Model, node: Node) -> Iterator[Fault]:
    reservation = _reserved(model, node)
    if reservation is None:
        return
    who, name = described(node), reservation.place.logical_id
    reserved = text(reservation.properties.get("InstanceType"))
    for each in node.type_names():
        if each != reserved:
            yield Fault(f"{who} launches {each}, {name} holds {reserved}")
    tenancies = [
        text(stated) or "default"
        for stated in (
            part(node.launch, "Placement", "Tenancy"),
            reservation.properties.get("Tenancy"),
        )
    ]
    if tenancies[0] != tenancies[1]:
        yield Fault(f"{who} has Tenancy {tenancies[0]}, {name} {tenancies[1]}")
    if node.on_spot():
        yield Fault(f"{who} is bought on Spot")
    platform = text(reservation.properties.get("InstancePlatform")) or LINUX
    if platform.startswith("Windows") and _runs_linux(node):
        yield Fault(f"{who} runs Linux, {name} is for {platform}")
    elif platform != LINUX:
        raise UndeterminedError(
            f"{name} is for {platform}, and the platform of its image is not in the templates"
        )


def _runs_linux(node: Node) -> bool:
    """Whether nodes surely run Linux: EFA has no driver for Windows, and PCS takes none."""
    return bool(node.efa_interfaces()) or (
        node.launcher is not None and node.launcher.kind == "pcs"
    )


@nodes.fatal(
    "CAPACITY-15",
    what="Nodes are launched into another zone than the reservation that they name.",
    why="A reservation is in one zone: launches elsewhere fail and it is billed unused.",
    source="aws-parallelcluster capacity reservation validators, read 2026-11-23",
    fix="write the AvailabilityZoneId of the subnet for the reservation",
    check=f"{DESCRIBE} --query 'CapacityReservations[].AvailabilityZoneId'",
)
def reservation_in_the_zone(model: Model, node: Node) -> Iterator[Fault]:
    # Where both zones are named alike.
    reservation = _reserved(model, node)
    if reservation is None:
        return
    reserved = zone_of(reservation)
    for subnet in node.subnets():
        zone = model.networks.subnet(subnet).zone()
        if apart(zone, reserved):
            yield Fault(f"{shown(subnet)} is in {zone.name}, the reservation in {reserved.name}")


@nodes.warning(
    "CAPACITY-16",
    what="More nodes are requested than the named reservation holds.",
    why="A launch that targets a reservation fails once it is full, whatever is free on demand.",
    source="aws-parallelcluster#3776; EC2 User Guide, capacity reservations; read 2026-11-23",
    fix="write an InstanceCount of the reservation that is the most nodes of the group",
    check=f"{DESCRIBE} --query 'CapacityReservations[].AvailableInstanceCount'",
)
def reservation_large_enough(model: Model, node: Node) -> Iterator[Fault]:
    reservation = _reserved(model, node)
    if reservation is None or (most := node.most()) is None:
        return
    reserved = number(reservation.properties.get("InstanceCount"))
    if reserved is not None and most > reserved:
        yield Fault(
            f"{described(node)} launches up to {most}, {reservation.place.logical_id} holds "
            f"{reserved}",
            fix=f"write InstanceCount {most}, or a most of {reserved} nodes",
        )


@of(RESERVATION).fatal(
    "CAPACITY-18",
    what="A reservation asks for a number of instances that one request cannot have.",
    why="EC2 takes 1 to 1,000 instances for each reservation.",
    source="EC2 API reference, CreateCapacityReservation, read 2026-11-23",
    fix="write several reservations of up to 1000 each",
    check="aws ec2 create-capacity-reservation --dry-run --instance-count <count> ...",
)
def reservation_of_allowed_size(_model: Model, reservation: ResolvedResource) -> Iterator[Fault]:
    count = number(reservation.properties.get("InstanceCount"))
    if count is not None and not 1 <= count <= MOST_RESERVED:
        yield Fault(f"InstanceCount is {count}")


@of(RESERVATION).fatal(
    "CAPACITY-19",
    what="EndDateType and EndDate of a reservation do not go together.",
    why="EndDateType limited needs EndDate, and EndDate needs limited; EC2 refuses anything else.",
    source="EC2 API reference, CreateCapacityReservation, read 2026-11-23",
    fix="write EndDateType: limited together with EndDate, or neither",
    check=f"{DESCRIBE} --query 'CapacityReservations[].[EndDateType,EndDate]'",
)
def end_type_with_end_date(_model: Model, reservation: ResolvedResource) -> Iterator[Fault]:
    limited = text(reservation.properties.get("EndDateType")) == "limited"
    dated = reservation.properties.get("EndDate") is not None
    if limited != dated:
        yield Fault("EndDateType limited without EndDate" if limited else "EndDate without limited")


@of(RESERVATION).info(
    "CAPACITY-20",
    what="Any instance of its type can use a reservation of accelerated instances.",
    why="InstanceMatchCriteria open lets any instance of that type in the account take a place, "
    "also one that nobody thought of, and the job that it was made for finds it full.",
    source="EC2 User Guide, capacity reservations, read 2026-11-23",
    fix="write InstanceMatchCriteria: targeted, and name the reservation in the launch template",
    check=f"{DESCRIBE} --query 'CapacityReservations[].InstanceMatchCriteria'",
)
def targeted_reservation(model: Model, reservation: ResolvedResource) -> Iterator[Fault]:
    # One that some node names: naming it is of no use to the others.
    if (text(reservation.properties.get("InstanceMatchCriteria")) or "open") != "open":
        return
    for node in model.nodes:
        stated = node.reservation()
        if stated is not None and key(stated) == reservation.place.key:
            yield Fault("InstanceMatchCriteria is open")
            return
