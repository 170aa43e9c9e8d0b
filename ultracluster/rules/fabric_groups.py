"""FABRIC rules about the security groups of EFA interfaces."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Final

from ultracluster.model.jobs import HyperPodGroup, TrainingJob, efa_type
from ultracluster.model.model import Model
from ultracluster.model.nodes import Node
from ultracluster.model.security_groups import SecurityGroup
from ultracluster.model.storage import FileSystem
from ultracluster.model.traffic import Direction
from ultracluster.rules.rule import About, Fault, nodes
from ultracluster.templates.resolved_values import Key, UndeterminedError, items, key, shown

SELF: Final = (
    "awsome-distributed-ai#546; gardener-extension-provider-aws#1832; aws-cdk#38558; "
    "EC2 User Guide, EFA, read 2026-11-23"
)
USUAL_GROUPS: Final = 5
"""Groups of an interface by default (quota L-2AFB9258)."""
MOST_GROUPS: Final = 16
fabric: Final = replace(nodes, source=SELF)


Member = Node | TrainingJob | HyperPodGroup | FileSystem


def _groups_over_efa(one: Member) -> Iterator[list[Any]]:
    """Yield each set of security groups whose members speak EFA with each other."""
    if isinstance(one, Node):
        for interface in one.efa_interfaces():
            yield one.groups_of(interface)
    elif isinstance(one, FileSystem):
        if one.over_efa():
            yield one.groups()
    elif isinstance(one, HyperPodGroup):
        if one.instance_type() is not None:
            yield items(one.vpc_config(), "SecurityGroupIds")
    # A job of one instance has nobody to talk to.
    elif (groups := items(one.at("VpcConfig", "SecurityGroupIds"))) and one.count() != 1:
        yield from [groups] if efa_type(one) else []


def _closed(model: Model, one: Member, direction: Direction) -> Iterator[Fault]:
    """Yield a fault for each set of groups over EFA that does not admit itself."""
    words = "ingress from" if direction == "in" else "egress to"
    who = f"{one.name()}: " if isinstance(one, HyperPodGroup) else ""
    for groups in {shown(groups): groups for groups in _groups_over_efa(one)}.values():
        if not groups and isinstance(one, Node):
            raise UndeterminedError("its interfaces are in the default security group")
        if groups and not model.groups.members_exchange(groups, direction):
            yield Fault(f"{who}no {words} a member of {shown(groups)} with IpProtocol -1")


members: Final = About[Member](
    lambda model: [
        *model.nodes,
        *model.training_jobs,
        *model.hyperpod_groups,
        *model.file_systems,
    ],
    source=f"{SELF}; sagemaker-training-toolkit#240; SageMaker HyperPod guide, prerequisites; FSx "
    "guide, EFA-enabled file systems",
)
ingress_from_members = members.fatal(
    "FABRIC-1",
    what="The security group of EFA interfaces has no ingress rule for its own members.",
    why="Nodes, jobs and servers of a file system do not hear each other over EFA (libfabric: "
    "Error 4126, Unresponsive receiver) unless a group admits all traffic from a group of its "
    "members, by id; a CIDR does not count.",
    fix="add AWS::EC2::SecurityGroupIngress with IpProtocol -1, whose GroupId and "
    "SourceSecurityGroupId are both the group",
    check="aws ec2 describe-security-groups --group-ids <group> "
    "--query 'SecurityGroups[].IpPermissions'",
)(partial(_closed, direction="in"))


egress_to_members = members.fatal(
    "FABRIC-2",
    what="The security group of EFA interfaces has no egress rule for its own members.",
    why="0.0.0.0/0 lets no EFA traffic out: only a rule that names a group of the members by id "
    "does, and without one HyperPod replaces instances for ever, a file system is refused, and "
    "jobs hang.",
    fix="add AWS::EC2::SecurityGroupEgress with IpProtocol -1, whose GroupId and "
    "DestinationSecurityGroupId are both the group, beside any rule to 0.0.0.0/0",
    check="aws ec2 describe-security-groups --group-ids <group> "
    "--query 'SecurityGroups[].IpPermissionsEgress'",
)(partial(_closed, direction="out"))


@fabric.warning(
    "FABRIC-18",
    what="An interface has more security groups than the default quota allows.",
    why="The quota is 5 groups for each interface and can be raised to 16; beyond it launches "
    "fail.",
    source="VPC quotas, L-2AFB9258, read 2026-11-23",
    fix="merge groups until an interface has 5, or raise quota L-2AFB9258 first",
    check="aws service-quotas get-service-quota --service-code vpc --quota-code L-2AFB9258",
)
def few_groups_per_interface(_model: Model, node: Node) -> Iterator[Fault]:
    for interface in node.interfaces():
        if "Groups" in interface and len(node.groups_of(interface)) > USUAL_GROUPS:
            count = len(node.groups_of(interface))
            most = f"; EC2 takes at most {MOST_GROUPS}" if count > MOST_GROUPS else ""
            yield Fault(f"{count} security groups on an interface{most}")
            return


@fabric.error(
    "FABRIC-34",
    what="Some interfaces of a node name a security group, and others name none.",
    why="EC2 puts an interface without Groups into the VPC's default group, away from the others: "
    "nobody is heard on its card.",
    fix="write the same Groups for every interface",
    check="aws ec2 describe-network-interfaces --filters Name=attachment.instance-id,Values=<id> "
    "--query 'NetworkInterfaces[].[Attachment.NetworkCardIndex,Groups]'",
)
def groups_on_every_interface(_model: Model, node: Node) -> Iterator[Fault]:
    interfaces = node.interfaces()
    bare = [n for n, entry in enumerate(interfaces) if not {"Groups", "GroupSet"} & set(entry)]
    if bare and len(bare) < len(interfaces):
        places = ", ".join(f"NetworkInterfaces[{index}]" for index in bare)
        yield Fault(f"{places} without Groups")


def _efa_groups(model: Model) -> Sequence[SecurityGroup]:
    """Return the groups of the templates that are on an EFA interface."""
    named: set[Key] = set()
    for node in model.nodes:
        with suppress(UndeterminedError):
            for interface in node.efa_interfaces():
                named.update(key(group) for group in node.groups_of(interface))
    return [group for group in model.security_groups if group.key in named]


@About(_efa_groups).warning(
    "FABRIC-21",
    what="A security group of EFA interfaces allows all traffic from the internet.",
    why="EFA needs no CIDR rule at all: this one opens every port of the nodes and helps no job.",
    source="awsome-distributed-ai#546; Security Hub EC2.19; read 2026-11-23",
    fix="remove the rule from 0.0.0.0/0, and admit the group itself",
    check="aws ec2 describe-security-groups --group-ids <group> "
    "--query 'SecurityGroups[].IpPermissions[?IpProtocol==`-1`].IpRanges'",
)
def closed_to_the_internet(_model: Model, group: SecurityGroup) -> Iterator[Fault]:
    for admission in group.of("in"):
        if admission.is_open_to_the_internet():
            yield Fault(
                f"ingress with IpProtocol -1 from {shown(admission.peer)}", place=admission.place
            )
