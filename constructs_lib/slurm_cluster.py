"""A Slurm controller that AWS manages, its queues, and its logs in CloudWatch."""

from collections.abc import Mapping, Sequence
from typing import Final

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_pcs as pcs
from constructs import Construct, Dependable

from constructs_lib.retention import log_group
from constructs_lib.slurm_boot import PROLOG
from constructs_lib.slurm_node_group import SlurmNodeGroup, acknowledge_region, configured
from ultracluster.catalogue.slurm import LOG_TYPES, cluster_name
from ultracluster.spec.slurm import SlurmSpec

SETTINGS: Final = {
    # One program before jobs, after them, and beside them often enough that a node that hangs is
    # out of service within a minute: the interval and what a check may take. PCS's own choice of
    # states is at a start or reboot only (slurm.conf, read 2026-11-27).
    "Prolog": PROLOG,
    "Epilog": PROLOG,
    "HealthCheckProgram": PROLOG,
    "HealthCheckInterval": "30",
    "HealthCheckNodeState": "ANY",
    # A node that cannot even say that it is unfit fails the prolog: Slurm drains it, and by default
    # holds the job until an operator releases it (slurm.conf 24.11, nohold_on_prolog_fail).
    "SchedulerParameters": "nohold_on_prolog_fail",
    # A rank of 8 GPUs that writes a checkpoint ends late; with Slurm's 60 s its node is drained.
    "UnkillableStepTimeout": "180",
}
"""Parameters of Slurm that PCS takes for a cluster (`ultracluster.catalogue.slurm.SETTINGS`)."""


def enforced(slurm: SlurmSpec) -> dict[str, str]:
    """Return the settings of a cluster by which a job that may not run is refused at once.

    Without EnforcePartLimits Slurm takes a job that its queue does not, and lets it wait for ever;
    without AccountingStorageEnforce anybody may submit (slurm.conf, and AWS PCS user guide,
    accounting, read 2026-11-27).
    """
    limits = any(queue.custom_settings() for queue in slurm.queues)
    accounts = slurm.users is not None and bool(slurm.users.accounts)
    return ({"EnforcePartLimits": "ALL"} if limits else {}) | (
        {"AccountingStorageEnforce": "associations,limits"} if accounts else {}
    )


class SlurmCluster(Construct):
    """Define a PCS cluster: controller, accounting, and the prolog that nodes run.

    Name, network and size are create-only, and names are unique: the name therefore holds the size,
    so that a cluster of another size can be made before this one is deleted
    (docs/grow.md).

    Args:
        spec: version, accounting and idle time.
        name: what the cluster's name begins with.
        size: `SMALL`, `MEDIUM` or `LARGE`, for all nodes and login nodes together.
        subnet: where the controller's network interface is; PCS takes one.
        security_groups: groups of that interface; they admit the nodes.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        spec: SlurmSpec,
        name: str,
        size: str,
        subnet: ec2.ISubnet,
        security_groups: Sequence[ec2.ISecurityGroup],
    ) -> None:
        super().__init__(scope, construct_id)

        days = spec.accounting_days
        kept = {} if days is None else {"defaultPurgeTimeInDays": days}
        self.resource = pcs.CfnCluster(
            self,
            "Resource",
            name=cluster_name(name, size),
            size=size,
            networking=pcs.CfnCluster.NetworkingProperty(
                subnet_ids=[subnet.subnet_id],
                security_group_ids=[group.security_group_id for group in security_groups],
            ),
            scheduler=pcs.CfnCluster.SchedulerProperty(type="SLURM", version=spec.version),
            slurm_configuration={
                "accounting": {"mode": "NONE" if days is None else "STANDARD", **kept},
                "scaleDownIdleTimeInSeconds": spec.idle_seconds,
                **(configured(SETTINGS | enforced(spec)) or {}),
            },
        )
        """The L1 resource."""
        # Rules are resources of their own: the controller is made once its groups have them.
        for group in security_groups:
            for root in Dependable.of(group).dependency_roots:
                for part in root.node.find_all():
                    if isinstance(part, ec2.CfnSecurityGroupIngress | ec2.CfnSecurityGroupEgress):
                        self.resource.add_resource_dependency(part)
        acknowledge_region(self.resource)
        self.cluster_id = self.resource.attr_id
        """The cluster's id, as node groups and queues name it."""


class SlurmQueue(Construct):
    """Define a queue, whose name users write after `sbatch --partition`.

    Args:
        cluster_id: id of the PCS cluster, of this app or not.
        name: 3 to 25 letters, digits and hyphens.
        node_groups: what its jobs run on. The references make CloudFormation delete the queue
            first: PCS refuses to delete a group that a queue uses.
        default: whether jobs that name no partition go to this queue. PCS makes no queue the
            default by itself, and `sbatch` without `--partition` is refused (AWS PCS user guide,
            custom settings for queues, read 2026-11-27).
        settings: limits and priority of its jobs, by Slurm's names, such as `MaxTime`
            (`QueueSpec.custom_settings`).
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cluster_id: str,
        name: str,
        node_groups: Sequence[SlurmNodeGroup],
        default: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)

        stated = ({"Default": "YES"} if default else {}) | dict(settings or {})
        self.resource = pcs.CfnQueue(
            self,
            "Resource",
            cluster_id=cluster_id,
            name=name,
            compute_node_group_configurations=[
                pcs.CfnQueue.ComputeNodeGroupConfigurationProperty(
                    compute_node_group_id=group.node_group_id
                )
                for group in node_groups
            ],
            slurm_configuration=configured(stated),
        )
        """The L1 resource."""
        acknowledge_region(self.resource)


LOG_GROUP_PREFIX: Final = "/aws/vendedlogs/pcs"
"""Delivery to groups below /aws/vendedlogs/ needs no resource policy of its own (AWS PCS user
guide, scheduler logs, read 2026-11-26)."""


class SlurmLogs(Construct):
    """Define where the logs of a cluster go: scheduler, finished jobs, and nodes that come and go.

    Without the last, a node that was not launched for want of capacity is seen by nobody. Whoever
    deploys needs `pcs:AllowVendedLogDeliveryForResource`.

    Args:
        cluster: whose logs. Its id is in every name, so that those of a second cluster, or of an
            environment that is deployed again beside what was kept, are free.
        log_key: the key of the log groups.
        keep: whether the logs outlive the stack.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cluster: SlurmCluster,
        log_key: kms.IKey,
        keep: bool,
    ) -> None:
        super().__init__(scope, construct_id)

        self.groups: dict[str, logs.ILogGroup] = {}
        """The log groups, by the type of log."""
        for log_type in LOG_TYPES:
            short = log_type.removeprefix("PCS_").removesuffix("_LOGS").title()
            name = f"{cluster.cluster_id}-{short.lower()}"
            self.groups[log_type] = group = log_group(
                self,
                f"{short}Group",
                key=log_key,
                keep=keep,
                name=f"{LOG_GROUP_PREFIX}/{cluster.cluster_id}/{log_type}",
            )
            source = logs.CfnDeliverySource(
                self,
                f"{short}Source",
                name=name,
                log_type=log_type,
                resource_arn=cluster.resource.attr_arn,
            )
            destination = logs.CfnDeliveryDestination(
                self,
                f"{short}Destination",
                name=name,
                destination_resource_arn=group.log_group_arn,
            )
            logs.CfnDelivery(
                self,
                f"{short}Delivery",
                delivery_source_name=source.ref,
                delivery_destination_arn=destination.attr_arn,
            )
