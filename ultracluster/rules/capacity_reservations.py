"""CAPACITY rules about Capacity Blocks and on-demand capacity reservations."""

from collections.abc import Iterator
from typing import Final

from ultracluster.catalogue.offerings import SIZES
from ultracluster.model.model import Model
from ultracluster.model.networks import apart, zone_of
from ultracluster.model.nodes import Node, described
from ultracluster.rules.capacity_placement import (
    GROUP,
    RESERVATION,
    in_a_group_of_nobody,
    in_no_group,
    kept_apart,
)
from ultracluster.rules.rule import Fault, launches, nodes, of
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import Link, ResolvedResource
from ultracluster.templates.resolved_values import UndeterminedError

LINUX: Final = "Linux/UNIX"
MOST_RESERVED: Final = 1000
MOST_IN_A_BLOCK: Final = SIZES[-1]
BLOCK: Final = "capacity-block"
BLOCK_GUIDE: Final = "EC2 User Guide, Capacity Blocks for ML; AWS PCS guide; read 2026-11-23"
DESCRIBE: Final = "aws ec2 describe-capacity-reservations --capacity-reservation-ids <id>"


def _reserved(model: Model, node: Node, *, certain: bool = True) -> ResolvedResource | None:
    """Return the reservation that a node names, None where it names none."""
    stated = node.reservation()
    if stated is None:
        return None
    return model.get(stated, RESERVATION) if certain else model.find(stated, RESERVATION)


def _group_beside_a_block(_model: Model, node: Node) -> Iterator[Fault]:
    if node.placement_group() is not None and node.in_a_block():
        yield Fault(
            f"MarketType {BLOCK} in placement group {read.shown(node.placement_group())}",
            fix="remove Placement.GroupName: a block has a placement of its own",
        )


def _group_of_the_reservation(model: Model, node: Node) -> Iterator[Fault]:
    group = node.placement_group()
    reservation = None if node.in_a_block() else _reserved(model, node, certain=group is not None)
    if reservation is None:
        return
    name, own = reservation.place.logical_id, reservation.properties.get("PlacementGroupArn")
    if own is None:
        if group is not None:
            yield Fault(f"{name} is in no placement group, its nodes are in {read.shown(group)}")
    elif group is None:
        yield Fault(
            f"{name} is in {read.shown(own)}, its nodes are in no placement group",
            fix="write Placement: {GroupName: <Ref of the group>} for the nodes",
        )
    elif isinstance(group, str) and model.find(own, GROUP) is None:
        return
    elif not isinstance(group, Link | str) or not read.same(own, group):
        yield Fault(f"{name} is in {read.shown(own)}, its nodes are in {read.shown(group)}")


cluster_group_for_nodes = nodes.warning(
    "CAPACITY-3",
    what="Nodes are not in the cluster placement group that they should be in.",
    why="EC2 spreads nodes with EFA over the zone, and with spread or partition keeps them apart: "
    "collectives run at the speed of the farthest pair; beside the group of their reservation it "
    "finds fewer than are reserved (16 reserved, 11 got); a group that nobody makes fails every "
    "launch.",
    source="EC2 User Guide, placement groups and EFA, read 2026-11-23; awsome-distributed-ai PCS "
    "samples, 2026-07-23; eksctl#7949; terraform-aws-eks PR 3730; aws-parallelcluster#3776 and "
    "its capacity block validator",
    fix="write Placement: {GroupName: <Ref of a placement group with Strategy cluster>}, and "
    "PlacementGroupArn of the same group for the reservation",
    check="aws ec2 describe-instances --query 'Reservations[].Instances[].Placement.GroupName'; "
    f"{DESCRIBE} --query 'CapacityReservations[].PlacementGroupArn'",
)(
    *(kept_apart, in_no_group, in_a_group_of_nobody),
    *(_group_beside_a_block, _group_of_the_reservation),
)


@nodes.fatal(
    "CAPACITY-10",
    what="A launch template for a Capacity Block lacks its MarketType or the id of the block.",
    why="EC2 takes a block by MarketType capacity-block together with CapacityReservationId of a "
    "block that was bought, which no stack can make; anything else is refused.",
    source=f"awsome-distributed-ai#1171, #1263; eksctl#8320; read 2026-11-23; {BLOCK_GUIDE}",
    fix="write InstanceMarketOptions: {MarketType: capacity-block} and "
    "CapacityReservationTarget.CapacityReservationId in the launch template",
    check=launches("InstanceMarketOptions"),
)
def launch_from_a_block(model: Model, node: Node) -> Iterator[Fault]:
    if node.market() != BLOCK:
        if node.in_a_block():
            market = node.market() or "not written"
            yield Fault(f"{described(node)} is bought as CAPACITY_BLOCK; MarketType is {market}")
        return
    stated = node.reservation()
    if not node.reservation_target():
        yield Fault(f"MarketType {BLOCK} without a reservation")
    elif stated == "":
        # A parameter whose empty default stands for "must be given", most likely.
        raise UndeterminedError("the id of the block is an empty text")
    elif stated and model.find(stated, RESERVATION):
        # An id that is not of the templates is whatever it is: that is for a look at the account.
        yield Fault(f"MarketType {BLOCK} with {read.shown(stated)}, an on-demand reservation")


@nodes.fatal(
    "CAPACITY-13",
    what="Both a preference and a target are written for reservations.",
    why="EC2 takes CapacityReservationPreference or CapacityReservationTarget and refuses both.",
    source="EC2 API reference, CapacityReservationSpecification, read 2026-11-23",
    fix="keep CapacityReservationTarget and remove CapacityReservationPreference",
    check=launches("CapacityReservationSpecification"),
)
def preference_or_target(_model: Model, node: Node) -> Iterator[Fault]:
    specification = read.part(node.launch, "CapacityReservationSpecification")
    preference = read.settled(specification, "CapacityReservationPreference")
    # AWS's own console writes this pair for a target.
    if preference and node.reservation_target() and preference != "capacity-reservations-only":
        yield Fault(f"CapacityReservationPreference {read.shown(preference)} beside a target")


def _of_another_kind(model: Model, node: Node) -> Iterator[Fault]:
    reservation = _reserved(model, node)
    if reservation is None:
        return
    who, name = described(node), reservation.place.logical_id
    reserved = read.text(reservation.properties, "InstanceType")
    for each in node.type_names():
        if each != reserved:
            yield Fault(f"{who} launches {each}, {name} holds {reserved}")
    tenancies = [
        read.text(stated) or "default"
        for stated in (
            read.part(node.launch, "Placement", "Tenancy"),
            reservation.properties.get("Tenancy"),
        )
    ]
    if tenancies[0] != tenancies[1]:
        yield Fault(f"{who} has Tenancy {tenancies[0]}, {name} {tenancies[1]}")
    if node.on_spot():
        yield Fault(f"{who} is bought on Spot")
    platform = read.text(reservation.properties, "InstancePlatform") or LINUX
    # EFA has no driver for Windows, and PCS takes none.
    of_pcs = node.launcher is not None and node.launcher.kind == "pcs"
    if platform.startswith("Windows") and (node.efa_interfaces() or of_pcs):
        yield Fault(f"{who} runs Linux, {name} is for {platform}")
    elif platform != LINUX:
        raise UndeterminedError(
            f"{name} is for {platform}, and the platform of its image is not in the templates"
        )


def _in_another_zone(model: Model, node: Node) -> Iterator[Fault]:
    # Where both zones are named alike.
    reservation = _reserved(model, node)
    if reservation is None:
        return
    reserved = zone_of(reservation)
    for subnet in node.subnets():
        zone = model.networks.subnet(subnet).zone()
        if apart(zone, reserved):
            yield Fault(
                f"{read.shown(subnet)} is in {zone.name}, the reservation in {reserved.name}"
            )


reservation_for_its_nodes = nodes.fatal(
    "CAPACITY-14",
    what="Nodes do not match the reservation that they target.",
    why="A targeted reservation takes its own instance type, platform, tenancy and zone, and no "
    "Spot instances: launches fail and the reservation is billed unused.",
    source="EC2 User Guide, launch into a Capacity Reservation, read 2026-11-27; "
    "aws-parallelcluster capacity reservation validators, read 2026-11-23",
    fix="write the same InstanceType, InstancePlatform, Tenancy and zone for both, and buy on "
    "demand",
    check=f"{DESCRIBE} --query 'CapacityReservations[].[InstanceType,InstancePlatform,Tenancy,"
    "AvailabilityZoneId]'",
)(_of_another_kind, _in_another_zone)


def _more_than_a_block(_model: Model, node: Node) -> Iterator[Fault]:
    # What AWS Batch may start at most is no request: it starts what its jobs need.
    batch = node.launcher is not None and node.launcher.kind == "batch"
    most = node.most() if node.in_a_block() and not batch else None
    if most is not None and most > MOST_IN_A_BLOCK:
        yield Fault(
            f"{described(node)} launches up to {most} nodes from one block",
            fix=f"write a group of nodes for each block of up to {MOST_IN_A_BLOCK}",
        )


def _more_than_reserved(model: Model, node: Node) -> Iterator[Fault]:
    reservation = None if node.in_a_block() else _reserved(model, node)
    if reservation is None or (most := node.most()) is None:
        return
    reserved = read.number(reservation.properties, "InstanceCount")
    if reserved is not None and most > reserved:
        yield Fault(
            f"{described(node)} launches up to {most}, {reservation.place.logical_id} holds "
            f"{reserved}",
            fix=f"write InstanceCount {most}, or a most of {reserved} nodes",
        )


capacity_large_enough = nodes.warning(
    "CAPACITY-12",
    what="More nodes are requested than the named reservation or Capacity Block holds.",
    why="A launch that targets a reservation fails once it is full, whatever is free on demand; a "
    "block has at most 64 instances.",
    source="aws-parallelcluster#3776; EC2 User Guide, capacity reservations; read 2026-11-23; "
    f"{BLOCK_GUIDE}",
    fix="write an InstanceCount of the reservation that is the most nodes of the group",
    check=f"{DESCRIBE} --query 'CapacityReservations[].[TotalInstanceCount,"
    "AvailableInstanceCount]'",
)(_more_than_a_block, _more_than_reserved)


@of(RESERVATION).fatal(
    "CAPACITY-18",
    what="EC2 refuses the number of instances of a reservation, or its end date.",
    why="A reservation has 1 to 1,000 instances, EndDateType limited needs EndDate, and EndDate "
    "needs limited; anything else is refused.",
    source="EC2 API reference, CreateCapacityReservation, read 2026-11-23",
    fix="write several reservations of up to 1000 each, and EndDateType: limited together with "
    "EndDate, or neither",
    check=f"{DESCRIBE} --query 'CapacityReservations[].[TotalInstanceCount,EndDateType,EndDate]'",
)
def reservation_that_can_be(_model: Model, reservation: ResolvedResource) -> Iterator[Fault]:
    limited = read.text(reservation.properties, "EndDateType") == "limited"
    if limited != (reservation.properties.get("EndDate") is not None):
        yield Fault("EndDateType limited without EndDate" if limited else "EndDate without limited")
    count = read.number(reservation.properties, "InstanceCount")
    if count is not None and not 1 <= count <= MOST_RESERVED:
        yield Fault(f"InstanceCount is {count}")
