"""Security groups and their rules, through EC2's API and through CloudFormation."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

from ultracluster.emulator.ministack import internals
from ultracluster.emulator.ministack.calls import ec2, gone_or_here, offer
from ultracluster.emulator.provisioning import Order, Resource, ec2_refusal

EVERYTHING: Final = "-1"
PEERS: Final = {
    "IpRanges": "CidrIp",
    "Ipv6Ranges": "CidrIpv6",
    "PrefixListIds": "PrefixListId",
    "UserIdGroupPairs": "GroupId",
}
STORES: Final = {"Ingress": "IpPermissions", "Egress": "IpPermissionsEgress"}

Rule = dict[str, Any]


def install() -> None:
    """Let authorize and revoke calls work rule by rule, as EC2's do."""
    for direction in STORES:
        offer(f"AuthorizeSecurityGroup{direction}", partial(_authorize, direction))
        offer(f"RevokeSecurityGroup{direction}", partial(_revoke, direction))


class SecurityGroupRule:
    """`AWS::EC2::SecurityGroupIngress` or `…Egress`: `Ref` is the rule's id."""

    def __init__(self, direction: str) -> None:
        self._direction = direction

    def create(self, order: Order) -> Resource:
        """Authorize the rule; a rule that exists already is refused, as EC2 does."""
        answer = ec2(
            f"AuthorizeSecurityGroup{self._direction}",
            GroupId=order.properties["GroupId"],
            IpPermissions=[_permission(order.properties)],
        )
        rule_id = answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        return Resource(rule_id, {"Id": rule_id})

    def update(self, physical_id: str, order: Order) -> Resource:
        """Change the description, the one property that does not replace a rule."""
        group = _group(order.properties["GroupId"])
        for rule in group[STORES[self._direction]]:
            if rule.get("SecurityGroupRuleId") == physical_id:
                rule.update(_permission(order.properties))
        return Resource(physical_id, {"Id": physical_id})

    def delete(self, physical_id: str, order: Order) -> None:
        """Revoke the rule; one that is gone, or whose group is, is no error."""
        with gone_or_here():
            ec2(
                f"RevokeSecurityGroup{self._direction}",
                GroupId=order.properties["GroupId"],
                SecurityGroupRuleIds=[physical_id],
            )


def open_default_group(resource: Resource) -> None:
    """Let members of a new VPC's default group talk, as they may in every VPC."""
    group_id = resource.attributes["DefaultSecurityGroup"]
    permission = {"IpProtocol": EVERYTHING, "UserIdGroupPairs": [{"GroupId": group_id}]}
    ec2("AuthorizeSecurityGroupIngress", GroupId=group_id, IpPermissions=[permission])


def require_new_group(order: Order) -> None:
    """Refuse a group in a VPC that does not exist."""
    vpc_id = order.properties.get("VpcId")
    if vpc_id and internals.ec2._vpcs.get(vpc_id) is None:
        raise ec2_refusal("InvalidVpcID.NotFound", f"The vpc ID '{vpc_id}' does not exist")


def _authorize(direction: str, arguments: Mapping[str, Any]) -> Rule:
    group = _group(arguments.get("GroupId"))
    store = group[STORES[direction]]
    wanted = _singles(arguments.get("IpPermissions") or ())
    present = set(map(_identity, _singles(store)))
    for rule in wanted:
        for pair in rule["UserIdGroupPairs"]:
            _group(pair["GroupId"])
        if _identity(rule) in present:
            protocol, lowest, highest, _, peer = _identity(rule)
            ports = f"{protocol.upper()}, from port: {lowest}, to port: {highest}"
            ports = "ALL" if protocol == EVERYTHING else ports
            words = f'the specified rule "peer: {peer}, {ports}, ALLOW" already exists'
            raise ec2_refusal("InvalidPermission.Duplicate", words)
    for rule in wanted:
        rule["SecurityGroupRuleId"] = internals.ec2._sg_rule_id(
            group["GroupId"], direction == "Egress", rule
        )
        store.append(rule)
    made = [{"SecurityGroupRuleId": rule["SecurityGroupRuleId"]} for rule in wanted]
    return {"Return": True, "SecurityGroupRules": made}


def _revoke(direction: str, arguments: Mapping[str, Any]) -> Rule:
    group = _group(arguments.get("GroupId"))
    group_id, egress = group["GroupId"], direction == "Egress"
    singles = [
        {**single, "SecurityGroupRuleId": internals.ec2._sg_rule_id(group_id, egress, rule)}
        for rule in group[STORES[direction]]
        for single in _singles([rule])
    ]
    ids = set(arguments.get("SecurityGroupRuleIds") or ())
    unknown = ids - {rule["SecurityGroupRuleId"] for rule in singles}
    identities = set(map(_identity, _singles(arguments.get("IpPermissions") or ())))
    missing = identities - set(map(_identity, singles))
    if unknown or missing:
        code = "InvalidSecurityGroupRuleId" if unknown else "InvalidPermission"
        what = f"The security group rule ID '{', '.join(sorted(unknown))}' does not exist"
        text = what if unknown else "The specified rule does not exist in this security group."
        raise ec2_refusal(f"{code}.NotFound", text)
    group[STORES[direction]] = [
        rule
        for rule in singles
        if rule["SecurityGroupRuleId"] not in ids and _identity(rule) not in identities
    ]
    return {"Return": True}


def _group(group_id: Any) -> Any:
    group = internals.ec2._security_groups.get(group_id)
    if group is None:
        words = f"The security group '{group_id}' does not exist"
        raise ec2_refusal("InvalidGroup.NotFound", words)
    return group


def _singles(rules: Iterable[Mapping[str, Any]]) -> list[Rule]:
    """Split permissions into rules with one peer each, which is what EC2 keeps."""
    return [
        {**_shared(rule), **{other: [] for other in PEERS}, name: [dict(entry)]}
        for rule in rules
        for name in PEERS
        for entry in rule.get(name) or ()
    ]


def _shared(rule: Mapping[str, Any]) -> Rule:
    ports = () if str(rule.get("IpProtocol")) == EVERYTHING else ("FromPort", "ToPort")
    names = ("IpProtocol", "SecurityGroupRuleId", *ports)
    return {name: rule[name] for name in names if rule.get(name) is not None}


def _identity(rule: Mapping[str, Any]) -> tuple[Any, ...]:
    name = next(name for name in PEERS if rule.get(name))
    protocol = str(rule.get("IpProtocol"))
    return (protocol, rule.get("FromPort"), rule.get("ToPort"), name, rule[name][0][PEERS[name]])


def _permission(given: Mapping[str, Any]) -> Rule:
    """Return CloudFormation's properties of a rule as EC2's permission."""
    permission: Rule = {"IpProtocol": str(given["IpProtocol"])}
    permission |= {name: int(given[name]) for name in ("FromPort", "ToPort") if name in given}
    described = {"Description": given["Description"]} if given.get("Description") else {}
    sources = {
        "IpRanges": given.get("CidrIp"),
        "Ipv6Ranges": given.get("CidrIpv6"),
        "PrefixListIds": given.get("SourcePrefixListId") or given.get("DestinationPrefixListId"),
        "UserIdGroupPairs": given.get("SourceSecurityGroupId")
        or given.get("DestinationSecurityGroupId"),
    }
    for name, value in sources.items():
        if value:
            permission[name] = [{PEERS[name]: value, **described}]
    return permission
