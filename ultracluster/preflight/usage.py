"""Current usage of each quota, without that of the environment itself."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from ultracluster.catalogue.instances import UnknownInstanceTypeError, find, letters
from ultracluster.catalogue.quotas import LustreQuotas
from ultracluster.preflight.finding import Situation
from ultracluster.preflight.inquiry import Answer, Question, question

Usage = Callable[[Situation], int]

CAPACITY_BLOCK: Final = "capacity-block"
FILE_SYSTEM_IS_GONE: Final = ("DELETING", "FAILED")
POOL_IN_USE: Final = ("Available", "InUse")
"""A pool that waits, and one that a job has taken over (CreateTrainingJob, botocore 1.43.106)."""

INSTANCES: Final = question(
    "ec2",
    "describe_instances",
    Filters=[{"Name": "instance-state-name", "Values": ["pending", "running"]}],
    MaxResults=1000,
)
RESERVATIONS: Final = question(
    "ec2", "describe_capacity_reservations", Filters=[{"Name": "state", "Values": ["active"]}]
)
INTERFACES: Final = question("ec2", "describe_network_interfaces", MaxResults=1000)
VPCS: Final = question("ec2", "describe_vpcs", MaxResults=1000)
ADDRESSES: Final = question("ec2", "describe_addresses")
FILE_SYSTEMS: Final = question("fsx", "describe_file_systems")
JOBS: Final = question("sagemaker", "list_training_jobs", StatusEquals="InProgress", MaxResults=100)


def instances(situation: Situation) -> list[dict[str, Any]]:
    launches = situation.ask(INSTANCES)["Reservations"]
    return [instance for launch in launches for instance in launch["Instances"]]


def on_demand_vcpus(families: tuple[str, ...]) -> Usage:
    """Count running instances, and places in reservations that no instance uses.

    Such a place counts like a running instance (EC2 User Guide, "Capacity Reservations", copy read
    2026-11-23), against the account that owns the reservation.
    """

    def count(situation: Situation) -> int:
        counts: Counter[str] = Counter()
        for instance in instances(situation):
            # Spot instances have a quota of their own; a Capacity Block is not on demand.
            if "InstanceLifecycle" not in instance and not situation.of_environment(instance):
                counts[instance["InstanceType"]] += 1
        for row in situation.ask(RESERVATIONS)["CapacityReservations"]:
            # One that the environment's stack made has no tags of its own, but it lies in the
            # stack's placement group, whose name CloudFormation begins with the stack's.
            group = str(row.get("PlacementGroupArn") or "").rpartition("/")[2]
            if (
                row.get("OwnerId") == situation.caller.account
                and row.get("ReservationType", "default") != CAPACITY_BLOCK
                and not group.startswith(f"{situation.spec.name}-Cluster-")
            ):
                counts[row["InstanceType"]] += int(row["AvailableInstanceCount"])
        own = {name: n for name, n in counts.items() if n and letters(name) in families}
        return sum(vcpus * own[name] for name, vcpus in vcpus_of(situation, own).items())

    return count


def vcpus_of(situation: Situation, names: Iterable[str]) -> dict[str, int]:
    """Return the vCPUs of instance types: from the catalogue, of others by asking EC2."""
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


def without_own(asked: Question, key: str) -> Usage:
    """Count resources that do not belong to the environment."""

    def count(situation: Situation) -> int:
        rows: list[dict[str, Any]] = situation.ask(asked)[key]
        return sum(not situation.of_environment(row) for row in rows)

    return count


def network_interfaces(situation: Situation) -> int:
    own = {v["VpcId"] for v in situation.ask(VPCS)["Vpcs"] if situation.of_environment(v)}
    rows = situation.ask(INTERFACES)["NetworkInterfaces"]
    return sum(row.get("VpcId") not in own for row in rows)


def file_systems(kind: LustreQuotas, member: str = "") -> Usage:
    """Count file systems, or add up a member of them: `StorageCapacity`, `ThroughputCapacity`."""

    def count(situation: Situation) -> int:
        every = existing_file_systems(situation, *kind.deployment_types)
        rows = [row for row in every if not situation.of_environment(row)]
        if not member:
            return len(rows)
        if member == "StorageCapacity":
            rows = [row for row in rows if (row.get("StorageType") or "SSD") == "SSD"]
        both = [{**row, **(row.get("LustreConfiguration") or {})} for row in rows]
        return sum(int(row.get(member) or 0) for row in both)

    return count


def existing_file_systems(situation: Situation, *deployment_types: str) -> list[dict[str, Any]]:
    """Return the file systems of some deployment types."""
    return [
        row
        for row in situation.ask(FILE_SYSTEMS)["FileSystems"]
        if (row.get("LustreConfiguration") or {}).get("DeploymentType") in deployment_types
        and row.get("Lifecycle") not in FILE_SYSTEM_IS_GONE
    ]


def training_instances(name: str | None = None) -> Usage:
    """Count instances of the jobs in progress; of one type those that are not on spot capacity.

    That has quotas of its own for each type.
    """

    def count(situation: Situation) -> int:
        rows = situation.ask(JOBS)["TrainingJobSummaries"]
        if name is None:
            return _of_jobs(situation, rows).total()
        return _of_jobs(situation, rows, with_spot=False)[name]

    return count


def warm_pools(name: str) -> Usage:
    def count(situation: Situation) -> int:
        every: list[Answer] = []
        for status in POOL_IN_USE:
            named: dict[str, Any] = {"WarmPoolStatusEquals": status, "MaxResults": 100}
            asked = question("sagemaker", "list_training_jobs", **named)
            every += situation.ask(asked)["TrainingJobSummaries"]
        return _of_jobs(situation, every)[name]

    return count


def _of_jobs(
    situation: Situation, rows: Sequence[Answer], *, with_spot: bool = True
) -> Counter[str]:
    names = dict.fromkeys(row["TrainingJobName"] for row in rows)
    counts: Counter[str] = Counter()
    for job in situation.inquiry.together(
        [question("sagemaker", "describe_training_job", TrainingJobName=name) for name in names]
    ):
        if job.get("EnableManagedSpotTraining") and not with_spot:
            continue
        resources = job["ResourceConfig"]
        for group in resources.get("InstanceGroups") or [resources]:
            counts[group["InstanceType"]] += int(group["InstanceCount"])
    return counts
