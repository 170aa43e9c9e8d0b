"""SLURM rules about queues, ports and dependencies of a PCS cluster."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from ultracluster.catalogue.slurm import (
    LOGIN,
    REGISTERING,
    SLURMCTLD_PORT,
    SLURMD_PORT,
    SLURMDBD_PORT,
    SRUN_PORTS,
)
from ultracluster.model.model import Model
from ultracluster.model.nodes import Node, catalogued, described
from ultracluster.rules.rule import About, Fault, launches, of
from ultracluster.rules.slurm import GROUP, QUEUE, clusters, parts_of, pcs_nodes, roles_of
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import ResolvedResource

if TYPE_CHECKING:
    from ultracluster.model.traffic import Direction
    from ultracluster.templates.resolved_values import Key

WITH_LOGIN: Final = re.compile(rf"(?i)\b{LOGIN}|_{LOGIN}|{LOGIN.title()}")
RANGE: Final = re.compile(r"(\d{1,5})-(\d{1,5})")
QUEUES: Final = "aws pcs list-queues --cluster-identifier <cluster>"


def _ports(cluster: ResolvedResource) -> tuple[list[int], list[int]]:
    """Return the ports of the controller's daemons, and those that srun listens at."""
    daemons = [SLURMCTLD_PORT]
    if read.text(cluster.properties, "SlurmConfiguration", "Accounting", "Mode") == "STANDARD":
        daemons.append(SLURMDBD_PORT)
    stated = RANGE.fullmatch(_settings(cluster).get("SrunPortRange", ""))
    first, last = map(int, stated.groups()) if stated else SRUN_PORTS
    return daemons, list(range(first, last + 1))


def _settings(resource: ResolvedResource) -> dict[str, str]:
    stated = read.items(resource.properties, "SlurmConfiguration", "SlurmCustomSettings")
    return {
        read.text(each, "ParameterName") or "": read.text(each, "ParameterValue") or ""
        for each in stated
    }


@clusters.error(
    "SLURM-9",
    what="Security groups block traffic between a PCS controller and its nodes.",
    why="slurmd calls slurmctld at TCP 6817 and is called at 6818, and srun waits at 60001-63000: "
    "nodes start, are billed and never become idle, or steps hang.",
    source="AWS PCS user guide, security groups, read 2026-11-27",
    fix="add ingress and egress of TCP 6817-6819 and 60001-63000 from the group to itself, and put "
    "controller and nodes into it",
    check="aws ec2 describe-security-groups --group-ids <group>",
)
def controller_and_nodes_meet(model: Model, cluster: ResolvedResource) -> Iterator[Fault]:
    own = read.items(cluster.properties, "Networking", "SecurityGroupIds")
    nodes = [
        node
        for node in pcs_nodes(model)
        if node.launcher and read.same(node.launcher.properties.get("ClusterId"), cluster.place.key)
    ]
    if not own:
        return
    daemons, steps = _ports(cluster)
    if not nodes and model.groups.closed_ports(own, "in", daemons[:1]):
        yield Fault(f"{read.shown(own)} does not open TCP {SLURMCTLD_PORT}")
    every = [group for node in nodes for group in node.primary_groups()]
    for node in nodes:
        mine = node.primary_groups()
        wanted: tuple[tuple[list[Any], Direction, list[int], list[Any]], ...] = (
            (own, "in", daemons, mine),
            (mine, "out", daemons, own),
            (own, "out", [SLURMD_PORT], mine),
            (mine, "in", [SLURMD_PORT], own),
            (mine, "in", steps, every),
            (mine, "out", steps, every),
        )
        for members, direction, ports, peers in wanted:
            if closed := model.groups.closed_ports(
                members, direction, ports, set(map(read.key, peers))
            ):
                ports_shown = f"{closed[0]}" if len(closed) == 1 else f"{closed[0]}-{closed[-1]}"
                yield Fault(
                    f"{described(node)}: {read.shown(members)} opens no TCP {ports_shown} "
                    f"{direction} {'from' if direction == 'in' else 'to'} {read.shown(peers)}"
                )


def _is_login(group: ResolvedResource) -> bool:
    return bool(WITH_LOGIN.search(read.text(group.properties, "Name") or group.place.logical_id))


def _counts(group: ResolvedResource) -> tuple[int, int]:
    scaling = read.part(group.properties, "ScalingConfiguration")
    least, most = (read.number(scaling, f"{name}InstanceCount") or 0 for name in ("Min", "Max"))
    return least, most


def _without_jobs(group: ResolvedResource) -> str:
    """Return why nodes that are in no queue are a fault; those of a login group are none."""
    least, most = _counts(group)
    if most > least:
        return f"{most - least} nodes that only a job of a queue could start"
    types = [read.text(e, "InstanceType") for e in read.items(group.properties, "InstanceConfigs")]
    paid = [name for name in types if name and most and catalogued(name)]
    return f"{most} nodes of {paid[0]}" if paid and not _is_login(group) else ""


def _without_nodes(model: Model, cluster: ResolvedResource) -> Iterator[Fault]:
    queues = parts_of(model, cluster, QUEUE)
    groups = {group.place.key: group for group in parts_of(model, cluster, GROUP)}
    used: set[Key] = set()
    for queue in queues:
        stated = read.items(queue.properties, "ComputeNodeGroupConfigurations")
        named = [read.key(each, "ComputeNodeGroupId") for each in stated]
        used.update(named)
        if not named:
            yield Fault(f"{queue.place.logical_id} names no node group", place=queue.place)
        for group in (groups[name] for name in named if name in groups):
            most = _counts(group)[1]
            if most == 0 or _is_login(group):
                why = "has no nodes" if most == 0 else "is for logins"
                what = (
                    f"{queue.place.logical_id} sends jobs to {group.place.logical_id}, which {why}"
                )
                yield Fault(what, place=queue.place)
    for name, group in groups.items():
        least, most = _counts(group)
        if least > most:
            what = f"{group.place.logical_id} has at least {least} and at most {most} nodes"
            yield Fault(what, place=group.place)
        if queues and name not in used and (why := _without_jobs(group)):
            yield Fault(f"{group.place.logical_id} is in no queue: {why}", place=group.place)


def _without_default(model: Model, cluster: ResolvedResource) -> Iterator[Fault]:
    queues = parts_of(model, cluster, QUEUE)
    if queues and not any(_settings(q).get("Default", "").upper() == "YES" for q in queues):
        yield Fault(
            f"{', '.join(q.place.logical_id for q in queues)} without Default: YES",
            fix="write SlurmCustomSettings: [{ParameterName: Default, ParameterValue: YES}] for "
            "one queue",
        )


queues_that_run_jobs = clusters.warning(
    "SLURM-12",
    what="A queue has no nodes that run jobs, nodes are in no queue, or no queue is the default.",
    why="Jobs of the queue wait for ever, or run on the login node; nodes without a queue are paid "
    "for and run nothing; sbatch without --partition, as most job files have it, is refused.",
    source="AWS PCS user guide, queues, login nodes and custom settings for queues, read "
    "2026-11-26; awsome-distributed-ai architectures/aws-pcs/docs/JUPYTER.md, 2026-07-23",
    fix="write the node group into ComputeNodeGroupConfigurations of a queue",
    check=f"{QUEUES}; sinfo --format=%P on a login node (the default has an asterisk)",
)(_without_nodes, _without_default)


@About(pcs_nodes).warning(
    "SLURM-15",
    what="Interfaces of a PCS node name no subnet, or another one than their node group.",
    why="PCS's own example writes SubnetId on each of several interfaces: without it a launch may "
    "be refused, and with another one nodes are elsewhere than placement and file system.",
    source="AWS PCS user guide, EFA, create launch template, read 2026-11-26",
    fix="write SubnetId of the node group's subnet on each interface",
    check=launches("NetworkInterfaces"),
)
def interfaces_in_the_subnet(_model: Model, node: Node) -> Iterator[Fault]:
    interfaces, subnets = node.interfaces(), node.subnets()
    if len(subnets) != 1 or len(interfaces) < 2:  # noqa: PLR2004
        return
    bare = [f"[{index}]" for index, entry in enumerate(interfaces) if "SubnetId" not in entry]
    if bare:
        yield Fault(f"NetworkInterfaces{', '.join(bare)} without SubnetId")
    for entry in interfaces:
        stated = entry.get("SubnetId")
        if stated is not None and not read.same(stated, subnets[0]):
            yield Fault(f"SubnetId {read.shown(stated)}, the group is in {read.shown(subnets[0])}")
            return


def _late(model: Model, one: ResolvedResource, needed: Sequence[Any]) -> list[str]:
    """Return what of its own stack a resource needs and does not wait for."""
    waited = model.dependencies(one.place.key)
    return sorted(
        {p.logical_id for p in needed if p.stack == one.place.stack and p.key not in waited}
    )


@of("AWS::PCS::Cluster", GROUP).warning(
    "SLURM-16",
    what="A PCS cluster or node group does not depend on resources that it needs.",
    why="CloudFormation makes both at once: a cluster whose group has no outbound rule yet is "
    "refused now and then, and nodes that may not register yet are replaced.",
    source="AWS PCS user guide, security groups and instance profiles, read 2026-11-27; a public "
    "PCS Terraform module",
    fix="write DependsOn with the rules of the cluster's group, and the policy of the role",
    check="aws cloudformation describe-stack-events --stack-name <stack>",
)
def made_in_order(model: Model, resource: ResolvedResource) -> Iterator[Fault]:
    if resource.resource_type == GROUP:
        needed = [
            statement.place
            for role in roles_of(model, resource.properties.get("IamInstanceProfileArn"))
            for statement in role.statements
            if statement.allows() and statement.names(REGISTERING) and statement.place != role.place
        ]
    else:
        stated = read.items(resource.properties, "Networking", "SecurityGroupIds")
        groups = [model.groups.known.get(read.key(each)) for each in stated]
        needed = [rule.place for g in groups if g for rule in g.rules if rule.separate]
    if late := _late(model, resource, needed):
        yield Fault(f"no DependsOn of {', '.join(late)}", fix=f"write DependsOn: {late}")
