"""What a node's GPUs measure of themselves, and what their driver says.

Needs Python 3.9 and readings.py.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import readings
from readings import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from readings import Conf

Row = tuple[str, dict[str, str], float]
"""Name of a series without its prefix, labels, value."""
MHZ = 1e6

GPU = {
    "utilization.gpu": ("gpu_utilization_ratio", 0.01),
    "memory.used": ("gpu_memory_used_bytes", MIB),
    "memory.total": ("gpu_memory_total_bytes", MIB),
    "power.draw": ("gpu_power_watts", 1),
    "temperature.gpu": ("gpu_temperature_celsius", 1),
    "clocks.sm": ("gpu_sm_clock_hertz", MHZ),
    "pcie.link.width.current": ("gpu_pcie_lanes", 1),
}
ECC = {
    "ecc.errors.corrected.volatile.total": ("gpu_ecc_corrected_errors", 1),
    "ecc.errors.uncorrected.volatile.total": ("gpu_ecc_uncorrected_errors", 1),
}


def gpus(conf: Conf) -> Iterator[Row]:
    """Yield how many GPUs there are, what each measures, and whether it answers."""
    yield "gpus_expected", {}, int(conf["GPUS"])
    seen: dict[str, bool] = {}
    for names in (GPU, ECC):
        for row in readings.asked("gpu", ["index", *names]):
            seen.setdefault(row["index"], True)
            for field, (name, scale) in names.items():
                value = readings.number(row[field])
                if value is not None:
                    yield name, {"gpu": row["index"]}, value * scale
                elif readings.silent(row[field]):
                    seen[row["index"]] = False
    yield "gpus", {}, len(seen)
    for index, answers in seen.items():
        yield "gpu_answers", {"gpu": index}, int(answers)


def throttling(conf: Conf) -> Iterator[Row]:
    """Yield why hardware or driver hold the clock of a GPU down."""
    for gpu, reasons in readings.throttled():
        for reason in readings.REASONS:
            yield "gpu_throttled", {"gpu": gpu, "reason": reason}, int(reason in reasons)


def remapping(conf: Conf) -> Iterator[Row]:
    """Yield whether rows of a GPU's memory wait to be remapped, or cannot be."""
    fields = ["gpu_bus_id", "remapped_rows.pending", "remapped_rows.failure"]
    for row in readings.asked("remapped-rows", fields):
        for name in ("pending", "failure"):
            bad = readings.is_yes(row["remapped_rows." + name])
            yield "gpu_rows_" + name, {"pci": row["gpu_bus_id"]}, int(bad)


def nvlinks(conf: Conf) -> Iterator[Row]:
    """Yield the errors of each GPU's links since the driver was loaded."""
    text = readings.said("nvidia-smi", "nvlink", "-e")
    for gpu, links in re.findall(r"GPU (\d+):(.*?)(?=GPU \d|\Z)", text, re.DOTALL):
        errors = re.findall(r"Errors?: *(\S+)", links)
        yield "gpu_nvlink_errors", {"gpu": gpu}, sum(readings.number(n) or 0 for n in errors)


def xids(conf: Conf) -> Iterator[Row]:
    """Count what the driver wrote into the kernel's log within ten minutes."""
    log = readings.said("journalctl", "--dmesg", "--output=cat", "--since=-10min")
    counts = Counter(readings.events(log))
    for action in readings.ACTIONS:
        yield "xids", {"action": action}, sum(n for key, n in counts.items() if key[2] == action)
    for (pci, xid, action), count in counts.items():
        yield "xid", {"pci": pci, "xid": xid, "action": action}, count
