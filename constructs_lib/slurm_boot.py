"""What a Slurm node does at boot: Lustre, scratch, limits, a still image, and the prolog."""

from importlib.resources import files
from typing import Final

from aws_cdk import aws_ec2 as ec2

from ultracluster.catalogue.interfaces import layout
from ultracluster.spec.nodes import NodesSpec

FOLDER: Final = "/opt/ultracluster"
PROLOG: Final = f"{FOLDER}/prolog.sh"
"""Where nodes have the prolog; the cluster's `Prolog` setting names it."""
LUSTRE: Final = "/fsx"
SCRATCH: Final = "/scratch"
EVERY_BOOT: Final = "/var/lib/cloud/scripts/per-boot/ultracluster.sh"

MOST_USER_DATA_BYTES: Final = 16_384
"""EC2 User Guide, user data: 16 KB before it is encoded (read 2026-11-23). PCS adds a part."""


def node_boot(
    *, nodes: NodesSpec | None, dns_name: str, mount_name: str, directory: str = LUSTRE
) -> ec2.MultipartUserData:
    """Return the user data of a PCS node, which fetches nothing.

    PCS merges it with its own, and therefore takes MIME multipart alone. Its cloud-config part runs
    before a node registers, its script after that and before Slurm starts (AWS PCS user guide,
    working with EC2 user data, read 2026-11-24).

    Args:
        nodes: what the prolog is to find; None on a login node, which runs no jobs.
        dns_name: the file system's DNS name.
        mount_name: the file system's mount name.
        directory: where the file system is mounted.
    """
    data = ec2.MultipartUserData()
    conf = _conf(nodes, f"{dns_name}@tcp:/{mount_name}", directory)
    data.add_part(
        ec2.MultipartBody.from_raw_body(
            content_type='text/cloud-config; charset="utf-8"', body=_cloud_config(conf)
        )
    )
    data.add_part(
        ec2.MultipartBody.from_raw_body(
            content_type='text/x-shellscript; charset="utf-8"',
            body=f"#!/bin/bash\nexec {FOLDER}/setup.sh\n",
        )
    )
    return data


def _conf(nodes: NodesSpec | None, source: str, directory: str) -> str:
    """Return what setup and prolog read: what this node has."""
    gpus = fabric = 0
    scratch = ""
    if nodes is not None:
        instance = nodes.instance
        # nvidia-smi counts NVIDIA's alone.
        gpus = instance.accelerator.count if instance.accelerator.manufacturer == "NVIDIA" else 0
        fabric = sum(each.carries_fabric for each in layout(instance, nodes.interface_layout))
        scratch = SCRATCH if instance.local_nvme_gb else ""
    return "\n".join(
        (
            f"GPUS={gpus}",
            f"EFA_DEVICES={fabric}",
            f"LUSTRE={directory}",
            f"LUSTRE_SOURCE={source}",
            f"SCRATCH={scratch}",
        )
    )


def _cloud_config(conf: str) -> str:
    boot = files("constructs_lib") / "boot"
    written = (
        (f"{FOLDER}/node.conf", "0644", conf),
        (f"{FOLDER}/setup.sh", "0755", (boot / "setup.sh").read_text()),
        (PROLOG, "0755", (boot / "prolog.sh").read_text()),
        # The script part runs at the first boot only, and a mount does not outlive a reboot.
        (EVERY_BOOT, "0755", f"#!/bin/bash\nexec {FOLDER}/setup.sh"),
    )
    lines = [
        "#cloud-config",
        # The kernel, its Lustre client and the accelerators' driver belong together.
        "package_update: false",
        "package_upgrade: false",
        "package_reboot_if_required: false",
        "write_files:",
    ]
    for path, permissions, content in written:
        lines += [f"- path: {path}", f"  permissions: '{permissions}'", "  content: |"]
        lines += [f"    {line}".rstrip() for line in content.rstrip("\n").split("\n")]
    return "\n".join(lines) + "\n"
