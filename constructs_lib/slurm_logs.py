"""What a PCS cluster writes, delivered to CloudWatch Logs."""

from typing import Final

from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from constructs_lib.retention import log_group
from constructs_lib.slurm_cluster import SlurmCluster
from ultracluster.catalogue.slurm import LOG_TYPES

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
