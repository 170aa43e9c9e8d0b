"""One environment: its four stacks, composed here and nowhere else."""

import aws_cdk as cdk
from constructs import Construct

from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.spec.environment import EnvironmentSpec

from .cluster import ClusterStack
from .network import NetworkStack
from .providers import drop_redundant_dependencies
from .storage import StorageStack
from .training import TrainingStack


class TrainingEnvironment(cdk.Stage):
    """Network, Storage, Cluster and Training of one environment; references run one way.

    The Region is the environment's and the account is whoever deploys: with no account in it the
    assembly needs no look-up and no credentials.
    """

    def __init__(self, scope: Construct, *, spec: EnvironmentSpec) -> None:
        env = cdk.Environment(region=spec.region)
        super().__init__(scope, spec.name, env=env)

        self.network = NetworkStack(
            self,
            "Network",
            spec=spec,
            env=env,
            termination_protection=spec.termination_protection,
        )
        self.storage = StorageStack(
            self,
            "Storage",
            spec=spec,
            network=self.network,
            env=env,
            termination_protection=spec.termination_protection,
        )
        self.cluster = ClusterStack(
            self,
            "Cluster",
            spec=spec,
            network=self.network,
            storage=self.storage,
            env=env,
        )
        self.training = TrainingStack(
            self,
            "Training",
            spec=spec,
            network=self.network,
            storage=self.storage,
            cluster=self.cluster,
            env=env,
        )
        for stack in (self.network, self.storage):
            drop_redundant_dependencies(stack)
        cdk.Tags.of(self).add(ENVIRONMENT_TAG, spec.name)
