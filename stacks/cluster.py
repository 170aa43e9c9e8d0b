"""The EC2 nodes."""

import aws_cdk as cdk
from constructs import Construct

from constructs_lib.catalogue.budgets import ENVIRONMENT_TAG
from constructs_lib.launch_template import EfaLaunchTemplate
from constructs_lib.node_group import NodeGroup
from constructs_lib.node_role import NodeRole, mount_lustre
from constructs_lib.placement import ClusterPlacement
from constructs_lib.spec.environment import EnvironmentSpec
from stacks.network import NetworkStack
from stacks.storage import StorageStack


class ClusterStack(cdk.Stack):
    """Placement, capacity, launch template and the group of nodes that scales to zero."""

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

        placement = ClusterPlacement(
            self,
            "Placement",
            spec=spec.nodes,
            availability_zone_id=spec.availability_zone_id,
            reservation_tags={ENVIRONMENT_TAG: spec.name},
        )
        self.node_role = NodeRole(self, "NodeRole", bucket=storage.bucket, key=storage.key).role
        self.launch_template = EfaLaunchTemplate(
            self,
            "LaunchTemplate",
            spec=spec.nodes,
            security_groups=network.security_groups,
            placement=placement,
            role=self.node_role,
            user_data=mount_lustre(
                dns_name=storage.lustre.dns_name, mount_name=storage.lustre.mount_name
            ),
        )
        self.nodes = NodeGroup(
            self,
            "Nodes",
            launch_template=self.launch_template,
            subnets=network.training_subnets,
            count=spec.nodes.count,
        )
