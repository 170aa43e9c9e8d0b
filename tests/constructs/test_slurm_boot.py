"""What a Slurm node does at boot: its user data, and the script in it."""

import email
import os
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from constructs_lib.node_programs import digest
from constructs_lib.slurm_boot import (
    EVERY_BOOT,
    FOLDER,
    MOST_USER_DATA_BYTES,
    STILL,
    node_boot,
)
from ultracluster.problem import collecting
from ultracluster.spec.nodes import NodesSpec
from ultracluster.spec.users import MOST_BYTES, AccountSpec, UserSpec, UsersSpec

ROOM_FOR_PCS = 4096
BOOT = Path(__file__).parents[2] / "constructs_lib" / "boot"
DISKS = (
    "/dev/nvme1n1 Amazon EC2 NVMe Instance Storage\n/dev/nvme2n1 Amazon EC2 NVMe Instance Storage\n"
)
ROOT_DISK = "/dev/nvme0n1 Amazon Elastic Block Store\n"


class Programs:
    """What `NodePrograms` says, with names as long as AWS makes them."""

    def conf(self, role: str) -> str:
        bucket = "cdk-hnb659fds-assets-012345678901-ap-northeast-1"
        return (
            f"PROGRAMS=s3://{bucket}/{'a' * 64}.zip\nPROGRAMS_SHA256={'b' * 64}\n"
            f"ENVIRONMENT=environment-name\nROLE={role}\nREPAIR=1\nEVERY=15"
        )


PROGRAMS: Any = Programs()


def rendered(nodes: NodesSpec | None, **more: Any) -> str:
    """Return the user data of a node, with names as long as AWS makes them."""
    return node_boot(
        nodes=nodes,
        slurm_version="25.11",
        dns_name="fs-0123456789abcdef0.fsx.ap-northeast-1.amazonaws.com",
        mount_name="abcdefgh",
        programs=PROGRAMS,
        **more,
    ).render()


def written(nodes: NodesSpec | None) -> dict[str, str]:
    """Return the files that cloud-init writes, by path."""
    return files_of(rendered(nodes))


def files_of(user_data: str) -> dict[str, str]:
    """Return the files that user data writes, by path."""
    message = email.message_from_string(user_data)
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


CROWD = UsersSpec(
    users=tuple(
        UserSpec(name=f"person{number}", uid=2000 + number, accounts=("research",))
        for number in range(1, 60)
    ),
    accounts=(AccountSpec(name="research"),),
)


def test_a_node_makes_no_accounts_unless_it_is_told_to():
    """The nodes of jobs have users alone: accounts are Slurm's, and made once."""
    written = files_of(rendered(P4D, users=CROWD))

    assert any(path.endswith("/users.sh") for path in written)
    assert not any("accounts" in path or "accounts" in text for path, text in written.items())


@pytest.mark.parametrize("makes_accounts", [False, True])
def test_user_data_holds_as_many_users_as_a_spec_takes(*, makes_accounts: bool):
    """EC2 refuses more than 16 KB, and PCS adds a part of its own."""
    text = rendered(
        None if makes_accounts else P4D,
        users=CROWD,
        homes="fs-0123456789abcdef0",
        makes_accounts=makes_accounts,
    )

    assert len(CROWD.unix_lines() + CROWD.account_lines()) > 0.8 * MOST_BYTES
    assert len(text.encode()) < MOST_USER_DATA_BYTES - 2048


def test_users_come_after_what_their_homes_are_on():
    """And are made again at each boot, also where Lustre could not be mounted."""
    message = email.message_from_string(rendered(None, users=CROWD))
    parts: Any = message.get_payload()
    lines = parts[1].get_payload().splitlines()

    setup, users = f"{FOLDER}/setup.sh", f"{FOLDER}/users.sh || status=1"
    assert lines.index(setup) < lines.index(users) < lines.index("exit $status")


def test_what_is_written_is_what_is_in_the_repository():
    """Indentation in YAML must not change a script."""
    first, *lines = (BOOT / "setup.sh").read_text().splitlines()
    # It has no text whose indentation matters.
    bare = [line.lstrip() for line in lines]
    kept = [line for line in bare if line and not line.startswith("#")]

    assert written(P4D)[f"{FOLDER}/setup.sh"].splitlines() == [first, *kept]


def test_timers_are_stopped_before_they_fire():
    """They are persistent, so that a node that boots would update itself (DLAMI release notes)."""
    message = email.message_from_string(rendered(P4D))
    parts: Any = message.get_payload()
    (command,) = yaml.safe_load(parts[0].get_payload())["bootcmd"]

    assert command.startswith("systemctl mask --now ")
    assert {"apt-daily.service", "apt-daily-upgrade.timer"} <= set(command.split())


@pytest.mark.parametrize(
    ("instance_type", "image", "words"),
    [
        (
            "p4d.24xlarge",
            None,
            {
                "SLURM_BIN=/opt/aws/pcs/scheduler/slurm-25.11/bin",
                *("GPUS=8", "FABRIC_MANAGER=1", "EFA_DEVICES=4", "SCRATCH=/scratch"),
            },
        ),
        ("p5.48xlarge", None, {"GPUS=8", "FABRIC_MANAGER=1", "EFA_DEVICES=32"}),
        # One GPU has no switch between GPUs.
        ("p5.4xlarge", None, {"GPUS=1", "FABRIC_MANAGER=0", "EFA_DEVICES=1"}),
        # nvidia-smi does not count Trainium.
        ("trn1.32xlarge", "ami-0123456789abcdef0", {"GPUS=0", "FABRIC_MANAGER=0", "EFA_DEVICES=8"}),
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


def test_a_node_that_slurm_does_not_launch_is_set_up_as_one_that_it_does():
    """A mount does not outlive a reboot, and may need more than one try (FSx guide, mounting)."""
    boot = node_boot(nodes=P4D, slurm_version=None, dns_name="fs-1.fsx.example", mount_name="abc")
    files = files_of(boot.render())

    assert set(files) == {f"{FOLDER}/node.conf", f"{FOLDER}/setup.sh", EVERY_BOOT}
    conf = files[f"{FOLDER}/node.conf"].splitlines()
    assert {"SLURM_BIN=", "GPUS=8", "LUSTRE_SOURCE=fs-1.fsx.example@tcp:/abc"} <= set(conf)


def test_nothing_is_fetched():
    """awsome-distributed-ai#186: a bootstrap that reaches for the internet breaks the cluster."""
    text = rendered(P4D)

    for word in ("curl", "wget", "http:", "https:", "git clone", "pip ", "apt-get", "dnf install"):
        assert word not in text


def test_nodes_of_slurm_need_their_programs():
    """Slurm drains a node whose prolog is not there."""
    with pytest.raises(ValueError, match="write programs=NodePrograms"):
        node_boot(nodes=P4D, slurm_version="25.11", dns_name="fs-1", mount_name="abc")


def test_homes_need_the_program_that_mounts_them():
    with pytest.raises(ValueError, match="others mount homes"):
        node_boot(nodes=P4D, slurm_version=None, dns_name="fs-1", mount_name="abc", homes="fs-2")


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
        conf = (
            "SLURM_BIN=/opt/slurm-25.11/bin GPUS=8 FABRIC_MANAGER=1\n"
            "LUSTRE=/fsx LUSTRE_SOURCE=fs-1@tcp:/abc SCRATCH=/scratch\n"
            f"STILL='{' '.join(STILL)}'\n"
        )
        (folder / "node.conf").write_text(conf)
        (self.root / "usr/local/bin").mkdir(parents=True)
        self.command("nproc", "echo 96")
        for name in ("lctl", "chmod", "nvidia-smi"):
            self.command(name)
        self.owner("root:755")
        for name in ("systemctl", "mount", "modprobe", "mkfs.xfs", "dpkg", "dpkg-query"):
            self.command(name)
        self.command("mdadm", f'[[ $1 != --create ]] || touch "{self.root}/array"')
        # udev names an array that is there, and may take its time.
        array = self.root / "dev/md/scratch"
        self.command("udevadm", f'[[ ! -e "{self.root}/array" ]] || touch "{array}"')
        self.command("blkid", "exit 2")
        self.command("timeout", 'shift; exec "$@"')
        self.disks(ROOT_DISK + DISKS)

    def command(self, name: str, does: str = "") -> None:
        """Put a command before those of the system."""
        file = self.bin / name
        file.write_text(f'#!/bin/bash\necho "{name} $*" >>{self.log}\n{does}\n')
        file.chmod(0o755)

    def owner(self, text: str) -> None:
        """Say whose the root of the file system is, and its mode."""
        self.command("stat", f"echo {text}")

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
            "TMPDIR": str(self.bin.parent),
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


def test_an_array_that_udev_does_not_name_is_said(node: Node):
    """`mkfs.xfs` of nothing prints three pages of usage, and nobody sees why the node is unfit."""
    node.command("udevadm")

    status, called = node.boot()

    assert status == 1
    assert "has no name in /dev/md; /scratch is not there" in node.console()
    assert not [call for call in called if call.startswith("mkfs")]


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
    node.command(
        "dpkg-query", "echo installed linux-image-6.8.0-aws; echo not-installed linux-image"
    )
    node.command("dpkg", f"cat >{node.bin.parent}/selections")

    _, called = node.boot()

    assert f"systemctl mask {' '.join(STILL)}" in called
    assert f"systemctl disable --now {' '.join(STILL)}" in called
    restart = (node.root / "etc/needrestart/conf.d/ultracluster.conf").read_text()
    assert restart == "$nrconf{override_rc}{qr(^slurm)} = 0;\n"
    assert (node.bin.parent / "selections").read_text() == "linux-image-6.8.0-aws hold\n"
    assert "excludepkgs=kernel*" in (node.root / "etc/dnf/dnf.conf").read_text()


def test_limits_are_those_that_efa_needs(node: Node):
    """For people's sessions, and for slurmd, whose tasks do not come through PAM."""
    node.boot()

    limits = (node.root / "etc/security/limits.d/90-ultracluster.conf").read_text()
    assert "* - memlock unlimited" in limits
    assert "* - nofile 1048576" in limits
    unit = (node.root / "etc/systemd/system/slurmd.service.d/ultracluster.conf").read_text()
    assert "LimitMEMLOCK=infinity" in unit
    # An unlimited stack changes where threads get theirs, and EFA does not ask for it.
    assert "stack" not in limits
    assert "LimitSTACK" not in unit


def test_users_may_write_to_a_new_file_system(node: Node):
    """FSx makes its root root's, with mode 755; the documented job writes below it."""
    _, called = node.boot()

    assert f"chmod 1777 {node.root}/fsx" in called
    assert f"chmod 1777 {node.root}/fsx/checkpoints" in called


@pytest.mark.parametrize("owner", ["root:1777", "root:750", "alice:755"])
def test_what_an_administrator_has_decided_stays(node: Node, owner: str):
    node.owner(owner)

    _, called = node.boot()

    assert not [call for call in called if call.startswith(f"chmod 1777 {node.root}/fsx")]


def test_checkpoints_are_striped_as_asked(node: Node):
    """A file of one stripe is written at the speed of one disk of the file system."""
    (node.root / "fsx/checkpoints").mkdir(parents=True)
    node.command("lfs")
    assert not [call for call in node.boot()[1] if call.startswith("lfs")]

    conf = node.bin.parent / "node.conf"
    conf.write_text(f"{conf.read_text()}STRIPES=-1\n")
    status, called = node.boot()
    assert (status, called[-1]) == (
        0,
        f"lfs setstripe --stripe-count -1 {node.root}/fsx/checkpoints",
    )

    node.command("lfs", "exit 1")
    status, _ = node.boot()
    assert status == 0
    assert "checkpoints keep the file system's own layout" in node.console()


def test_a_node_is_told_how_to_stripe_checkpoints():
    boot = node_boot(
        nodes=P4D, slurm_version=None, dns_name="fs-1.fsx.example", mount_name="abc", stripes=8
    )

    assert "STRIPES=8" in files_of(boot.render())["/opt/ultracluster/node.conf"].splitlines()


def test_gpus_keep_their_driver_loaded_and_their_switches_set_up(node: Node):
    """A check before a job has seconds; a driver that starts anew takes half a minute."""
    _, called = node.boot()

    assert "systemctl enable --now nvidia-persistenced" in called
    assert "systemctl enable --now nvidia-fabricmanager" in called
    assert not [call for call in called if call.startswith("nvidia-smi")]


def test_persistence_mode_without_its_daemon(node: Node):
    """Images without nvidia-persistenced take nvidia-smi's own switch."""
    node.command("systemctl", "[[ $* != *persistenced* ]]")

    _, called = node.boot()

    assert "nvidia-smi --persistence-mode=1" in called


def test_a_login_node_has_no_gpus_to_make_ready(node: Node):
    conf = node.bin.parent / "node.conf"
    conf.write_text(conf.read_text().replace("GPUS=8 FABRIC_MANAGER=1", "GPUS=0 FABRIC_MANAGER=0"))

    _, called = node.boot()

    assert not [call for call in called if "nvidia" in call]


def test_the_image_s_own_mount_of_the_disks_is_waited_for(node: Node):
    """Both would build an array of the same disks otherwise."""
    _, called = node.boot()

    waited = called.index("systemctl start dlami-nvme.service")
    assert waited < next(n for n, call in enumerate(called) if call.startswith("mdadm"))


def test_a_large_client_is_tuned_as_fsx_advises(node: Node):
    """Module options before the client is loaded, the others once it is mounted."""
    _, called = node.boot()

    options = (node.root / "etc/modprobe.d/ultracluster-lustre.conf").read_text()
    assert options == "options ptlrpc ptlrpcd_per_cpt_max=32\noptions ksocklnd credits=2560\n"
    (tuned,) = [call for call in called if call.startswith("lctl set_param")]
    assert "osc.*OST*.max_rpcs_in_flight=32" in tuned
    assert "ldlm.namespaces.*.lru_size=9600" in tuned
    assert called.index("mount /fsx") < called.index(tuned)


def test_a_small_client_stays_as_it_is(node: Node):
    node.command("nproc", "echo 4")

    _, called = node.boot()

    assert not (node.root / "etc/modprobe.d").exists()
    assert not [call for call in called if call.startswith("lctl")]


def test_slurm_is_found_in_every_kind_of_session(node: Node):
    """Systems Manager starts a shell that is no login shell."""
    node.boot()

    link = node.root / "usr/local/bin/sbatch"
    assert str(link.readlink()) == "/opt/slurm-25.11/bin/sbatch"


S3 = """
[[ $1 == s3 ]] || exit 1
[[ $(ls {tries} | wc -l) -ge {failures} ]] || {{ mktemp {tries}/XXXX; exit 1; }}
cp {archive} "$4"
"""


def programs(node: Node, *, failures: int = 0, changed: bool = False) -> None:
    """Let S3 have the node's programs."""
    folder = node.bin.parent
    archive, tries = folder / "programs.zip", folder / "tries"
    tries.mkdir()
    with zipfile.ZipFile(archive, "w") as made:
        for file in sorted((BOOT / "node").glob("*.py")):
            made.writestr(file.name, file.read_text() + "#" * changed)
    node.command("aws", S3.format(archive=archive, tries=tries, failures=failures))
    conf = folder / "node.conf"
    conf.write_text(f"{conf.read_text()}PROGRAMS=s3://b/p.zip\nPROGRAMS_SHA256={digest()}\n")


def test_a_node_fetches_its_programs_however_late_s3_answers(node: Node):
    programs(node, failures=3)

    status, called = node.boot()

    assert status == 0
    check = node.bin.parent / "check.py"
    assert check.read_text() == (BOOT / "node" / "check.py").read_text()
    (made,) = [call for call in called if call.startswith("chmod 755")]
    assert str(check.parent / "new" / check.name) in made.split()


@pytest.mark.parametrize(("failures", "changed"), [(99, False), (0, True)])
def test_programs_that_are_not_those_of_the_template_are_not_taken(
    node: Node, failures: int, *, changed: bool
):
    """Without its prolog a node takes no job, and its console says why."""
    programs(node, failures=failures, changed=changed)

    status, _ = node.boot()

    assert status == 1
    assert "programs could not be fetched from s3://b/p.zip: no job starts" in node.console()
    assert not (node.bin.parent / "check.py").exists()


BIND = """
case $1 in
  --bind) rmdir "$3" && ln -s "$2-image" "$3" ;;
  /home) {does}; echo "127.0.0.1:/ /home nfs4 rw 0 0" >>"$ROOT/proc/mounts" ;;
esac
"""


class Homes(Node):
    """A node that shares homes: its image is a folder that the bind mount shows."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        programs(self)
        conf = folder / "node.conf"
        conf.write_text(conf.read_text() + "HOMES=fs-2\n")
        self.answers("true")
        self.command("umount", 'rm "$1" && mkdir "$1"')
        self.image = Path(f"{self.root}-image") / "home"
        (self.image / "ubuntu" / ".ssh").mkdir(parents=True)
        (self.image / "ubuntu" / ".profile").write_text("image")
        (self.image / "ubuntu").chmod(0o750)
        self.home = self.root / "home"

    def answers(self, does: str) -> None:
        """Say what mounting does before it succeeds."""
        self.command("mount", BIND.format(does=does))


@pytest.fixture
def sharing(tmp_path: Path) -> Homes:
    """A node at its first boot, of an environment that shares homes."""
    return Homes(tmp_path)


def test_homes_are_mounted_by_tls_and_the_role_of_the_node(sharing: Homes):
    """At this boot and, by the table of file systems, at every later one."""
    status, called = sharing.boot()

    assert status == 0
    assert "mount /home" in called
    rows = (sharing.root / "etc/fstab").read_text().splitlines()
    assert "fs-2:/ /home efs _netdev,noresvport,tls,iam 0 0" in rows

    again, called = sharing.boot()
    assert (again, "mount /home" in called) == (0, False)
    assert (sharing.root / "etc/fstab").read_text().splitlines() == rows


def test_the_image_s_own_user_keeps_a_home(sharing: Homes):
    """What is mounted hides it, and a session of that user would begin in /."""
    sharing.boot()

    home = sharing.home / "ubuntu"
    assert (home / ".profile").read_text() == "image"
    assert (oct(home.stat().st_mode), home.stat().st_uid) == ("0o40750", os.geteuid())
    assert [each.name for each in sharing.home.iterdir()] == ["ubuntu"]


def test_what_another_node_has_brought_stays(sharing: Homes):
    """Each node has a copy of its image's homes, and only the first one may win."""
    (sharing.home / "ubuntu").mkdir(parents=True)
    (sharing.home / "ubuntu" / ".profile").write_text("mine")

    assert sharing.boot()[0] == 0

    assert (sharing.home / "ubuntu" / ".profile").read_text() == "mine"
    assert not (sharing.home / "ubuntu" / ".ssh").exists()


def test_homes_are_tried_again_and_said_in_the_end(sharing: Homes):
    """The name of a new mount target is known a minute later (EFS user guide, mount helper)."""
    tries = sharing.bin.parent / "tries-of-homes"
    sharing.answers(f"echo x >>{tries}; [[ $(wc -l <{tries}) -ge 3 ]] || exit 32")
    assert sharing.boot()[0] == 0
    assert len(tries.read_text().split()) == 3

    sharing.mounts("")
    sharing.answers("echo mount.efs: access denied >&2; exit 32")
    status, called = sharing.boot()

    assert status == 1
    assert called.count("mount /home") == 6
    assert "homes: /home: mount failed with status 32: mount.efs: access" in sharing.console()
    assert "mount --bind" not in " ".join(called)


class Fabric(Node):
    """A node whose Lustre goes over EFA: 32 devices, and one of another driver."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        programs(self)
        conf = folder / "node.conf"
        conf.write_text(conf.read_text() + "LUSTRE_EFA=8\n")
        self.command("ip", "echo default via 10.0.0.1 dev ens32 proto dhcp src 10.0.0.9")
        self.command("lnetctl")
        for index in range(32):
            self.device(f"rdmap{index:02}s0", "efa")
        self.device("mlx5_0", "mlx5_core")

    def device(self, name: str, driver: str) -> None:
        """Put a device into the system's table of them."""
        device = self.root / "sys/class/infiniband" / name / "device"
        device.mkdir(parents=True)
        (self.root / "drivers" / driver).mkdir(parents=True, exist_ok=True)
        (device / "driver").symlink_to(self.root / "drivers" / driver)


@pytest.fixture
def fabric(tmp_path: Path) -> Fabric:
    """A node at its first boot, of an EFA-enabled file system."""
    return Fabric(tmp_path)


def test_lustre_has_efa_before_its_client_is_loaded(fabric: Fabric):
    """As FSx's guide has it; the options of TCP's module must be there before it is loaded."""
    status, called = fabric.boot()

    assert status == 0
    added = [call.split()[-3] for call in called if "--net efa" in call]
    assert added == [f"rdmap{index:02}s0" for index in range(0, 32, 4)]
    steps = [
        "modprobe lnet",
        "modprobe kefalnd ipif_name=ens32",
        "modprobe ksocklnd",
        "lnetctl lnet configure",
        "lnetctl net add --net tcp --if ens32",
        "lnetctl net add --net efa --if rdmap00s0 --peer-credits 32",
        "lnetctl set discovery 1",
        "lnetctl udsp add --src efa --priority 0",
        "modprobe lustre",
        "mount /fsx",
    ]
    assert [call for call in called if call in steps] == steps
    assert "ksocklnd" in (fabric.root / "etc/modprobe.d/ultracluster-lustre.conf").read_text()


def test_a_reboot_does_not_mount_lustre_before_it_has_efa(fabric: Fabric):
    """The table of file systems would mount it over TCP, before this boot has begun its work."""
    fabric.boot()
    rows = (fabric.root / "etc/fstab").read_text()

    assert "fs-1@tcp:/abc /fsx lustre noauto,_netdev,noatime,flock," in rows
    status, called = fabric.boot()

    assert status == 0
    assert "mount /fsx" in called
    assert (fabric.root / "etc/fstab").read_text() == rows


def test_what_was_added_before_is_no_failure(fabric: Fabric):
    """TCP is there as soon as LNet is configured by its module's own options."""
    said = "echo add: net: cannot add network: already exists"
    fabric.command("lnetctl", f"[[ $* != *'--net tcp'* ]] || {{ {said}; exit 1; }}")

    status, called = fabric.boot()

    assert status == 0
    assert "lnetctl udsp add --src efa --priority 0" in called


def test_without_the_modules_lustre_is_mounted_over_tcp(fabric: Fabric):
    """And the console says so: slower is better than none."""
    fabric.command("modprobe", "[[ $1 != kefalnd ]] || { echo not found >&2; exit 1; }")

    status, called = fabric.boot()

    assert status == 0
    assert "mount /fsx" in called
    assert "lnet: Lustre goes over TCP: modprobe failed with status 1: not found" in (
        fabric.console()
    )


@pytest.mark.parametrize(
    ("instance_type", "devices"),
    [
        *(("p5.48xlarge", 8), ("p6-b300.48xlarge", 16), ("p4d.24xlarge", None), ("p5.4xlarge", 1)),
        ("p6e-gb200.36xlarge", 8),
    ],
)
def test_a_node_is_told_how_many_devices_lustre_takes(instance_type: str, devices: int | None):
    """By the table of FSx's guide; P4d can be no client over EFA, and of P6e no dump says it."""
    with collecting():  # how P6e is bought is not the subject
        nodes = NodesSpec(instance_type=instance_type, count=2, placement_group=True)
    made = node_boot(
        nodes=nodes,
        slurm_version="25.11",
        dns_name="fs-1.fsx.us-east-1.amazonaws.com",
        mount_name="abcdefgh",
        over_efa=True,
        programs=PROGRAMS,
    )
    conf = files_of(made.render())[f"{FOLDER}/node.conf"].splitlines()

    assert [line for line in conf if line.startswith("LUSTRE_EFA=")] == (
        [] if devices is None else [f"LUSTRE_EFA={devices}"]
    )
