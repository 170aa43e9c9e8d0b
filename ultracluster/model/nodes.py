"""EC2 nodes: launch templates and instances, with the resources that launch them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.catalogue.instances import InstanceType, UnknownInstanceTypeError, find
from ultracluster.model.launchers import LAUNCHERS, Launcher
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import Place, ResolvedResource, Unknown
from ultracluster.templates.resolved_values import Key, UndeterminedError

EFA_TYPES: Final = ("efa", "efa-only")
TEMPLATE: Final = "AWS::EC2::LaunchTemplate"
INTERFACE: Final = "AWS::EC2::NetworkInterface"
ALIKE: Final = (
    *("InterfaceType", "SubnetId", "PrivateIpAddress", "PrivateIpAddresses"),
    *("SecondaryPrivateIpAddressCount", "Ipv6AddressCount", "Ipv6Addresses"),
)
CARRIED: Final = {"GroupSet": "Groups", **{name: name for name in ALIKE}}
"""What an interface of its own says by which name, and how an entry of a node says it."""
PROFILE: Final = ("Arn", "Name")
OPEN: Final = ("InterfaceType", "Groups", "SubnetId")
ELSEWHERE: Final = Unknown("its launch template is not in the given templates")


@dataclass(frozen=True)
class Node:
    """Instances with the same launch template and the same launching resource."""

    place: Place
    launch: Mapping[str, Any] | Any
    """`LaunchTemplateData`, or the properties of an instance; it may be unknown."""
    launcher: Launcher | None

    def type_names(self) -> list[str]:
        """Return the instance types."""
        stated = self.launcher.types() if self.launcher else []
        if not stated and read.part(self.launch, "InstanceType") is not None:
            stated = [read.part(self.launch, "InstanceType")]
        if not stated:
            raise UndeterminedError("no instance type is written for it")
        return [name for value in stated if (name := read.text(value))]

    def instance_types(self) -> list[InstanceType]:
        """Return those of its instance types that the catalogue holds."""
        return [found for name in self.type_names() if (found := catalogued(name))]

    def interfaces(self) -> list[Mapping[str, Any]]:
        """Return its network interfaces, none where EC2 makes the only one."""
        found = [read.settled(entry) for entry in read.items(self.launch, "NetworkInterfaces")]
        for entry in found:
            if not isinstance(entry, Mapping):
                raise UndeterminedError(f"{read.shown(entry)} is no network interface")
        return found

    def efa_interfaces(self) -> list[Mapping[str, Any]]:
        """Return its network interfaces that have an EFA device."""
        return [e for e in self.interfaces() if read.text(e, "InterfaceType") in EFA_TYPES]

    def addresses(self) -> int:
        """Return the number of private IPv4 addresses of one instance; `efa-only` has none."""
        interfaces = self.interfaces()
        if not interfaces:
            return 1
        return sum(read.text(entry, "InterfaceType") != "efa-only" for entry in interfaces)

    def groups_of(self, interface: Mapping[str, Any]) -> list[Any]:
        """Return the security groups of an interface."""
        stated = _first(
            interface.get("Groups"),
            interface.get("GroupSet"),
            read.part(self.launch, "SecurityGroupIds"),
            self._own("ComputeResources", "SecurityGroupIds") or None,
        )
        if stated is None:
            raise UndeterminedError("no security group is written, whoever launches it decides")
        return read.items(stated)

    def groups(self) -> list[Any]:
        """Return the security groups of all interfaces, each once."""
        interfaces = self.interfaces()
        if not interfaces:
            return self.groups_of({})
        found: dict[Key, Any] = {}
        for interface in interfaces:
            for group in self.groups_of(interface):
                # Ref and GetAtt of one group are one group.
                found.setdefault(read.key(group), group)
        return list(found.values())

    def primary_groups(self) -> list[Any]:
        """Return the security groups of the primary interface."""
        cards = self.interfaces()
        first = [
            card
            for card in cards
            if not read.number(card, "NetworkCardIndex") and not read.number(card, "DeviceIndex")
        ]
        return self.groups_of(first[0] if first else {})

    def subnets(self) -> list[Key]:
        """Return the subnets that it is launched into."""
        stated = self.launcher.subnets() if self.launcher else []
        stated = stated or [entry["SubnetId"] for entry in self.interfaces() if "SubnetId" in entry]
        if not stated:
            raise UndeterminedError("no subnet is written for it")
        return list(dict.fromkeys(read.keys(stated)))

    def placement_group(self) -> Any:
        """Return the placement group as it was written, None where there is none."""
        return _first(
            read.part(self.launch, "Placement", "GroupName"),
            read.part(self.launch, "Placement", "GroupId"),
            read.part(self.launch, "PlacementGroupName"),
            self._own("PlacementGroup"),
            self._own("ComputeResources", "PlacementGroup"),
        )

    def profile(self) -> Any:
        """Return the instance profile as it was written, None where there is none."""
        stated = read.settled(self.launch, "IamInstanceProfile")
        named = [stated.get(n) for n in PROFILE] if isinstance(stated, Mapping) else [stated]
        return _first(self._own("IamInstanceProfileArn"), *named)

    def reservation(self) -> Any:
        """Return the id of the reservation that it is launched into, None where none is named."""
        return read.part(self.reservation_target(), "CapacityReservationId")

    def reservation_target(self) -> Any:
        """Return the reservation or resource group that it targets; None if there is none."""
        specification = read.part(self.launch, "CapacityReservationSpecification")
        return read.settled(specification, "CapacityReservationTarget")

    def in_a_block(self) -> bool:
        """Whether it is launched into a Capacity Block."""
        return self.market() == "capacity-block" or self._bought() == "CAPACITY_BLOCK"

    def on_spot(self) -> bool:
        """Whether all of it is on Spot capacity."""
        batch = read.text(self._own("ComputeResources", "Type"))
        fleet = read.text(self._own("TargetCapacitySpecification", "DefaultTargetCapacityType"))
        return self.market() == "spot" or "SPOT" in (self._bought(), batch, (fleet or "").upper())

    def _bought(self) -> str | None:
        return read.text(self._own("PurchaseOption") or self._own("CapacityType"))

    def _own(self, *path: str) -> Any:
        """Return the launching resource's own settings."""
        return read.part(self.launcher.properties, *path) if self.launcher else None

    def market(self) -> str | None:
        return read.text(self.launch, "InstanceMarketOptions", "MarketType")

    def most(self) -> int | None:
        """Return the highest number of instances; None if it is not stated."""
        return self.launcher.most() if self.launcher else None

    def alone(self) -> bool:
        """Whether there is never more than one instance; an unknown number may be more."""
        try:
            return self.most() in (0, 1)
        except UndeterminedError:
            return False


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def catalogued(name: str) -> InstanceType | None:
    """Return an instance type, None where the catalogue does not hold it."""
    try:
        return find(name.removeprefix("ml."))
    except UnknownInstanceTypeError:
        return None


def read_nodes(resources: Sequence[ResolvedResource]) -> tuple[Node, ...]:
    """Return the nodes of a variant: each launch template once for each of its launchers."""
    launchers = [
        Launcher(r.place, LAUNCHERS[r.resource_type], r.properties)
        for r in resources
        if r.resource_type in LAUNCHERS
    ]
    users: dict[Key, list[Launcher]] = {}
    nodes: list[Node] = []
    made = _interfaces(resources)
    templates = [r for r in resources if r.resource_type == TEMPLATE]
    given = {name for template in templates for name in _names(template)}
    for launcher in launchers:
        references = _references(launcher)
        for reference in references:
            users.setdefault(reference, []).append(launcher)
        if launcher.kind == "instance" and given.isdisjoint(references):
            launch = _with_attached(launcher.properties, made)
            nodes.append(Node(launcher.place, launch, launcher))
    for template in templates:
        data = template.properties.get("LaunchTemplateData")
        mine = [user for name in _names(template) for user in users.get(name, [])]
        nobody: list[Launcher | None] = [None]
        for user in mine or nobody:
            launch = _with_attached(_launched(data, user), made)
            nodes.append(Node(template.place, launch, user))
    return tuple(nodes)


def read_nodes_without_template(
    resources: Sequence[ResolvedResource], nodes: Sequence[Node]
) -> Iterator[Node]:
    """Yield what is launched from no launch template of the templates."""
    launched = {node.launcher.place for node in nodes if node.launcher}
    for resource in resources:
        kind = LAUNCHERS.get(resource.resource_type)
        if kind is None or resource.place in launched:
            continue
        launcher = Launcher(resource.place, kind, resource.properties)
        try:
            elsewhere = any(True for _ in launcher.templates())
        except UndeterminedError:
            elsewhere = True
        elsewhere = elsewhere or "LaunchConfigurationName" in resource.properties
        yield Node(resource.place, ELSEWHERE if elsewhere else {}, launcher)


def _names(template: ResolvedResource) -> list[Key]:
    """Return what references to a launch template lead to: itself, or its name."""
    name = template.properties.get("LaunchTemplateName")
    own: list[Key] = [template.place.key]
    return [*own, name] if isinstance(name, str) else own


def _launched(data: Any, user: Launcher | None) -> Any:
    """Return what a template launches; what an instance says itself takes the place of its own."""
    if user is None or user.kind != "instance" or not isinstance(data, Mapping):
        return data
    own = {name: v for name, v in user.properties.items() if name != "LaunchTemplate"}
    return {**data, **own}


def _references(launcher: Launcher) -> list[Key]:
    try:
        return [read.key(reference) for reference in launcher.templates()]
    except UndeterminedError:
        # Whatever template it is, it is none of those that were given.
        return []


def described(node: Node) -> str:
    """Return the name of the launching resource, for messages."""
    return read.shown((node.launcher or node).place.logical_id)


def _interfaces(resources: Sequence[ResolvedResource]) -> dict[Key, Mapping[str, Any]]:
    """Return the interfaces that templates make by themselves, in the words of a node's entry."""
    return {
        r.place.key: {
            name: r.properties[own] for own, name in CARRIED.items() if own in r.properties
        }
        for r in resources
        if r.resource_type == INTERFACE
    }


def _with_attached(launch: Any, made: Mapping[Key, Mapping[str, Any]]) -> Any:
    """Return what is launched, with everything that is known of interfaces that it names by id."""
    entries = launch.get("NetworkInterfaces") if isinstance(launch, Mapping) else None
    if not isinstance(entries, list) or not any(_named(entry) for entry in entries):
        return launch
    whole = [{**_attached(e, made), **e} if _named(e) else e for e in entries]
    return {**launch, "NetworkInterfaces": whole}


def _named(entry: Any) -> bool:
    return isinstance(entry, Mapping) and entry.get("NetworkInterfaceId") is not None


def _attached(entry: Mapping[str, Any], made: Mapping[Key, Mapping[str, Any]]) -> Mapping[str, Any]:
    try:
        name = read.key(entry["NetworkInterfaceId"])
    except UndeterminedError as error:
        return dict.fromkeys(OPEN, Unknown(error.because))
    if name in made:
        return made[name]
    because = read.not_given(name, "network interface").because
    return dict.fromkeys(OPEN, Unknown(because))
