"""EC2 describe calls answered from MiniStack's records with every member and filter.

MiniStack's own answers leave members and filters out (a launch template's `NetworkCardIndex`, an
endpoint's groups, every filter of DescribeNetworkInterfaces). Its records hold them.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from botocore import xform_name

from ultracluster.emulator import wire
from ultracluster.emulator.filters import chosen
from ultracluster.emulator.ministack import images, internals, network, security_groups
from ultracluster.emulator.ministack.calls import offer, tags
from ultracluster.emulator.provisioning import ec2_refusal

Row = dict[str, Any]


def _parsed(flat: wire.Flat, prefix: str = "LaunchTemplateData") -> dict[str, Any]:
    del prefix
    data: dict[str, Any] = wire.ec2_arguments(flat["Action"][0], flat).get("LaunchTemplateData", {})
    return data


def _versions(arguments: Mapping[str, Any]) -> dict[str, Any]:
    template_id, account = arguments.get("LaunchTemplateId"), internals.current_scope().account
    every, rows = internals.ec2._launch_templates, []
    if template_id and template_id not in every:
        words = f"The specified launch template, with template ID {template_id}, does not exist."
        raise ec2_refusal("InvalidLaunchTemplateId.NotFound", words)
    for template in [every[template_id]] if template_id else every.values():
        named = {
            f"${name}": str(template[f"{name}VersionNumber"]) for name in ("Latest", "Default")
        }
        wanted = {named.get(each, each) for each in arguments.get("Versions") or ()}
        newest_first = sorted(template["Versions"], key=lambda each: -int(each["VersionNumber"]))
        rows += [
            {**version, "CreatedBy": account}
            for version in newest_first
            if not wanted or str(version["VersionNumber"]) in wanted
        ]
    return {"LaunchTemplateVersions": rows}


class Description(NamedTuple):
    """One describe call: what it answers, the member that holds an id, and where rows come from."""

    answer: str
    key: str
    missing: str
    """Error code for an id that does not exist."""
    rows: Callable[[], Iterator[Row]] | None = None
    """None where they are as MiniStack stores them."""


def install() -> None:
    # Launch template data is read by EC2's model instead of member by member.
    internals.ec2._parse_lt_data = _parsed
    offer("DescribeLaunchTemplateVersions", _versions)
    for description in DESCRIPTIONS:
        offer(f"Describe{description.answer}", _answering(description))


def _answering(description: Description) -> Callable[[Mapping[str, Any]], Row]:
    stored = _stored(f"_{xform_name(description.answer)}", description.key)

    def answer(arguments: Mapping[str, Any]) -> Row:
        # Two calls name their filter parameter in the singular.
        given = {**arguments, "Filters": arguments.get("Filters") or arguments.get("Filter")}
        rows = list((description.rows or stored)())
        found = chosen(rows, given, key=description.key, missing=description.missing)
        return {description.answer: found}

    return answer


def _stored(store: str, key: str) -> Callable[[], Iterator[Row]]:
    def rows() -> Iterator[Row]:
        for record in getattr(internals.ec2, store).values():
            yield {**record, "Tags": tags(record[key])}

    return rows


def _subnets() -> Iterator[Row]:
    scope = internals.current_scope()
    for row in _stored("_subnets", "SubnetId")():
        arn = scope.arn("ec2", f"subnet/{row['SubnetId']}")
        yield {**row, "AvailableIpAddressCount": network.free_addresses(row), "SubnetArn": arn}


def _interfaces() -> Iterator[Row]:
    for row in _stored("_network_interfaces", "NetworkInterfaceId")():
        address = {"PrivateIpAddress": row["PrivateIpAddress"], "Primary": True}
        yield {**row, "TagSet": row["Tags"], "PrivateIpAddresses": [address]}


def _endpoints() -> Iterator[Row]:
    for row in _stored("_vpc_endpoints", "VpcEndpointId")():
        policy = row.get("PolicyDocument")
        text = policy if isinstance(policy, str) or not policy else json.dumps(policy)
        groups = network.group_references(row.get("SecurityGroupIds", ()))
        yield {**row, "PolicyDocument": text, "Groups": groups}


def _groups() -> Iterator[Row]:
    scope = internals.current_scope()
    for row in _stored("_security_groups", "GroupId")():
        arn = scope.arn("ec2", f"security-group/{row['GroupId']}")
        merged = {each: _merged(row.get(each, ())) for each in security_groups.STORES.values()}
        yield {**row, **merged, "SecurityGroupArn": arn}


def _merged(rules: Any) -> list[Row]:
    """Return rules as DescribeSecurityGroups groups them: one entry per protocol and ports."""
    entries: dict[tuple[Any, ...], Row] = {}
    account = internals.current_scope().account
    for rule in rules:
        key = (rule.get("IpProtocol"), rule.get("FromPort"), rule.get("ToPort"))
        new = dict(zip(("IpProtocol", "FromPort", "ToPort"), key, strict=True))
        entry = entries.setdefault(key, new | {name: [] for name in security_groups.PEERS})
        for name in security_groups.PEERS:
            own = {"UserId": account} if name == "UserIdGroupPairs" else {}
            entry[name] += [{**own, **peer} for peer in rule.get(name, ())]
    return list(entries.values())


DESCRIPTIONS: Final = (
    Description("Images", "ImageId", "InvalidAMIID.NotFound", images.rows),
    Description("Subnets", "SubnetId", "InvalidSubnetID.NotFound", _subnets),
    Description(
        "NetworkInterfaces", "NetworkInterfaceId", "InvalidNetworkInterfaceID.NotFound", _interfaces
    ),
    Description("VpcEndpoints", "VpcEndpointId", "InvalidVpcEndpointId.NotFound", _endpoints),
    Description("NatGateways", "NatGatewayId", "NatGatewayNotFound"),
    Description("FlowLogs", "FlowLogId", ""),
    Description("Addresses", "AllocationId", "InvalidAllocationID.NotFound"),
    Description("SecurityGroups", "GroupId", "InvalidGroup.NotFound", _groups),
    Description(
        "PlacementGroups",
        "GroupName",
        "InvalidPlacementGroup.Unknown",
        _stored("_placement_groups", "GroupId"),
    ),
)
