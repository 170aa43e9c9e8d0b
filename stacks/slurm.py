"""Slurm on the environment's nodes: which launches them for jobs, and stops idle ones."""

from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib.job_parameters import JobParameters
from constructs_lib.launch_template import EfaLaunchTemplate
from constructs_lib.login_launch_template import LoginLaunchTemplate
from constructs_lib.placement import ClusterPlacement
from constructs_lib.slurm_boot import node_boot
from constructs_lib.slurm_cluster import SlurmCluster, SlurmQueue
from constructs_lib.slurm_node_group import SlurmNodeGroup, group_name
from constructs_lib.slurm_node_role import SlurmNodeRole
from constructs_lib.slurm_security_group import SlurmSecurityGroup
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.catalogue.slurm import LOGIN, ROLE_TAG
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.slurm import SlurmSpec

from .network import NetworkStack
from .storage import StorageStack


class Slurm(Construct):
    """The PCS cluster, its nodes on the environment's capacity, login nodes and the queue.

    A part of the cluster stack and no stack of its own: a node group names the version of its
    launch template, and a version that another stack imports could never change (decision 0007).

    PCS cannot resize a cluster: an environment that outgrows its size class gets a second cluster
    before the first one is deleted. Node groups and queue keep their names, which are unique within
    a cluster, and CloudFormation refuses to replace a resource that keeps its custom name. Their
    construct ids therefore hold the size, so that those of the second cluster are new resources.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        spec: EnvironmentSpec,
        slurm: SlurmSpec,
        network: NetworkStack,
        storage: StorageStack,
        placement: ClusterPlacement,
    ) -> None:
        super().__init__(scope, construct_id)

        self._spec, self._slurm, self._network, self._storage = spec, slurm, network, storage
        self._role = node_role = SlurmNodeRole(
            self, "NodeRole", bucket=storage.bucket, key=storage.key
        )
        self.node_role, self._profile = node_role.role, node_role.instance_profile
        """The role of all nodes."""
        self._group = SlurmSecurityGroup(self, "Group", vpc=network.vpc)
        self.launch_template = EfaLaunchTemplate(
            self,
            "LaunchTemplate",
            spec=spec.nodes,
            security_groups=[*network.security_groups, self._group],
            placement=placement,
            instance_tags={ENVIRONMENT_TAG: spec.name},
            subnet=network.training_subnets[0] if len(network.training_subnets) == 1 else None,
            # No role: PCS takes the profile with the node group.
            user_data=node_boot(
                nodes=spec.nodes,
                slurm_version=slurm.version,
                dns_name=storage.lustre.dns_name,
                mount_name=storage.lustre.mount_name,
            ),
        )
        """How a training node is launched."""
        size = slurm.cluster_size(spec.nodes.count)
        self._cluster = SlurmCluster(
            self,
            "Cluster",
            spec=slurm,
            name=spec.name,
            size=size,
            subnet=network.training_subnets[0],
            security_groups=[self._group],
        )
        nodes = SlurmNodeGroup(
            self,
            f"{size.title()}Nodes",
            cluster_id=self._cluster.cluster_id,
            name=group_name(spec.nodes.instance_type),
            instance_type=spec.nodes.instance_type,
            launch_template=self.launch_template,
            instance_profile=self._profile,
            subnets=network.training_subnets,
            least=slurm.least_nodes,
            most=spec.nodes.count,
            purchase_option="ONDEMAND" if spec.nodes.capacity_block is None else "CAPACITY_BLOCK",
        )
        self._await_policies(nodes)
        SlurmQueue(
            self,
            f"{size.title()}Queue",
            cluster_id=self._cluster.cluster_id,
            name=slurm.queue,
            node_groups=[nodes],
            default=True,
        )
        if slurm.login_instance_type is not None:
            self._login_nodes(f"{size.title()}LoginNodes", slurm.login_instance_type)
        JobParameters(
            self,
            "Parameters",
            environment_name=spec.name,
            values={"slurm-cluster-id": self._cluster.cluster_id, "slurm-queue": slurm.queue},
        )

    def _login_nodes(self, construct_id: str, instance_type: str) -> None:
        nodes, lustre = self._spec.nodes, self._storage.lustre
        template = LoginLaunchTemplate(
            self,
            "LoginTemplate",
            instance_type=instance_type,
            image=self._slurm.login_image or nodes.image,
            root_device_name=nodes.root_device_name,
            root_volume_gib=nodes.root_volume_gib,
            security_groups=[self._network.node_security_group, self._group],
            instance_tags={ENVIRONMENT_TAG: self._spec.name, ROLE_TAG: LOGIN},
            user_data=node_boot(
                nodes=None,
                slurm_version=self._slurm.version,
                dns_name=lustre.dns_name,
                mount_name=lustre.mount_name,
            ),
        )
        # No queue has this group: its nodes run no jobs.
        login_nodes = SlurmNodeGroup(
            self,
            construct_id,
            cluster_id=self._cluster.cluster_id,
            name=group_name(instance_type, "login-"),
            instance_type=instance_type,
            launch_template=template,
            instance_profile=self._profile,
            subnets=self._network.training_subnets[:1],
            least=self._slurm.login_nodes,
            most=self._slurm.login_nodes,
        )
        self._await_policies(login_nodes)

    def _await_policies(self, group: SlurmNodeGroup) -> None:
        """Make a node group after the policies of its role, which attach themselves to it."""
        for part in self._role.node.find_all():
            if isinstance(part, iam.CfnManagedPolicy):
                group.resource.add_resource_dependency(part)
