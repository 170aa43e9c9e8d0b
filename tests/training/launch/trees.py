"""Machines as Linux shows them in /sys, /proc and /dev, made of files."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

GPU = {"vendor": "0x10de", "device": "0x20b0", "class": "0x030200"}
CARD = {"vendor": "0x1d0f", "device": "0xefa0", "class": "0x020000"}
SWITCH = {"vendor": "0x10de", "device": "0x1af1", "class": "0x068000"}
DRIVE = {"vendor": "0x1d0f", "device": "0xcd01", "class": "0x010802"}
TRAINIUM = {"vendor": "0x1d0f", "device": "0x7164", "class": "0x088000"}


class Tree:
    """One machine below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("sys/bus/pci/devices", "sys/class/infiniband", "sys/module", "dev"):
            (root / folder).mkdir(parents=True)

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")

    def numa(self, nodes: Mapping[int, str]) -> None:
        """Have NUMA nodes, with their CPUs."""
        for node, cpus in nodes.items():
            self.write(f"sys/devices/system/node/node{node}/cpulist", cpus)

    def add(self, path: str, kind: Mapping[str, str], numa: int, cpus: str = "") -> Path:
        """Add a PCI device by its path below /sys/devices; the last part is its bus id."""
        folder = self.root / "sys" / "devices" / path
        folder.mkdir(parents=True)
        for name, value in {**kind, "numa_node": str(numa), "local_cpulist": cpus}.items():
            (folder / name).write_text(f"{value}\n")
        (self.root / "sys/bus/pci/devices" / folder.name).symlink_to(folder)
        return folder

    def card(self, path: str, name: str, numa: int, cpus: str = "", *, given: bool = True) -> None:
        """Add an EFA device, and its file where the container is given it."""
        folder = self.add(path, CARD, numa, cpus)
        verbs = folder / "infiniband" / name
        verbs.mkdir(parents=True)
        (verbs / "device").symlink_to(folder)
        (self.root / "sys/class/infiniband" / name).symlink_to(verbs)
        if given:
            index = len(list((self.root / "sys/class/infiniband").iterdir())) - 1
            self.write(f"dev/infiniband/uverbs{index}", "")

    def instance(self, name: str) -> None:
        """Be of an instance type."""
        self.write("sys/devices/virtual/dmi/id/product_name", name)


P4D_CPUS = {0: "0-23,48-71", 1: "24-47,72-95"}
P4D_SWITCHES = {"10": 0, "20": 0, "90": 1, "a0": 1}


def p4d(root: Path, *, told: bool = True, cards: Sequence[str] = tuple(P4D_SWITCHES)) -> Tree:
    """Two sockets, two switches each; a switch has two GPUs, one card and two drives.

    Bus ids are those of aws-ofi-nccl's topology/p4d-24xl-topo.xml.
    """
    tree = Tree(root)
    tree.instance("p4d.24xlarge")
    tree.numa(P4D_CPUS)
    for bus, socket in P4D_SWITCHES.items():
        node, cpus = (socket, P4D_CPUS[socket]) if told else (-1, "0-95")
        base = f"pci0000:{bus}/0000:{bus}"
        for slot in ("1c", "1d"):
            tree.add(f"{base}:{slot}.0", GPU, node, cpus)
        if bus in cards:
            name = f"rdmap{int(bus, 16)}s27"
            tree.card(f"{base}:1b.0", name, node, cpus)
        for slot in ("1e", "1f"):
            tree.add(f"{base}:{slot}.0", DRIVE, node, cpus)
        tree.add(f"{base}:1a.0", SWITCH, node, cpus)
    return tree


def p5(root: Path) -> Tree:
    """Eight bridges with a GPU and four cards each; 32 cards."""
    tree = Tree(root)
    tree.instance("p5.48xlarge")
    halves = {0: "0-47,96-143", 1: "48-95,144-191"}
    tree.numa(halves)
    for gpu in range(8):
        socket = gpu // 4
        first = 0x40 + 0x10 * gpu
        above = f"pci0000:{first:02x}/0000:{first:02x}:01.0/0000:{first + 1:02x}:00.0"
        for slot in range(4):
            bus = first + 2 + slot
            tree.card(f"{above}/0000:{first + 2:02x}:{slot:02x}.0/0000:{bus:02x}:00.0",
                      f"rdmap{bus}s0", socket, halves[socket])  # fmt: skip
        bus = first + 8
        tree.add(f"{above}/0000:{first + 2:02x}:0f.0/0000:{bus:02x}:00.0", GPU, socket,
                 halves[socket])  # fmt: skip
    return tree


def trn(root: Path) -> Tree:
    """Trainium: accelerators that CUDA knows nothing of, and eight cards."""
    tree = Tree(root)
    tree.instance("trn1.32xlarge")
    tree.numa(P4D_CPUS)
    for index in range(8):
        bus = f"{0x10 + 0x10 * index:02x}"
        node = math.floor(index / 4)
        tree.add(f"pci0000:{bus}/0000:{bus}:1c.0", TRAINIUM, node, P4D_CPUS[node])
        tree.card(f"pci0000:{bus}/0000:{bus}:1b.0", f"rdmap{index}s0", node, P4D_CPUS[node])
    return tree


def one_gpu(root: Path, *, cards: int = 1) -> Tree:
    """A small machine on which everything hangs on one root bus, and no NUMA node is told."""
    tree = Tree(root)
    tree.add("pci0000:00/0000:00:1e.0", GPU, -1, "0-31")
    for index in range(cards):
        tree.card(f"pci0000:00/0000:00:{6 + index:02x}.0", f"rdmap0s{6 + index}", -1, "0-31")
    return tree
