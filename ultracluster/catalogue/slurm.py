"""Limits and settings of AWS Parallel Computing Service (PCS); its tables are `slurm.toml`."""

from collections.abc import Mapping
from typing import Final

from ultracluster.catalogue.values import table

SIZES: Final = {"SMALL": 32, "MEDIUM": 512, "LARGE": 2048}
"""Instances that a cluster manages, login nodes among them, by its Size, which is create-only
(AWS PCS API, `Size`, botocore 1.43.106; user guide, read 2026-11-23)."""

VERSIONS: Final = tuple(table("slurm")["versions"])
"""Versions of Slurm that new clusters take."""

MOST_PARTS: Final = 10
"""Node groups, and queues, of a cluster (AWS PCS quotas, not adjustable; read 2026-11-23)."""

REGIONS: Final = frozenset(table("slurm")["regions"])
"""Regions that have PCS."""

SLURMCTLD_PORT: Final = 6817
SLURMD_PORT: Final = 6818
SLURMDBD_PORT: Final = 6819
SRUN_PORTS: Final = (60001, 63000)
"""TCP ports between controller, nodes and login nodes (AWS PCS user guide, security groups, read
2026-11-23)."""

ROLE_PATH: Final = "/aws-pcs/"
"""PCS takes instance profiles whose role has this path, or a name that starts with AWSPCS
(AWS PCS API, CreateComputeNodeGroup, botocore 1.43.106)."""

REGISTERING: Final = "pcs:RegisterComputeNodeGroupInstance"
"""What a node's role must be allowed, for the node to become one (the same)."""

ROLE_TAG: Final = "ultracluster:role"
LOGIN: Final = "login"
"""Tag of the login nodes' instances and its value, by which commands find them."""

RUN_COMMAND_DOCUMENT: Final = "AWS-RunShellScript"
"""AWS's own document of Systems Manager, by which a job is sent to a login node."""

CONTROLLER_ADDRESSES: Final = 1
"""Addresses that a controller's network interface takes from its subnet (PCS takes one subnet,
registry schema of 2026-10-20)."""


def group_name(instance_type: str, before: str = "") -> str:
    """Return the name of a node group of an instance type, as PCS takes it."""
    return f"{before}{instance_type.replace('.', '-')}"


LOG_TYPES: Final = ("PCS_SCHEDULER_LOGS", "PCS_JOBCOMP_LOGS", "PCS_SCALING_LOGS")
"""Logs of a cluster: of its daemons, a record for each finished job, and one for each node that is
launched, replaced or ended, or that could not be (AWS PCS user guide, logs, read 2026-11-26)."""

HEALTH_CHECKS_SINCE: Final = "26.05"
"""The first version of Slurm with PCS's health checks of instances (AWS PCS API,
`InstanceHealthChecks`; botocore 1.44.8, read 2026-11-26)."""
CHECKS_OFF: Final = {
    "healthMonitoring": {"mode": "NONE"},
    "deepHealthChecks": {"onStart": {"profile": "NONE"}},
}
"""`instanceHealthChecks` of a group that has none."""

SETTINGS: Final = {name: frozenset(taken) for name, taken in table("slurm")["settings"].items()}
"""Parameters of Slurm that PCS takes, by resource type; case does not matter here."""
SETTINGS_SINCE: Final[Mapping[str, str]] = table("slurm")["settings_since"]
"""Those that an older Slurm does not have."""


def untaken_setting(resource_type: str, name: str, version: str | None) -> str:
    """Return why a PCS resource does not take a Slurm parameter; empty where it does.

    The version is the cluster's Slurm; None where it is not known.
    """
    taken = {each.lower(): each for each in SETTINGS[resource_type]}
    known = taken.get(name.lower())
    if known is None:
        return f"{name} is not a custom setting that PCS takes here"
    since = SETTINGS_SINCE.get(known)
    if since is not None and version is not None and version < since:
        return f"{name} is only supported for Slurm version {since} or later"
    return ""


def cluster_name(environment: str, size: str) -> str:
    """Return what an environment's cluster is called: names are unique, and sizes create-only."""
    return f"{environment}-{size.lower()}"


def size_for(instances: int) -> str | None:
    """Return the smallest Size that manages so many instances; None where none does."""
    return next((size for size, most in SIZES.items() if most >= instances), None)
