"""The VPC: zones, ranges, interfaces of endpoints, and what refuses to be deleted."""

import ipaddress
from typing import Any

from ultracluster.emulator import zones
from ultracluster.emulator.ministack import internals, network
from ultracluster.emulator.provisioning import DEPENDENCY_VIOLATION, Order, Resource, ec2_refusal


def require_subnet(order: Order) -> None:
    """Refuse a subnet in a zone or a range that cannot be."""
    given, region = order.properties, order.scope.region
    vpc = internals.ec2._vpcs.get(given.get("VpcId"))
    if vpc is None:
        words = f"The vpc ID '{given.get('VpcId')}' does not exist"
        raise ec2_refusal("InvalidVpcID.NotFound", words)
    name, zone_id = given.get("AvailabilityZone"), given.get("AvailabilityZoneId")
    known = zones.zones(region)
    if (zone_id and zone_id not in known) or (name and name not in known.values()):
        member = "availabilityZoneId" if zone_id else "availabilityZone"
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
    wanted = ipaddress.IPv4Network(str(order.properties["CidrBlock"]))
    for subnet in internals.ec2._subnets.values():
        other = ipaddress.IPv4Network(subnet["CidrBlock"])
        if subnet["VpcId"] == order.properties["VpcId"] and wanted.overlaps(other):
            words = f"The CIDR '{wanted}' conflicts with another subnet"
            raise ec2_refusal("InvalidSubnet.Conflict", words)


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
    record["SecurityGroupIds"] = list(
        record["SecurityGroupIds"] or [network.default_group(record["VpcId"])]
    )
    groups = network.group_references(record["SecurityGroupIds"])
    what = f"VPC Endpoint Interface {endpoint_id}"
    record["NetworkInterfaceIds"] = [
        network.add_interface(each, groups, what, "amazon-vpce") for each in record["SubnetIds"]
    ]
    return {"NetworkInterfaceIds": list(record["NetworkInterfaceIds"])}


def remove_endpoint_interfaces(endpoint_id: str) -> None:
    record = internals.ec2._vpc_endpoints.get(endpoint_id)
    if record is not None:
        network.remove_interfaces(record.get("NetworkInterfaceIds") or ())
        record["NetworkInterfaceIds"] = []


def put_mount_target_interface(target: Resource) -> None:
    """Give a mount target of EFS its interface, which MiniStack only names."""
    record = internals.efs._mount_targets[target.physical_id]
    record["NetworkInterfaceId"] = network.add_interface(
        record["SubnetId"],
        network.group_references(record["SecurityGroups"]),
        f"EFS mount target {target.physical_id}",
        "amazon-elasticfilesystem",
    )


def remove_mount_target_interface(target_id: str) -> None:
    record = internals.efs._mount_targets.get(target_id, {})
    network.remove_interfaces([record.get("NetworkInterfaceId", "")])


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
    if network.interfaces_in(subnet_id):
        words = f"The subnet '{subnet_id}' has dependencies and cannot be deleted."
        raise ec2_refusal(DEPENDENCY_VIOLATION, words)


def require_vpc_free(vpc_id: str) -> None:
    """Refuse to delete a VPC with anything in it but its defaults."""
    ec2 = internals.ec2
    contents = [
        *(*ec2._subnets.values(), *ec2._network_interfaces.values(), *ec2._vpc_endpoints.values()),
        *(each for each in ec2._security_groups.values() if each.get("GroupName") != "default"),
        *(each for row in ec2._internet_gateways.values() for each in row.get("Attachments", ())),
    ]
    if any(each.get("VpcId") == vpc_id for each in contents):
        words = f"The vpc '{vpc_id}' has dependencies and cannot be deleted."
        raise ec2_refusal(DEPENDENCY_VIOLATION, words)
