"""An AWS PCS cluster: managed Slurm controller, queues, and logs in CloudWatch."""

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
    # The same program runs before and after jobs, and in between, so that a node that hangs is out
    # of service within a minute: the interval plus the longest check. PCS's own choice of states is
    # at a start or reboot only (slurm.conf, read 2026-11-27).
    "Prolog": PROLOG,
    "Epilog": PROLOG,
    "HealthCheckProgram": PROLOG,
    "HealthCheckInterval": "30",
    "HealthCheckNodeState": "ANY",
    # A node that cannot reach the controller fails the prolog: Slurm drains it, and by default
    # holds the job until an operator releases it (slurm.conf 24.11, nohold_on_prolog_fail).
    "SchedulerParameters": "nohold_on_prolog_fail",
    # A rank of 8 GPUs that writes a checkpoint ends late; with Slurm's 60 s its node is drained.
    "UnkillableStepTimeout": "180",
}
"""Slurm parameters that PCS accepts for a cluster (`ultracluster.catalogue.slurm.SETTINGS`)."""


def enforced(slurm: SlurmSpec) -> dict[str, str]:
    """Return the Slurm settings that refuse a job at once if it may not run.

    Without EnforcePartLimits Slurm accepts a job above its queue's limits, which then waits for
    ever; without AccountingStorageEnforce anybody may submit (slurm.conf, and AWS PCS user guide,
    accounting, read 2026-11-27).
    """
    limits = any(queue.custom_settings() for queue in slurm.queues)
    accounts = slurm.users is not None and bool(slurm.users.accounts)
    return ({"EnforcePartLimits": "ALL"} if limits else {}) | (
        {"AccountingStorageEnforce": "associations,limits"} if accounts else {}
    )


class SlurmCluster(Construct):
    """Define a PCS cluster: controller, accounting, and the settings for health checks.

    Name, network and size cannot be changed, and names are unique. The name contains the size, so
    that a cluster of another size can be created before this one is deleted (docs/grow.md).

    Args:
        spec: version, accounting and idle time.
        name: the beginning of the cluster's name.
        size: `SMALL`, `MEDIUM` or `LARGE`, for all nodes and login nodes together.
        subnet: the subnet of the controller's network interface.
        security_groups: groups of that interface; they must allow the nodes' traffic.
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
        # The controller is created after the rules of its groups, which are separate resources.
        for group in security_groups:
            for root in Dependable.of(group).dependency_roots:
                for part in root.node.find_all():
                    if isinstance(part, ec2.CfnSecurityGroupIngress | ec2.CfnSecurityGroupEgress):
                        self.resource.add_resource_dependency(part)
        acknowledge_region(self.resource)
        self.cluster_id = self.resource.attr_id
        """The cluster's id, for node groups and queues."""


class SlurmQueue(Construct):
    """Define a queue; `sbatch --partition` takes its name.

    Args:
        cluster_id: id of the PCS cluster, of this app or not.
        name: 3 to 25 letters, digits and hyphens.
        node_groups: the node groups of its jobs, or the ids of existing ones. The references make
            CloudFormation delete the queue first: PCS refuses to delete a group that a queue uses.
        default: whether jobs without `--partition` go to this queue. PCS has no default queue by
            itself, and refuses such jobs (AWS PCS user guide, custom settings for queues, read
            2026-11-27).
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
        node_groups: Sequence[SlurmNodeGroup | str],
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
                    compute_node_group_id=group if isinstance(group, str) else group.node_group_id
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
    """Define log groups and deliveries for a cluster's scheduler, finished jobs, and scaling.

    Only the scaling log shows that a node was not launched for lack of capacity. The deployment
    needs the permission `pcs:AllowVendedLogDeliveryForResource`.

    Args:
        cluster: the cluster. Its id is part of every name, so that logs of another cluster, or logs
            that were kept from an earlier deployment, do not conflict.
        log_key: the key of the log groups.
        keep: whether the logs are kept when the stack is deleted.
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
