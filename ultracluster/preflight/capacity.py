"""Check of the reservation or Capacity Block of the nodes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from ultracluster.preflight.finding import (
    Finding,
    Situation,
    check,
    failed,
    of_each_fabric,
    passed,
    skipped,
)
from ultracluster.preflight.inquiry import Question, question
from ultracluster.preflight.usage import CAPACITY_BLOCK, instances

UNKNOWN: Final = ("InvalidCapacityReservationId.NotFound", "InvalidCapacityReservationId.Malformed")
LAST_MINUTES: Final = timedelta(minutes=30)
"""A Capacity Block's instances are ended so long before its end (EC2 User Guide, 2026-11-23)."""
PLATFORM: Final = "Linux/UNIX"


@check("capacity-reservation", "The reservation or Capacity Block fits", of_each_fabric)
def _reservation(situation: Situation) -> Iterator[Finding]:
    nodes = situation.spec.nodes
    asked_for = nodes.capacity_block or nodes.capacity_reservation
    if asked_for is None:
        yield skipped("capacity", "the nodes are launched on demand; no API shows free capacity")
        return
    if asked_for.capacity_reservation_id is None:
        words = "the reservation is created with the cluster, if there is capacity"
        yield skipped("capacity", words)
        return
    name = asked_for.capacity_reservation_id
    asked = question("ec2", "describe_capacity_reservations", CapacityReservationIds=[name])
    answer = situation.ask_unless(asked, *UNKNOWN)
    if not answer or not answer["CapacityReservations"]:
        fix = "write the id of one of this account and Region, or have it shared with this account"
        found = "no such reservation in this account and Region"
        yield failed(name, found, "a reservation", fix, asked)
        return
    yield from _judged(situation, answer["CapacityReservations"][0], asked)


def _judged(situation: Situation, row: dict[str, Any], asked: Question) -> Iterator[Finding]:
    name = row["CapacityReservationId"]
    faults = [*_kind(situation, row), *_time(situation, row)]
    # A cancelled reservation has no places: one fault is enough to say so.
    if not any(fault.subject == "state" for fault in faults):
        faults += _size(situation, row)
    for fault in faults:
        yield replace(fault, subject=f"{fault.subject} of {name}", question=asked)
    if not faults:
        what = (
            f"{row['State']}: {row['AvailableInstanceCount']:,} free of "
            f"{row['TotalInstanceCount']:,} {row['InstanceType']} in {_zone(row)}"
        )
        yield passed(name, ", ".join(filter(None, (what, _dates(situation, row)))), asked)


def _kind(situation: Situation, row: dict[str, Any]) -> Iterator[Finding]:
    spec, nodes, zone = situation.spec, situation.spec.nodes, _zone(row)
    is_block = row.get("ReservationType") == CAPACITY_BLOCK
    if is_block != (nodes.capacity_block is not None):
        found, wanted = "a Capacity Block", "an on-demand reservation"
        field = "capacity_block=CapacityBlockSpec"
        if not is_block:
            found, wanted = wanted, found
            field = "capacity_reservation=CapacityReservationSpec"
        yield failed("kind", found, wanted, f"write {field}(capacity_reservation_id=...)")
    other_type = f"use a reservation of {nodes.instance_type}, or nodes of {row['InstanceType']}"
    there = f"write availability_zone_id={zone!r} with subnets there, or use another reservation"
    platform = "use a reservation of that platform; the image is a Linux one"
    tenancy = "use a reservation of default tenancy; nodes are launched with it"
    for subject, found, wanted, fix in (
        ("instance type", row["InstanceType"], nodes.instance_type, other_type),
        ("platform", row.get("InstancePlatform", PLATFORM), PLATFORM, platform),
        ("tenancy", row.get("Tenancy", "default"), "default", tenancy),
        ("zone", zone, spec.availability_zone_id, there),
    ):
        if found != wanted:
            yield failed(subject, found, wanted, fix)
    if group := row.get("PlacementGroupArn"):  # the spec gives such nodes no group of their own
        fix = "use a reservation outside of placement groups: only instances launched into that "
        fix += "group find it, and the nodes are not"
        yield failed("placement group", group.rpartition("/")[2], "none", fix)


def _time(situation: Situation, row: dict[str, Any]) -> Iterator[Finding]:
    state, end = row["State"], row.get("EndDate")
    is_block = row.get("ReservationType") == CAPACITY_BLOCK
    if state != "active" and not (is_block and state == "scheduled"):
        fix = "use one that is active; nodes cannot be launched into this one"
        yield failed("state", state, "active", fix)
    elif end is not None and end - situation.now <= LAST_MINUTES:
        fix = "use one that ends later, or none"
        yield failed("end", _moment(end), f"later than {_moment(situation.now)}", fix)


def _size(situation: Situation, row: dict[str, Any]) -> Iterator[Finding]:
    nodes, total = situation.spec.nodes, int(row["TotalInstanceCount"])
    wanted, spare = nodes.total, nodes.spare_nodes
    if total < wanted:
        fix = f"write nodes.count={total - spare}, or use a reservation of {wanted:,}"
        yield failed("size", f"{total:,} instances", f"{wanted:,}", fix)
        return
    # A block that has not begun shows no free places yet.
    if row["State"] != "active":
        return
    free = int(row["AvailableInstanceCount"])
    own = sum(
        each.get("CapacityReservationId") == row["CapacityReservationId"]
        for each in (instances(situation) if free < wanted else ())
        if situation.of_environment(each)
    )
    if free + own < wanted:
        fix = f"end the instances that use it, or write nodes.count={free - spare}"
        yield failed("free places", f"{free:,} of {total:,}", f"{wanted:,}", fix)


def _zone(row: dict[str, Any]) -> str:
    return str(row.get("AvailabilityZoneId") or row.get("AvailabilityZone"))


def _dates(situation: Situation, row: dict[str, Any]) -> str:
    start, end = row.get("StartDate"), row.get("EndDate")
    words = []
    if start is not None and start > situation.now:
        words.append(f"begins {_moment(start)}; nodes start from then on")
    if end is not None:
        words.append(f"ends {_moment(end)}")
    return ", ".join(words)


def _moment(value: datetime) -> str:
    return value.strftime("%Y-%m-%d %H:%M %Z")
