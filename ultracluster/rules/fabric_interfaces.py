"""FABRIC rules about the network interfaces of a node."""

from collections.abc import Iterator, Mapping
from typing import Final

from ultracluster.catalogue import interfaces
from ultracluster.catalogue.instances import UnknownInstanceTypeError, find
from ultracluster.model.model import Model
from ultracluster.model.nodes import EFA_TYPES, Node, described
from ultracluster.model.storage import plain
from ultracluster.problem import Problem
from ultracluster.rules.rule import About, Fault, Judge, launches, nodes
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved_values import UndeterminedError
from ultracluster.templates.scope import mapping

MOST_CARDS: Final = "p5.48xlarge"
"""A type with every card that a template may name, for rules that hold whatever the type."""
EFA_GUIDE: Final = "EC2 User Guide, EFA for accelerated instance types, read 2026-11-23"
INTERFACE_TYPES: Final = (None, "interface", *EFA_TYPES)
WHATEVER_THE_TYPE: Final = {
    interfaces.NO_SUCH_TYPE: ("InterfaceType",),
    interfaces.NO_PRIMARY: ("InterfaceType", "NetworkCardIndex", "DeviceIndex"),
    interfaces.SAME_PLACE: ("NetworkCardIndex", "DeviceIndex"),
    interfaces.TWO_EFA: ("InterfaceType", "NetworkCardIndex"),
    interfaces.EFA_ONLY_ADDRESS: (),
}
"""Codes of the catalogue, and what must be known to tell that there is no such problem."""
ADDRESSES: Final = (
    "PrivateIpAddress",
    "PrivateIpAddresses",
    "SecondaryPrivateIpAddressCount",
    "Ipv6AddressCount",
    "Ipv6Addresses",
    "Ipv4PrefixCount",
    "Ipv4Prefixes",
    "Ipv6PrefixCount",
    "Ipv6Prefixes",
)


with_interfaces: Final = About[Node](
    lambda model: [n for n in model.nodes if "NetworkInterfaces" in mapping(n.launch)],
    source=EFA_GUIDE,
    check=launches("NetworkInterfaces"),
)


def _problems(
    model: Model, node: Node, code: str, instance_type: str = MOST_CARDS
) -> Iterator[Fault]:
    """Yield the catalogue's problems of a node's interfaces that have a code."""

    def found() -> list[Problem]:
        entries = read.items(node.launch, "NetworkInterfaces")
        stated = [plain(entry) for entry in entries if isinstance(entry, Mapping)]
        return list(interfaces.problems(instance_type, stated))

    for problem in model.once(f"interfaces of {instance_type}", node.launch, found):
        if problem.code == code:
            yield Fault(f"{problem.field}: got {read.shown(problem.got)}", fix=problem.fix)


def _all_known(node: Node, *names: str) -> None:
    """Stop where an interface, or what a rule needs of it, is not known."""
    for entry in read.items(node.launch, "NetworkInterfaces"):
        for name in names:
            read.text(entry, name)


def _without_efa(_model: Model, node: Node) -> Iterator[Fault]:
    if not node.efa_interfaces():
        return
    for name in node.type_names():
        try:
            find(name)
        except UnknownInstanceTypeError as error:
            if error.lacks == "efa":
                yield Fault(
                    f"InterfaceType efa on {name}; {error}",
                    fix="write a type with EFA, for example p4d.24xlarge, or InterfaceType "
                    "interface",
                )
            elif error.lacks is None:
                raise UndeterminedError(f"{name} is not in the catalogue") from error


def _refused(code: str, *needs: str) -> Judge[Node]:
    """Return a judge of the catalogue's problems of a code, for which some names must be known."""

    def judge(model: Model, node: Node) -> Iterator[Fault]:
        yield from _problems(model, node, code)
        _all_known(node, *needs)

    return judge


def _addresses_on_efa_only(_model: Model, node: Node) -> Iterator[Fault]:
    for index, entry in enumerate(node.interfaces()):
        if read.text(entry, "InterfaceType") == "efa-only":
            for name in ADDRESSES:
                if name in entry:
                    yield Fault(f"NetworkInterfaces[{index}].{name} on an efa-only interface")


def _refused_by_its_type(model: Model, node: Node) -> Iterator[Fault]:
    for instance in node.instance_types():
        yield from _problems(model, node, interfaces.WRONG_CARD, instance.name)


def _groups_beside(_model: Model, node: Node) -> Iterator[Fault]:
    if not read.items(node.launch, "NetworkInterfaces"):
        return
    for name in ("SecurityGroupIds", "SecurityGroups"):
        if stated := read.settled(node.launch, name):
            yield Fault(
                f"{name} is {read.shown(stated)}, beside NetworkInterfaces",
                fix=f"move {name} into Groups of every interface",
            )


layout_of_interfaces = with_interfaces.fatal(
    "FABRIC-3",
    what="EC2 refuses these network interfaces, in general or for this instance type.",
    why="Card 0, device 0 carries the address, each card and device is one place, a card takes one "
    "efa or efa-only, efa-only takes no address, groups belong to each interface, and EFA and "
    "cards are fixed for a type: EC2 refuses the launch, and neither CloudFormation nor cfn-lint "
    "1.58 says so before (it passes efa_only).",
    source=f"EC2 DescribeInstanceTypes, NetworkInfo; {EFA_GUIDE}; EC2 RunInstances reference; "
    "aws-parallelcluster EfaValidator; cfn-lint 1.58.0 run on 2026-11-23",
    fix="write one interface for each card of the type, as its documented layout has it, each "
    "with its Groups",
)(
    *(_refused(code, *needs) for code, needs in WHATEVER_THE_TYPE.items()),
    _addresses_on_efa_only,
    _refused_by_its_type,
    _without_efa,
    _groups_beside,
)


def _public_by_itself(model: Model, node: Node) -> Iterator[Fault]:
    yield from _problems(model, node, interfaces.PUBLIC_ADDRESS)
    if len(read.items(node.launch, "NetworkInterfaces")) > 1:
        _all_known(node, "AssociatePublicIpAddress")


def _public_by_its_subnet(model: Model, node: Node) -> Iterator[Fault]:
    cards = node.interfaces()
    primary = cards[0].get("AssociatePublicIpAddress") if cards else None
    # An explicit false overrides the subnet (EC2 User Guide, public IPv4 addresses).
    if len(cards) < 2 or (primary is not None and read.flag(primary) is False):  # noqa: PLR2004
        return
    for name in node.subnets():
        subnet = model.networks.subnet(name)
        if subnet.gives_public_addresses():
            yield Fault(
                f"{described(node)} launches {len(cards)} interfaces into "
                f"{subnet.place.logical_id}, which has MapPublicIpOnLaunch: true",
                fix="write MapPublicIpOnLaunch: false for the subnet, or launch into a private one",
            )


no_public_address = with_interfaces.fatal(
    "FABRIC-9",
    what="A node with several interfaces asks for a public address, or its subnet does.",
    why="EC2 gives a public address only to an instance with one interface and refuses the "
    "launch otherwise; cfn-lint 1.58 passes it.",
    source="aws-ofi-nccl#53; aws-efa-nccl-baseami-pipeline#1; aws-parallelcluster "
    "MultiNetworkInterfacesInstancesValidator; botocore 1.44.5; read 2026-11-23",
    fix="remove AssociatePublicIpAddress, and use a private subnet or an EIP",
)(_public_by_itself, _public_by_its_subnet)


def _fewer_than_cards(_model: Model, node: Node) -> Iterator[Fault]:
    given = len(node.efa_interfaces())
    # A misspelt type is another rule's finding.
    if any(read.text(e, "InterfaceType") not in INTERFACE_TYPES for e in node.interfaces()):
        return
    for instance in node.instance_types() if given else []:
        recommended = len(instance.network_cards.efa_recommended)
        if given < recommended:
            share = instance.network_cards.gbps * given / recommended
            yield Fault(
                f"{given} EFA interfaces on {instance.name}, about {share:.0f} of "
                f"{instance.network_cards.gbps:.0f} Gbps",
                fix=f"write {recommended} EFA interfaces, one for each card",
            )


def _without_any_efa(_model: Model, node: Node) -> Iterator[Fault]:
    # Types that are bought for their network, where there may be several nodes of them.
    # One node needs no fabric, and Batch runs jobs of one node unless they say otherwise.
    if node.launcher is None or node.launcher.kind in ("instance", "batch") or node.alone():
        return
    several = [i for i in node.instance_types() if i.network_cards.count > 1]
    types = [read.text(entry, "InterfaceType") for entry in node.interfaces()]
    if several and all(kind in (None, "interface") for kind in types):
        yield Fault(
            f"{described(node)} launches {several[0].name} with {several[0].network_cards.count} "
            "network cards and no EFA interface"
        )


every_card_with_efa = nodes.warning(
    "FABRIC-13",
    what="Fewer cards have an EFA device than recommended for the instance type, or none has.",
    why="NCCL uses the cards that it finds, so that a node silently has a part of its bandwidth, "
    "and falls back to TCP over one card where there is no EFA.",
    source=f"sagemaker-hyperpod-cli#306; aws-ofi-nccl#803; NVIDIA/nccl#959; {EFA_GUIDE}",
    fix="write NetworkInterfaces with an EFA interface for every card that the documented layout "
    "has one on",
    check="fi_info -p efa -t FI_EP_RDM | grep -c domain (on a node)",
)(_fewer_than_cards, _without_any_efa)
