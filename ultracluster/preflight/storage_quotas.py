"""Quotas of FSx for Lustre, which counts file systems and their capacity by type."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.preflight.finding import Check, Finding, Situation, passed, skipped
from ultracluster.preflight.question import question
from ultracluster.preflight.quotas import Demand, Quota, judged

FILE_SYSTEMS: Final = question("fsx", "describe_file_systems")
GONE: Final = ("DELETING", "FAILED")
PERSISTENT_2: Final = "PERSISTENT_2"


@dataclass(frozen=True)
class Kind:
    """Deployment types that count together."""

    deployment_types: tuple[str, ...]
    count: Quota
    capacity: Quota


KINDS: Final = (
    Kind(
        ("SCRATCH_1", "SCRATCH_2"),
        Quota("fsx", "Lustre Scratch file systems", "L-C48231E5"),
        Quota("fsx", "Lustre Scratch storage capacity", "L-AD2FC696"),
    ),
    Kind(
        ("PERSISTENT_1",),
        Quota("fsx", "Lustre Persistent_1 file systems", "L-9AFA1F09"),
        Quota("fsx", "Lustre Persistent_1 storage capacity", "L-C8640C82"),
    ),
    Kind(
        (PERSISTENT_2,),
        Quota("fsx", "Lustre Persistent_2 file systems", "L-FD6F2F22"),
        Quota("fsx", "Lustre Persistent_2 storage capacity", "L-8F1B9C74"),
    ),
)
HDD: Final = Quota("fsx", "Lustre Persistent HDD storage capacity (per file system)", "L-736F3D6F")
TIERING: Final = Quota(
    "fsx", "Lustre Persistent Intelligent-Tiering throughput capacity", "L-0CD18A5D"
)


def _count(situation: Situation) -> Iterator[Finding]:
    kind = _kind(situation)
    demand = Demand(kind.count, 1, "the file system", lambda s: len(list(_others(s, kind))))
    yield from judged(demand, situation)


def _capacity(situation: Situation) -> Iterator[Finding]:
    storage, kind = situation.spec.storage, _kind(situation)
    if storage.storage_type == "INTELLIGENT_TIERING":
        amount = storage.throughput_capacity_mbps or 0
        yield from judged(
            Demand(TIERING, amount, f"{amount:,} MB/s of throughput", _throughput), situation
        )
        return
    amount = storage.capacity_gib or 0
    quota = HDD if storage.storage_type == "HDD" else kind.capacity

    def usage(asked: Situation) -> int:
        # The quota of HDD is one file system's.
        rows = [] if quota is HDD else _others(asked, kind)
        return sum(int(row.get("StorageCapacity") or 0) for row in rows if _type(row) == "SSD")

    yield from judged(Demand(quota, amount, f"{amount:,} GiB", usage), situation)


def _persistent_2(situation: Situation) -> Iterator[Finding]:
    """No API says where PERSISTENT_2 is sold; a file system that is there does."""
    subject = f"PERSISTENT_2 in {situation.spec.region}"
    if situation.spec.storage.deployment_type != PERSISTENT_2:
        yield skipped(subject, f"the file system is {situation.spec.storage.deployment_type}")
        return
    there = [
        row["FileSystemId"]
        for row in situation.ask(FILE_SYSTEMS)["FileSystems"]
        if _deployment_type(row) == PERSISTENT_2 and row.get("Lifecycle") not in GONE
    ]
    if there:
        yield passed(subject, f"{there[0]} is one", FILE_SYSTEMS)
        return
    yield skipped(
        subject,
        "no API says where it is sold, and the account has none here to go by",
        "look at the FSx console's list of deployment types in this Region",
        FILE_SYSTEMS,
    )


def _kind(situation: Situation) -> Kind:
    asked = situation.spec.storage.deployment_type
    return next(kind for kind in KINDS if asked in kind.deployment_types)


def _others(situation: Situation, kind: Kind) -> Iterator[dict[str, Any]]:
    """Yield the file systems of a kind beside the environment's own."""
    for row in situation.ask(FILE_SYSTEMS)["FileSystems"]:
        if (
            _deployment_type(row) in kind.deployment_types
            and row.get("Lifecycle") not in GONE
            and not situation.of_environment(row)
        ):
            yield row


def _throughput(situation: Situation) -> int:
    return sum(
        int((row.get("LustreConfiguration") or {}).get("ThroughputCapacity") or 0)
        for row in _others(situation, _kind(situation))
    )


def _deployment_type(row: dict[str, Any]) -> str | None:
    configuration: dict[str, Any] = row.get("LustreConfiguration") or {}
    return configuration.get("DeploymentType")


def _type(row: dict[str, Any]) -> str:
    return str(row.get("StorageType") or "SSD")


CHECKS: Final = (
    Check("quota-file-systems", "Lustre file systems of the deployment type", _count),
    Check("quota-file-system-capacity", "Lustre capacity of the deployment type", _capacity),
    Check("lustre-persistent-2", "PERSISTENT_2 is offered in the Region", _persistent_2),
)
