"""Machines that a job over EFA fits on, to be spoiled one thing at a time."""

import os
import shutil
import sysconfig
from pathlib import Path

import pytest

from tests.training.launch.trees import p4d
from training.launch.library import Library
from training.launch.machine import Machine

FI_INFO = """#!/bin/sh
case "$1" in
--version) printf 'fi_info: 2.4.0amzn5.0\\nlibfabric: 2.4.0amzn5.0\\nlibfabric api: 2.4\\n' ;;
*) {answer} ;;
esac
"""
WORKS = "printf 'provider: efa\\n    fabric: efa\\n    domain: rdmap16s27-rdm\\n'"


class Node(Machine):
    """A machine whose NVIDIA libraries are answers; everything else is files and programs."""

    cuda_answer = Library("libcuda.so.1", Path("/libcuda.so.1"), None, 13030)
    nccl_answer = Library("libnccl.so.2", None, None, 23007)

    def open(self, name: str, call: str = "") -> Library:
        """Answer for NVIDIA, and open everything else."""
        if name == "libcuda.so.1":
            return self.cuda_answer
        return self.nccl_answer if name == "libnccl.so.2" else super().open(name, call)


def library() -> Path:
    """A shared library that loads anywhere: one of Python's own."""
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    # Some builds of Python have none of their own in files; packages do.
    folders = (sysconfig.get_config_var("DESTSHARED"), sysconfig.get_path("platlib"))
    return next(path for folder in folders for path in Path(folder).rglob(f"*{suffix}"))


class Place:
    """Files of one machine, and the job's environment."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tree = p4d(root / "machine")
        self.bin = root / "bin"
        self.lib = root / "lib"
        self.bin.mkdir()
        self.lib.mkdir()
        self.environment = {
            "PATH": f"{self.bin}:{os.defpath}",
            "LD_LIBRARY_PATH": str(self.lib),
            "CUDA_VERSION": "13.3.0",
        }
        self.tree.write("proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX Open Kernel "
                        "Module for x86_64  580.95.05  Release Build")  # fmt: skip
        self.tree.write("proc/self/status", "CapEff:\t0000003fffffffff")
        self.tree.write("proc/sys/kernel/osrelease", "6.12.40-63.amzn2023.x86_64")
        self.tree.write("proc/meminfo", "HugePages_Total:       0")
        self.fi_info(WORKS)
        self.plugin()

    def fi_info(self, answer: str) -> None:
        """Have a fi_info that answers so."""
        path = self.bin / "fi_info"
        path.write_text(FI_INFO.format(answer=answer))
        path.chmod(0o755)

    def plugin(
        self, text: str = "aws-ofi-nccl 1.20.0", interfaces: str = "6 7 8 9 10 11 12"
    ) -> None:
        """Have a plugin that says so of itself."""
        path = self.lib / "libnccl-net.so"
        shutil.copy(library(), path)
        symbols = "".join(f"ncclNetPlugin_v{number}\0" for number in interfaces.split())
        # ELF does not mind what follows its sections.
        with path.open("ab") as file:
            file.write(f"\0Initializing {text}\0{symbols}".encode())

    def nccl(self, interfaces: str) -> Library:
        """Return an NCCL that asks for these interfaces."""
        path = self.lib / "libnccl.so.2"
        path.write_bytes("".join(f"ncclNetPlugin_v{n}\0" for n in interfaces.split()).encode())
        return Library("libnccl.so.2", path, None, 23007)

    def machine(self, **environment: str) -> Node:
        """Return the machine as a job with these variables sees it."""
        return Node({**self.environment, **environment}, self.tree.root)


@pytest.fixture
def place(tmp_path):
    """A P4d node that fits."""
    return Place(tmp_path)
