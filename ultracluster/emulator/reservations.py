"""On-demand capacity reservations of EC2.

A reservation of this emulator always succeeds where the type is sold: offerings are known,
capacity is not. Nothing is launched into one, so all of it stays available.
"""

from collections.abc import Mapping
from typing import Any, Final

from ultracluster.emulator import filters, semantics, zones
from ultracluster.emulator.ministack import network
from ultracluster.emulator.provisioning import (
    LEDGER,
    Order,
    Record,
    Resource,
    Scope,
    ec2_refusal,
    hexadecimal,
)

RESERVATION: Final = "AWS::EC2::CapacityReservation"
MISSING: Final = "InvalidCapacityReservationId.NotFound"
MOST_INSTANCES: Final = 1000
"""Instances of one request (EC2 User Guide, "Capacity Reservations"; read 2026-11-23)."""
AS_GIVEN: Final = ("AvailabilityZoneId", "AvailabilityZone", "InstanceType", "InstancePlatform")


class Reservations:
    """`AWS::EC2::CapacityReservation`."""

    def create(self, order: Order) -> Resource:
        record = _reserve(order.scope, order.properties)
        return Resource(record.physical_id, _attributes(record))

    def update(self, physical_id: str, order: Order) -> Resource:
        record = _required(order.scope, physical_id)
        _require_count(order.properties)
        record.properties = {**dict(order.properties), **record.state["zone"]}
        return Resource(physical_id, _attributes(record))

    def delete(self, physical_id: str, order: Order) -> None:
        record = LEDGER.find(order.scope, RESERVATION, physical_id)
        if record is not None:
            record.state["state"] = "cancelled"


def _reserve(scope: Scope, given: Mapping[str, Any]) -> Record:
    """Make a reservation from the names that CloudFormation and the API share.

    Raises:
        ServiceError: where EC2 would refuse.
    """
    zone = _zone(scope, given)
    _require_count(given)
    semantics.require_instance_type(scope, str(given["InstanceType"]), zone["AvailabilityZoneId"])
    group = given.get("PlacementGroupArn")
    if group and network.placement_group(str(group)) is None:
        raise ec2_refusal(
            "InvalidPlacementGroup.Unknown",
            f"The Placement Group '{str(group).rsplit('/', 1)[-1]}' is unknown.",
        )
    record = Record(RESERVATION, f"cr-{hexadecimal()}", scope, {**dict(given), **zone})
    record.state = {"state": "active", "zone": zone}
    return LEDGER.keep(record)


def _required(scope: Scope, reservation_id: str) -> Record:
    record = LEDGER.find(scope, RESERVATION, reservation_id)
    if record is None:
        words = f"The capacity reservation '{reservation_id}' does not exist."
        raise ec2_refusal(MISSING, words)
    return record


def require_empty(scope: Scope, group_name: str) -> None:
    """Refuse to delete a placement group with an active reservation in it."""
    group = network.placement_group(group_name) or {}
    for record in LEDGER.of_type(scope, RESERVATION):
        within = group and record.properties.get("PlacementGroupArn") == group["GroupArn"]
        if within and record.state["state"] == "active":
            raise ec2_refusal(
                "InvalidPlacementGroup.InUse",
                f"The placement group '{group['GroupName']}' is in use and may not be deleted.",
            )


def describe(scope: Scope, arguments: Mapping[str, Any]) -> dict[str, Any]:
    rows = filters.chosen(
        [row(record) for record in LEDGER.of_type(scope, RESERVATION)],
        arguments,
        key="CapacityReservationId",
        missing=MISSING,
    )
    return {"CapacityReservations": rows}


def create_by_call(scope: Scope, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"CapacityReservation": row(_reserve(scope, arguments))}


def cancel(scope: Scope, arguments: Mapping[str, Any]) -> dict[str, Any]:
    _required(scope, str(arguments["CapacityReservationId"])).state["state"] = "cancelled"
    return {"Return": True}


def row(record: Record) -> dict[str, Any]:
    given, state = record.properties, record.state["state"]
    stated = given.get("TagSpecifications") or ()
    own = [each for each in stated if each.get("ResourceType") == "capacity-reservation"]
    tags = [tag for each in own for tag in each.get("Tags") or ()]
    arn = record.scope.arn("ec2", f"capacity-reservation/{record.physical_id}")
    return {
        "CapacityReservationId": record.physical_id,
        "OwnerId": record.scope.account,
        "CapacityReservationArn": arn,
        **{name: given[name] for name in AS_GIVEN},
        "Tenancy": given.get("Tenancy", "default"),
        "TotalInstanceCount": given["InstanceCount"],
        "AvailableInstanceCount": given["InstanceCount"] if state == "active" else 0,
        "EbsOptimized": given.get("EbsOptimized", False),
        "EphemeralStorage": given.get("EphemeralStorage", False),
        "State": state,
        "StartDate": record.created,
        "EndDate": given.get("EndDate"),
        "EndDateType": given.get("EndDateType", "unlimited"),
        "InstanceMatchCriteria": given.get("InstanceMatchCriteria", "open"),
        "CreateDate": record.created,
        "PlacementGroupArn": given.get("PlacementGroupArn"),
        "ReservationType": "default",
        "Tags": tags,
    }


def _attributes(record: Record) -> dict[str, Any]:
    dates = dict.fromkeys(("StartDate", "CreateDate"), f"{record.created:%Y-%m-%dT%H:%M:%SZ}")
    return {**row(record), **dates, "Id": record.physical_id}


def _zone(scope: Scope, given: Mapping[str, Any]) -> dict[str, str]:
    name, zone_id = given.get("AvailabilityZone"), given.get("AvailabilityZoneId")
    if not name and not zone_id:
        words = "The request must contain the parameter AvailabilityZone or AvailabilityZoneId"
        raise ec2_refusal("MissingParameter", words)
    for each, its_name in zones.zones(scope.region).items():
        if each == zone_id or (not zone_id and its_name == name):
            return {"AvailabilityZone": its_name, "AvailabilityZoneId": each}
    words = f"Invalid availability zone: [{zone_id or name}]"
    raise ec2_refusal("InvalidParameterValue", words)


def _require_count(given: Mapping[str, Any]) -> None:
    count = int(given["InstanceCount"])
    if not 1 <= count <= MOST_INSTANCES:
        words = f"Value ({count}) for parameter instanceCount is invalid. "
        words += f"It must be between 1 and {MOST_INSTANCES}."
        raise ec2_refusal("InvalidParameterValue", words)
