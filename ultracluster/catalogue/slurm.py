"""What AWS Parallel Computing Service (PCS) sells, over CloudFormation's property values."""

from typing import Final

SIZES: Final = {"SMALL": 32, "MEDIUM": 512, "LARGE": 2048}
"""Instances that a cluster manages, login nodes among them, by its Size, which is create-only
(AWS PCS API, `Size`, botocore 1.43.106; user guide, read 2026-11-23)."""

VERSIONS: Final = ("24.11", "25.05", "25.11", "26.05")
"""Versions of Slurm that new clusters take (AWS PCS user guide, read 2026-11-23)."""

MOST_PARTS: Final = 10
"""Node groups, and queues, of a cluster (AWS PCS quotas, not adjustable; read 2026-11-23)."""

REGIONS: Final = frozenset(
    {
        *("af-south-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1"),
        *("ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4"),
        *("ap-southeast-5", "ap-southeast-6", "ca-central-1", "eu-central-1", "eu-isoe-west-1"),
        *("eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3"),
        *("eusc-de-east-1", "me-south-1", "sa-east-1", "us-east-1", "us-east-2"),
        *("us-gov-east-1", "us-gov-west-1", "us-iso-east-1", "us-iso-west-1", "us-isob-east-1"),
        *("us-isob-west-1", "us-isof-east-1", "us-isof-south-1", "us-west-2"),
    }
)
"""Regions whose registry has `AWS::PCS::Cluster` (cfn-lint 1.58.0, schemas of 2026-10-20; they
may lead or lag what can be had)."""

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

_PRIORITIES: Final = ("Age", "Assoc", "Fairshare", "JobSize", "Partition", "QOS", "TRES")
SETTINGS: Final = {
    "AWS::PCS::Cluster": frozenset(
        {
            *("AccountingStorageEnforce", "AccountingStorageTRES", "AccountingStoreFlags"),
            *("AuthAltParameters", "CliFilterParameters", "CliFilterPlugins"),
            *("CommunicationParameters", "DefMemPerCPU", "EnforcePartLimits", "Epilog"),
            *("FairShareDampeningFactor", "FirstJobId", "HealthCheckInterval"),
            *("HealthCheckNodeState", "HealthCheckProgram", "JobRequeue", "LaunchParameters"),
            *("Licenses", "MetricsType", "MinJobAge", "OverTimeLimit", "PreemptExemptTime"),
            *("PreemptMode", "PreemptParameters", "PreemptType", "PriorityCalcPeriod"),
            *("PriorityDecayHalfLife", "PriorityFavorSmall", "PriorityFlags", "PriorityMaxAge"),
            *("PriorityUsageResetPeriod", "PrivateData", "Prolog", "PrologFlags", "RequeueExit"),
            *("RequeueExitHold", "SchedulerParameters", "SelectTypeParameters"),
            *("SlurmctldParameters", "SrunPortRange", "TaskEpilog", "TaskPluginParam"),
            *("TaskProlog", "TrackWCKey", "UnkillableStepProgram", "UnkillableStepTimeout"),
            *(f"PriorityWeight{part}" for part in _PRIORITIES),
        }
    ),
    "AWS::PCS::ComputeNodeGroup": frozenset(
        {
            *("CpuSpecList", "Features", "Gres", "MemSpecLimit", "Parameters", "RealMemory"),
            *("Sockets", "Weight"),
        }
    ),
    "AWS::PCS::Queue": frozenset(
        {
            *("AllowAccounts", "AllowQos", "Default", "DefaultTime", "DenyAccounts", "DenyQos"),
            *("ExclusiveUser", "GraceTime", "MaxTime", "OverSubscribe", "OverTimeLimit"),
            *("PowerDownOnIdle", "PreemptMode", "PriorityJobFactor", "PriorityTier", "QOS"),
            "TRESBillingWeights",
        }
    ),
}
"""Parameters of Slurm that PCS takes, by the resource that takes them; case does not matter here
(AWS PCS user guide, custom Slurm settings, copy of October 2026)."""
SETTINGS_SINCE: Final = {"MetricsType": "25.11", "Parameters": "25.11", "Sockets": "25.11"}
"""Those that an older Slurm does not have (the same)."""


def untaken_setting(resource_type: str, name: str, version: str | None) -> str:
    """Return why PCS does not take a setting; empty where it does.

    Args:
        resource_type: `AWS::PCS::Cluster`, `...::ComputeNodeGroup` or `...::Queue`.
        name: the Slurm parameter.
        version: the cluster's Slurm; None where it is not known.
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
