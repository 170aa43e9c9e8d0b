"""Rules of the services beyond the registry's schemas.

The rules are the catalogue's, the same that refuse a bad spec at synthesis; this module is the
one that turns each problem into a refusal.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from ultracluster.catalogue import instances, interfaces
from ultracluster.emulator import zones
from ultracluster.emulator.provisioning import (
    Order,
    Scope,
    ServiceError,
    ec2_refusal,
    fsx_refusal,
)
from ultracluster.problem import Problem

Rule = Mapping[str, Any]

LNET_PORT: Final = 988
EVERY_PROTOCOL: Final = "-1"


def require_lustre_traffic(groups: Sequence[Mapping[str, Any]], subnet_cidr: str) -> None:
    """Refuse security groups that do not let the file servers talk, as FSx checks at creation.

    Port 988 must be open in both directions between members of the groups, or between
    everybody in the subnet (FSx for Lustre User Guide, "File system access control with Amazon
    VPC"; the wording from aws-parallelcluster#1198). Which peers exactly FSx accepts is not
    documented.
    """
    members = {str(group["GroupId"]) for group in groups}
    for direction in ("IpPermissions", "IpPermissionsEgress"):
        rules = [rule for group in groups for rule in group.get(direction, ())]
        if not any(_opens_lnet(rule, members, subnet_cidr) for rule in rules):
            raise fsx_refusal(
                "InvalidNetworkSettings",
                "The file system cannot be created because the default security group in the "
                "subnet provided or the provided security groups do not permit Lustre LNET "
                f"network traffic on port {LNET_PORT}",
            )


def require_launch_template(order: Order) -> None:
    """Refuse a launch template whose instances could not start.

    EC2 itself takes such a template and fails the launch. Here nothing is launched, so the
    template is refused.
    """
    data = order.properties.get("LaunchTemplateData") or {}
    instance_type = data.get("InstanceType")
    if not isinstance(instance_type, str):
        return
    try:
        found = interfaces.problems(instance_type, data.get("NetworkInterfaces") or ())
        refuse("Ec2", "InvalidParameterCombination", found)
    except instances.UnknownInstanceTypeError:
        return  # a type without accelerators: the catalogue has no rules for it


def require_instance_type(scope: Scope, instance_type: str, zone_id: str | None) -> None:
    """Refuse an instance type that does not exist, or is not sold in a zone."""
    try:
        offered = instances.find(instance_type).availability_zone_ids
    except instances.UnknownInstanceTypeError as error:
        if error.lacks is not None:
            return
        words = f"The instance type '{instance_type}' is invalid or not offered in {scope.region}."
        raise ec2_refusal("InvalidInstanceType", words) from None
    if zone_id is None or offered is None or scope.region not in instances.zones_by_region():
        return
    sellers = offered.get(scope.region, ())
    if zone_id in sellers:
        return
    names = ", ".join(str(zones.zone_name(scope.region, seller)) for seller in sellers)
    retry = f" or choosing {names}" if names else ""
    raise ec2_refusal(
        "Unsupported",
        f"Your requested instance type ({instance_type}) is not supported in your requested "
        f"Availability Zone ({zones.zone_name(scope.region, zone_id)}). Please retry your request "
        f"by not specifying an Availability Zone{retry}.",
    )


def _opens_lnet(rule: Rule, members: Iterable[str], subnet_cidr: str) -> bool:
    subnet, protocol = ipaddress.IPv4Network(subnet_cidr), str(rule.get("IpProtocol"))
    lowest, highest = int(rule.get("FromPort", 0)), int(rule.get("ToPort", 65535))
    port_open = protocol in ("tcp", "6") and lowest <= LNET_PORT <= highest
    if not port_open and protocol != EVERY_PROTOCOL:
        return False
    return any(pair.get("GroupId") in members for pair in rule.get("UserIdGroupPairs", ())) or any(
        subnet.subnet_of(ipaddress.IPv4Network(entry["CidrIp"], strict=False))
        for entry in rule.get("IpRanges", ())
    )


def refuse(service: str, code: str, found: Iterator[Problem]) -> None:
    """Refuse what has problems."""
    lines = [str(problem) for problem in found]
    if lines:
        raise ServiceError(service, code, "; ".join(lines))
