"""Security groups and their rules through CloudFormation."""

from collections.abc import Mapping
from typing import Any, Final

from operations.emulator.ministack import internals
from operations.emulator.ministack.calls import ec2
from operations.emulator.provisioning import Order, Resource, ServiceError

EVERYTHING: Final = "-1"


class SecurityGroupRule:
    """`AWS::EC2::SecurityGroupIngress` or `…Egress`: `Ref` is the rule's id."""

    def __init__(self, direction: str) -> None:
        self._direction = direction
        self._store = "IpPermissions" if direction == "Ingress" else "IpPermissionsEgress"

    def create(self, order: Order) -> Resource:
        """Authorize the rule; a rule that exists already is refused, as EC2 does."""
        group_id = str(order.properties["GroupId"])
        group = internals.ec2._security_groups.get(group_id)  # noqa: SLF001
        if group is None:
            raise ServiceError(
                "Ec2", "InvalidGroup.NotFound", f"The security group '{group_id}' does not exist"
            )
        permission = self._permission(order.properties)
        if any(_identity(rule) == _identity(permission) for rule in group[self._store]):
            raise ServiceError("Ec2", "InvalidPermission.Duplicate", _duplicate(permission))
        answer = ec2(
            f"AuthorizeSecurityGroup{self._direction}", GroupId=group_id, IpPermissions=[permission]
        )
        rule_id = answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        return Resource(rule_id, {"Id": rule_id})

    def update(self, physical_id: str, order: Order, previous: Mapping[str, Any]) -> Resource:
        """Change the description, the one property that does not replace a rule."""
        del previous
        wanted = self._permission(order.properties)
        groups = internals.ec2._security_groups  # noqa: SLF001
        for rule in groups[order.properties["GroupId"]][self._store]:
            if _identity(rule) == _identity(wanted):
                for name in PEERS:
                    rule[name] = wanted.get(name, [])
        return Resource(physical_id, {"Id": physical_id})

    def delete(self, physical_id: str, order: Order) -> None:
        """Revoke the rule; one that is gone, or whose group is, is no error."""
        try:
            ec2(
                f"RevokeSecurityGroup{self._direction}",
                GroupId=order.properties["GroupId"],
                SecurityGroupRuleIds=[physical_id],
            )
        except ServiceError as error:
            if not error.code.endswith("NotFound"):
                raise

    def _permission(self, given: Mapping[str, Any]) -> dict[str, Any]:
        protocol = str(given["IpProtocol"])
        permission: dict[str, Any] = {"IpProtocol": protocol}
        if protocol != EVERYTHING:
            for name in ("FromPort", "ToPort"):
                if name in given:
                    permission[name] = int(given[name])
        described = {"Description": given["Description"]} if given.get("Description") else {}
        group_id = given.get("SourceSecurityGroupId") or given.get("DestinationSecurityGroupId")
        prefix_list = given.get("SourcePrefixListId") or given.get("DestinationPrefixListId")
        if given.get("CidrIp"):
            permission["IpRanges"] = [{"CidrIp": given["CidrIp"], **described}]
        elif given.get("CidrIpv6"):
            permission["Ipv6Ranges"] = [{"CidrIpv6": given["CidrIpv6"], **described}]
        elif prefix_list:
            permission["PrefixListIds"] = [{"PrefixListId": prefix_list, **described}]
        elif group_id:
            if internals.ec2._security_groups.get(group_id) is None:  # noqa: SLF001
                raise ServiceError(
                    "Ec2",
                    "InvalidGroup.NotFound",
                    f"You have specified two resources that belong to different networks, or the "
                    f"security group '{group_id}' does not exist.",
                )
            permission["UserIdGroupPairs"] = [{"GroupId": group_id, **described}]
        return permission


PEERS: Final = {
    "IpRanges": "CidrIp",
    "Ipv6Ranges": "CidrIpv6",
    "PrefixListIds": "PrefixListId",
    "UserIdGroupPairs": "GroupId",
}


def _identity(rule: Mapping[str, Any]) -> tuple[Any, ...]:
    peers = tuple(
        (name, entry.get(key)) for name, key in PEERS.items() for entry in rule.get(name) or ()
    )
    protocol = str(rule.get("IpProtocol"))
    ports = (rule.get("FromPort"), rule.get("ToPort")) if protocol != EVERYTHING else ()
    return (protocol, *ports, *sorted(peers))


def _duplicate(permission: Mapping[str, Any]) -> str:
    protocol, *ports = (str(part) for part in _identity(permission)[:3])
    peer = next(
        str(entry[key]) for name, key in PEERS.items() for entry in permission.get(name) or ()
    )
    what = "ALL" if protocol == EVERYTHING else f"{protocol.upper()}, from port: {ports[0]}, to"
    detail = what if protocol == EVERYTHING else f"{what} port: {ports[1]}"
    return f'the specified rule "peer: {peer}, {detail}, ALLOW" already exists'


def require_new_group(order: Order) -> None:
    """Refuse a group in a VPC that does not exist.

    Raises:
        ServiceError: with EC2's wording.
    """
    vpc_id = order.properties.get("VpcId")
    if vpc_id and internals.ec2._vpcs.get(vpc_id) is None:  # noqa: SLF001
        raise ServiceError(
            "Ec2", "InvalidVpcID.NotFound", f"The vpc ID '{vpc_id}' does not exist"
        )
