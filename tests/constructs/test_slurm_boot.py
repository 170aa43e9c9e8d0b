"""What a Slurm node does at boot: its user data, and the script in it."""

import email
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from constructs_lib.slurm_boot import FOLDER, MOST_USER_DATA_BYTES, PROLOG, node_boot
from ultracluster.spec.nodes import NodesSpec

ROOM_FOR_PCS = 4096
BOOT = Path(__file__).parents[2] / "constructs_lib" / "boot"
DISKS = (
    "/dev/nvme1n1 Amazon EC2 NVMe Instance Storage\n/dev/nvme2n1 Amazon EC2 NVMe Instance Storage\n"
)
ROOT_DISK = "/dev/nvme0n1 Amazon Elastic Block Store\n"


def rendered(nodes: NodesSpec | None) -> str:
    """Return the user data of a node, with names as long as AWS makes them."""
    return node_boot(
        nodes=nodes,
        dns_name="fs-0123456789abcdef0.fsx.ap-northeast-1.amazonaws.com",
        mount_name="abcdefgh",
    ).render()


def written(nodes: NodesSpec | None) -> dict[str, str]:
    """Return the files that cloud-init writes, by path."""
    message = email.message_from_string(rendered(nodes))
    parts: Any = message.get_payload()
    config, _ = parts
    document = yaml.safe_load(config.get_payload())
    return {file["path"]: file["content"] for file in document["write_files"]}


P4D = NodesSpec(instance_type="p4d.24xlarge", count=2, interface_layout="address-per-card")


@pytest.mark.parametrize("nodes", [P4D, None], ids=["node", "login"])
def test_user_data_is_what_pcs_takes(nodes: NodesSpec | None):
    """MIME multipart of a cloud-config and a script, with room for the part that PCS adds."""
    text = rendered(nodes)
    message = email.message_from_string(text)

    assert message.get_content_type() == "multipart/mixed"
    parts = [part.get_content_type() for part in message.walk() if not part.is_multipart()]
    assert parts == ["text/cloud-config", "text/x-shellscript"]
    assert len(text.encode()) < MOST_USER_DATA_BYTES - ROOM_FOR_PCS
    assert text.isascii()


def test_what_is_written_is_what_is_in_the_repository():
    """Indentation in YAML must not change a script."""
    files = written(P4D)

    assert files[PROLOG] == (BOOT / "prolog.sh").read_text()
    assert files[f"{FOLDER}/setup.sh"] == (BOOT / "setup.sh").read_text()


@pytest.mark.parametrize(
    ("instance_type", "image", "words"),
    [
        ("p4d.24xlarge", None, {"GPUS=8", "EFA_DEVICES=4", "SCRATCH=/scratch"}),
        ("p5.48xlarge", None, {"GPUS=8", "EFA_DEVICES=32", "SCRATCH=/scratch"}),
        # nvidia-smi does not count Trainium.
        ("trn1.32xlarge", "ami-0123456789abcdef0", {"GPUS=0", "EFA_DEVICES=8"}),
    ],
)
def test_the_prolog_looks_for_what_the_type_has(instance_type, image, words):
    """One GPU too many, and every node of the cluster drains itself."""
    given = {} if image is None else {"image": image}
    nodes = NodesSpec(
        instance_type=instance_type, count=2, interface_layout="address-per-card", **given
    )

    assert words <= set(written(nodes)[f"{FOLDER}/node.conf"].splitlines())


def test_a_login_node_has_lustre_and_nothing_to_check():
    conf = written(None)[f"{FOLDER}/node.conf"].splitlines()

    assert {"GPUS=0", "EFA_DEVICES=0", "LUSTRE=/fsx", "SCRATCH="} <= set(conf)


def test_nothing_is_fetched():
    """awsome-distributed-ai#186: a bootstrap that reaches for the internet breaks the cluster."""
    text = rendered(P4D)

    for word in ("curl", "wget", "http:", "https:", "git clone", "pip ", "apt-get", "dnf install"):
        assert word not in text


class Node:
    """A root folder and commands that note how they were called."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.bin = folder / "bin"
        self.log = folder / "called"
        for name in ("etc/dnf", "proc", "dev/md", "etc/security"):
            (self.root / name).mkdir(parents=True)
        self.bin.mkdir()
        (self.root / "etc/fstab").write_text("")
        (self.root / "etc/dnf/dnf.conf").write_text("[main]\n")
        self.mounts("")
        conf = "LUSTRE=/fsx LUSTRE_SOURCE=fs-1@tcp:/abc SCRATCH=/scratch\n"
        (folder / "node.conf").write_text(conf)
        for name in ("systemctl", "mount", "modprobe", "mkfs.xfs", "apt-mark", "dpkg-query"):
            self.command(name)
        self.command("mdadm", f'[[ $1 != --create ]] || touch "{self.root}$2"')
        self.command("blkid", "exit 2")
        self.command("timeout", 'shift; exec "$@"')
        self.disks(ROOT_DISK + DISKS)

    def command(self, name: str, does: str = "") -> None:
        """Put a command before those of the system."""
        file = self.bin / name
        file.write_text(f'#!/bin/bash\necho "{name} $*" >>{self.log}\n{does}\n')
        file.chmod(0o755)

    def disks(self, text: str, mounted: str = "") -> None:
        """Say what lsblk says."""
        self.command("lsblk", f"case $* in *MODEL*) printf '{text}' ;; *) echo '{mounted}' ;; esac")

    def mounts(self, text: str) -> None:
        """Say what is mounted."""
        (self.root / "proc/mounts").write_text(text)

    def boot(self) -> tuple[int, list[str]]:
        """Run the script, and return its status and the commands that it called."""
        self.log.write_text("")
        path = os.pathsep.join((str(self.bin), "/usr/bin", "/bin"))
        environment = {
            "PATH": path,
            "ROOT": str(self.root),
            "HERE": str(self.bin.parent),
            "PAUSE": "0",
        }
        done = subprocess.run(
            [BOOT / "setup.sh"], env=environment, timeout=60, check=False, capture_output=True
        )
        return done.returncode, self.log.read_text().splitlines()

    def console(self) -> str:
        """Return what a person sees who looks at the console."""
        return (self.root / "dev/console").read_text()


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node at its first boot."""
    return Node(tmp_path)


def test_a_first_boot_builds_scratch_and_mounts_lustre(node: Node):
    status, called = node.boot()

    assert status == 0
    created = next(call for call in called if call.startswith("mdadm --create"))
    assert created.endswith("--raid-devices=2 /dev/nvme1n1 /dev/nvme2n1")
    assert any(call.startswith("mkfs.xfs") for call in called)
    assert "mount /fsx" in called
    assert (node.root / "etc/fstab").read_text() == (
        "fs-1@tcp:/abc /fsx lustre "
        "_netdev,noatime,flock,x-systemd.requires=network-online.target 0 0\n"
    )


def test_a_second_run_changes_nothing(node: Node):
    """It runs at every boot, and twice at the first."""
    node.boot()
    before = {p: p.read_text() for p in node.root.rglob("*") if p.is_file()}
    node.mounts("/dev/md127 /scratch xfs rw 0 0\nfs-1@tcp:/abc /fsx lustre rw 0 0\n")
    before[node.root / "proc/mounts"] = (node.root / "proc/mounts").read_text()

    status, called = node.boot()

    assert status == 0
    assert {p: p.read_text() for p in node.root.rglob("*") if p.is_file()} == before
    assert not [call for call in called if call.startswith(("mount", "mdadm", "mkfs"))]


def test_after_a_reboot_the_array_is_mounted_and_not_made_anew(node: Node):
    """What jobs left there is still on the disks."""
    node.boot()
    node.command("blkid", "echo xfs")

    _, called = node.boot()

    assert not [call for call in called if call.startswith(("mdadm --create", "mkfs"))]
    assert any(call.startswith("mount -t xfs") for call in called)


def test_disks_that_the_image_has_mounted_are_used(node: Node):
    """Deep Learning AMIs mount them themselves: an array over them would take them away."""
    node.disks(ROOT_DISK + DISKS, mounted="/opt/dlami/nvme")

    status, called = node.boot()

    assert status == 0
    assert "mount --bind /opt/dlami/nvme /scratch" in called
    assert not [call for call in called if call.startswith(("mdadm", "mkfs"))]


def test_the_root_volume_is_never_part_of_the_array(node: Node):
    node.disks(ROOT_DISK)

    status, called = node.boot()

    assert status == 1
    assert "no local NVMe" in node.console()
    assert not [call for call in called if call.startswith(("mdadm", "mkfs"))]


def test_a_missing_lustre_client_is_said_on_the_console(node: Node):
    """And the prolog finds that nothing is mounted."""
    node.command("modprobe", "exit 1")

    status, called = node.boot()

    assert status == 1
    assert "no Lustre client for its kernel; /fsx is not mounted" in node.console()
    assert "mount /fsx" not in called


def test_lustre_is_tried_again(node: Node):
    """The file system's network interfaces may be a little later than the node."""
    tries = node.bin.parent / "tries"
    node.command(
        "mount", f"[[ $1 == -t ]] || {{ echo x >>{tries}; [[ $(wc -l <{tries}) -ge 3 ]]; }}"
    )

    status, called = node.boot()

    assert status == 0
    assert called.count("mount /fsx") == 3


def test_the_image_stays_as_it_is(node: Node):
    """aws-parallelcluster#2095: a new kernel, and the Lustre client no longer loads."""
    node.command("dpkg-query", "echo linux-image-6.8.0-aws")

    _, called = node.boot()

    for unit in ("apt-daily.timer", "apt-daily-upgrade.timer", "unattended-upgrades.service"):
        assert f"systemctl disable --now {unit}" in called
        assert f"systemctl mask {unit}" in called
    assert "apt-mark hold linux-image-6.8.0-aws" in called
    assert "excludepkgs=kernel*" in (node.root / "etc/dnf/dnf.conf").read_text()


def test_limits_are_those_that_efa_needs(node: Node):
    """For people's sessions, and for slurmd, whose tasks do not come through PAM."""
    node.boot()

    limits = (node.root / "etc/security/limits.d/90-ultracluster.conf").read_text()
    assert "* - memlock unlimited" in limits
    assert "* - nofile 1048576" in limits
    unit = (node.root / "etc/systemd/system/slurmd.service.d/ultracluster.conf").read_text()
    assert "LimitMEMLOCK=infinity" in unit
