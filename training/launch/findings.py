"""What can be wrong with a node or an image; `findings.toml` holds the sentence for each."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from training.launch.environment import OLDEST
from training.launch.machine import Machine
from training.launch.variables import ENDS, Version, missing, nothing_to_spoil, rows, written

LOCKED_BYTES: Final = 1 << 30
"""Least memory that a rank must be able to lock. AWS asks for no limit at all (EFA user guide,
`ulimit -l`); a default of 64 KiB or 8 MiB fails at the first registration, and what lies between
may or may not do, so it is a warning."""

DRIVERS: Final = {11: 450, 12: 525, 13: 580}
"""Oldest driver by CUDA major version (NVIDIA CUDA Compatibility, minor version compatibility, read
2026-11-24)."""

DMABUF: Final[Version] = (5, 12)
"""Linux from which GPU memory is registered without a peer memory module (aws-ofi-nccl
src/nccl_ofi_dmabuf.cpp, 2026-08-21)."""

OLDEST_NCCL: Final[Version] = (2, 17, 1)
"""Oldest NCCL that plugins since 1.11.0 work with (their release notes, 2024-08-19 and later)."""

NEEDED: Final[dict[str, tuple[Version, Version]]] = {
    "p5.": ((1, 7, 2), (2, 18, 0)),
    "p6-b200.": ((1, 15, 0), (2, 18, 0)),
}
"""Oldest plugin and NCCL by the beginning of the instance type (aws-ofi-nccl doc/efa-env-var.md,
2026-08-21; P6-B200: release notes of v1.15.0, 2025-06-03, with P5's NCCL)."""

FAULTY_PLUGINS: Final[dict[Version, str]] = {
    (1, 11, 0): "1.11.1",
    (1, 12, 0): "1.12.1",
}
"""Plugins that crash or crawl with EFA drivers of installer 1.35.0 and later, and what mends them
(aws-ofi-nccl releases v1.11.1 and v1.12.1, 2024-10-25)."""


IFNAME_FIXES: Final = {
    "NCCL_SOCKET_IFNAME": "remove it, or write ^docker0,lo",
    "GLOO_SOCKET_IFNAME": "remove it, or write whole names, with commas between them",
}
"""What to write for other interfaces (NVIDIA/nccl src/misc/socket.cc, ncclFindInterfaces, and
pytorch's init of ProcessGroupGloo, read 2026-11-28)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not fit."""

    weight: str
    """`mistake`, `sick` (this node alone) or `warning`."""
    text: str
    """What is, why that cannot be, and what to do."""


@cache
def _sentences() -> dict[str, dict[str, str]]:
    return tomllib.loads((files("training.launch") / "findings.toml").read_text("utf-8"))


def finding(key: str, weight: str | None = None, **values: object) -> Finding:
    """Return what `findings.toml` says under a name, with the weight that it has here."""
    said = _sentences()[key]
    return Finding(weight or said["weight"], " ".join(said["text"].split()).format(**values))


def gpus(machine: Machine, wanted: int, name: str | None) -> Iterator[Finding]:
    """Yield what is wrong with GPUs, CUDA and driver."""
    found = len(machine.topology.gpus)
    if found < wanted:
        whole = f"{name} has {wanted}" if name else f"the job takes {wanted}"
        key = "gpus-missing" if found else "gpus-none"
        yield finding(key, found=found, whole=whole, missing=wanted - found)
    if not found:
        return
    major = machine.cuda[0] if machine.cuda else None
    offered = machine.driver_cuda
    if offered is not None and major is not None and offered[0] < major:
        least = DRIVERS.get(major)
        yield finding(
            "driver-old",
            cuda=written(machine.cuda),
            driver=machine.driver_text,
            offered=written(offered),
            major=major,
            needs=f"needs {least} or newer" if least else "is too old",
        )
    elif offered is None:
        library = machine.open("libcuda.so.1", "cuDriverGetVersion")
        yield finding("driver-silent", error=library.error or "no version")


def devices(machine: Machine, wanted: int, name: str | None) -> Iterator[Finding]:
    """Yield what is wrong with EFA devices and their files."""
    cards, given = len(machine.topology.cards), len(machine.uverbs)
    if not cards:
        reason = (
            f"{machine.efa_functions} are on the PCI bus and the kernel module efa has not taken "
            "them; load it, or take a machine image that has it"
            if machine.efa_functions
            else "the instance was launched without EFA interfaces (InterfaceType efa or "
            "efa-only); mend the launch template, or ask for --fabric none"
        )
        yield finding("cards-none", reason=reason)
        return
    if cards < wanted:
        whole = f"{name} has {wanted}" if name else f"at least {wanted} is needed"
        yield finding("cards-missing", cards=cards, whole=whole, wanted=wanted)
    for card, state in machine.closed_ports:
        yield finding("port-down", card=card, state=state)
    needed = min(cards, wanted)
    if not given:
        yield finding("uverbs-none", cards=cards)
    elif given < needed:
        yield finding("uverbs-missing", cards=cards, files=given, needed=needed)
    elif machine.closed_uverbs:
        yield finding("uverbs-closed", path=machine.closed_uverbs[0])


def provider(machine: Machine) -> Iterator[Finding]:
    """Yield what is wrong with libfabric's efa provider."""
    answer = machine.provider
    if answer.status is None:
        key = "libfabric-none" if "not installed" in answer.text else "libfabric-hangs"
        yield finding(key, answer=answer.text)
    elif "provider: efa" not in answer.text:
        said = answer.text.strip().splitlines()
        yield finding("provider-none", said=said[-1] if said else "nothing")


def plugin(machine: Machine, name: str | None) -> Iterator[Finding]:
    """Yield what is wrong with aws-ofi-nccl, and between it and NCCL."""
    plugin, found = machine.plugin, machine.plugin_version
    if plugin.error is not None and plugin.path is not None:
        yield finding("plugin-broken", path=plugin.path, error=plugin.error)
        return
    if plugin.path is None:
        yield finding("plugin-none", name=plugin.name)
        return
    if found is None:
        yield finding("plugin-other", path=plugin.path)
        return
    if found < OLDEST:
        yield finding("plugin-oldest", plugin=written(found), oldest=written(OLDEST))
    if found in FAULTY_PLUGINS:
        yield finding("plugin-faulty", plugin=written(found), mended=FAULTY_PLUGINS[found])
    for beginning, (least, _) in NEEDED.items():
        if (name or "").startswith(beginning) and found < least:
            yield finding("plugin-old", plugin=written(found), least=written(least), name=name)
    yield from _nccl(machine, found, name)


def _nccl(machine: Machine, plugin: Version, name: str | None) -> Iterator[Finding]:
    nccl = machine.nccl_version
    if nccl is None:
        error = machine.nccl.error or "it does not answer"
        yield finding("nccl-none", error=error, plugin=written(plugin))
        return
    versions = {"nccl": written(nccl), "plugin": written(plugin)}
    least = OLDEST_NCCL if plugin >= (1, 11, 0) else (0,)
    for beginning, (_, needed) in NEEDED.items():
        least = max(least, needed) if (name or "").startswith(beginning) else least
    if nccl < least:
        yield finding("nccl-old", **versions, least=written(least), name=name or "this machine")
    mine, theirs = machine.interfaces(machine.plugin), machine.interfaces(machine.nccl)
    if mine and theirs and not mine & theirs:
        yield finding(
            "nccl-other",
            **versions,
            mine=(min(mine), max(mine)),
            theirs=(min(theirs), max(theirs)),
        )


def memory(machine: Machine) -> Iterator[Finding]:
    """Yield what is wrong with locked memory and huge pages."""
    locked = machine.locked_memory
    if locked is not None:
        weight = None if locked < LOCKED_BYTES else "warning"
        yield finding("memory-locked", weight, kib=locked // 1024)
    wanted = machine.environment.get("FI_EFA_USE_HUGE_PAGE", "0").lower()
    if wanted in {"1", "on", "true", "yes"} and not machine.huge_pages:
        yield finding("huge-pages-none")


def direct(machine: Machine, name: str | None) -> Iterator[Finding]:
    """Yield why there can be no GPUDirect RDMA."""
    if machine.module("efa_nv_peermem", "nvidia_peermem") or not machine.topology.gpus:
        return
    if machine.kernel is not None and machine.kernel < DMABUF:
        yield finding("no-gpudirect", kernel=written(machine.kernel), name=name or "P4d")


def network(machine: Machine) -> Iterator[Finding]:
    """Yield why ranks on other nodes would not reach those of this one.

    NCCL takes the first interface that runs and is chosen, and a loopback is the first of all. Gloo
    takes whole names, and uses each.
    """
    there = machine.interfaces_of_host
    for name, fix in IFNAME_FIXES.items():
        value = machine.environment.get(name, "")
        if not value or not there:
            continue
        of_nccl = name.startswith("NCCL")
        chosen = machine.interfaces_named(value) if of_nccl else value.removesuffix(",").split(",")
        said = {"name": name, "value": value, "fix": fix}
        if not chosen or not there.keys() >= set(chosen):
            yield finding("interface-none", **said, there=", ".join(sorted(there)))
            continue
        useless = [each for each in chosen if not there[each]]
        if useless and (not of_nccl or "lo" in useless or useless == chosen):
            yield finding("interface-down", **said, chosen=", ".join(useless))


def environment(machine: Machine, name: str | None, *, over_efa: bool) -> Iterator[Finding]:
    """Yield what is wrong with the job's own variables."""
    if not over_efa:
        return
    plugin, kinds = machine.plugin_version, [name] if name else []
    for variable, value in sorted(machine.environment.items()):
        for row, held in rows(variable, value, plugin):
            # What a version needs stands here as given; what it lacks comes below.
            if held is None or row.standing in {"obsolete", "needed", "nameless"}:
                continue
            if nothing_to_spoil(variable, kinds):
                continue
            weight = None if row.standing in ENDS else "warning"
            yield finding("variable", weight, name=variable, value=value, why=row.why, fix=row.fix)
    for row in missing(machine.environment, plugin):
        if row.name != "NCCL_PROTO":
            yield finding("variable-missing", name=row.name, why=row.why, fix=row.fix)
