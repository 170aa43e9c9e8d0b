"""EC2 instance types: accelerated ones with EFA, and what the name of any other tells.

The data is `instances.json`, generated from `facts/` (DescribeInstanceTypes and
DescribeInstanceTypeOfferings dumps of moto 5.2.5, the price list by cfn-lint 1.58.0, botocore
1.44.5; read 2026-11-23). An offering is not capacity.

What a name tells was held against DescribeInstanceTypes of 1,395 types (as moto 5.2.5 has it, read
2026-11-27): of the 1,310 without an accelerator the rule gives the vCPU of 1,216, all of them
right, and of the others nothing.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Final, Literal, TypeVar, cast

from ultracluster.catalogue.values import table
from ultracluster.problem import Problem, choices

ZONE: Final = "availability_zone_id"
ZONE_NAME: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d[a-z]")


class UnknownInstanceTypeError(LookupError):
    """An instance type that the catalogue does not hold; says why, and names the nearest."""

    def __init__(self, name: str) -> None:
        data, self.lacks = table("instances"), None
        if name in data["no_efa"]:
            self.lacks = "efa"
        elif name in data["efa_without_accelerator"]:
            self.lacks = "accelerator"
        super().__init__(_why_unknown(name, self.lacks))

    lacks: Literal["efa", "accelerator"] | None
    """What EC2's type of that name does not have; None where no such type is known."""


T = TypeVar("T")

GPUS_OF_A_BOARD: Final = 8
WITH_NVSWITCH: Final = ("A100", "H100", "H200", "B200", "B300")
LUSTRE_INTERFACES: Final = {
    "p6-b300.48xlarge": 16,
    "p6e-gb200.36xlarge": 8,
    **dict.fromkeys((f"{each}.48xlarge" for each in ("p6-b200", "p5en", "p5e", "p5")), 8),
}
"""EFA devices that a Lustre client takes where it is not one or two."""


@dataclass(frozen=True, slots=True)
class Accelerator:
    """The accelerators of one instance."""

    name: str
    manufacturer: str
    count: int
    memory_mib: int
    """Memory of each one, in MiB; 0 where it is not known."""

    @property
    def is_nvidia(self) -> bool:
        """Whether they are GPUs that NVIDIA's tools know."""
        return self.manufacturer == "NVIDIA"

    @property
    def plural(self) -> str:
        """What several of them are called."""
        return "GPUs" if self.is_nvidia else "accelerators"

    def total(self, nodes: int) -> str:
        """Return how many some nodes have together, in words where their count is not known."""
        return f"{nodes * self.count:,} {self.name}" if self.count else "not known"


@dataclass(frozen=True, slots=True)
class NetworkCards:
    """The network cards of one instance."""

    count: int
    efa_capable: tuple[int, ...]
    """Indexes of the cards that take an EFA device."""
    efa_recommended: tuple[int, ...]
    """Indexes of the cards that AWS's layouts put an EFA device on."""
    interfaces_per_card: int | None
    gbps: float
    """Bandwidth of all cards together, in Gbps."""


@dataclass(frozen=True, slots=True)
class InstanceType:
    """One accelerated EC2 instance type with EFA."""

    name: str
    vcpus: int
    cores: int | None
    threads_per_core: tuple[int, ...]
    """Values that `CpuOptions.ThreadsPerCore` takes; empty where CPU options are not offered."""
    memory_mib: int
    architecture: str
    accelerator: Accelerator
    network_cards: NetworkCards
    local_nvme_gb: int | None
    """Local disks together; None where it is not known whether there are any."""
    usage_classes: tuple[str, ...]
    boot_modes: tuple[str, ...]
    lustre_over_efa: bool | None
    """Whether it can be a client of an EFA-enabled Lustre file system (Nitro v4 and later); None
    where that is not known."""
    sagemaker_training_type: str | None
    availability_zone_ids: Mapping[str, tuple[str, ...]] | None
    """Zone ids that offer it, by Region, for the Regions whose zones are known; None where no dump
    of offerings has the type, so that it may be sold anywhere."""
    price_list_regions: tuple[str, ...]

    @property
    def has_nvswitch(self) -> bool:
        """Whether its GPUs are joined by NVSwitches, which the fabric manager must have set up.

        So it is on boards of eight such GPUs (NVIDIA Fabric Manager user guide, HGX systems).
        """
        return self.accelerator.count == GPUS_OF_A_BOARD and self.accelerator.name in WITH_NVSWITCH

    @property
    def lustre_interfaces(self) -> int:
        """EFA devices that its Lustre client takes, 0 where it is known to be none over EFA.

        As AWS's script has it: each counts against the 1,024 connections that a file system takes
        (FSx for Lustre guide, "Configuring EFA clients", read 2026-11-27).
        """
        if self.lustre_over_efa is False:
            return 0
        return LUSTRE_INTERFACES.get(self.name, 2 if self.network_cards.count > 1 else 1)

    @property
    def on_demand(self) -> bool:
        return "on-demand" in self.usage_classes

    @property
    def capacity_blocks(self) -> bool:
        return "capacity-block" in self.usage_classes

    def zones(self, region: str) -> tuple[str, ...] | None:
        """Return the zone ids that offer it in a Region; None where that is not known."""
        if self.availability_zone_ids is None:
            return None
        if region in zones_by_region():
            return self.availability_zone_ids.get(region, ())
        return None if region in self.price_list_regions else ()


def names() -> tuple[str, ...]:
    return tuple(table("instances")["instances"])


def without_fabric() -> tuple[str, ...]:
    """Return the known instance types that are not in the catalogue: no EFA, or no accelerator."""
    return (*table("instances")["no_efa"], *table("instances")["efa_without_accelerator"])


@cache
def every_name() -> frozenset[str]:
    """Return every name of an instance type that some list of EC2 has."""
    return frozenset((*names(), *without_fabric(), *table("instances")["others"]))


def zones_by_region() -> Mapping[str, list[str]]:
    """Return the zone ids of every Region whose zones are known (AWS's commercial Regions)."""
    return cast("Mapping[str, list[str]]", table("instances")["zones"])


def zone_id_prefix(region: str) -> str | None:
    """Return how the zone ids of a Region begin whose zones are not known, `usge1` for example."""
    return cast("str | None", table("instances")["zone_id_prefixes"].get(region))


def zone_problems(
    region: str, zone: str, instance: InstanceType | None = None
) -> Iterator[Problem]:
    """Yield why a zone id cannot be used: no such zone, or a type that it does not offer."""
    zones = zones_by_region().get(region)
    sold = instance.zones(region) if instance else None
    if zones is None:
        prefix = zone_id_prefix(region)
        if prefix and not re.fullmatch(rf"{prefix}-az\d{{1,2}}", zone):
            fix = f"zone ids of {region} begin with {prefix} (aws ec2 describe-availability-"
            fix += f"zones lists them); write one such as {prefix}-az1"
            yield Problem(ZONE, zone, fix)
    elif zone not in zones:
        why = f"{region} has no such zone id"
        if ZONE_NAME.fullmatch(zone):
            why = "a zone name such as us-east-1a means another zone in each account"
        yield Problem(ZONE, zone, f"{why}; write {choices(sold or zones)}")
    elif instance and sold is not None and zone not in sold:
        fix = f"{instance.name} is not offered in that zone; write {choices(sold)}"
        yield Problem(ZONE, zone, fix)


@cache
def regions() -> frozenset[str]:
    """Return every Region that sells some type of the catalogue or whose zones are known."""
    sold = (entry["price_list_regions"] or () for entry in table("instances")["instances"].values())
    return frozenset(zones_by_region()).union(*sold)


@cache
def find(name: str) -> InstanceType:
    """Return an instance type by its name.

    Raises:
        UnknownInstanceTypeError: with the reason, where the catalogue does not hold it.
    """
    entry = table("instances")["instances"].get(name)
    if entry is None:
        raise UnknownInstanceTypeError(name)
    own, zones = entry["accelerator"], entry["availability_zone_ids"]
    named = {"name": own["name"] or "accelerator", "manufacturer": own["manufacturer"] or ""}
    more = {
        "name": name,
        "accelerator": Accelerator(**own | named),
        "network_cards": _made(NetworkCards, entry["network_cards"]),
        "availability_zone_ids": zones and {r: tuple(ids) for r, ids in zones.items()},
        "price_list_regions": entry["price_list_regions"] or (),
    }
    return _made(InstanceType, entry | more)


def _made(kind: Callable[..., T], entry: Mapping[str, Any]) -> T:
    """Return a dataclass of those values of an entry that it has a field for; lists are tuples."""
    own = {field.name: entry[field.name] for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in own.items()})


def _why_unknown(name: str, lacks: str | None) -> str:
    plain = name.strip().lower().removeprefix("ml.")
    near = difflib.get_close_matches(plain, names(), n=1, cutoff=0.75)
    family = [known for known in names() if known.split(".")[0] == name.split(".", maxsplit=1)[0]]
    if lacks == "efa":
        choice = family or ["p4d.24xlarge"]
        return f"it has no Elastic Fabric Adapter; write {choices(choice)}"
    if lacks == "accelerator":
        return "it has EFA but no accelerator to train on; write p4d.24xlarge"
    if near or family:
        return f"EC2 has no such accelerated type with EFA; write {choices(near or family)}"
    return f"no such instance type is known; write one of {choices(sorted(names()))}"


ACCELERATED: Final = frozenset({"dl", "f", "g", "gr", "inf", "p", "trn", "vt"})
"""Letters of the families with a GPU, an accelerator or an FPGA."""
NOT_BY_SIZE: Final = re.compile(r"(hpc|mac)|(c1|c4|d2|m1|m2|t1|t2)\.")
"""Families whose sizes do not tell: HPC types without hyper-threading, and the oldest."""
VCPUS_OF_XLARGE: Final = 4
SIZE: Final = re.compile(
    r"(?P<family>[a-z][a-z0-9-]*)\.((?P<many>\d*)xlarge|metal-(?P<metal>\d+)xl)"
)
SMALL: Final = {"large": 2, "medium": 1}
BURSTABLE: Final = 2
"""vCPU of every T3 and T4g below xlarge."""


def letters(instance_type: str) -> str:
    """Return the letters that a type begins with: `p` of `p4d.24xlarge`."""
    match = re.match(r"[a-z]+", instance_type.removeprefix("ml."))
    return match[0] if match else ""


def has_accelerator(instance_type: str) -> bool:
    """Whether a type has a GPU, an accelerator or an FPGA."""
    return letters(instance_type) in ACCELERATED


def vcpus(instance_type: str) -> int | None:
    """Return the vCPU of a type of the catalogue, or of another one by its size; else None."""
    try:
        return find(instance_type).vcpus
    except UnknownInstanceTypeError:
        return vcpus_by_size(instance_type)


def vcpus_by_size(instance_type: str) -> int | None:
    """Return the vCPU of an ordinary type by its size; None where the name does not tell."""
    if has_accelerator(instance_type) or NOT_BY_SIZE.match(instance_type):
        return None
    found = SIZE.fullmatch(instance_type)
    if found:
        return VCPUS_OF_XLARGE * int(found["many"] or found["metal"] or 1)
    family, _, size = instance_type.partition(".")
    if family.startswith("t") and size in ("nano", "micro", "small", "medium", "large"):
        return BURSTABLE
    return SMALL.get(size)
