"""SLURM rules: AWS PCS clusters, their node groups and queues."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from ultracluster.catalogue.slurm import (
    MOST_PARTS,
    REGISTERING,
    ROLE_PATH,
    SETTINGS,
    SIZES,
    VERSIONS,
    size_for,
    untaken_setting,
)
from ultracluster.model.model import Model
from ultracluster.model.nodes import Node, described
from ultracluster.model.policies import Identity
from ultracluster.model.resource import Index, index
from ultracluster.rules.rule import About, Fault, launches, of
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import Link, ResolvedResource
from ultracluster.templates.resolved_values import UndeterminedError

PCS_GUIDE: Final = "AWS PCS user guide and registry schema of 2026-10-20, read 2026-11-23"
DESCRIBE: Final = "aws pcs get-cluster --cluster-identifier <cluster>"
GROUP: Final = "AWS::PCS::ComputeNodeGroup"
QUEUE: Final = "AWS::PCS::Queue"
GROUPS: Final = (
    "aws pcs get-compute-node-group --cluster-identifier <cluster> "
    "--compute-node-group-identifier <group>"
)
clusters: Final = replace(of("AWS::PCS::Cluster"), source=PCS_GUIDE)


def pcs_nodes(model: Model) -> Sequence[Node]:
    return [node for node in model.nodes if node.launcher and node.launcher.kind == "pcs"]


def _by_cluster(kind: str) -> Callable[[Model], Index[ResolvedResource]]:
    return lambda model: index(
        model.of(kind), lambda part: [read.known_key(part.properties.get("ClusterId"))]
    )


PARTS: Final = {kind: _by_cluster(kind) for kind in (GROUP, QUEUE)}


def parts_of(model: Model, cluster: ResolvedResource, kind: str) -> list[ResolvedResource]:
    return list(model.cached(PARTS[kind]).of(cluster.place.key))


def _too_small(model: Model, cluster: ResolvedResource) -> Iterator[Fault]:
    groups = parts_of(model, cluster, GROUP)
    for count, words in (
        (len(groups), "node groups"),
        (len(parts_of(model, cluster, QUEUE)), "queues"),
    ):
        if count > MOST_PARTS:
            yield Fault(f"{count} {words}", fix=f"merge {words} until there are {MOST_PARTS}")
    size = read.text(cluster.properties, "Size")
    if size not in SIZES:
        return
    most = sum(
        read.number(group.properties, "ScalingConfiguration", "MaxInstanceCount") or 0
        for group in groups
    )
    if most > SIZES[size]:
        fitting = size_for(most)
        yield Fault(
            f"Size {size} manages {SIZES[size]} instances, the node groups have up to {most}",
            fix=f"write Size: {fitting}" if fitting else "split the cluster",
        )


def _controller_elsewhere(model: Model, cluster: ResolvedResource) -> Iterator[Fault]:
    stated = read.settled(cluster.properties, "Networking", "SubnetIds")
    if isinstance(stated, list) and len(stated) != 1:
        yield Fault(f"{len(stated)} subnets", fix="write one subnet; node groups may have others")
    for name in read.keys(stated):
        subnet = model.networks.subnets.get(name)
        vpc = subnet and model.find(subnet.properties.get("VpcId"), "AWS::EC2::VPC")
        if vpc and read.text(vpc.properties, "InstanceTenancy") == "dedicated":
            yield Fault(
                f"{vpc.place.logical_id} has InstanceTenancy dedicated",
                fix="write a subnet of a VPC with InstanceTenancy default",
            )


cluster_that_pcs_takes = clusters.fatal(
    "SLURM-1",
    what="PCS refuses a cluster of this size, with these groups and queues, or in this subnet.",
    why="A SMALL cluster manages 32 instances, MEDIUM 512, LARGE 2,048, and each 10 node groups "
    "and 10 queues; Size is create-only, so that growing later replaces the cluster; the "
    "controller is in one subnet, of no VPC of dedicated tenancy.",
    source=f"service quotas of PCS; {PCS_GUIDE}; VPC and subnet requirements, read 2026-11-27",
    fix="write a Size that holds the sum of MaxInstanceCount and the login nodes",
    check=f"{DESCRIBE} --query 'cluster.[size,networking]'",
)(_too_small, _controller_elsewhere)


def roles_of(model: Model, profile: Any) -> list[Identity]:
    """Return the roles of an instance profile."""
    named = read.keys(model.get(profile, "AWS::IAM::InstanceProfile").properties, "Roles")
    found = model.roles_named(named)
    if len(found) < len(named):
        raise UndeterminedError("the role of its instance profile is not in the given templates")
    return found


def _named_otherwise(model: Model, group: ResolvedResource) -> Iterator[Fault]:
    for role in roles_of(model, group.properties.get("IamInstanceProfileArn")):
        name, path = role.properties.get("RoleName"), read.text(role.properties, "Path") or "/"
        if ROLE_PATH not in path and (name is None or not read.begins(name, "AWSPCS")):
            yield Fault(f"role {role.place.logical_id} is neither AWSPCS* nor in /aws-pcs/")


def _may_not_register(model: Model, group: ResolvedResource) -> Iterator[Fault]:
    for role in roles_of(model, group.properties.get("IamInstanceProfileArn")):
        allowing = [statement for statement in role.statements if statement.allows()]
        if any(s.names(REGISTERING) or any("\x00" in a for a in s.actions()) for s in allowing):
            continue
        arns = [
            a for a in read.items(role.properties, "ManagedPolicyArns") if not isinstance(a, Link)
        ]
        # Which partition they are of does not matter here.
        names = [read.written(arn) for arn in arns]
        if any("PCS" in name or "AdministratorAccess" in name for name in names):
            continue
        for arn, name in zip(arns, names, strict=True):
            if ":aws:policy/" not in name:
                raise UndeterminedError(f"policy {read.text(arn)} is not in the given templates")
        yield Fault(f"role {role.place.logical_id} allows no pcs:RegisterComputeNodeGroupInstance")


node_role_that_pcs_takes = of(GROUP).fatal(
    "SLURM-2",
    what="Nodes of a PCS node group cannot register with the role of the group.",
    why="The role must have a name that begins with AWSPCS, or the path /aws-pcs/, whatever the "
    "profile is called, and allow pcs:RegisterComputeNodeGroupInstance: a node is refused, or "
    "starts, is billed, and is replaced before Slurm sees it.",
    source=f"botocore 1.44.5 pcs model, iamInstanceProfileArn, read 2026-11-24; {PCS_GUIDE}",
    fix="write Path: /aws-pcs/ for the role, and attach AWSPCSComputeNodePolicy",
    check=f"{GROUPS} --query computeNodeGroup.iamInstanceProfileArn",
)(_named_otherwise, _may_not_register)


@About(pcs_nodes).error(
    "SLURM-3",
    what="A PCS node has efa-only interfaces.",
    why="PCS manages nodes over interfaces of type efa, the layout with an address on every card; "
    "nodes with efa-only do not register.",
    source="awsome-distributed-ai PCS samples, 2026-07-23",
    fix="write InterfaceType: efa for every card",
    check=launches("NetworkInterfaces"),
)
def efa_on_every_card(_model: Model, node: Node) -> Iterator[Fault]:
    count = sum(read.text(e, "InterfaceType") == "efa-only" for e in node.interfaces())
    if count:
        yield Fault(f"{described(node)} launches {count} efa-only interfaces")


@About(pcs_nodes).info(
    "SLURM-7",
    what="The user data of a PCS node is not a MIME multipart document.",
    why="PCS adds its own part to the user data, and merges only with multipart: a plain script "
    "is not run.",
    source="AWS PCS user guide, custom user data; not verified against an account (2026-11-23)",
    fix="begin it with MIME-Version: 1.0 and Content-Type: multipart/mixed; boundary=...",
    check=launches("UserData"),
)
def multipart_user_data(_model: Model, node: Node) -> Iterator[Fault]:
    stated = read.part(node.launch, "UserData")
    if stated is None:
        return
    begun = read.script(stated).lstrip()
    if begun.startswith("#!") or (
        begun and "\x00" not in begun and "mime-version" not in begun.lower()
    ):
        yield Fault(f"user data begins with {begun.splitlines()[0][:40]}")


@clusters.warning(
    "SLURM-10",
    what="PCS no longer creates clusters with this version of Slurm.",
    why="New clusters are refused for versions out of support, and old ones get no repairs.",
    fix=f"write Scheduler.Version {VERSIONS[-1]}",
    check=f"{DESCRIBE} --query cluster.scheduler",
)
def supported_slurm(_model: Model, cluster: ResolvedResource) -> Iterator[Fault]:
    version = read.text(cluster.properties, "Scheduler", "Version")
    # A version that is newer than this list is no fault.
    if version is not None and version < VERSIONS[0]:
        yield Fault(f"Scheduler.Version is {version}")


def _purged_at(_model: Model, cluster: ResolvedResource) -> Iterator[Fault]:
    accounting = read.part(cluster.properties, "SlurmConfiguration", "Accounting")
    days = read.number(accounting, "DefaultPurgeTimeInDays")
    if days is not None and days != -1 and days not in range(1, 10001):
        yield Fault(
            f"DefaultPurgeTimeInDays is {days}", fix="write -1 (never), or a number of days"
        )


def _set_otherwise(model: Model, resource: ResolvedResource) -> Iterator[Fault]:
    stated = resource.properties.get("ClusterId")
    cluster = resource if stated is None else model.find(stated, "AWS::PCS::Cluster")
    version = None if cluster is None else read.text(cluster.properties, "Scheduler", "Version")
    for each in read.items(resource.properties, "SlurmConfiguration", "SlurmCustomSettings"):
        name = read.text(each, "ParameterName")
        why = "" if name is None else untaken_setting(resource.resource_type, name, version)
        if why:
            yield Fault(why)


settings_that_pcs_takes = of(*SETTINGS).fatal(
    "SLURM-6",
    what="PCS refuses a Slurm setting, or the retention of accounting records.",
    why="PCS owns most of slurm.conf and takes the parameters of a list alone, some from a later "
    "Slurm on, and DefaultPurgeTimeInDays of -1, or 1 to 10,000: cluster, node group or queue are "
    "refused.",
    source=f"AWS PCS user guide, custom Slurm settings, copy of October 2026; {PCS_GUIDE}",
    fix="remove it, or use a newer Slurm where the message names one",
    check=f"{DESCRIBE} --query cluster.slurmConfiguration",
)(_purged_at, _set_otherwise)
