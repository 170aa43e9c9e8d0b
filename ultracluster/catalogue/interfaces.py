"""Network interfaces of EFA instances: the documented layouts, and what AWS refuses.

Rules: EC2 User Guide, "EFA for accelerated instance types" (copy read 2026-11-23), botocore's
`InstanceNetworkInterfaceSpecification`, AWS ParallelCluster's `queues_stack.py`. An `efa`
interface carries IP as well; an `efa-only` interface carries the fabric alone and no address.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from ultracluster.catalogue.instances import InstanceType, find
from ultracluster.catalogue.values import written_number
from ultracluster.problem import Problem

InterfaceLayout = Literal["one-address", "address-per-card"]
"""`one-address`: an ordinary interface on card 0 and `efa-only` on every card, 1 address a node.
`address-per-card`: the classic layout, `efa` on every card, an address each; AWS PCS needs it."""

InterfaceType = Literal["interface", "efa", "efa-only"]
TYPES: Final = get_args(InterfaceType)
FABRIC_TYPES: Final = ("efa", "efa-only")
LIST: Final = "NetworkInterfaces"

# Codes of the problems here.
NO_SUCH_TYPE: Final = "interface-type"
"""An InterfaceType that EC2 does not have."""
NO_PRIMARY: Final = "interface-primary"
"""No interface with an address at card 0, device 0."""
SAME_PLACE: Final = "interface-place"
"""Two interfaces at one card and device."""
WRONG_CARD: Final = "interface-card"
"""A card that the instance type does not have, that has no EFA, or that is full."""
TWO_EFA: Final = "interface-two-efa"
"""Two EFA devices on one card."""
PUBLIC_ADDRESS: Final = "interface-public-address"
"""A public address on a node with several interfaces."""
EFA_ONLY_ADDRESS: Final = "interface-efa-only-address"
"""An address on an efa-only interface."""


@dataclass(frozen=True, slots=True)
class Interface:
    """One entry of a launch template's `NetworkInterfaces`."""

    network_card_index: int
    device_index: int
    interface_type: InterfaceType

    @property
    def carries_fabric(self) -> bool:
        return self.interface_type in FABRIC_TYPES

    @property
    def addresses(self) -> int:
        """Private IPv4 addresses that it takes from its subnet."""
        return 0 if self.interface_type == "efa-only" else 1

    def properties(self) -> dict[str, Any]:
        """Return the entry as CloudFormation has it."""
        return {
            "NetworkCardIndex": self.network_card_index,
            "DeviceIndex": self.device_index,
            "InterfaceType": self.interface_type,
        }


def layout(instance: InstanceType, name: InterfaceLayout) -> tuple[Interface, ...]:
    """Return the interfaces of an instance type in one of the two documented layouts."""
    cards = instance.network_cards
    if name == "one-address":
        others = [Interface(card, int(card == 0), "efa-only") for card in cards.efa_recommended]
        return (Interface(0, 0, "interface"), *others)
    # Device 0 where the card takes a single interface (ParallelCluster's rule), and on P6-B300,
    # whose card 0 is for IP alone (EC2 guide, layouts of that type).
    device = 0 if cards.interfaces_per_card == 1 or 0 not in cards.efa_capable else 1
    primary = Interface(0, 0, "efa" if 0 in cards.efa_capable else "interface")
    return (primary, *(Interface(card, device, "efa") for card in cards.efa_recommended if card))


def addresses(instance: InstanceType, name: InterfaceLayout) -> int:
    """Return how many private IPv4 addresses a node takes in a layout."""
    return sum(interface.addresses for interface in layout(instance, name))


def problems(instance_type: str, interfaces: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    """Yield what EC2 would refuse in a launch template's `NetworkInterfaces`.

    Args:
        instance_type: a type of the catalogue.
        interfaces: entries with CloudFormation's property names; a value that is not a plain
            number, text or boolean (an unresolved reference) is left alone.

    Raises:
        UnknownInstanceTypeError: where the catalogue does not hold the type.
    """
    instance = find(instance_type)
    yield from _pairs(interfaces)
    yield from _cards(instance, interfaces)
    public = [entry.get("AssociatePublicIpAddress") in (True, "true") for entry in interfaces]
    if any(public) and len(interfaces) > 1:
        got = f"AssociatePublicIpAddress with {len(interfaces)} interfaces"
        fix = "EC2 gives a public address only to an instance with one interface; remove it, and "
        yield Problem(LIST, got, f"{fix}use a private subnet", code=PUBLIC_ADDRESS)
    for index, entry in enumerate(interfaces):
        where, kind = f"{LIST}[{index}]", entry.get("InterfaceType", "interface")
        if isinstance(kind, str) and kind not in TYPES:
            near = kind.replace("_", "-")
            fix = near if near in TYPES else "interface, efa or efa-only"
            fix = f"no such interface type; write {fix}"
            yield Problem(f"{where}.InterfaceType", kind, fix, code=NO_SUCH_TYPE)
        if kind == "efa-only" and _position(entry) == (0, 0):
            fix = "the primary interface must carry an address; write interface or efa"
            yield Problem(f"{where}.InterfaceType", kind, fix, code=NO_PRIMARY)
        if kind == "efa-only" and entry.get("AssociatePublicIpAddress") is True:
            fix = "an efa-only interface has no address; remove it"
            yield Problem(f"{where}.AssociatePublicIpAddress", True, fix, code=EFA_ONLY_ADDRESS)


def _position(entry: Mapping[str, Any]) -> tuple[object, object]:
    card, device = entry.get("NetworkCardIndex", 0), entry.get("DeviceIndex", 0)
    return written_number(card), written_number(device)


def _pairs(interfaces: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    given = [_position(entry) for entry in interfaces]
    known = [place for place in given if all(isinstance(part, int) for part in place)]
    positions = Counter(known)
    for (card, device), count in positions.items():
        if count > 1:
            got = f"{count} interfaces at card {card}, device {device}"
            fix = "each pair of NetworkCardIndex and DeviceIndex must be unique"
            yield Problem(LIST, got, fix, code=SAME_PLACE)
    if positions and len(known) == len(given) and (0, 0) not in positions:
        fix = "the primary interface is NetworkCardIndex 0 and DeviceIndex 0; add it"
        yield Problem(LIST, "no interface at card 0, device 0", fix, code=NO_PRIMARY)


def _cards(instance: InstanceType, interfaces: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    name, cards = instance.name, instance.network_cards
    fabric: Counter[int] = Counter()
    every: Counter[int] = Counter()
    for entry in interfaces:
        card = _position(entry)[0]
        if isinstance(card, int):
            every[card] += 1
            fabric[card] += entry.get("InterfaceType") in FABRIC_TYPES
    most = cards.interfaces_per_card
    for card, count in sorted(every.items()):
        if card not in range(cards.count):
            fix = f"{name} has cards 0 to {cards.count - 1}; write one of these"
            yield Problem(LIST, f"NetworkCardIndex {card}", fix, code=WRONG_CARD)
            continue
        if fabric[card] and card not in cards.efa_capable:
            fix = f"that card of {name} has no EFA; write interface"
            yield Problem(LIST, f"an EFA interface on card {card}", fix, code=WRONG_CARD)
        if fabric[card] > 1:
            got = f"{fabric[card]} EFA interfaces on card {card}"
            fix = "a card takes one EFA device; keep one efa or efa-only"
            yield Problem(LIST, got, fix, code=TWO_EFA)
        if most is not None and count > most:
            fix = f"a card of {name} takes at most {most}"
            yield Problem(LIST, f"{count} interfaces on card {card}", fix, code=WRONG_CARD)
