"""What outlives a cluster: the data."""

import aws_cdk as cdk
from constructs import Construct

from constructs_lib.data_bucket import DataBucket
from constructs_lib.keys import DataKey
from constructs_lib.lustre_storage import LustreStorage
from ultracluster.spec.environment import EnvironmentSpec

from .network import NetworkStack


class StorageStack(cdk.Stack):
    """The key, the data bucket and the Lustre file system."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        spec: EnvironmentSpec,
        network: NetworkStack,
        env: cdk.Environment,
        termination_protection: bool,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            env=env,
            termination_protection=termination_protection,
            description=f"Storage of the {spec.name} training environment",
        )

        keep = spec.storage.keep_data
        self.key = DataKey(self, "Key", keep=keep).key
        """The key of bucket, file system and images."""
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
