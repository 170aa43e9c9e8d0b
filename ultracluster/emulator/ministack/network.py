"""VPC resources for other services: subnets, network interfaces and instances."""

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Literal

from ultracluster.emulator.ministack import internals
from ultracluster.emulator.ministack.calls import ec2
from ultracluster.emulator.provisioning import ServiceError, ec2_refusal, hexadecimal

Row = Mapping[str, Any]
Kind = Literal["subnet", "group", "launch template", "instance profile", "role"]
KEPT_BY_AWS: Final = 5
"""Addresses of a subnet (VPC User Guide, "Subnets")."""
RESERVED_AT_START: Final = 4
"""Network, router, DNS and one kept address (VPC User Guide, "Subnet sizing")."""
STORES: Final[Mapping[Kind, Callable[[], Any]]] = {
    "subnet": lambda: internals.ec2._subnets,
    "group": lambda: internals.ec2._security_groups,
    "launch template": lambda: internals.ec2._launch_templates,
    "instance profile": lambda: internals.iam._instance_profiles,
    "role": lambda: internals.iam._roles,
}


def find(kind: Kind, identifier: str) -> Row | None:
    found: Row | None = STORES[kind]().get(identifier)
    return found


def default_group(vpc_id: str) -> str:
    vpc = internals.ec2._vpcs.get(vpc_id) or {}
    return str(vpc.get("DefaultSecurityGroupId", ""))


def placement_group(name_or_arn: str) -> Row | None:
    names = ("GroupName", "GroupArn", "GroupId")
    for each in internals.ec2._placement_groups.values():
        if name_or_arn in [each[name] for name in names]:
            found: Row = each
            return found
    return None


def required_subnet(service: str, subnet_id: str) -> Row:
    """Return a subnet that a service is told to use."""
    subnet = find("subnet", subnet_id)
    if subnet is None:
        words = f"The subnet ID '{subnet_id}' does not exist"
        raise ServiceError(service, "InvalidSubnetID.NotFound", words)
    return subnet


def required_groups(service: str, group_ids: Iterable[str] | None, subnet: Row) -> list[Row]:
    """Return the groups that a service is told to use; the VPC's default group where none is."""
    found, vpc_id = [], subnet["VpcId"]
    for group_id in group_ids or [default_group(vpc_id)]:
        group = find("group", group_id)
        if group is None or group["VpcId"] != vpc_id:
            words = f"The security group '{group_id}' does not exist in VPC '{vpc_id}'"
            raise ServiceError(service, "InvalidGroup.NotFound", words)
        found.append(group)
    return found


def group_references(group_ids: Iterable[str]) -> list[Row]:
    """Return groups as an interface names them."""
    groups = internals.ec2._security_groups
    return [
        {"GroupId": each, "GroupName": (groups.get(each) or {}).get("GroupName", each)}
        for each in group_ids
    ]


def add_interface(subnet_id: str, groups: Iterable[Row], description: str, requester: str) -> str:
    """Put a service's interface into a subnet, with the next free address."""
    subnet = required_subnet("Ec2", subnet_id)
    interface_id = f"eni-{hexadecimal()}"
    internals.ec2._network_interfaces[interface_id] = {
        "NetworkInterfaceId": interface_id,
        "SubnetId": subnet_id,
        "VpcId": subnet["VpcId"],
        "AvailabilityZone": subnet["AvailabilityZone"],
        "Description": description,
        "OwnerId": internals.current_scope().account,
        "RequesterId": requester,
        "RequesterManaged": True,
        "Status": "in-use",
        "PrivateIpAddress": free_address(subnet),
        "InterfaceType": "interface",
        "SourceDestCheck": True,
        "MacAddress": ":".join(("0e", *(hexadecimal(2) for _ in range(5)))),
        "Groups": [{name: group[name] for name in ("GroupId", "GroupName")} for group in groups],
        "Attachment": None,
    }
    return interface_id


def remove_interfaces(interface_ids: Iterable[str]) -> None:
    for interface_id in interface_ids:
        internals.ec2._network_interfaces.pop(interface_id, None)


def interfaces_in(subnet_id: str) -> list[Row]:
    every = internals.ec2._network_interfaces.values()
    return [interface for interface in every if interface["SubnetId"] == subnet_id]


def free_addresses(subnet: Row) -> int:
    network = ipaddress.ip_network(subnet["CidrBlock"], strict=False)
    return network.num_addresses - KEPT_BY_AWS - len(interfaces_in(subnet["SubnetId"]))


def free_address(subnet: Row) -> str:
    """Return the first address of a subnet that no interface has."""
    taken = {interface["PrivateIpAddress"] for interface in interfaces_in(subnet["SubnetId"])}
    network = ipaddress.ip_network(subnet["CidrBlock"], strict=False)
    for address in islice(network, RESERVED_AT_START, network.num_addresses - 1):
        if str(address) not in taken:
            return str(address)
    raise ec2_refusal(
        "InsufficientFreeAddressesInSubnet",
        f"The specified subnet '{subnet['SubnetId']}' does not have enough free addresses.",
    )


def launch(
    *, template: Row, instance_type: str, image: str | None, subnet_id: str, tags: Mapping[str, str]
) -> str:
    """Run one instance of a launch template, and return its id; it takes no address."""
    data = _template_data(template)
    (instance,) = internals.ec2._launch_instances_internal(
        image or str(data.get("ImageId", "")), instance_type, subnet_id, 1
    )
    instance_id = str(instance["InstanceId"])
    stated = data.get("TagSpecifications") or ()
    own = [tag for each in stated if each["ResourceType"] == "instance" for tag in each["Tags"]]
    given = [{"Key": key, "Value": value} for key, value in tags.items()]
    internals.ec2._tags[instance_id] = [*own, *given]
    return instance_id


def _template_data(template: Row) -> Row:
    """Return the data of the version that a launch template specification names."""
    for version in internals.ec2._launch_templates[template["TemplateId"]]["Versions"]:
        if str(version["VersionNumber"]) == str(template["Version"]):
            data: Row = version["LaunchTemplateData"]
            return data
    raise ec2_refusal(
        "InvalidLaunchTemplateId.VersionNotFound",
        f"Could not find launch template version {template['Version']}",
    )


def terminate(instance_ids: Sequence[str]) -> None:
    if instance_ids:
        ec2("TerminateInstances", InstanceIds=list(instance_ids))
