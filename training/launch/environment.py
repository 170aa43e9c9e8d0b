"""The environment that a job is given, chosen by the version of aws-ofi-nccl. Pure.

What is deliberately not here: RDMAV_FORK_SAFE, which SageMaker's own launchers force on P4d, and
NCCL_PROTO, which they force everywhere (sagemaker-python-sdk a248126, torchrun_driver.py, read
2026-11-24); what a forced value costs stands in `training.launch.variables`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from training.launch.variables import NCCL, NET, SHEET
from training.launch.versions import Version

NETWORK: Final = "AWS Libfabric"
"""What NCCL_NET has to say for NCCL to refuse every other network. The plugin is called so up to
1.12, and answers to this name in any later version (aws-ofi-nccl src/nccl_ofi_interface_nvidia.cpp,
`nvidia_plugin_name_fixup`, 2026-08-21). NCCL compares it with every network's name and fails with
"Failed to initialize any NET plugin" where none matches (NVIDIA/nccl src/plugin/net.cc)."""

OLDEST: Final[Version] = (1, 6, 0)
"""Before it a job has to force NCCL_PROTO=simple (aws-ofi-nccl doc/efa-env-var.md), which this
project never does: the start-up check refuses such a plugin instead."""

DEVICE_RDMA: Final = ("p4d.", "p4de.")
"""Instance types on which FI_EFA_USE_DEVICE_RDMA=1 is kept: needed by plugins before 1.7.0,
harmless with later ones (aws-ofi-nccl doc/efa-env-var.md, 2026-08-21)."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable of the job's environment."""

    name: str
    """Its name."""
    value: str
    """Its value."""
    why: str
    """What it is for."""
    source: str
    """Document and date."""
    replaces: bool = False
    """Whether a value of the job's own is replaced, because the job could run over TCP without a
    word otherwise."""


def settings(*, plugin: Version | None, instance: str | None, fabric: bool) -> tuple[Setting, ...]:
    """Return what a job is given.

    Args:
        plugin: Version of aws-ofi-nccl; None where it is not known, and then taken for a new one.
        instance: EC2 instance type, None where it is not known.
        fabric: Whether the job is to run over EFA and over nothing else.
    """
    found = [
        Setting(
            "CUDA_DEVICE_ORDER",
            "PCI_BUS_ID",
            "rank n is GPU n as nvidia-smi counts",
            "CUDA C++ Programming Guide, environment variables, 2026-11",
        ),
        Setting(
            "NCCL_SOCKET_IFNAME",
            "^docker0,lo",
            "NCCL's bootstrap stays off bridge and loopback",
            SHEET,
        ),
    ]
    if not fabric:
        return tuple(found)
    found += [
        Setting(
            "NCCL_NET",
            NETWORK,
            "NCCL fails where it would fall back to TCP",
            f"{NCCL}; {NET}",
            replaces=True,
        ),
        Setting(
            "FI_PROVIDER",
            "efa",
            "needed by plugins before 1.6.0, harmless since; libfabric offers nothing else",
            SHEET,
            replaces=True,
        ),
        Setting(
            "FI_EFA_USE_HUGE_PAGE",
            "0",
            "fork of data loaders does not run out of huge pages",
            SHEET,
        ),
    ]
    if (instance or "").startswith(DEVICE_RDMA) or (plugin is not None and plugin < (1, 7, 0)):
        found.append(
            Setting(
                "FI_EFA_USE_DEVICE_RDMA",
                "1",
                "needed by plugins before 1.7.0, harmless since",
                SHEET,
            )
        )
    return tuple(found)


def chosen(
    environment: Mapping[str, str], *, plugin: Version | None, instance: str | None, fabric: bool
) -> dict[str, str]:
    """Return the environment that the ranks get: the job's own, and what it lacks.

    Args:
        environment: The job's own variables; they win, but for those that keep it on EFA.
        plugin: Version of aws-ofi-nccl, None where it is not known.
        instance: EC2 instance type, None where it is not known.
        fabric: Whether the job is to run over EFA and over nothing else.
    """
    whole = dict(environment)
    for setting in settings(plugin=plugin, instance=instance, fabric=fabric):
        if setting.replaces:
            whole[setting.name] = setting.value
        else:
            whole.setdefault(setting.name, setting.value)
    return whole
