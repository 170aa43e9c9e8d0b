"""The stack of the data: key, bucket, Lustre file system and home directories."""

import aws_cdk as cdk
from constructs import Construct

from constructs_lib.data_bucket import DataBucket
from constructs_lib.home_storage import HomeStorage
from constructs_lib.keys import DataKey
from constructs_lib.lustre_storage import LustreStorage
from ultracluster.spec.environment import EnvironmentSpec

from .network import NetworkStack


class StorageStack(cdk.Stack):
    """The key, the data bucket, the Lustre file system, and the homes of Slurm's users."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        spec: EnvironmentSpec,
        network: NetworkStack,
        env: cdk.Environment,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            env=env,
            termination_protection=spec.termination_protection,
            description=f"Storage of the {spec.name} training environment",
        )

        keep = spec.storage.keep_data
        self.key = DataKey(self, "Key", keep=keep).key
        """The key of bucket, file systems and images."""
        self.bucket = DataBucket(
            self,
            "Data",
            key=self.key,
            keep=keep,
            noncurrent_days=spec.storage.noncurrent_days,
        ).bucket
        """The bucket of data and checkpoints."""
        self.lustre = LustreStorage(
            self,
            "Lustre",
            spec=spec.storage,
            vpc=network.vpc,
            subnet=network.training_subnets[0],
            clients=[network.node_security_group],
            bucket=self.bucket,
            key=self.key,
            log_key=network.log_key,
        )
        """The file system."""
        self.homes: HomeStorage | None = None
        """The file system of `/home`; None where nodes have their own."""
        if spec.slurm is not None and spec.slurm.home_storage is not None:
            self.homes = HomeStorage(
                self,
                "Homes",
                spec=spec.slurm.home_storage,
                vpc=network.vpc,
                # All subnets are in one zone, and EFS takes one mount target of each.
                subnets=network.training_subnets[:1],
                key=self.key,
                clients=[network.node_security_group],
                keep=keep,
            )
