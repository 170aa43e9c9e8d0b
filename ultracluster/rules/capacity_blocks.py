"""CAPACITY rules about Capacity Blocks."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from ultracluster.catalogue.instances import UnknownInstanceTypeError, find
from ultracluster.model.model import Model
from ultracluster.model.nodes import Node, described
from ultracluster.rules.rule import Fault
from ultracluster.rules.subjects import nodes
from ultracluster.templates.resolved_values import UndeterminedError, shown

MOST_IN_A_BLOCK: Final = 64
BLOCK: Final = "capacity-block"
BLOCK_GUIDE: Final = "EC2 User Guide, Capacity Blocks for ML; AWS PCS guide; read 2026-11-23"
DESCRIBE: Final = "aws ec2 describe-capacity-reservations --capacity-reservation-ids <id>"
MIXED_UP: Final = "awsome-distributed-ai#1171, #1263; eksctl#8320; read 2026-11-23"
in_blocks: Final = replace(nodes, source=f"{MIXED_UP}; {BLOCK_GUIDE}")


@in_blocks.warning(
    "CAPACITY-8",
    what="A node is launched into a Capacity Block and into a placement group.",
    why="The block has a placement of its own; together they may find no capacity, and AWS's "
    "templates write a group for on-demand nodes only.",
    source="aws-parallelcluster capacity block validator; AWS PCS samples; read 2026-11-23",
    fix="remove Placement.GroupName",
    check="aws ec2 describe-launch-template-versions --launch-template-id <id> "
    "--versions '$Latest' --query 'LaunchTemplateVersions[].LaunchTemplateData.Placement'",
)
def block_without_placement_group(_model: Model, node: Node) -> Iterator[Fault]:
    if node.placement_group() is not None and node.in_a_block():
        yield Fault(f"MarketType {BLOCK} in placement group {shown(node.placement_group())}")


@in_blocks.fatal(
    "CAPACITY-10",
    what="Nodes are bought as a Capacity Block, and their launch template does not say so.",
    why="Without MarketType capacity-block the launch is an on-demand one, which a block refuses.",
    fix="write InstanceMarketOptions: {MarketType: capacity-block} in the launch template",
    check="aws ec2 describe-launch-template-versions --launch-template-id <id> "
    "--versions '$Latest' --query "
    "'LaunchTemplateVersions[].LaunchTemplateData.InstanceMarketOptions'",
)
def block_with_market_type(_model: Model, node: Node) -> Iterator[Fault]:
    if node.in_a_block() and node.market() != BLOCK:
        yield Fault(
            f"{described(node)} is bought as CAPACITY_BLOCK; MarketType is "
            f"{node.market() or 'not written'}"
        )


@in_blocks.fatal(
    "CAPACITY-11",
    what="A launch from a Capacity Block does not name the block.",
    why="Market type capacity-block is refused without CapacityReservationId of the block.",
    fix="write CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId",
    check=DESCRIBE,
)
def block_with_id(_model: Model, node: Node) -> Iterator[Fault]:
    if node.market() != BLOCK:
        return
    if not node.reservation_target():
        yield Fault(f"MarketType {BLOCK} without a reservation")
    elif node.reservation() == "":
        # A parameter whose empty default stands for "must be given", most likely.
        raise UndeterminedError("the id of the block is an empty text")


@in_blocks.error(
    "CAPACITY-12",
    what="More nodes are requested than a Capacity Block holds.",
    why="A block has at most 64 instances: the 65th fails to launch.",
    source=BLOCK_GUIDE,
    fix="write a group of nodes for each block of up to 64",
    check=f"{DESCRIBE} --query 'CapacityReservations[].TotalInstanceCount'",
)
def block_of_enough_instances(_model: Model, node: Node) -> Iterator[Fault]:
    # What AWS Batch may start at most is no request: it starts what its jobs need.
    batch = node.launcher is not None and node.launcher.kind == "batch"
    most = node.most() if node.in_a_block() and not batch else None
    if most is not None and most > MOST_IN_A_BLOCK:
        yield Fault(f"{described(node)} launches up to {most} nodes from one block")


@in_blocks.error(
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
            sold = find(name).capacity_blocks
        except UnknownInstanceTypeError as error:
            if error.lacks is None:
                raise UndeterminedError(f"the catalogue does not hold {name}") from error
            sold = False  # known, and without an accelerator
        if not sold:
            yield Fault(f"{name} by Capacity Block")


@in_blocks.fatal(
    "CAPACITY-21",
    what="A launch from a Capacity Block names an on-demand reservation.",
    why="The two are not the same: market type capacity-block is refused for a reservation that "
    "was not bought as a block, and CloudFormation makes none that was.",
    fix="remove InstanceMarketOptions, or write the id of a block that was bought",
    check=f"{DESCRIBE} --query 'CapacityReservations[].ReservationType'",
)
def block_not_a_reservation(model: Model, node: Node) -> Iterator[Fault]:
    stated = node.reservation() if node.market() == BLOCK else None
    # An id that is not of the templates is whatever it is: that is for a look at the account.
    if stated and model.found(stated, "AWS::EC2::CapacityReservation"):
        yield Fault(f"MarketType {BLOCK} with {shown(stated)}, an on-demand reservation")
