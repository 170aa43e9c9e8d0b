"""The root file system that machines boot: Debian, as this machine's own apt has it.

Built once and kept in the user's cache, under a name that is a hash of all that it is made of.
"""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from ultracluster.exit_status import UsageError

PROGRAMS: Final = {
    "qemu-system-x86_64": "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
}
"""What this machine must have, and Debian's package of it."""

PACKAGES: Final = (
    *("systemd", "systemd-sysv", "dbus", "udev", "kmod", "initramfs-tools", "cloud-init"),
    # Not the cloud kernel: it has neither RDMA over Ethernet nor 9p, which stand in for EFA and
    # Lustre.
    "linux-image-amd64",
    # cloud-init's resizefs fails without e2fsprogs.
    *("e2fsprogs", "mdadm", "xfsprogs", "iproute2", "netbase", "adjtimex"),
    *("slurmd", "slurmctld", "slurm-client", "qemu-guest-agent", "unattended-upgrades"),
)
DRIVERS: Final = (
    *("accel", "ata", "bluetooth", "comedi", "gpu", "hid", "hwmon", "iio", "input", "media", "mtd"),
    *("net/ethernet", "net/wireless", "platform", "staging", "usb", "video"),
)
"""Of what no machine here has."""
AT_BOOT: Final = (
    *("dmsetup", "fsck", "mdadm", "resume", "thermal", "udev", "xfs"),
    *("init-top/udev", "init-bottom/udev", "local-block/mdadm", "local-bottom/mdadm"),
)
"""Parts of Debian's initial file system; a machine's root is where its command line says."""
GENERATORS: Final = (
    *("debug", "getty", "gpt-auto", "hibernate-resume", "rc-local", "run", "ssh"),
    *("system-update", "sysv", "tpm2"),
)
"""Of systemd's own. It runs each whenever units are read, a dozen times in a boot, and they find
nothing here."""
UNUSED: Final = (
    *("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*"),
    "/usr/lib/modules/*/kernel/sound/*",
    *(f"/usr/lib/modules/*/kernel/drivers/{folder}/*" for folder in DRIVERS),
    *(f"/usr/lib/systemd/system-generators/systemd-{name}-generator" for name in GENERATORS),
    *(f"/usr/share/initramfs-tools/{'scripts' if '/' in n else 'hooks'}/{n}" for n in AT_BOOT),
)
"""What packages bring and no machine here needs."""
SIZE: Final = 4 << 30
PROBE_SECONDS: Final = 20.0
KERNEL: Final = {"./boot/vmlinuz": "vmlinuz", "./boot/initrd.img": "initrd"}
"""What QEMU is given beside the root, by how its name in the archive begins."""
TREE: Final = Path(__file__).with_name("root")


@dataclass(frozen=True)
class Image:
    """Files that QEMU boots."""

    root: Path
    """File system that a machine gets a copy of."""
    kernel: Path
    initrd: Path


def _path() -> str:
    return os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


def located(program: str) -> str | None:
    """Return where a program is; some lie where only root looks for them."""
    return shutil.which(program, path=_path())


def need_programs() -> None:
    """Refuse where a program is not installed.

    Raises:
        UsageError: with the one command that brings what is missing.
    """
    missing = {package for name, package in PROGRAMS.items() if not located(name)}
    if missing:
        raise UsageError(
            "virtual nodes need programs that are not installed here; run "
            f"sudo apt-get install -y --no-install-recommends {' '.join(sorted(missing))}"
        )


def image() -> Image:
    """Return the image, which is built where the cache has none.

    Raises:
        UsageError: where it cannot be built: not Debian, or a program or the archive is not there.
    """
    need_programs()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "ultracluster" / "machines" / _name()
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="building-") as building:
            _build(Path(building))
            # Whole, or not there; who builds at the same time makes the same.
            try:
                (Path(building) / "image").rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
    return Image(folder / "root.img", folder / "vmlinuz", folder / "initrd")


def _sources() -> list[Path]:
    """Return the files that say where this machine's own packages come from."""
    apt = Path("/etc/apt")
    listed = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    # A folder of this machine (`file:`) is not there where packages are unpacked.
    return [p for p in listed if p.is_file() and "file:" not in p.read_text() and p.read_text()]


def _name() -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in _sources():
        digest.update(path.read_bytes())
    for path, name in _files():
        digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _build(folder: Path) -> None:
    """Make `image/` in a folder: root file system, kernel and initial file system."""
    (folder / "tree.tar").write_bytes(_tree())
    archive = folder / "root.tar"
    command = [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        # Whatever is lost with the power is built again.
        "--dpkgopt=force-unsafe-io",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in UNUSED),
        # Before packages: the kernel's initial file system is made by what the tree says.
        f"--essential-hook=tar-in {folder}/tree.tar /",
        '--customize-hook=chroot "$1" systemctl enable stand-in systemd-networkd',
        '--customize-hook=chroot "$1" systemctl disable slurmd slurmctld munge e2scrub_reap',
        # Nothing has been updated since, so that the first boot has nothing to make anew.
        '--customize-hook=touch "$1/etc/.updated" "$1/var/.updated"',
        '--customize-hook=echo "/dev/vda / ext4 defaults 0 0" >"$1/etc/fstab"',
        "",
        str(archive),
        *map(str, _sources()),
    ]
    _run(command)
    made = folder / "image"
    made.mkdir()
    root = folder / "gnu.tar"
    with tarfile.open(archive) as tar, tarfile.open(root, "w", format=tarfile.GNU_FORMAT) as gnu:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            name = KERNEL.get(member.name.partition("-")[0])
            if name and content is not None:
                (made / name).write_bytes(content.read())
                content.seek(0)
            # mke2fs 1.47 reads no name in UTF-8 of an archive with extended headers.
            member.pax_headers = {}
            gnu.addfile(member, content)
    with (made / "root.img").open("wb") as empty:
        empty.truncate(SIZE)
    _run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", str(root), str(made / "root.img")])


def _tree() -> bytes:
    """Return the stand-ins' files as an archive, as root's."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for path, name in _files():
            tar.add(path, name, filter=_as_root)
    return written.getvalue()


def _files() -> Iterator[tuple[Path, str]]:
    for path in sorted(TREE.rglob("*")):
        if path.is_file():
            yield path, str(path.relative_to(TREE))


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    # A wheel keeps no mode: what has a first line that names its interpreter is a program.
    member.mode = 0o755 if "bin/" in member.name else 0o644
    return member


def _run(command: list[str]) -> None:
    own = {**os.environ, "PATH": _path()}
    done = subprocess.run(command, text=True, capture_output=True, check=False, env=own)
    if done.returncode:
        raise UsageError(
            f"{command[0]} could not make the image of the virtual nodes: "
            f"{done.stderr.strip()[-400:]}"
        )


PROCESSORS: Final = {"kvm": "host", "tcg": "Nehalem"}
"""By accelerator: wide vectors, which newer ones have, are slow where they are emulated."""


@cache
def accelerator(image: Image) -> str:
    """Return KVM where it works, and QEMU's own emulator otherwise.

    /dev/kvm may be there and every machine still end with "KVM internal error". A kernel without a
    root file system panics, reboots, and so ends QEMU: within a second where KVM works.
    """
    if not Path("/dev/kvm").exists():
        return "tcg"
    probe = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "max", "-m", "256", "-nodefaults"]
    probe += ["-display", "none", "-no-reboot", "-kernel", str(image.kernel)]
    try:
        done = subprocess.run(
            [*probe, "-append", "panic=-1"],
            capture_output=True,
            check=False,
            timeout=PROBE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return "tcg"
    return "kvm" if done.returncode == 0 and not done.stderr else "tcg"
