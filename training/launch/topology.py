"""Which CPUs and network cards are near which GPU, read from /sys at run time.

What shares a PCIe switch shares the beginning of its path below /sys/devices. On P4d the guest sees
no switch but a root bus for each: GPUs 10:1c.0 and 10:1d.0 and card 10:1b.0 lie in pci0000:10
(bus ids of aws-ofi-nccl topology/p4d-24xl-topo.xml, read 2026-11-24). On P5 there are bridges
between. Where a hypervisor tells nothing (numa_node is -1, one bus for everything) nothing is made
up.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

NVIDIA: Final = "0x10de"
AMAZON: Final = "0x1d0f"
DISPLAY: Final = ("0x0300", "0x0302")
"""PCI classes of VGA and 3D controllers; NVSwitches of the same vendor are bridges (0x0680)."""

BUS_ID: Final = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


def cpus(text: str) -> frozenset[int]:
    """Return the CPUs of a list as Linux writes it: `0-3,8`."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def listed(numbers: frozenset[int]) -> str:
    """Return CPUs as Linux writes them: `0-3,8`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


@dataclass(frozen=True, slots=True)
class Device:
    """One PCI device."""

    name: str
    """Its bus id, or the name of the card as libfabric shows it."""
    path: tuple[str, ...]
    """The buses and bridges that it hangs on, the root first."""
    numa_node: int | None
    """Its NUMA node, None where the machine does not tell."""
    cpus: frozenset[int]
    """CPUs near to it; empty where the machine does not tell."""

    def shared(self, other: "Device") -> int:
        """Return how many buses and bridges two devices share."""
        count = 0
        for mine, theirs in zip(self.path[:-1], other.path[:-1], strict=False):
            if mine != theirs:
                break
            count += 1
        return count


def read_text(path: Path) -> str:
    """Return what a file holds, nothing where it cannot be read."""
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


@dataclass(frozen=True)
class Topology:
    """What hangs where on one machine."""

    root: Path = Path("/")
    """Where its file system begins; `/` but for tests."""

    @property
    def _pci(self) -> Path:
        return self.root / "sys" / "bus" / "pci" / "devices"

    @cached_property
    def gpus(self) -> tuple[Device, ...]:
        """NVIDIA GPUs in the order of their bus ids, as CUDA_DEVICE_ORDER=PCI_BUS_ID counts them.

        In a container /proc has those that the container was given, and /sys all of them.
        """
        given = self.root / "proc" / "driver" / "nvidia" / "gpus"
        names = [p.name.lower() for p in self._children(given) if BUS_ID.fullmatch(p.name.lower())]
        if not names:
            names = [
                path.name
                for path in self._children(self._pci)
                if read_text(path / "vendor") == NVIDIA
                and read_text(path / "class").startswith(DISPLAY)
            ]
        return tuple(self._device(self._pci / name, name) for name in sorted(names))

    @cached_property
    def cards(self) -> tuple[Device, ...]:
        """EFA devices, by the names that libfabric gives them."""
        verbs = self.root / "sys" / "class" / "infiniband"
        return tuple(
            self._device(path / "device", path.name)
            for path in self._children(verbs)
            if read_text(path / "device" / "vendor") == AMAZON
        )

    @cached_property
    def numa_nodes(self) -> tuple[int, ...]:
        folder = self.root / "sys" / "devices" / "system" / "node"
        names = [path.name for path in self._children(folder)]
        return tuple(sorted(int(n[4:]) for n in names if re.fullmatch(r"node\d+", n)))

    def cards_of(self, gpu: Device) -> tuple[tuple[Device, ...], str]:
        """Return the cards nearest to a GPU, and what makes them so.

        Returns:
            The cards, and `same PCIe switch`, `same NUMA node`, or why there are none.
        """
        if not self.cards:
            return (), "there is no EFA device"
        depths = {card.name: gpu.shared(card) for card in self.cards}
        nearest = max(depths.values())
        roots = {device.path[:1] for device in (*self.gpus, *self.cards)}
        # Where all devices hang on one root bus, sharing that says nothing.
        if nearest > 1 or (nearest and len(roots) > 1):
            return tuple(c for c in self.cards if depths[c.name] == nearest), "same PCIe switch"
        if gpu.numa_node is not None:
            near = tuple(card for card in self.cards if card.numa_node == gpu.numa_node)
            if near and len(self.numa_nodes) > 1:
                return near, "same NUMA node"
        return (), "the machine does not tell which card is near"

    def _children(self, folder: Path) -> Iterator[Path]:
        try:
            yield from sorted(folder.iterdir())
        except OSError:
            return

    def _device(self, path: Path, name: str) -> Device:
        try:
            real = path.resolve(strict=True)
            steps = real.relative_to((self.root / "sys" / "devices").resolve()).parts
        except (OSError, ValueError):
            steps = ()
        node = read_text(path / "numa_node")
        # -1 is Linux's way to say that the firmware does not tell.
        numa_node = int(node) if node.isdigit() else None
        near = cpus(read_text(path / "local_cpulist")) if numa_node is not None else frozenset()
        if numa_node is not None and not near:
            system = self.root / "sys" / "devices" / "system" / "node"
            near = cpus(read_text(system / f"node{numa_node}" / "cpulist"))
        return Device(name, steps, numa_node, near)
