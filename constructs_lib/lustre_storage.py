"""Amazon FSx for Lustre: file system, security group, log group and data repositories."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_fsx as fsx
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from constructs_lib.lustre_file_system import LustreFileSystem
from constructs_lib.permissions import arn
from constructs_lib.retention import log_group, of_this_one, removal_policy
from ultracluster.catalogue.lustre import LOG_GROUP_PREFIX
from ultracluster.spec.lustre import DataRepositorySpec, LustreSpec

Association = fsx.CfnDataRepositoryAssociation
Configuration = fsx.CfnFileSystem.LustreConfigurationProperty

WORD: Final = re.compile("(?<!^)(?=[A-Z])")
"""The beginning of a word inside the name of a CloudFormation property."""


class LustreStorage(LustreFileSystem):
    """Define a Lustre file system, after the security group rules that its creation needs.

    Built on `AWS::FSx::FileSystem`: the L2 has no metadata configuration, EFA or log
    configuration, and its file system does not depend on the rules of its security group, so that
    creation races with them and fails now and then (aws-parallelcluster#6181). Its security group,
    log group and associations are defined with it.

    Args:
        spec: type, capacity, throughput and data repositories.
        vpc: the network of the subnet.
        subnet: the subnet of the file system, which is in one zone.
        clients: security groups of clients; `add_client` adds others later.
        bucket: the bucket of data repositories without `bucket_name`. The policy of its key must
            allow the FSx role for S3, as that of `DataKey` does.
        key: the customer key; needed if `spec.customer_key` is True.
        log_key: the key of the log group; its policy must allow CloudWatch Logs.

    Raises:
        ValueError: if the spec needs a bucket or a key and none is given.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        spec: LustreSpec,
        vpc: ec2.IVpc,
        subnet: ec2.ISubnet,
        clients: Sequence[ec2.ISecurityGroup] = (),
        bucket: s3.IBucket | None = None,
        key: kms.IKey | None = None,
        log_key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, construct_id, efa_enabled=spec.efa_enabled)
        self._keep = removal_policy(keep=spec.keep_data)
        if spec.customer_key and key is None:
            raise ValueError("key: got nothing, and the spec has customer_key=True; pass key=...")

        # Kept with the file system, whose network interfaces are members of it: a group with
        # members cannot be deleted (aws-cdk#31521).
        self.security_group = ec2.SecurityGroup(
            self, "Group", vpc=vpc, description="Lustre file servers", allow_all_outbound=False
        )
        """The group of the file servers."""
        self.security_group.apply_removal_policy(self._keep)
        group = self.security_group.security_group_id
        rules = self._rules(self, "Servers", group, group)
        for rule in rules:
            rule.apply_removal_policy(self._keep)
        for index, client in enumerate(clients):
            rules += self._client_rules(self, str(index), client)

        self.file_system = fsx.CfnFileSystem(
            self,
            "Resource",
            file_system_type="LUSTRE",
            file_system_type_version="2.15",
            storage_type=spec.storage_type,
            storage_capacity=spec.capacity_gib,
            subnet_ids=[subnet.subnet_id],
            security_group_ids=[self.security_group.security_group_id],
            kms_key_id=key.key_arn if spec.customer_key and key is not None else None,
            lustre_configuration=self._configuration(spec, log_key),
        )
        """The L1 resource."""
        self.file_system.apply_removal_policy(self._keep)
        self.file_system_id = self.file_system.ref
        """The file system's id, `fs-...`."""
        self.mount_name = self.file_system.attr_lustre_mount_name
        """The name that follows `DNS@tcp:/`; SageMaker's DirectoryPath begins with it."""
        self.dns_name = self.file_system.attr_dns_name
        """The name that clients mount from."""
        for rule in rules:
            self.file_system.add_resource_dependency(rule)
        before: list[Association] = []
        for index, repository in enumerate(spec.data_repositories):
            association = self._association(index, repository, bucket)
            # One after the other: FSx times out with several at once (aws-parallelcluster pull
            # request 6649).
            for each in before[-1:]:
                association.add_resource_dependency(each)
            before.append(association)

    @staticmethod
    def from_lustre_storage_attributes(
        scope: Construct,
        construct_id: str,
        *,
        file_system_id: str,
        mount_name: str,
        security_group: ec2.ISecurityGroup,
        dns_name: str | None = None,
        efa_enabled: bool = False,
    ) -> LustreFileSystem:
        """Return an existing file system.

        Args:
            scope: the parent construct.
            construct_id: the id in that scope.
            file_system_id: `fs-...`.
            mount_name: its mount name, as `aws fsx describe-file-systems` shows it.
            security_group: the group of the file servers.
            dns_name: its DNS name; None is `<file_system_id>.fsx.<Region>.<domain>`.
            efa_enabled: whether clients reach it over EFA.
        """
        found = LustreFileSystem(scope, construct_id, efa_enabled=efa_enabled)
        stack = cdk.Stack.of(found)
        found.file_system_id, found.mount_name = file_system_id, mount_name
        found.dns_name = dns_name or f"{file_system_id}.fsx.{stack.region}.{stack.url_suffix}"
        found.security_group = security_group
        return found

    def _configuration(self, spec: LustreSpec, log_key: kms.IKey | None) -> Configuration:
        # FSx writes to groups below its prefix only, so the name must be given.
        name = f"{LOG_GROUP_PREFIX}lustre-{of_this_one(self, 'Lustre')}"
        group = log_group(self, "LogGroup", key=log_key, keep=spec.keep_data, name=name)
        return Configuration(
            **_arguments(spec.properties()["LustreConfiguration"]),
            log_configuration=fsx.CfnFileSystem.LogConfigurationProperty(
                level="WARN_ERROR",
                # `Fn::GetAtt` of a log group ends in `:*`, which names its streams; FSx wants the
                # group (coverage-roadmap#206).
                destination=arn(self, "logs", f"log-group:{group.log_group_name}"),
            ),
        )

    def _association(
        self, index: int, repository: DataRepositorySpec, bucket: s3.IBucket | None
    ) -> Association:
        name = repository.bucket_name or (bucket.bucket_name if bucket is not None else None)
        if name is None:
            raise ValueError(
                f"bucket: got nothing, and data_repositories[{index}] has no bucket_name; pass "
                f"bucket=..., or write bucket_name"
            )
        imported, exported = repository.auto_import, repository.auto_export
        return Association(
            self,
            f"Repository{index}",
            file_system_id=self.file_system_id,
            file_system_path=repository.file_system_path,
            data_repository_path=f"s3://{name}/{repository.prefix}",
            batch_import_meta_data_on_create=bool(imported),
            s3=Association.S3Property(
                auto_import_policy=(
                    Association.AutoImportPolicyProperty(events=list(imported))
                    if imported
                    else None
                ),
                auto_export_policy=(
                    Association.AutoExportPolicyProperty(events=list(exported))
                    if exported
                    else None
                ),
            )
            if imported or exported
            else None,
        )


def _arguments(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return CloudFormation's properties as Python has them, and those within them as jsii has."""
    return {
        WORD.sub("_", name).lower(): (
            {inner[0].lower() + inner[1:]: each for inner, each in value.items()}
            if isinstance(value, Mapping)
            else value
        )
        for name, value in properties.items()
    }
