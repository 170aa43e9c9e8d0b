"""The stack of the network: VPC, endpoints, security groups, and the budget."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from constructs_lib.cost_budget import CostBudget
from constructs_lib.keys import LogKey
from constructs_lib.security_group import FabricSecurityGroup, NodeSecurityGroup
from constructs_lib.training_network import ExistingTrainingNetwork, TrainingNetwork
from ultracluster.catalogue.budgets import offered
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.network import NetworkSpec


class NetworkStack(cdk.Stack):
    """VPC, subnets and endpoints, the security groups of the nodes, and the budget.

    The budget is in this stack because it is the first one, before anything costs money.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        spec: EnvironmentSpec,
        env: cdk.Environment,
    ) -> None:
        self._zone_id = spec.availability_zone_id
        super().__init__(
            scope,
            construct_id,
            env=env,
            termination_protection=spec.termination_protection,
            description=f"Network of the {spec.name} training environment",
        )

        self.log_key = LogKey(self, "LogKey", keep=spec.storage.keep_data).key
        """The key of the log groups."""
        network: TrainingNetwork | ExistingTrainingNetwork
        if isinstance(spec.network, NetworkSpec):
            network = TrainingNetwork(
                self,
                "Network",
                spec=spec.network,
                availability_zone_id=spec.availability_zone_id,
                log_key=self.log_key,
                keep=spec.storage.keep_data,
            )
        else:
            network = ExistingTrainingNetwork(self, "Network", spec=spec.network)
        self.budget = (
            CostBudget(
                self,
                "Budget",
                spec=spec.budget,
                environment_name=spec.name,
                key=self.log_key,
            )
            if offered(spec.region)
            else None
        )
        """The budget; None where the Region's templates can hold none."""
        self.vpc = network.vpc
        """The VPC."""
        self.training_subnets = network.training_subnets
        """The subnets of nodes, file system and jobs, all in one zone."""
        fabric = FabricSecurityGroup(self, "Fabric", vpc=self.vpc)
        self.node_security_group = NodeSecurityGroup(self, "Nodes", vpc=self.vpc)
        """The group of the nodes' ordinary traffic."""
        self.security_groups: list[ec2.ISecurityGroup] = [fabric, self.node_security_group]
        """Both groups of a node; the first is the fabric."""

    @property
    def availability_zones(self) -> list[str]:
        """The zone of the environment, by its id.

        CDK would look up the names of the account's zones, which needs credentials.
        """
        return [self._zone_id]
