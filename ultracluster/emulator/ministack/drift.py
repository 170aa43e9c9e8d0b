"""Drift detection for the types that clusters are made of; MiniStack reads 14 others.

As on AWS, only properties that the template sets are compared. A security group's own rules are
compared without those that are resources of their own.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from ultracluster.emulator import fsx, hyperpod, pcs, reservations
from ultracluster.emulator.ledger import Ledger
from ultracluster.emulator.ministack import internals, security_groups

Current = Mapping[str, Any] | None
Reader = Callable[[str, Mapping[str, Any]], Current]

EXISTENCE: Final = {
    "AWS::EC2::VPC": "_vpcs",
    "AWS::EC2::Subnet": "_subnets",
    "AWS::EC2::RouteTable": "_route_tables",
    "AWS::EC2::InternetGateway": "_internet_gateways",
    "AWS::EC2::LaunchTemplate": "_launch_templates",
    "AWS::EC2::VPCEndpoint": "_vpc_endpoints",
    "AWS::EC2::FlowLog": "_flow_logs",
    "AWS::EC2::PlacementGroup": "_placement_groups",
}
COMPARED: Final = {
    fsx.FILE_SYSTEM: ("StorageCapacity", "LustreConfiguration", "FileSystemTypeVersion"),
    fsx.ASSOCIATION: ("S3",),
    reservations.RESERVATION: ("InstanceCount", "EndDate", "EndDateType", "InstanceMatchCriteria"),
    pcs.CLUSTER: ("SlurmConfiguration",),
    pcs.NODE_GROUP: ("ScalingConfiguration", "CustomLaunchTemplate"),
    pcs.QUEUE: ("ComputeNodeGroupConfigurations",),
    hyperpod.CLUSTER: ("InstanceGroups",),
}
RULES: Final = {
    "SecurityGroupIngress": "IpPermissions",
    "SecurityGroupEgress": "IpPermissionsEgress",
}


def install(ledger: Ledger) -> None:
    """Add readers of the current state."""
    readers = internals.drift._DRIFT_READERS
    for type_name, store in EXISTENCE.items():
        readers[type_name] = (_existing(store), frozenset())
    for type_name, names in COMPARED.items():
        readers[type_name] = (_recorded(ledger, type_name), frozenset(names))
    for direction in security_groups.STORES:
        type_name = f"AWS::EC2::SecurityGroup{direction}"
        readers[type_name] = (_rule, frozenset({"Description"}))
    readers["AWS::EC2::SecurityGroup"] = (_group, frozenset({*RULES, "GroupDescription"}))


def _existing(store: str) -> Reader:
    def read(physical_id: str, properties: Mapping[str, Any]) -> Current:
        del properties
        return None if getattr(internals.ec2, store).get(physical_id) is None else {}

    return read


def _recorded(ledger: Ledger, type_name: str) -> Reader:
    def read(physical_id: str, properties: Mapping[str, Any]) -> Current:
        del properties
        record = ledger.find(internals.current_scope(), type_name, physical_id)
        gone = record is None or record.state.get("state") == "cancelled"
        return None if gone or record is None else record.properties

    return read


def _rule(physical_id: str, properties: Mapping[str, Any]) -> Current:
    del properties
    for row in security_groups.rows():
        if row["SecurityGroupRuleId"] == physical_id:
            return {"Description": row.get("Description") or ""}
    return None


def _group(physical_id: str, properties: Mapping[str, Any]) -> Current:
    group = internals.ec2._security_groups.get(physical_id)
    if group is None:
        return None
    separate = {
        resource.get("PhysicalResourceId")
        for stack in internals.cloudformation._stacks.values()
        for resource in stack.get("_resources", {}).values()
    }
    found: dict[str, Any] = {"GroupDescription": group["Description"]}
    for name in RULES:
        egress = name == "SecurityGroupEgress"
        rows = [
            row
            for row in security_groups.rows()
            if row["GroupId"] == physical_id
            and row["IsEgress"] is egress
            and row["SecurityGroupRuleId"] not in separate
        ]
        found[name] = [_as_declared(row, properties.get(name) or ()) for row in rows]
    return found


def _as_declared(row: Mapping[str, Any], declared: Any) -> dict[str, Any]:
    """Return a rule with the members that templates use, ports as the template wrote them."""
    peer = row.get("ReferencedGroupInfo") or {}
    key = "DestinationSecurityGroupId" if row["IsEgress"] else "SourceSecurityGroupId"
    prefix = "DestinationPrefixListId" if row["IsEgress"] else "SourcePrefixListId"
    rule = {
        "IpProtocol": row["IpProtocol"],
        "CidrIp": row.get("CidrIpv4"),
        "CidrIpv6": row.get("CidrIpv6"),
        prefix: row.get("PrefixListId"),
        key: peer.get("GroupId"),
        "Description": row.get("Description"),
    }
    if row["IpProtocol"] != security_groups.EVERYTHING:
        rule |= {"FromPort": row["FromPort"], "ToPort": row["ToPort"]}
    rule = {name: value for name, value in rule.items() if value not in (None, "")}
    for each in declared:
        known = {name: value for name, value in each.items() if name in rule or not value}
        if all(str(rule.get(name)) == str(value) for name, value in known.items()):
            return {**rule, **{name: each[name] for name in each if name in ("FromPort", "ToPort")}}
    return rule
