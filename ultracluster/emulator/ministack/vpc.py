"""The network that services live in, and what refuses to be deleted while something uses it."""

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from ultracluster.emulator.ministack import internals
from ultracluster.emulator.ministack.calls import guard
from ultracluster.emulator.network import Kind, addresses, required_subnet
from ultracluster.emulator.provisioning import DEPENDENCY_VIOLATION, ServiceError, hexadecimal

RESERVED_AT_START: Final = 4
"""Network, router, DNS and one kept address (VPC User Guide, "Subnet sizing")."""
STORES: Final[Mapping[Kind, Callable[[], Any]]] = {
    "subnet": lambda: internals.ec2._subnets,
    "group": lambda: internals.ec2._security_groups,
    "launch template": lambda: internals.ec2._launch_templates,
    "instance profile": lambda: internals.iam._instance_profiles,
    "role": lambda: internals.iam._roles,
}


class Ec2Network:
    """MiniStack's VPC as `ultracluster.emulator.network.Network`."""

    def find(self, kind: Kind, identifier: str) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = STORES[kind]().get(identifier)
        return found

    def default_group(self, vpc_id: str) -> str:
        vpc = internals.ec2._vpcs.get(vpc_id) or {}
        return str(vpc.get("DefaultSecurityGroupId", ""))

    def placement_group(self, name_or_arn: str) -> Mapping[str, Any] | None:
        for group in internals.ec2._placement_groups.values():
            if name_or_arn in (group["GroupName"], group["GroupArn"], group["GroupId"]):
                found: Mapping[str, Any] = group
                return found
        return None

    def add_interface(
        self, subnet_id: str, group_ids: Sequence[str], description: str, requester: str
    ) -> str:
        """Put a service's interface into a subnet, with the next free address."""
        subnet = required_subnet(self, "Ec2", subnet_id)
        interface_id = f"eni-{hexadecimal()}"
        interfaces = internals.ec2._network_interfaces
        interfaces[interface_id] = {
            "NetworkInterfaceId": interface_id,
            "SubnetId": subnet_id,
            "VpcId": subnet["VpcId"],
            "AvailabilityZone": subnet["AvailabilityZone"],
            "Description": description,
            "OwnerId": internals.current_scope().account,
            "RequesterId": requester,
            "RequesterManaged": requester != "",
            "Status": "in-use" if requester else "available",
            "PrivateIpAddress": free_address(subnet),
            "InterfaceType": "interface",
            "SourceDestCheck": True,
            "MacAddress": ":".join(("0e", *(hexadecimal(2) for _ in range(5)))),
            "Groups": group_references(group_ids),
            "Attachment": None,
        }
        return interface_id

    def remove_interfaces(self, interface_ids: Sequence[str]) -> None:
        for interface_id in interface_ids:
            internals.ec2._network_interfaces.pop(interface_id, None)


def group_references(group_ids: Sequence[str]) -> list[dict[str, str]]:
    groups = internals.ec2._security_groups
    return [
        {"GroupId": each, "GroupName": (groups.get(each) or {}).get("GroupName", each)}
        for each in group_ids
    ]


def interfaces_in(subnet_id: str) -> list[Mapping[str, Any]]:
    every = internals.ec2._network_interfaces.values()
    return [interface for interface in every if interface["SubnetId"] == subnet_id]


def free_addresses(subnet: Mapping[str, Any]) -> int:
    return addresses(subnet["CidrBlock"]) - len(interfaces_in(subnet["SubnetId"]))


def free_address(subnet: Mapping[str, Any]) -> str:
    """Return the first address of a subnet that no interface has."""
    taken = {interface["PrivateIpAddress"] for interface in interfaces_in(subnet["SubnetId"])}
    network = ipaddress.ip_network(subnet["CidrBlock"], strict=False)
    for address in islice(network, RESERVED_AT_START, network.num_addresses - 1):
        if str(address) not in taken:
            return str(address)
    raise ServiceError(
        "Ec2",
        "InsufficientFreeAddressesInSubnet",
        f"The specified subnet '{subnet['SubnetId']}' does not have enough free addresses.",
    )


def require_group_free(group_id: str) -> None:
    """Refuse to delete a security group that an interface has or another group names."""
    every = internals.ec2._network_interfaces.values()
    worn = any(group["GroupId"] == group_id for interface in every for group in interface["Groups"])
    if worn or group_id in _groups_named_by_others(group_id):
        raise ServiceError(
            "Ec2", DEPENDENCY_VIOLATION, f"resource {group_id} has a dependent object"
        )


def require_subnet_free(subnet_id: str) -> None:
    """Refuse to delete a subnet with interfaces."""
    if interfaces_in(subnet_id):
        raise ServiceError(
            "Ec2",
            DEPENDENCY_VIOLATION,
            f"The subnet '{subnet_id}' has dependencies and cannot be deleted.",
        )


def require_vpc_free(vpc_id: str) -> None:
    """Refuse to delete a VPC with anything in it but its defaults."""
    if any(True for _ in _contents(vpc_id)):
        raise ServiceError(
            "Ec2",
            DEPENDENCY_VIOLATION,
            f"The vpc '{vpc_id}' has dependencies and cannot be deleted.",
        )


def guard_deletes() -> None:
    """Let EC2's own delete calls refuse as well, for whoever does not use CloudFormation."""
    guard("DeleteSecurityGroup", lambda given: require_group_free(str(given.get("GroupId"))))
    guard("DeleteSubnet", lambda given: require_subnet_free(str(given.get("SubnetId"))))
    guard("DeleteVpc", lambda given: require_vpc_free(str(given.get("VpcId"))))


def _groups_named_by_others(group_id: str) -> Iterator[str]:
    for other_id, other in internals.ec2._security_groups.items():
        if other_id == group_id:
            continue
        for rule in (*other.get("IpPermissions", ()), *other.get("IpPermissionsEgress", ())):
            yield from (pair.get("GroupId", "") for pair in rule.get("UserIdGroupPairs", ()))


def _contents(vpc_id: str) -> Iterator[str]:
    ec2 = internals.ec2
    for store in (ec2._subnets, ec2._network_interfaces, ec2._vpc_endpoints):
        yield from (key for key, item in store.items() if item.get("VpcId") == vpc_id)
    for key, group in ec2._security_groups.items():
        if group.get("VpcId") == vpc_id and group.get("GroupName") != "default":
            yield key
    for key, gateway in ec2._internet_gateways.items():
        if any(each.get("VpcId") == vpc_id for each in gateway.get("Attachments", ())):
            yield key
