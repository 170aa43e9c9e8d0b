"""The VPC that services live in: zones, ranges, interfaces, and what refuses to be deleted."""

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from ultracluster.emulator import zones
from ultracluster.emulator.ministack import internals
from ultracluster.emulator.ministack.calls import ec2 as calls_ec2
from ultracluster.emulator.network import Kind, addresses, required_subnet
from ultracluster.emulator.provisioning import (
    DEPENDENCY_VIOLATION,
    Order,
    Resource,
    ec2_refusal,
    hexadecimal,
)


def require_subnet(order: Order) -> None:
    """Refuse a subnet in a zone or a range that cannot be."""
    given, region = order.properties, order.scope.region
    vpc = internals.ec2._vpcs.get(given.get("VpcId"))
    if vpc is None:
        raise ec2_refusal(
            "InvalidVpcID.NotFound", f"The vpc ID '{given.get('VpcId')}' does not exist"
        )
    name, zone_id = given.get("AvailabilityZone"), given.get("AvailabilityZoneId")
    wrong_id = zone_id and zones.zone_name(region, zone_id) is None
    if wrong_id or (name and zones.zone_id(region, name) is None):
        member = "availabilityZoneId" if zone_id else "availabilityZone"
        known = zones.zones(region)
        choice = ", ".join(known if zone_id else known.values())
        raise ec2_refusal(
            "InvalidParameterValue",
            f"Value ({zone_id or name}) for parameter {member} is invalid. Subnets can currently "
            f"only be created in the following availability zones: {choice}.",
        )
    whole, cidr = ipaddress.IPv4Network(vpc["CidrBlock"]), given.get("CidrBlock")
    if cidr and not ipaddress.IPv4Network(cidr).subnet_of(whole):
        raise ec2_refusal("InvalidSubnet.Range", f"The CIDR '{cidr}' is invalid.")


def require_free_range(order: Order) -> None:
    """Refuse a new subnet that overlaps another one of its VPC."""
    if not order.properties.get("CidrBlock"):
        return
    network = ipaddress.IPv4Network(str(order.properties["CidrBlock"]))
    for subnet in internals.ec2._subnets.values():
        other = ipaddress.IPv4Network(subnet["CidrBlock"])
        if subnet["VpcId"] == order.properties["VpcId"] and network.overlaps(other):
            raise ec2_refusal(
                "InvalidSubnet.Conflict", f"The CIDR '{network}' conflicts with another subnet"
            )


def subnet_attributes(subnet_id: str, order: Order) -> dict[str, Any]:
    del order
    subnet = internals.ec2._subnets[subnet_id]
    return {name: subnet[name] for name in ("AvailabilityZone", "AvailabilityZoneId")}


def group_zones(name: str, order: Order) -> dict[str, Any]:
    """Put an Auto Scaling group into the zones of its subnets, and launch its instances."""
    subnets, group = internals.ec2._subnets, internals.autoscaling._asgs[name]
    stated = order.properties.get("VPCZoneIdentifier", ())
    group["AvailabilityZones"] = sorted({subnets[each]["AvailabilityZone"] for each in stated})
    internals.autoscaling._reconcile_instances(group)
    return {}


def put_endpoint_interfaces(endpoint_id: str, order: Order) -> dict[str, Any]:
    """Give an endpoint an interface in each of its subnets."""
    del order
    record = internals.ec2._vpc_endpoints[endpoint_id]
    remove_endpoint_interfaces(endpoint_id)
    if record["VpcEndpointType"] != "Interface":
        return {}
    groups = record["SecurityGroupIds"] or [NETWORK.default_group(record["VpcId"])]
    record["SecurityGroupIds"] = list(groups)
    record["NetworkInterfaceIds"] = [
        NETWORK.add_interface(
            subnet_id, groups, f"VPC Endpoint Interface {endpoint_id}", "amazon-vpce"
        )
        for subnet_id in record["SubnetIds"]
    ]
    return {"NetworkInterfaceIds": list(record["NetworkInterfaceIds"])}


def remove_endpoint_interfaces(endpoint_id: str) -> None:
    record = internals.ec2._vpc_endpoints.get(endpoint_id)
    if record is not None:
        NETWORK.remove_interfaces(record.get("NetworkInterfaceIds") or ())
        record["NetworkInterfaceIds"] = []


def put_mount_target_interface(target: Resource) -> None:
    """Give a mount target of EFS its interface, which MiniStack only names."""
    record = internals.efs._mount_targets[target.physical_id]
    where = record["SubnetId"], record["SecurityGroups"]
    what = f"EFS mount target {target.physical_id}"
    record["NetworkInterfaceId"] = NETWORK.add_interface(*where, what, "amazon-elasticfilesystem")


def remove_mount_target_interface(target_id: str) -> None:
    record = internals.efs._mount_targets.get(target_id, {})
    NETWORK.remove_interfaces([record.get("NetworkInterfaceId", "")])


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
        every: list[Mapping[str, Any]] = list(internals.ec2._placement_groups.values())
        names = ("GroupName", "GroupArn", "GroupId")
        own = (each for each in every if name_or_arn in [each[name] for name in names])
        return next(own, None)

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
            "RequesterManaged": True,
            "Status": "in-use",
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

    def launch(
        self,
        *,
        template: Mapping[str, Any],
        instance_type: str,
        image: str | None,
        subnet_id: str,
        tags: Mapping[str, str],
    ) -> str:
        """Run one instance of a launch template, and return its id; it takes no address."""
        data = _template_data(template)
        (instance,) = internals.ec2._launch_instances_internal(
            image or str(data.get("ImageId", "")), instance_type, subnet_id, 1
        )
        instance_id = str(instance["InstanceId"])
        own = [
            tag
            for each in data.get("TagSpecifications") or ()
            if each["ResourceType"] == "instance"
            for tag in each["Tags"]
        ]
        given = [{"Key": key, "Value": value} for key, value in tags.items()]
        internals.ec2._tags[instance_id] = [*own, *given]
        return instance_id

    def terminate(self, instance_ids: Sequence[str]) -> None:
        if instance_ids:
            calls_ec2("TerminateInstances", InstanceIds=list(instance_ids))


def _template_data(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the data of the version that a launch template specification names."""
    known = internals.ec2._launch_templates[template["TemplateId"]]
    for version in known["Versions"]:
        if str(version["VersionNumber"]) == str(template["Version"]):
            data: Mapping[str, Any] = version["LaunchTemplateData"]
            return data
    raise ec2_refusal(
        "InvalidLaunchTemplateId.VersionNotFound",
        f"Could not find launch template version {template['Version']}",
    )


NETWORK: Final = Ec2Network()


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
    raise ec2_refusal(
        "InsufficientFreeAddressesInSubnet",
        f"The specified subnet '{subnet['SubnetId']}' does not have enough free addresses.",
    )


def require_group_free(group_id: str) -> None:
    """Refuse to delete a security group that an interface has or another group names."""
    every = internals.ec2._network_interfaces.values()
    worn = any(group["GroupId"] == group_id for interface in every for group in interface["Groups"])
    named = any(
        pair.get("GroupId") == group_id
        for other_id, other in internals.ec2._security_groups.items()
        if other_id != group_id
        for rule in (*other.get("IpPermissions", ()), *other.get("IpPermissionsEgress", ()))
        for pair in rule.get("UserIdGroupPairs", ())
    )
    if worn or named:
        raise ec2_refusal(DEPENDENCY_VIOLATION, f"resource {group_id} has a dependent object")


def require_subnet_free(subnet_id: str) -> None:
    """Refuse to delete a subnet with interfaces."""
    if interfaces_in(subnet_id):
        raise ec2_refusal(
            DEPENDENCY_VIOLATION,
            f"The subnet '{subnet_id}' has dependencies and cannot be deleted.",
        )


def require_vpc_free(vpc_id: str) -> None:
    """Refuse to delete a VPC with anything in it but its defaults."""
    if any(True for _ in _contents(vpc_id)):
        raise ec2_refusal(
            DEPENDENCY_VIOLATION, f"The vpc '{vpc_id}' has dependencies and cannot be deleted."
        )


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
