"""CAPACITY rules about placement groups, zones and what is sold where."""

import re
from collections.abc import Iterator
from typing import Any, Final

from ultracluster.model.model import Model
from ultracluster.model.nodes import Node, described
from ultracluster.rules.rule import About, Fault, in_turn, nodes, of
from ultracluster.templates.resolved import ResolvedResource
from ultracluster.templates.resolved_values import (
    UndeterminedError,
    flag,
    key,
    known,
    part,
    settled,
    shown,
    text,
)

GROUP: Final = "AWS::EC2::PlacementGroup"
PLACEMENT_GUIDE: Final = "EC2 User Guide, placement groups, read 2026-11-23"
READ_ONLY: Final = ("GroupName", "GroupId")
BATCH_CHOOSES: Final = re.compile(r"optimal|default_")
DESCRIBE: Final = "aws ec2 describe-placement-groups --group-names <group>"


def _strategy(group: ResolvedResource) -> str:
    """Return the strategy of a group; EC2 takes cluster where none is written."""
    return text(group.properties.get("Strategy")) or "cluster"


def in_a_cluster_group(model: Model, node: Node) -> bool:
    """Whether a node is in a placement group that packs its members.

    Raises:
        UndeterminedError: where the group is somebody else's.
    """
    stated = node.placement_group()
    return stated is not None and _strategy(model.given(stated, GROUP)) == "cluster"


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
        if settled(group.properties.get(name)) is not None:
            yield Fault(f"{name} is {shown(group.properties[name])}")


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
    kind = text(part(node.launcher.properties, "ComputeResources", "Type"))
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
    if flag(group.properties.get("NewInstancesProtectedFromScaleIn")):
        yield Fault("NewInstancesProtectedFromScaleIn is true")


def _unused(model: Model) -> list[str]:
    """Return the placement groups of the templates that no node is known to be in."""
    used = {key(group) for node in model.nodes if (group := _stated(node)) is not None}
    return [g.place.logical_id for g in model.of(GROUP) if g.place.key not in used]


def _stated(node: Node) -> Any:
    try:
        group = node.placement_group()
        return None if group is None or not key(group) else group
    except UndeterminedError:
        return None


def _kept_apart(model: Model, node: Node) -> Iterator[Fault]:
    stated = node.placement_group() if node.efa_interfaces() else None
    group = None if stated is None else model.given(stated, GROUP)
    if group is not None and _strategy(group) in ("spread", "partition"):
        yield Fault(f"{group.place.logical_id} has Strategy {_strategy(group)}")


def _in_none(model: Model, node: Node) -> Iterator[Fault]:
    apart = node.launcher is None or node.alone() or node.in_a_block() or not node.efa_interfaces()
    if apart or node.placement_group() is not None:
        return
    stated, unused = node.reservation(), _unused(model)
    reserved = stated and model.found(stated, "AWS::EC2::CapacityReservation")
    if reserved and reserved.properties.get("PlacementGroupArn") is not None:
        return  # CAPACITY-8 says more.
    if not reserved and not unused and node.reservation_target():
        raise UndeterminedError("the reservation that it targets may lie in one")
    made = "".join(f"; {name} is made, and no node is in it" for name in unused[:1])
    yield Fault(f"{described(node)} names none{made}")


def _in_one_of_nobody(model: Model, node: Node) -> Iterator[Fault]:
    stated = node.placement_group()
    named = None if stated is None else key(stated)
    if named is None or not known(named) or node.launcher is None:
        return
    resource = model.at(named)
    if resource is not None and resource.resource_type != GROUP:
        yield Fault(f"{shown(stated)} is {resource.resource_type}")
    elif isinstance(named, str) and (unused := _unused(model)):
        yield Fault(f"{named} is written, {unused[0]} is made and no node is in it")


cluster_group_for_nodes = nodes.warning(
    "CAPACITY-3",
    what="Nodes with EFA are in no cluster placement group, or name a group that nobody makes.",
    why="EC2 spreads them over the zone, and with spread or partition keeps them apart: more hops "
    "between them, and collectives over hundreds of nodes run at the speed of the farthest pair; "
    "a group that is not there fails every launch.",
    source=f"{PLACEMENT_GUIDE}; EC2 User Guide, EFA; awsome-distributed-ai PCS samples, 2026-07-23",
    fix="write Placement: {GroupName: <Ref of a placement group with Strategy cluster>}",
    check="aws ec2 describe-instances --query 'Reservations[].Instances[].Placement.GroupName'",
)(in_turn(_kept_apart, _in_none, _in_one_of_nobody))
