"""Subnets in real zones, and the network interfaces of interface endpoints."""

import ipaddress
from typing import Any

from ultracluster.emulator import zones
from ultracluster.emulator.ministack import internals
from ultracluster.emulator.network import Network
from ultracluster.emulator.provisioning import Order, ServiceError, hexadecimal


def require_subnet(order: Order) -> None:
    """Refuse a subnet in a zone or a range that cannot be."""
    given, region = order.properties, order.scope.region
    vpc = internals.ec2._vpcs.get(given.get("VpcId"))
    if vpc is None:
        raise ServiceError(
            "Ec2", "InvalidVpcID.NotFound", f"The vpc ID '{given.get('VpcId')}' does not exist"
        )
    name, zone_id = given.get("AvailabilityZone"), given.get("AvailabilityZoneId")
    wrong_id = zone_id and zones.zone_name(region, zone_id) is None
    if wrong_id or (name and zones.zone_id(region, name) is None):
        member = "availabilityZoneId" if zone_id else "availabilityZone"
        known = zones.zones(region)
        choice = ", ".join(known if zone_id else known.values())
        raise ServiceError(
            "Ec2",
            "InvalidParameterValue",
            f"Value ({zone_id or name}) for parameter {member} is invalid. Subnets can currently "
            f"only be created in the following availability zones: {choice}.",
        )
    if given.get("CidrBlock"):
        _require_range(str(given["CidrBlock"]), str(vpc["CidrBlock"]))


def _require_range(cidr: str, vpc_cidr: str) -> None:
    network, whole = ipaddress.IPv4Network(cidr), ipaddress.IPv4Network(vpc_cidr)
    if not network.subnet_of(whole):
        raise ServiceError("Ec2", "InvalidSubnet.Range", f"The CIDR '{cidr}' is invalid.")


def require_free_range(order: Order) -> None:
    """Refuse a new subnet that overlaps another one of its VPC."""
    if not order.properties.get("CidrBlock"):
        return
    network = ipaddress.IPv4Network(str(order.properties["CidrBlock"]))
    for subnet in internals.ec2._subnets.values():
        other = ipaddress.IPv4Network(subnet["CidrBlock"])
        if subnet["VpcId"] == order.properties["VpcId"] and network.overlaps(other):
            raise ServiceError(
                "Ec2",
                "InvalidSubnet.Conflict",
                f"The CIDR '{network}' conflicts with another subnet",
            )


def subnet_attributes(subnet_id: str, order: Order) -> dict[str, Any]:
    del order
    subnet = internals.ec2._subnets[subnet_id]
    return {
        "AvailabilityZone": subnet["AvailabilityZone"],
        "AvailabilityZoneId": subnet["AvailabilityZoneId"],
        "NetworkAclAssociationId": f"aclassoc-{subnet_id.removeprefix('subnet-')}",
        "Ipv6CidrBlocks": [],
        "CidrBlock": subnet["CidrBlock"],
        "VpcId": subnet["VpcId"],
    }


def vpc_attributes(vpc_id: str, order: Order) -> dict[str, Any]:
    del order
    vpc = internals.ec2._vpcs[vpc_id]
    association = f"vpc-cidr-assoc-{vpc_id.removeprefix('vpc-')}"
    return {
        "CidrBlock": vpc["CidrBlock"],
        "CidrBlockAssociations": [association],
        "Ipv6CidrBlocks": [],
    }


def group_zones(name: str, order: Order) -> dict[str, Any]:
    """Put an Auto Scaling group into the zones of its subnets."""
    subnets = [
        internals.ec2._subnets[each] for each in order.properties.get("VPCZoneIdentifier", ())
    ]
    zones_of_group = sorted({subnet["AvailabilityZone"] for subnet in subnets})
    internals.autoscaling._asgs[name]["AvailabilityZones"] = zones_of_group
    return {}


class EndpointInterfaces:
    """The interfaces that an interface endpoint puts into its subnets."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def put(self, endpoint_id: str, order: Order) -> dict[str, Any]:
        """Give an endpoint an interface in each of its subnets, and its DNS names."""
        record = internals.ec2._vpc_endpoints[endpoint_id]
        self.remove(endpoint_id)
        if record["VpcEndpointType"] != "Interface":
            return {"NetworkInterfaceIds": [], "DnsEntries": []}
        groups = record["SecurityGroupIds"] or [self._network.default_group(record["VpcId"])]
        record["SecurityGroupIds"] = list(groups)
        record["NetworkInterfaceIds"] = [
            self._network.add_interface(
                subnet_id, groups, f"VPC Endpoint Interface {endpoint_id}", "amazon-vpce"
            )
            for subnet_id in record["SubnetIds"]
        ]
        service = str(record["ServiceName"]).removeprefix(f"com.amazonaws.{order.scope.region}.")
        host = f"{service}.{order.scope.region}.vpce.amazonaws.com"
        record.setdefault("DnsEntries", [])[:] = [
            f"Z{hexadecimal(13).upper()}:{endpoint_id}-{hexadecimal(8)}.{host}"
        ]
        return {
            "NetworkInterfaceIds": list(record["NetworkInterfaceIds"]),
            "DnsEntries": list(record["DnsEntries"]),
        }

    def remove(self, endpoint_id: str) -> None:
        record = internals.ec2._vpc_endpoints.get(endpoint_id)
        if record is not None:
            self._network.remove_interfaces(record.get("NetworkInterfaceIds") or ())
            record["NetworkInterfaceIds"] = []
