"""vCPUs of the nodes: running instances, and reserved ones that nobody uses yet."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from constructs_lib.catalogue.instances import UnknownInstanceTypeError, find
from constructs_lib.spec.nodes import NodesSpec
from operations.preflight.finding import Check, Finding, Situation, skipped
from operations.preflight.question import question
from operations.preflight.quotas import Demand, Quota, judged

CAPACITY_BLOCK: Final = "capacity-block"

INSTANCES: Final = question(
    "ec2",
    "describe_instances",
    Filters=[{"Name": "instance-state-name", "Values": ["pending", "running"]}],
    MaxResults=1000,
)
RESERVATIONS: Final = question(
    "ec2", "describe_capacity_reservations", Filters=[{"Name": "state", "Values": ["active"]}]
)

ON_DEMAND: Final = (
    (("p",), Quota("ec2", "Running On-Demand P instances", "L-417A185B")),
    (("g", "gr", "vt"), Quota("ec2", "Running On-Demand G and VT instances", "L-DB2E81BA")),
    (("dl",), Quota("ec2", "Running On-Demand DL instances")),
    (("inf",), Quota("ec2", "Running On-Demand Inf instances")),
    (("trn",), Quota("ec2", "Running On-Demand Trn instances")),
)
"""Which families count together; of the last three the code was not found, so the name decides."""


def _vcpus(situation: Situation) -> Iterator[Finding]:
    nodes = situation.spec.nodes
    families, quota = _class_of(nodes.instance_type)
    if nodes.capacity_block is not None:
        yield skipped(quota.name, "the nodes run in a Capacity Block, not on demand")
        return
    count = nodes.count - _reserved_already(situation, nodes)
    each = nodes.instance.vcpus
    words = f"{count:,} x {nodes.instance_type} of {each:,} vCPU"
    if nodes.makes_reservation:
        words += ", from the moment they are reserved"
    yield from judged(Demand(quota, count * each, words, lambda s: used(s, families)), situation)


def _class_of(instance_type: str) -> tuple[tuple[str, ...], Quota]:
    family = letters(instance_type)
    return next((families, quota) for families, quota in ON_DEMAND if family in families)


def letters(instance_type: str) -> str:
    """Return the letters that decide which quota an instance type counts against."""
    match = re.match(r"[a-z]+", instance_type)
    return match[0] if match else ""


def used(situation: Situation, families: tuple[str, ...]) -> int:
    """Return the vCPUs that count against a quota beside the environment's own.

    An unused place in a reservation counts like a running instance (EC2 User Guide, "Capacity
    Reservations", copy read 2026-11-23), against the account that owns the reservation.
    """
    counts: Counter[str] = Counter()
    for instance in instances(situation):
        # Spot instances have a quota of their own; a Capacity Block is not on demand.
        if "InstanceLifecycle" not in instance and not situation.of_environment(instance):
            counts[instance["InstanceType"]] += 1
    for row in situation.ask(RESERVATIONS)["CapacityReservations"]:
        if (
            row.get("OwnerId") == situation.caller.account
            and row.get("ReservationType", "default") != CAPACITY_BLOCK
            and not made_by(situation, row)
        ):
            counts[row["InstanceType"]] += int(row["AvailableInstanceCount"])
    counting = {name: n for name, n in counts.items() if n and letters(name) in families}
    return sum(vcpus * counting[name] for name, vcpus in _vcpus_of(situation, counting).items())


def _vcpus_of(situation: Situation, names: Iterable[str]) -> dict[str, int]:
    known, others = {}, []
    for name in sorted(names):
        try:
            known[name] = find(name).vcpus
        except UnknownInstanceTypeError:
            others.append(name)
    if others:
        asked = question("ec2", "describe_instance_types", InstanceTypes=others)
        for row in situation.ask(asked)["InstanceTypes"]:
            known[row["InstanceType"]] = int(row["VCpuInfo"]["DefaultVCpus"])
    return known


def instances(situation: Situation) -> list[dict[str, Any]]:
    """Return the account's running instances."""
    launches = situation.ask(INSTANCES)["Reservations"]
    return [instance for launch in launches for instance in launch["Instances"]]


def made_by(situation: Situation, row: dict[str, Any]) -> bool:
    """Whether a reservation is the one that the environment's own stack made.

    A reservation of CloudFormation has no tags of its own, but it lies in the stack's placement
    group, whose name CloudFormation begins with the stack's.
    """
    group = str(row.get("PlacementGroupArn") or "").rpartition("/")[2]
    return group.startswith(f"{situation.spec.name}-Cluster-")


def _reserved_already(situation: Situation, nodes: NodesSpec) -> int:
    """Return how many nodes count already, as unused places of the reservation they will use."""
    reservation = nodes.capacity_reservation
    if reservation is None or reservation.capacity_reservation_id is None:
        return 0
    rows = situation.ask(RESERVATIONS)["CapacityReservations"]
    free = (
        int(row["AvailableInstanceCount"])
        for row in rows
        if row["CapacityReservationId"] == reservation.capacity_reservation_id
        and row.get("OwnerId") == situation.caller.account
        and row["InstanceType"] == nodes.instance_type
    )
    return min(sum(free), nodes.count)


CHECKS: Final = (Check("quota-vcpus", "On-demand vCPUs of the nodes, running or reserved", _vcpus),)
