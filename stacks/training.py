"""The stack of training jobs: roles, image repository, state machine and parameters."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib.image_repository import ImageRepository
from constructs_lib.job_parameters import JobParameters, parameter_path
from constructs_lib.job_roles import ExecutionRole, LauncherRole
from constructs_lib.permissions import JobLimits
from constructs_lib.unattended_training import UnattendedTraining
from ultracluster.spec.environment import EnvironmentSpec

from .network import NetworkStack
from .storage import StorageStack


class TrainingStack(cdk.Stack):
    """Roles, image repository, the state machine for unattended jobs, and SSM parameters."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        spec: EnvironmentSpec,
        network: NetworkStack,
        storage: StorageStack,
        env: cdk.Environment,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            env=env,
            description=f"Training in the {spec.name} training environment",
        )

        self.images = images = ImageRepository(
            self, "Images", key=storage.key, keep=spec.storage.keep_data
        ).repository
        """The repository of training images."""
        execution = ExecutionRole(
            self,
            "ExecutionRole",
            bucket=storage.bucket,
            key=storage.key,
            repository=images,
            vpc=network.vpc,
            subnets=network.training_subnets,
            security_groups=network.security_groups,
        ).role
        limits = JobLimits(
            execution_role=execution,
            subnets=network.training_subnets,
            security_groups=network.security_groups,
            environment=spec.name,
            instance_types=[f"ml.{spec.nodes.instance_type}"],
        )
        self.unattended = unattended = UnattendedTraining(
            self,
            "Unattended",
            log_key=network.log_key,
            keep=spec.storage.keep_data,
            **limits,
        )
        """The state machine for unattended jobs."""
        launcher = LauncherRole(
            self,
            "LauncherRole",
            assumed_by=iam.AccountRootPrincipal(),
            parameter_path=parameter_path(spec.name),
            repository=images,
            unattended=unattended,
            login_nodes_of=spec.name if spec.slurm and spec.slurm.login_instances else None,
            **limits,
        ).role
        topic = network.budget.topic if network.budget is not None else None
        JobParameters(
            self,
            "Parameters",
            environment_name=spec.name,
            values={
                "availability-zone-id": spec.availability_zone_id,
                **({"budget-topic-arn": topic.topic_arn} if topic is not None else {}),
                "data-bucket": storage.bucket.bucket_name,
                "data-key-arn": storage.key.key_arn,
                "execution-role-arn": execution.role_arn,
                "file-system-id": storage.lustre.file_system_id,
                "image-repository-uri": images.repository_uri,
                "instance-type": spec.nodes.instance_type,
                "launcher-role-arn": launcher.role_arn,
                "lustre-dns-name": storage.lustre.dns_name,
                "lustre-mount-name": storage.lustre.mount_name,
                "sagemaker-instances": str(spec.sagemaker.instances),
                "security-group-ids": [g.security_group_id for g in network.security_groups],
                "state-machine-arn": unattended.resource.attr_arn,
                "subnet-ids": [subnet.subnet_id for subnet in network.training_subnets],
            },
        )
