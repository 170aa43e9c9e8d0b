"""The stage of one environment, which creates its stacks."""

from typing import Final

import aws_cdk as cdk
from constructs import Construct

from constructs_lib.feature_flags import pin
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.spec.environment import EnvironmentSpec

from .cluster import ClusterStack
from .network import NetworkStack
from .storage import StorageStack
from .training import TrainingStack

PROVIDERS: Final = (
    "Custom::S3AutoDeleteObjectsCustomResourceProvider",
    "Custom::VpcRestrictDefaultSGCustomResourceProvider",
)
"""Lambda functions of aws-cdk-lib's own custom resources."""


class TrainingEnvironment(cdk.Stage):
    """The stage of one environment: the stacks Network, Storage, Training and Cluster.

    Each stack refers only to those before it. Cluster is the last one, because it costs most, and
    no later failure can keep it running for nothing.

    Region and account are those of the spec. Without an account it is that of the deployment's
    credentials; synthesis needs neither look-ups nor credentials.

    Args:
        scope: the app, or the stack of a pipeline.
        construct_id: the id in that scope, with which stack names begin; the default is the
            environment's name.
        spec: the environment.
        env: account and Region; values that it does not set are those of the spec.
        permissions_boundary: permissions boundary of every role in the stage.

    Raises:
        ValueError: if `env` has another Region or account than the spec.
    """

    network: NetworkStack
    """VPC, groups and budget."""
    storage: StorageStack
    """Keys, data bucket and file system."""
    training: TrainingStack
    """Roles, images and parameters of jobs."""
    cluster: ClusterStack
    """Placement, capacity, launch template, and Slurm or Auto Scaling."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str | None = None,
        *,
        spec: EnvironmentSpec,
        env: cdk.Environment | None = None,
        permissions_boundary: cdk.PermissionsBoundary | None = None,
    ) -> None:
        account, region = (env.account, env.region) if env is not None else (None, None)
        if region is not None and region != spec.region:
            raise ValueError(
                f"env: got the Region {region}, and the environment {spec.name} is in "
                f"{spec.region}, where its zone and its capacity are; write "
                f'cdk.Environment(account=..., region="{spec.region}")'
            )
        if spec.account and account not in (None, spec.account):
            raise ValueError(
                f"env: got the account {account}, and the environment {spec.name} is for "
                f"{spec.account}; leave env out, or write the same account in both"
            )
        env = cdk.Environment(account=spec.account or account, region=spec.region)
        super().__init__(
            scope, construct_id or spec.name, env=env, permissions_boundary=permissions_boundary
        )
        pin(self)

        self.network = NetworkStack(self, "Network", spec=spec, env=env)
        if spec.node_image is not None and spec.slurm is not None:
            # Imported here: Image Builder's module is a tenth of the imports, and few have it.
            from .image import ImageStack  # noqa: PLC0415

            ImageStack(
                self,
                "Image",
                spec=spec,
                image=spec.node_image,
                slurm=spec.slurm,
                network=self.network,
                env=env,
            )
        self.storage = StorageStack(self, "Storage", spec=spec, network=self.network, env=env)
        self.training = TrainingStack(
            self, "Training", spec=spec, network=self.network, storage=self.storage, env=env
        )
        self.cluster = ClusterStack(
            self,
            "Cluster",
            spec=spec,
            network=self.network,
            storage=self.storage,
            training=self.training,
            env=env,
        )
        for stack in (self.network, self.storage):
            _drop_redundant_dependencies(stack)
        cdk.Tags.of(self).add(ENVIRONMENT_TAG, spec.name)


def _drop_redundant_dependencies(stack: cdk.Stack) -> None:
    """Remove the DependsOn between function and role that `Fn::GetAtt` states already.

    aws-cdk-lib 2.275 writes both, and cfn-lint (W3005) says so for every template that has one.
    """
    for name in PROVIDERS:
        provider = stack.node.try_find_child(name)
        if provider is None:
            continue
        role, handler = provider.node.find_child("Role"), provider.node.find_child("Handler")
        if isinstance(role, cdk.CfnResource) and isinstance(handler, cdk.CfnResource):
            handler.remove_resource_dependency(role)
