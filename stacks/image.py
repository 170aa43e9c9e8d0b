"""The stack with the image pipeline of Slurm nodes."""

import aws_cdk as cdk
from constructs import Construct

from constructs_lib.node_image import NodeImage
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.node_image import NodeImageSpec
from ultracluster.spec.slurm import SlurmSpec

from .network import NetworkStack


class ImageStack(cdk.Stack):
    """The image pipeline of the nodes.

    No other stack refers to this one: it is deployed before the cluster, and changes no node.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        spec: EnvironmentSpec,
        image: NodeImageSpec,
        slurm: SlurmSpec,
        network: NetworkStack,
        env: cdk.Environment,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            env=env,
            description=f"Image of the nodes of the {spec.name} training environment",
        )
        self.image = NodeImage(
            self,
            "NodeImage",
            spec=image,
            environment_name=spec.name,
            slurm_version=slurm.version,
            subnet=network.training_subnets[0],
            security_groups=[network.node_security_group],
            log_key=network.log_key,
        )
        """The pipeline."""
