"""What can be wrong with a node or an image, each thing in one sentence."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from training.launch.environment import OLDEST
from training.launch.machine import Machine
from training.launch.variables import missing, rows
from training.launch.versions import Version, written

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


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not fit."""

    weight: Literal["mistake", "sick", "warning"]
    """`mistake`, `sick` (this node alone) or `warning`."""
    text: str
    """What is, why that cannot be, and what to do."""


def gpus(machine: Machine, wanted: int, name: str | None) -> Iterator[Finding]:
    """Yield what is wrong with GPUs, CUDA and driver."""
    found = len(machine.topology.gpus)
    if found < wanted:
        whole = f"{name} has {wanted}" if name else f"the job takes {wanted}"
        if found:
            yield Finding(
                "sick",
                f"{found} GPUs are there and {whole}: {wanted - found} have "
                "fallen off the bus or are not given to this container; run the job on "
                "another node and look at dmesg for Xid here",
            )
        else:
            yield Finding(
                "mistake",
                f"no GPU is there and {whole}: the container has none; start "
                "it with --gpus all, or install the NVIDIA driver",
            )
    if not found:
        return
    major = machine.cuda[0] if machine.cuda else None
    offered = machine.driver_cuda
    if offered is not None and major is not None and offered[0] < major:
        least = DRIVERS.get(major)
        needs = f"needs {least} or newer" if least else "is too old"
        yield Finding(
            "mistake",
            f"the image has CUDA {written(machine.cuda)} and driver "
            f"{machine.driver_text} offers {written(offered)}: CUDA {major} {needs}; take a "
            "newer machine image, or put /usr/local/cuda/compat first in "
            "LD_LIBRARY_PATH",
        )
    elif offered is None:
        library = machine.open("libcuda.so.1", "cuDriverGetVersion")
        yield Finding(
            "mistake",
            f"GPUs are there and libcuda.so.1 does not answer "
            f"({library.error or 'no version'}): the container lacks the driver's "
            "libraries; start it with --gpus all and "
            "NVIDIA_DRIVER_CAPABILITIES=compute,utility",
        )


def devices(machine: Machine, wanted: int, name: str | None) -> Iterator[Finding]:
    """Yield what is wrong with EFA devices and their files."""
    cards, files = len(machine.topology.cards), len(machine.uverbs)
    whole = f"{name} has {wanted}" if name else f"at least {wanted} is needed"
    if not cards:
        reason = (
            f"{machine.efa_functions} are on the PCI bus and the kernel module efa has not taken "
            "them; load it, or take a machine image that has it"
            if machine.efa_functions
            else "the instance was launched without EFA interfaces (InterfaceType efa or "
            "efa-only); mend the launch template, or ask for --fabric none"
        )
        yield Finding(
            "mistake", f"EFA was asked for and /sys/class/infiniband has no EFA device: {reason}"
        )
        return
    if cards < wanted:
        yield Finding(
            "sick",
            f"{cards} EFA devices are there and {whole}: rank to rank bandwidth "
            f"would be {cards}/{wanted}; run the job on another node, or say --cards "
            f"{cards} if the launch template means that",
        )
    if not files:
        yield Finding(
            "mistake",
            f"{cards} EFA devices are there and /dev/infiniband/uverbs0 is "
            "not: the container was not given them; write --device=/dev/infiniband for "
            "docker, vpc.amazonaws.com/efa in limits for Kubernetes, linuxParameters."
            "devices for Batch and ECS",
        )
    elif files < min(cards, wanted):
        yield Finding(
            "mistake",
            f"{cards} EFA devices are there and the container was given "
            f"{files} of them as /dev/infiniband/uverbs*; give it {min(cards, wanted)}",
        )
    elif machine.closed_uverbs:
        yield Finding(
            "mistake",
            f"{machine.closed_uverbs[0]} is closed to this user; chmod 0666 "
            "/dev/infiniband/uverbs* on the node, or run as root",
        )


def provider(machine: Machine) -> Iterator[Finding]:
    """Yield what is wrong with libfabric's efa provider."""
    answer = machine.provider
    if answer.status is None and "not installed" in answer.text:
        yield Finding(
            "mistake",
            f"libfabric cannot be asked for its efa provider: {answer.text}; "
            "install the EFA software into the image",
        )
    elif answer.status is None:
        yield Finding(
            "sick",
            f"libfabric cannot be asked for its efa provider: {answer.text}; run "
            "the job on another node and look at dmesg for efa here",
        )
    elif "provider: efa" not in answer.text:
        said = answer.text.strip().splitlines()
        yield Finding(
            "mistake",
            "libfabric has no efa provider that works here (fi_info -p efa: "
            f"{said[-1] if said else 'nothing'}); install the EFA software into the "
            "image, and give the container its devices",
        )


def plugin(machine: Machine, name: str | None) -> Iterator[Finding]:
    """Yield what is wrong with aws-ofi-nccl, and between it and NCCL."""
    plugin, found = machine.plugin, machine.plugin_version
    if plugin.error is not None and plugin.path is not None:
        yield Finding(
            "mistake",
            f"{plugin.path} does not load ({plugin.error}), so NCCL would fall "
            "back to TCP; install what it names",
        )
        return
    if plugin.path is None:
        yield Finding(
            "mistake",
            f"{plugin.name} is not on the loader's path, so NCCL would fall "
            "back to TCP; add /opt/amazon/ofi-nccl/lib64 (EFA installer 1.44 and later) "
            "to LD_LIBRARY_PATH, or install aws-ofi-nccl",
        )
        return
    if found is None:
        yield Finding(
            "mistake",
            f"{plugin.path} does not say which version of aws-ofi-nccl it is: "
            "it is another plugin; put /opt/amazon/ofi-nccl/lib64 first in "
            "LD_LIBRARY_PATH",
        )
        return
    if found < OLDEST:
        yield Finding(
            "mistake",
            f"aws-ofi-nccl {written(found)} is older than {written(OLDEST)} "
            "and would need NCCL_PROTO forced; rebuild the image with a newer EFA "
            "installer",
        )
    if found in FAULTY_PLUGINS:
        yield Finding(
            "mistake",
            f"aws-ofi-nccl {written(found)} crashes or crawls with current "
            f"EFA drivers; take {FAULTY_PLUGINS[found]} or newer",
        )
    for beginning, (least, _) in NEEDED.items():
        if (name or "").startswith(beginning) and found < least:
            yield Finding(
                "mistake",
                f"aws-ofi-nccl {written(found)} is older than {written(least)}, the first that "
                f"knows {name}; rebuild the image with a newer EFA installer",
            )
    yield from _nccl(machine, found, name)


def _nccl(machine: Machine, plugin: Version, name: str | None) -> Iterator[Finding]:
    nccl = machine.nccl_version
    if nccl is None:
        yield Finding(
            "warning",
            f"libnccl.so.2 was not found ({machine.nccl.error or 'it does not answer'}), so it is "
            f"not known whether it fits aws-ofi-nccl {written(plugin)}; look at the job's first "
            "lines with NCCL_DEBUG=INFO",
        )
        return
    least = OLDEST_NCCL if plugin >= (1, 11, 0) else (0,)
    for beginning, (_, needed) in NEEDED.items():
        least = max(least, needed) if (name or "").startswith(beginning) else least
    if nccl < least:
        yield Finding(
            "mistake",
            f"NCCL {written(nccl)} is older than {written(least)}, which aws-ofi-nccl "
            f"{written(plugin)} needs on {name or 'this machine'}; take a newer PyTorch",
        )
    mine, theirs = machine.interfaces(machine.plugin), machine.interfaces(machine.nccl)
    if mine and theirs and not mine & theirs:
        yield Finding(
            "mistake",
            f"NCCL {written(nccl)} speaks network interfaces v{min(theirs)}-v{max(theirs)} and "
            f"aws-ofi-nccl {written(plugin)} v{min(mine)}-v{max(mine)}, so NCCL would fall back to "
            "TCP; take versions of one year",
        )


def memory(machine: Machine) -> Iterator[Finding]:
    """Yield what is wrong with locked memory and huge pages."""
    locked = machine.locked_memory
    if locked is not None:
        weight: Literal["mistake", "warning"] = "mistake" if locked < LOCKED_BYTES else "warning"
        yield Finding(
            weight,
            f"this process may lock {locked // 1024:,} KiB of memory and EFA "
            "registers more; write --ulimit memlock=-1 for docker, LimitMEMLOCK=infinity "
            "for slurmd",
        )
    wanted = machine.environment.get("FI_EFA_USE_HUGE_PAGE", "0").lower()
    if wanted in {"1", "on", "true", "yes"} and not machine.huge_pages:
        yield Finding(
            "mistake",
            "FI_EFA_USE_HUGE_PAGE is on and the machine has put no huge pages "
            "aside; remove the variable, or set vm.nr_hugepages",
        )


def direct(machine: Machine, name: str | None) -> Iterator[Finding]:
    """Yield why there can be no GPUDirect RDMA."""
    if machine.module("efa_nv_peermem", "nvidia_peermem") or not machine.topology.gpus:
        return
    if machine.kernel is not None and machine.kernel < DMABUF:
        yield Finding(
            "mistake",
            f"Linux {written(machine.kernel)} has no DMA-BUF for GPUs (5.12 "
            "has) and neither efa_nv_peermem nor nvidia_peermem is loaded, so there is no "
            f"GPUDirect RDMA, without which aws-ofi-nccl refuses {name or 'P4d'}; take a "
            "newer machine image",
        )


def environment(machine: Machine, *, over_efa: bool) -> Iterator[Finding]:
    """Yield what is wrong with the job's own variables."""
    if not over_efa:
        return
    plugin = machine.plugin_version
    for name, value in sorted(machine.environment.items()):
        for row, held in rows(name, value, plugin):
            # What a version needs stands here as given; what it lacks comes below.
            if held is None or row.standing in {"obsolete", "needed", "nameless"}:
                continue
            wrong = row.standing in {"off-fabric", "corrupting", "unfit"}
            yield Finding(
                "mistake" if wrong else "warning", f"{name}={value}: {row.why}; {row.fix}"
            )
    for row in missing(machine.environment, plugin):
        if row.name != "NCCL_PROTO":
            yield Finding("warning", f"{row.name} is not set: {row.why}; {row.fix}")
