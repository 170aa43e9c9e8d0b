"""Whether an image holds what its lock says; the image's own build runs this, without a GPU.

python -m training.launch inventory image.lock.json
"""

import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

from training.launch.machine import Machine
from training.launch.topology import read_text
from training.launch.variables import version, written

SOUND, DIFFERENT, MISTAKEN = 0, 1, 2

PROGRAMS: Final = ("fi_info", "all_reduce_perf")
"""What must be there to check a network, and its tests."""


def package(*names: str) -> str | None:
    """Return the version of the first of these Python packages, without its local part."""
    for name in names:
        try:
            return metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            continue
    return None


def held(machine: Machine) -> dict[str, str | None]:
    """Return the version of everything that a lock pins, None for what is not there."""
    installer = read_text(machine.root / "opt" / "amazon" / "efa_installed_packages")
    efa = re.search(r"EFA installer version:\s*([\d.]+)", installer)
    gdr = [p.name for p in (machine.root / "usr" / "local" / "lib").glob("libgdrapi.so.*")]
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "pytorch": package("torch"),
        "cuda": written(machine.cuda) if machine.cuda else None,
        "nccl": package("nvidia-nccl-cu13", "nvidia-nccl-cu12"),
        "efa_installer": efa[1] if efa else None,
        "libfabric": machine.libfabric,
        "aws_ofi_nccl": written(machine.plugin_version) if machine.plugin_version else None,
        "gdrcopy": max((written(version(name)) for name in gdr if version(name)), default=None),
    }


def differences(pins: Mapping[str, str], machine: Machine) -> list[str]:
    """Return what an image has otherwise than its lock pins it, a sentence for each."""
    found = held(machine)
    lines = []
    for name, pinned in pins.items():
        if name not in found:
            continue  # built from source by this image, at the pinned commit
        have = found[name]
        if have is None:
            lines.append(f"{name}: the lock pins {pinned} and the image has none")
        elif have != pinned and not have.startswith(f"{pinned}."):
            lines.append(f"{name}: the lock pins {pinned} and the image has {have}")
    path = machine.environment.get("PATH", os.defpath) + ":/opt/amazon/efa/bin"
    lines += [f"{p}: is not on the PATH" for p in PROGRAMS if shutil.which(p, path=path) is None]
    if machine.plugin.error:
        lines.append(f"{machine.plugin.name}: does not load: {machine.plugin.error}")
    return lines


def main(lock: Path) -> int:
    """Compare this image with a lock and return the exit status."""
    try:
        pins = {name: pin["version"] for name, pin in json.loads(lock.read_text())["pins"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        sys.stderr.write(f"ERROR {lock}: is no lock of an image ({error})\n")
        return MISTAKEN
    lines = differences(pins, Machine(dict(os.environ)))
    sys.stderr.write("".join(f"ERROR {line}\n" for line in lines))
    if lines:
        return DIFFERENT
    sys.stdout.write(f"the image holds what {lock.name} pins\n")
    return SOUND
