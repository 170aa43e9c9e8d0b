"""vCPUs of nodes and login nodes: running ones, and reserved ones that nobody uses yet."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ultracluster.catalogue.instances import UnknownInstanceTypeError, find
from ultracluster.preflight.finding import Check, Finding, Situation, skipped
from ultracluster.preflight.inquiry import UnansweredError
from ultracluster.preflight.question import question
from ultracluster.preflight.quotas import Demand, Quota, judged
from ultracluster.spec.nodes import NodesSpec

CAPACITY_BLOCK: Final = "capacity-block"
NO_TYPE: Final = "InvalidInstanceType"

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
    (
        ("a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"),
        Quota(
            "ec2",
            "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
            "L-1216C47A",
        ),
    ),
    (("hpc",), Quota("ec2", "Running On-Demand HPC instances")),
    (("x",), Quota("ec2", "Running On-Demand X instances")),
)
"""Which families count together; of those without a code none was found, so the name decides."""

SPOT: Final = (
    (("p",), Quota("ec2", "All P Spot Instance Requests", "L-7212CCBC")),
    (("g", "gr", "vt"), Quota("ec2", "All G and VT Spot Instance Requests", "L-3819A6DF")),
    (("trn",), Quota("ec2", "All Trn Spot Instance Requests")),
    (("inf",), Quota("ec2", "All Inf Spot Instance Requests")),
    (("dl",), Quota("ec2", "All DL Spot Instance Requests")),
)


def _vcpus(situation: Situation) -> Iterator[Finding]:
    nodes = situation.spec.nodes
    families, quota = class_of(nodes.instance_type)
    if nodes.capacity_block is not None:
        yield skipped(quota.name, "the nodes run in a Capacity Block, not on demand")
        return
    count = nodes.count - _reserved_already(situation, nodes)
    each = nodes.instance.vcpus
    words = f"{count:,} x {nodes.instance_type} of {each:,} vCPU"
    if nodes.makes_reservation:
        words += ", from the moment they are reserved"
    amount, slurm = count * each, situation.spec.slurm
    if slurm is not None and letters(slurm.login_instance_type or "") in families:
        login, how = _login_vcpus(situation)
        amount, words = amount + login, f"{words} + {how}"
    demand = Demand(quota, amount, words, lambda s: used(s, families))
    yield from judged(demand, situation)


def _spot(situation: Situation) -> Iterator[Finding]:
    """Say what Spot would have: whoever means to move nodes there reads it here, not at launch."""
    families, _ = class_of(situation.spec.nodes.instance_type)
    quota = next((quota for letters_of, quota in SPOT if letters_of == families), None)
    if quota is None:
        yield skipped("Spot vCPUs", "which quota the nodes' family counts against is not known")
        return
    words = "an environment launches nothing on Spot"
    yield from judged(Demand(quota, 0, words, lambda s: _spot_used(s, families)), situation)


def _spot_used(situation: Situation, families: tuple[str, ...]) -> int:
    counts = Counter(
        instance["InstanceType"]
        for instance in instances(situation)
        if instance.get("InstanceLifecycle") == "spot"
        and letters(instance["InstanceType"]) in families
    )
    return sum(vcpus * counts[name] for name, vcpus in _vcpus_of(situation, counts).items())


def _login(situation: Situation) -> Iterator[Finding]:
    """Login nodes run on demand, whatever the nodes run in."""
    slurm, nodes = situation.spec.slurm, situation.spec.nodes
    if slurm is None or slurm.login_instance_type is None:
        yield skipped("login nodes", "the environment has none")
        return
    name = slurm.login_instance_type
    families, quota = class_of(name)
    if not families:
        yield skipped(f"vCPUs of {name}", "which quota its family counts against is not known")
        return
    if letters(nodes.instance_type) in families and nodes.capacity_block is None:
        yield skipped(quota.name, "one quota holds nodes and login nodes; see quota-vcpus")
        return
    amount, words = _login_vcpus(situation)
    if not amount:
        yield skipped(f"vCPUs of {name}", "EC2 knows no such type here; see login-offering")
        return
    yield from judged(Demand(quota, amount, words, lambda s: used(s, families)), situation)


def _login_vcpus(situation: Situation) -> tuple[int, str]:
    """Return the vCPUs of all login nodes, and how they come about; 0 for an unknown type."""
    slurm = situation.spec.slurm
    name = "" if slurm is None else slurm.login_instance_type or ""
    try:
        each = _vcpus_of(situation, [name]).get(name, 0)
    except UnansweredError as error:
        if error.code != NO_TYPE:
            raise
        each = 0
    count = 0 if slurm is None else slurm.login_instances
    return count * each, f"{count:,} x {name} of {each:,} vCPU"


def class_of(instance_type: str) -> tuple[tuple[str, ...], Quota]:
    """Return the families that count against a type's quota, and the quota; none if unknown."""
    family = letters(instance_type)
    unknown = ((), Quota("ec2", f"vCPUs of {instance_type}"))
    return next((each for each in ON_DEMAND if family in each[0]), unknown)


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


CHECKS: Final = (
    Check("quota-vcpus", "On-demand vCPUs of the nodes, running or reserved", _vcpus),
    Check("quota-spot-vcpus", "Spot vCPUs of the nodes' family; nothing is added", _spot),
    Check("quota-login-vcpus", "On-demand vCPUs of Slurm's login nodes", _login),
)
