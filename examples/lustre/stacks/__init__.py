"""Lustre on a data bucket, and an instance of a later stack that mounts it."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib import (
    DataBucket,
    DataKey,
    DataRepositorySpec,
    LogKey,
    LustreSpec,
    LustreStorage,
    node_boot,
)


class StorageStack(cdk.Stack):
    """A scratch file system that shows the bucket's `data/`."""

    def __init__(self, scope: Construct, construct_id: str, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, **kwargs)

        self.vpc = ec2.Vpc(self, "Vpc", max_azs=1)
        key = DataKey(self, "Key", keep=False).key
        self.data = DataBucket(self, "Data", key=key, keep=False)
        self.lustre = LustreStorage(
            self,
            "Lustre",
            spec=LustreSpec(
                deployment_type="SCRATCH_2",
                capacity_gib=1200,
                data_repositories=(DataRepositorySpec(file_system_path="/data", prefix="data/"),),
                keep_data=False,
            ),
            vpc=self.vpc,
            subnet=self.vpc.private_subnets[0],
            bucket=self.data.bucket,
            key=key,
            log_key=LogKey(self, "LogKey", keep=False).key,
        )


class ReaderStack(cdk.Stack):
    """An instance that mounts the file system, and a role that reads the bucket."""

    def __init__(
        self, scope: Construct, construct_id: str, *, storage: StorageStack, **kwargs: Any
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)

        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
        reader = ec2.Instance(
            self,
            "Reader",
            vpc=storage.vpc,
            instance_type=ec2.InstanceType("m7i.large"),
            machine_image=ec2.MachineImage.latest_amazon_linux2023(),
            role=role,
            require_imdsv2=True,
            user_data=node_boot(
                nodes=None,
                slurm_version=None,
                dns_name=storage.lustre.dns_name,
                mount_name=storage.lustre.mount_name,
            ),
        )
        storage.lustre.add_client(reader)
        storage.lustre.grant_describe(role)
        storage.data.grant_read_write(role)
