"""Drift detection for the types that clusters are made of; MiniStack reads 14 others.

As on AWS, only properties that the template sets are compared. A security group's own rules are
compared without those that are resources of their own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ultracluster.emulator import fsx, pcs, reservations
from ultracluster.emulator.ledger import Ledger
from ultracluster.emulator.ministack import internals, security_groups

Properties = Mapping[str, Any]
Reader = Callable[[str, Properties], Properties | None]

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
}
RULES: Final = {"SecurityGroupIngress": False, "SecurityGroupEgress": True}
"""Properties of a group, and whether their rules are of egress."""


def install(ledger: Ledger) -> None:
    """Add readers of the current state."""
    readers = internals.drift._DRIFT_READERS
    for type_name, store in EXISTENCE.items():
        readers[type_name] = (_existing(store), frozenset())
    for type_name, names in COMPARED.items():
        readers[type_name] = (_recorded(ledger, type_name), frozenset(names))
    for name in RULES:
        readers[f"AWS::EC2::{name}"] = (_rule, frozenset({"Description"}))
    readers["AWS::EC2::SecurityGroup"] = (_group, frozenset({*RULES, "GroupDescription"}))


def _existing(store: str) -> Reader:
    return lambda name, _: {} if name in getattr(internals.ec2, store) else None


def _recorded(ledger: Ledger, type_name: str) -> Reader:
    def read(physical_id: str, _: Properties) -> Properties | None:
        record = ledger.find(internals.current_scope(), type_name, physical_id)
        gone = record is None or record.state.get("state") == "cancelled"
        return None if gone or record is None else record.properties

    return read


def _rule(physical_id: str, _: Properties) -> Properties | None:
    found = (row for row in security_groups.rows() if row["SecurityGroupRuleId"] == physical_id)
    return next(found, None)


def _group(physical_id: str, properties: Properties) -> Properties | None:
    group = internals.ec2._security_groups.get(physical_id)
    if group is None:
        return None
    separate = {
        resource.get("PhysicalResourceId")
        for stack in internals.cloudformation._stacks.values()
        for resource in stack.get("_resources", {}).values()
    }
    own = [
        row
        for row in security_groups.rows()
        if row["GroupId"] == physical_id and row["SecurityGroupRuleId"] not in separate
    ]
    rules = {
        name: [
            _as_declared(row, properties.get(name) or ())
            for row in own
            if row["IsEgress"] is is_egress
        ]
        for name, is_egress in RULES.items()
    }
    return {"GroupDescription": group["Description"], **rules}


def _as_declared(row: Properties, declared: Sequence[Properties]) -> Properties:
    """Return a rule as the template wrote it, or with the members that templates use."""
    end = "Destination" if row["IsEgress"] else "Source"
    rule = {
        "IpProtocol": row["IpProtocol"],
        "CidrIp": row.get("CidrIpv4"),
        "CidrIpv6": row.get("CidrIpv6"),
        f"{end}PrefixListId": row.get("PrefixListId"),
        f"{end}SecurityGroupId": (row.get("ReferencedGroupInfo") or {}).get("GroupId"),
        "Description": row.get("Description"),
    }
    if row["IpProtocol"] != security_groups.EVERYTHING:
        rule |= {name: row[name] for name in ("FromPort", "ToPort")}
    rule = {name: value for name, value in rule.items() if value not in (None, "")}
    for each in declared:
        # Ports of a rule for every protocol mean nothing, and EC2 keeps none.
        known = {name: value for name, value in each.items() if name in rule or not value}
        if known.keys() >= rule.keys() and all(str(rule[n]) == str(known[n]) for n in rule):
            return each
    return rule
