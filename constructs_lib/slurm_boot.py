"""User data of nodes: mounts, scratch disks, limits, no automatic updates, Slurm's prolog."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from aws_cdk import aws_ec2 as ec2

from constructs_lib.node_programs import NodePrograms
from ultracluster.catalogue.interfaces import layout
from ultracluster.spec.nodes import NodesSpec
from ultracluster.spec.users import UsersSpec

FOLDER: Final = "/opt/ultracluster"
PROLOG: Final = f"{FOLDER}/check.py"
"""Path of the health check on nodes, for `Prolog`, `Epilog` and `HealthCheckProgram`."""
LUSTRE: Final = "/fsx"
SCRATCH: Final = "/scratch"
ACCOUNTS: Final = "ultracluster-accounts.service"
EVERY_BOOT: Final = "/var/lib/cloud/scripts/per-boot/ultracluster.sh"

MOST_USER_DATA_BYTES: Final = 16_384
"""EC2 User Guide, user data: 16 KB before it is encoded (read 2026-11-23). PCS adds a part."""

UNIT: Final = """[Unit]
Description=Slurm accounts of this cluster
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
ExecStart={script}
Restart=on-failure
RestartSec=60

[Install]
WantedBy=multi-user.target"""
"""Slurm's commands answer only after slurmd has started, which the boot does not wait for; and what
a user loses goes once the last job of it has ended: it is tried again until then."""

STILL: Final = (
    "apt-daily.timer",
    "apt-daily.service",
    "apt-daily-upgrade.timer",
    "apt-daily-upgrade.service",
    "unattended-upgrades.service",
    "dnf-automatic.timer",
    "dnf-automatic-install.timer",
)
"""Systemd units that install updates. Ubuntu's Deep Learning AMIs have unattended upgrades enabled
(DLAMI release notes, read 2026-11-26)."""


def slurm_binaries(version: str) -> str:
    """Return the folder of one Slurm version's commands on PCS-ready images.

    Images have several versions, and an older command fails on a newer slurm.conf (AWS PCS user
    guide, PCS-ready DLAMIs and agent versions, read 2026-11-26).
    """
    return f"/opt/aws/pcs/scheduler/slurm-{version}/bin"


def node_boot(
    *,
    nodes: NodesSpec | None,
    slurm_version: str | None,
    dns_name: str,
    mount_name: str,
    directory: str = LUSTRE,
    over_efa: bool = False,
    stripes: int | None = None,
    has_disks: bool = False,
    users: UsersSpec | None = None,
    homes: str = "",
    makes_accounts: bool = False,
    role: str = "compute",
    programs: NodePrograms | None = None,
) -> ec2.MultipartUserData:
    """Return the user data of a node; it downloads nothing but `programs`.

    The setup runs at every boot, because mounts do not outlive a reboot. PCS merges it with its own
    part, and therefore accepts only MIME multipart. Its cloud-config part runs before a node
    registers, its script after that and before Slurm starts (AWS PCS user guide, working with EC2
    user data, read 2026-11-24).

    Args:
        nodes: the hardware that the prolog expects; None on nodes without EFA, such as login nodes.
        slurm_version: version of the cluster's Slurm, `25.11` for example; None where Slurm does
            not launch the node.
        dns_name: the file system's DNS name.
        over_efa: whether the file system is EFA-enabled; nodes with EFA then use it.
        mount_name: the file system's mount name.
        directory: mount point of the file system.
        stripes: stripe count of checkpoint files, -1 for all OSTs; None keeps the file system's
            default layout.
        has_disks: whether nodes without EFA have local NVMe disks, which are mounted at /scratch.
        users: Unix users to create on the node.
        homes: id of the EFS file system for /home; needs `programs`, and a role that may mount it.
        makes_accounts: whether the node makes Slurm's accounts of these users, as login nodes do;
                it runs no jobs.
        role: `login` or `compute`; a label of metrics.
        programs: the programs for health checks and metrics; nodes of Slurm need them.

    Raises:
        ValueError: if `slurm_version`, `homes` or `over_efa` is given without `programs`.
    """
    if (slurm_version is not None or homes or over_efa) and programs is None:
        raise ValueError(
            "node_boot got slurm_version, homes or over_efa without programs: Slurm drains a node "
            "whose prolog is not there, and others mount homes and give Lustre EFA; "
            'write programs=NodePrograms(self, "Programs", environment_name=...), and '
            "grant(role) of it"
        )
    gpus = fabric = manager = 0
    scratch = SCRATCH if has_disks else ""
    if nodes is not None:
        instance = nodes.instance
        # nvidia-smi counts NVIDIA's alone.
        gpus = instance.accelerator.count if instance.accelerator.is_nvidia else 0
        manager = int(instance.has_nvswitch)
        fabric = sum(each.carries_fabric for each in layout(instance, nodes.interface_layout))
        scratch = SCRATCH if instance.local_nvme_gb else ""
    # What setup and prolog read: what this node has.
    conf = [
        f"SLURM_BIN={slurm_binaries(slurm_version) if slurm_version else ''}",
        f"GPUS={gpus}",
        f"FABRIC_MANAGER={manager}",
        f"EFA_DEVICES={fabric}",
        f"LUSTRE={directory}",
        f"LUSTRE_SOURCE={dns_name}@tcp:/{mount_name}",
        f"SCRATCH={scratch}",
        f"STILL='{' '.join(STILL)}'",
        f"HOMES={homes}",
    ]
    if over_efa and nodes is not None and nodes.instance.lustre_interfaces:
        conf.append(f"LUSTRE_EFA={nodes.instance.lustre_interfaces}")
    if stripes is not None:
        conf.append(f"STRIPES={stripes}")
    if programs is not None:
        conf.append(programs.conf(role))
    cloud_config = _cloud_config(
        "\n".join(conf), users, home_storage=bool(homes), makes_accounts=makes_accounts
    )
    script = _at_boot(users, makes_accounts=makes_accounts) + "\n"
    data = ec2.MultipartUserData()
    for kind, body in (("cloud-config", cloud_config), ("x-shellscript", script)):
        data.add_part(
            ec2.MultipartBody.from_raw_body(content_type=f'text/{kind}; charset="utf-8"', body=body)
        )
    return data


def _at_boot(users: UsersSpec | None, *, makes_accounts: bool) -> str:
    """Return the commands of every boot; users are created after /home is mounted."""
    if users is None:
        return f"#!/bin/bash\nexec {FOLDER}/setup.sh"
    commands = [f"{FOLDER}/setup.sh", "status=$?", f"{FOLDER}/users.sh || status=1"]
    if makes_accounts:
        commands.append(f"systemctl enable --now --no-block {ACCOUNTS}")
    return "\n".join(("#!/bin/bash", *commands, "exit $status"))


def _cloud_config(
    conf: str, users: UsersSpec | None, *, home_storage: bool, makes_accounts: bool
) -> str:
    boot = files("constructs_lib") / "boot"
    written = [
        (f"{FOLDER}/node.conf", "0644", conf),
        (f"{FOLDER}/setup.sh", "0755", bare(boot / "setup.sh")),
        # The script part runs at the first boot only, and a mount does not outlive a reboot.
        (EVERY_BOOT, "0755", _at_boot(users, makes_accounts=makes_accounts)),
    ]
    if users is not None:
        written.append((f"{FOLDER}/users", "0644", users.unix_lines(home_storage=home_storage)))
        written.append((f"{FOLDER}/users.sh", "0755", bare(boot / "users.sh")))
    if users is not None and makes_accounts:
        script = f"{FOLDER}/accounts.sh"
        written.append((f"{FOLDER}/accounts", "0644", users.account_lines()))
        written.append((script, "0755", bare(boot / "accounts.sh")))
        written.append((f"/etc/systemd/system/{ACCOUNTS}", "0644", UNIT.format(script=script)))
    lines = [
        "#cloud-config",
        # The kernel, its Lustre client and the accelerators' driver belong together.
        "package_update: false",
        "package_upgrade: false",
        "package_reboot_if_required: false",
        # Before anything that timers start: they are persistent, and fire while a node boots.
        "bootcmd:",
        f"- systemctl mask --now {' '.join(STILL)}",
        "write_files:",
    ]
    for path, permissions, content in written:
        # As little indentation as YAML takes: user data has 16 KB.
        lines += ["-", f" path: {path}", f" permissions: '{permissions}'", " content: |"]
        lines += [f"  {line}".rstrip() for line in content.rstrip("\n").split("\n")]
    return "\n".join(lines) + "\n"


def bare(file: Traversable) -> str:
    """Return a script without comments and indentation, because user data has at most 16 KB."""
    lines = (line.lstrip() for line in file.read_text("utf-8").splitlines(keepends=True))
    return "".join(line for line in lines if line and (line[0] != "#" or line.startswith("#!")))
