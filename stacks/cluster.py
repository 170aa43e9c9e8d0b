"""The EC2 nodes: their placement, capacity and launch template, and who launches them."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib.launch_template import EfaLaunchTemplate
from constructs_lib.node_group import NodeGroup
from constructs_lib.node_role import NodeRole
from constructs_lib.placement import ClusterPlacement
from constructs_lib.slurm_boot import node_boot
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.slurm import SlurmSpec

from .network import NetworkStack
from .slurm import Slurm
from .storage import StorageStack


class ClusterStack(cdk.Stack):
    """Placement, capacity and launch template.

    Nodes are launched by one of two and never by both, as each would count on all of the capacity:
    by an Auto Scaling group, or by Slurm where the environment has it (decision 0007).
    """

    node_role: iam.IRole
    """The role of the nodes."""
    launch_template: EfaLaunchTemplate
    """How a node is launched."""

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
            description=f"Cluster of the {spec.name} training environment",
        )

        self.placement = ClusterPlacement(
            self,
            "Placement",
            spec=spec.nodes,
            availability_zone_id=spec.availability_zone_id,
            reservation_tags={ENVIRONMENT_TAG: spec.name},
        )
        """Placement group and capacity."""
        self.job_parameters: dict[str, str] = {}
        """What jobs have to know of the nodes, by name."""
        if spec.slurm is None:
            self._scaled(spec, network, storage)
        else:
            self._launched_by_slurm(spec.slurm, spec, network, storage)

    def _scaled(self, spec: EnvironmentSpec, network: NetworkStack, storage: StorageStack) -> None:
        self.node_role = NodeRole(self, "NodeRole", bucket=storage.bucket, key=storage.key).role
        self.launch_template = EfaLaunchTemplate(
            self,
            "LaunchTemplate",
            spec=spec.nodes,
            security_groups=network.security_groups,
            placement=self.placement,
            role=self.node_role,
            instance_tags={ENVIRONMENT_TAG: spec.name},
            user_data=node_boot(
                nodes=spec.nodes,
                slurm_version=None,
                dns_name=storage.lustre.dns_name,
                mount_name=storage.lustre.mount_name,
            ),
        )
        nodes = NodeGroup(
            self,
            "Nodes",
            launch_template=self.launch_template,
            subnets=network.training_subnets,
            count=spec.nodes.count,
        )
        self.job_parameters["node-group-name"] = nodes.resource.ref

    def _launched_by_slurm(
        self,
        slurm: SlurmSpec,
        spec: EnvironmentSpec,
        network: NetworkStack,
        storage: StorageStack,
    ) -> None:
        nodes = Slurm(
            self,
            "Slurm",
            spec=spec,
            slurm=slurm,
            network=network,
            storage=storage,
            placement=self.placement,
        )
        self.node_role, self.launch_template = nodes.node_role, nodes.launch_template
