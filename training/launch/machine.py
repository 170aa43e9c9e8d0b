"""What a machine and its image hold, as far as a job over EFA needs it; changes nothing."""

import contextlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from training.launch.library import OPENER, Library, searched
from training.launch.topology import AMAZON, Topology, read_text
from training.launch.variables import Version, version

SECONDS: Final = 20.0
"""How long a program may take to answer before it counts as broken."""

EFA_BIN: Final = "/opt/amazon/efa/bin"
"""Where the EFA installer puts fi_info (EC2 User Guide, EFA in containers, read 2026-11-24)."""

CAP_IPC_LOCK: Final = 14
"""Linux capability that locks memory whatever the limit is (linux/capability.h)."""

INTERFACE: Final = re.compile(rb"ncclNetPlugin_v(\d+)")
"""Symbols that NCCL asks a plugin for, and that a plugin exports, one for each version of the
interface between them (NVIDIA/nccl src/plugin/net/net_v*.cc, read 2026-11-24)."""

PACKAGE: Final = re.compile(rb"aws-ofi-nccl[ -](\d+\.\d+(?:\.\d+)?)")
"""PACKAGE_STRING, which the plugin prints when it starts (aws-ofi-nccl src/nccl_ofi_net.cpp)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program said; a status of None stands for one that is not there or hangs."""

    status: int | None
    text: str


@dataclass(frozen=True)
class Machine:
    """One node, seen from inside the job's container."""

    environment: Mapping[str, str]
    root: Path = Path("/")
    """Where its file system begins; `/` but for tests."""

    @cached_property
    def topology(self) -> Topology:
        """GPUs, EFA devices and what is near to what."""
        return Topology(self.root)

    @cached_property
    def instance_type(self) -> str | None:
        """EC2 instance type as the machine's firmware tells it, None off EC2."""
        name = read_text(self.root / "sys" / "devices" / "virtual" / "dmi" / "id" / "product_name")
        return name if re.fullmatch(r"[a-z][a-z0-9-]*\.[a-z0-9-]+", name) else None

    @cached_property
    def uverbs(self) -> tuple[Path, ...]:
        """Device files through which libfabric reaches the cards."""
        folder = self.root / "dev" / "infiniband"
        with contextlib.suppress(OSError):
            return tuple(sorted(p for p in folder.iterdir() if p.name.startswith("uverbs")))
        return ()

    @cached_property
    def closed_uverbs(self) -> tuple[Path, ...]:
        """Those of them that this user may not open."""
        return tuple(path for path in self.uverbs if not os.access(path, os.R_OK | os.W_OK))

    @cached_property
    def closed_ports(self) -> tuple[tuple[str, str], ...]:
        """Ports of EFA cards that are not active, each with its state; a driver may tell none."""
        found = []
        for card in self.topology.cards:
            folder = self.root / "sys" / "class" / "infiniband" / card.name / "ports"
            with contextlib.suppress(OSError):
                for port in sorted(folder.iterdir()):
                    # As in "4: ACTIVE" (linux Documentation/ABI/stable/sysfs-class-infiniband).
                    state = read_text(port / "state").partition(":")[2].strip()
                    if state and state != "ACTIVE":
                        found.append((card.name, state))
        return tuple(found)

    @cached_property
    def interfaces_of_host(self) -> dict[str, bool]:
        """Network interfaces by name, and whether other nodes can be reached by them."""
        folder = self.root / "sys" / "class" / "net"
        found = {}
        with contextlib.suppress(OSError):
            for path in folder.iterdir():
                # ARPHRD_LOOPBACK is 772; a virtual interface can be up and say "unknown".
                loopback = read_text(path / "type") == "772" or path.name == "lo"
                up = read_text(path / "operstate") not in {"down", "lowerlayerdown", "notpresent"}
                found[path.name] = up and not loopback
        return found

    def interfaces_named(self, value: str) -> list[str]:
        """Return what NCCL_SOCKET_IFNAME chooses: prefixes, `=` whole names, `^` all others."""
        but, rest = value.startswith("^"), value.removeprefix("^")
        exact, names = rest.startswith("="), rest.removeprefix("=").split(",")
        return [
            each
            for each in sorted(self.interfaces_of_host)
            if but != (each in names if exact else each.startswith(tuple(filter(None, names))))
        ]

    @cached_property
    def driver_text(self) -> str | None:
        """Version of NVIDIA's kernel driver as it writes it, `580.95.05` for example."""
        # "... x86_64 Kernel Module  535.183.01", or "Open Kernel Module for x86_64  580.95.05".
        return self._told("proc/driver/nvidia/version", r"^NVRM.*?\s(\d+\.[\d.]+)")

    @cached_property
    def locked_memory(self) -> int | None:
        """Bytes that this process may lock, None for no limit."""
        held = self._told("proc/self/status", r"^CapEff:\s*([0-9a-f]+)")
        if held and int(held, 16) >> CAP_IPC_LOCK & 1:
            return None
        limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
        return None if limit == resource.RLIM_INFINITY else limit

    @cached_property
    def huge_pages(self) -> int:
        """Huge pages that the machine has put aside."""
        return int(self._told("proc/meminfo", r"^HugePages_Total:\s*(\d+)") or 0)

    @cached_property
    def kernel(self) -> Version | None:
        return version(read_text(self.root / "proc" / "sys" / "kernel" / "osrelease"))

    def _told(self, path: str, pattern: str) -> str | None:
        found = re.search(pattern, read_text(self.root / path), re.MULTILINE)
        return found[1] if found else None

    def module(self, *names: str) -> bool:
        """Whether one of these kernel modules is loaded."""
        return any((self.root / "sys" / "module" / name).is_dir() for name in names)

    @cached_property
    def provider(self) -> Answer:
        """What `fi_info -p efa` says."""
        return self.ask("fi_info", "-p", "efa", "-t", "FI_EP_RDM")

    @cached_property
    def libfabric(self) -> str | None:
        """Version of libfabric, with its suffix, None where there is none."""
        found = re.search(r"libfabric:\s*(\S+)", self.ask("fi_info", "--version").text)
        return found[1] if found else None

    @cached_property
    def plugin(self) -> Library:
        """aws-ofi-nccl, found as NCCL will find it."""
        wanted = self.environment.get("NCCL_NET_PLUGIN", "libnccl-net.so")
        found = self.open(wanted)
        if found.path is None and "/" not in wanted and not re.fullmatch(r"lib.*\.so", wanted):
            other = self.open(f"libnccl-net-{wanted}.so")
            return found if other.path is None else other
        return found

    @cached_property
    def plugin_version(self) -> Version | None:
        """Version of aws-ofi-nccl; None where it is not known."""
        if self.plugin.path is None:
            return None
        found = next(searched(self.plugin.path, PACKAGE), None)
        return version(found.decode()) if found else None

    @cached_property
    def nccl(self) -> Library:
        """NCCL: the one that PyTorch brings, or else the loader's."""
        for folder in map(Path, sys.path):
            inside = folder / "nvidia" / "nccl" / "lib" / "libnccl.so.2"
            if self.root == Path("/") and inside.is_file():
                return self.open(str(inside), "ncclGetVersion")
        return self.open("libnccl.so.2", "ncclGetVersion")

    @cached_property
    def nccl_version(self) -> Version | None:
        """Version of NCCL; numbers are major * 10000 + minor * 100 + patch since 2.9 (nccl.h)."""
        number = self.nccl.number
        return (number // 10000, number // 100 % 100, number % 100) if number else None

    def interfaces(self, library: Library) -> set[int]:
        """Return the versions of NCCL's network interface that a library speaks."""
        if library.path is None:
            return set()
        return {int(found) for found in searched(library.path, INTERFACE)}

    @cached_property
    def cuda(self) -> Version | None:
        """Version of CUDA that the image was built with."""
        text = read_text(self.root / "usr" / "local" / "cuda" / "version.json")
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return version(json.loads(text)["cuda"]["version"])
        return version(self.environment.get("CUDA_VERSION"))

    @cached_property
    def driver_cuda(self) -> Version | None:
        """Highest version of CUDA that libcuda, or its compatibility package, offers."""
        number = self.open("libcuda.so.1", "cuDriverGetVersion").number
        return (number // 1000, number % 1000 // 10) if number else None

    def with_compatibility(self) -> dict[str, str]:
        """Return the environment with CUDA's compatibility libraries first, where they are needed.

        That is where the kernel driver is older than the one that they were made with, as the base
        image's own entry point decides (deep-learning-containers, scripts/docker/pytorch/
        entrypoint.sh at e0ecedea, read 2026-11-24).
        """
        found = dict(self.environment)
        folder = self.root / "usr" / "local" / "cuda" / "compat"
        with contextlib.suppress(OSError):
            made_with = version((folder / "libcuda.so.1").readlink().name)
            driver = version(self.driver_text)
            if driver and made_with and driver < made_with:
                path = found.get("LD_LIBRARY_PATH", "")
                found["LD_LIBRARY_PATH"] = f"{folder}{os.pathsep if path else ''}{path}"
        return found

    @cached_property
    def efa_functions(self) -> int:
        """EFA devices on the PCI bus, whether or not a driver has taken them."""
        folder = self.root / "sys" / "bus" / "pci" / "devices"
        with contextlib.suppress(OSError):
            return sum(
                read_text(path / "vendor") == AMAZON
                and read_text(path / "device").startswith("0xefa")
                for path in folder.iterdir()
            )
        return 0

    def open(self, name: str, call: str = "") -> Library:
        """Open a library as the ranks will, and call its version function."""
        answer = self.ask(sys.executable, "-I", "-c", OPENER, name, call)
        try:
            found: dict[str, Any] = json.loads(answer.text.splitlines()[-1])
        except (ValueError, IndexError):
            return Library(name, error=answer.text.strip() or "it ends the process that loads it")
        path = found.get("path")
        if path is None and "error" not in found:
            path = name if "/" in name else None
        error = found.get("error")
        if error is not None and "cannot open shared object file" not in error.partition(name)[2]:
            # It is there, and something that it needs is not.
            path = path or self._lies(name)
        return Library(name, Path(path) if path else None, error, found.get("number"))

    def ask(self, *command: str) -> Answer:
        """Run a program that answers and changes nothing."""
        path = os.pathsep.join((self.environment.get("PATH", os.defpath), EFA_BIN))
        program = shutil.which(command[0], path=path)
        if program is None:
            return Answer(None, f"{command[0]} is not installed")
        try:
            done = subprocess.run(
                [program, *command[1:]],
                env={**self.environment, "PATH": path},
                capture_output=True,
                text=True,
                errors="replace",
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Answer(None, f"{command[0]} has not answered in {SECONDS:.0f} seconds")
        except OSError as error:
            return Answer(None, f"{command[0]}: {error.strerror}")
        return Answer(done.returncode, done.stdout + done.stderr)

    def _lies(self, name: str) -> Path | None:
        if "/" in name:
            return Path(name) if Path(name).is_file() else None
        for folder in self.environment.get("LD_LIBRARY_PATH", "").split(os.pathsep):
            if folder and (Path(folder) / name).is_file():
                return Path(folder) / name
        return None
