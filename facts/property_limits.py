"""Derive which properties the types that the rules are about need, and which values they take.

python facts/property_limits.py            # rewrites ultracluster/catalogue/properties.json

The source is CloudFormation's registry of us-east-1, as cfn-lint of the lock file ships it. Only
what holds whatever else is written: alternatives (`anyOf`, `oneOf`) are left out, and lists of more
than 40 values, which grow (instance types).
What needs one of several properties stands here, after the resource reference (2026-11-27).
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ultracluster.registry.schemas import Schema, schema

TABLE: Final = Path(__file__).parents[1] / "ultracluster" / "catalogue" / "properties.json"
REGION: Final = "us-east-1"
MOST_VALUES: Final = 40
DEEPEST: Final = 6
SERVICES: Final = {
    "Budgets": ["Budget"],
    "CloudWatch": ["Alarm"],
    "EC2": [
        *("CapacityReservation", "FlowLog", "LaunchTemplate", "NatGateway", "PlacementGroup"),
        *("Route", "RouteTable", "SecurityGroup", "SecurityGroupEgress", "SecurityGroupIngress"),
        *("Subnet", "SubnetRouteTableAssociation", "VPC", "VPCEndpoint", "VPCGatewayAttachment"),
    ],
    "ECR": ["Repository"],
    "FSx": ["DataRepositoryAssociation", "FileSystem"],
    "IAM": ["InstanceProfile", "ManagedPolicy", "Role"],
    "KMS": ["Key"],
    "Logs": ["Delivery", "DeliveryDestination", "DeliverySource", "LogGroup"],
    "PCS": ["Cluster", "ComputeNodeGroup", "Queue"],
    "S3": ["Bucket", "BucketPolicy"],
    "SNS": ["Subscription", "TopicPolicy"],
    "StepFunctions": ["StateMachine"],
}

PEERS: Final = [
    *("CidrIp", "CidrIpv6", "SourcePrefixListId", "SourceSecurityGroupId"),
    *("SourceSecurityGroupName", "DestinationPrefixListId", "DestinationSecurityGroupId"),
]
RULE: Final = [PEERS, ["GroupId", "GroupName"]]
ONE_OF: Final = {
    "AWS::EC2::FlowLog": {"": [["LogGroupName", "LogDestination"]]},
    "AWS::EC2::NatGateway": {"": [["AllocationId", "ConnectivityType", "AvailabilityMode"]]},
    "AWS::EC2::SecurityGroupEgress": {"": RULE[:1]},
    "AWS::EC2::SecurityGroupIngress": {"": RULE},
    "AWS::EC2::SecurityGroup": {
        "SecurityGroupEgress.*": RULE[:1],
        "SecurityGroupIngress.*": RULE[:1],
    },
    "AWS::EC2::VPC": {"": [["CidrBlock", "Ipv4IpamPoolId"]]},
    "AWS::EC2::VPCGatewayAttachment": {"": [["InternetGatewayId", "VpnGatewayId"]]},
    "AWS::EC2::Route": {
        "": [["DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId"]]
    },
    "AWS::Logs::DeliveryDestination": {"": [["DestinationResourceArn", "DeliveryDestinationType"]]},
    "AWS::StepFunctions::StateMachine": {
        "": [["Definition", "DefinitionString", "DefinitionS3Location"]]
    },
}


def limits(found: Schema) -> dict[str, dict[str, Any]]:
    """Return what a type needs, and what its values may be, by dotted path."""
    made: dict[str, dict[str, Any]] = {"needs": {}, "values": {}, "from": {}, "to": {}}
    for path, node in _nodes(found, found.document, (), 0):
        name = ".".join(path)
        if node.get("required"):
            made["needs"][name] = sorted(node["required"])
        if 0 < len(node.get("enum", ())) <= MOST_VALUES and node.get("type") == "string":
            made["values"][name] = node["enum"]
        for kind, limit in (("from", "minimum"), ("to", "maximum")):
            if limit in node:
                made[kind][name] = node[limit]
    made["any"] = ONE_OF.get(found.type_name, {})
    return {kind: entries for kind, entries in made.items() if entries}


def _nodes(
    found: Schema, node: Mapping[str, Any], path: tuple[str, ...], depth: int
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    node = found.resolved(node)
    yield path, node
    if depth == DEEPEST:
        return
    for name, inner in node.get("properties", {}).items():
        yield from _nodes(found, inner, (*path, name), depth + 1)
    if isinstance(node.get("items"), Mapping):
        yield from _nodes(found, node["items"], (*path, "*"), depth + 1)


def table() -> dict[str, Any]:
    names = [f"AWS::{service}::{kind}" for service, kinds in SERVICES.items() for kind in kinds]
    types = {name: limits(found) for name in names if (found := schema(name, REGION))}
    return {"_sources": "CloudFormation registry schemas, cfn-lint 1.58.0", "types": types}


if __name__ == "__main__":
    TABLE.write_text(json.dumps(table(), indent=1, sort_keys=True) + "\n")
