"""Slurm in the cluster stack: PCS cluster, node groups, queues and login nodes."""

from collections.abc import Mapping
from typing import Any, Final

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from constructs_lib.instance_health_checks import InstanceHealthChecks
from constructs_lib.job_parameters import JobParameters
from constructs_lib.launch_template import EfaLaunchTemplate
from constructs_lib.node_programs import NodePrograms
from constructs_lib.node_role import SlurmNodeRole
from constructs_lib.node_template import LoginLaunchTemplate, NodeTemplate
from constructs_lib.placement import ClusterPlacement
from constructs_lib.security_group import SlurmSecurityGroup
from constructs_lib.slurm_boot import node_boot
from constructs_lib.slurm_cluster import SlurmCluster, SlurmLogs, SlurmQueue
from constructs_lib.slurm_node_group import SlurmNodeGroup
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.catalogue.slurm import LOGIN, ROLE_TAG, group_name
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.node_groups import AcceleratedGroupSpec, CpuGroupSpec
from ultracluster.spec.nodes import NodesSpec
from ultracluster.spec.queues import ENVIRONMENTS_NODES, QueueSpec
from ultracluster.spec.slurm import SlurmSpec

from .network import NetworkStack
from .storage import StorageStack

FIRST_QUEUE: Final = "train"
"""The queue whose construct id has no name, because it was the only one in earlier versions."""


class Slurm(Construct):
    """The PCS cluster, node groups, login nodes and queues.

    It is a part of the cluster stack, because a node group names the version of its launch
    template, and a version that another stack imports could not change (decision 0007).

    PCS cannot resize a cluster: for another size CloudFormation creates a second cluster before it
    deletes the first one. Node groups and queue keep their names, which are unique within a
    cluster, and CloudFormation refuses to replace a resource that keeps its custom name. Their
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
        programs: NodePrograms,
    ) -> None:
        super().__init__(scope, construct_id)

        self._programs = programs
        self._spec, self._slurm, self._network, self._storage = spec, slurm, network, storage
        self._role = node_role = SlurmNodeRole(
            self, "NodeRole", bucket=storage.bucket, key=storage.key
        )
        self.node_role, self._profile = node_role.role, node_role.instance_profile
        """The role of all nodes."""
        if (homes := storage.homes) is not None:
            homes.grant_root_access(
                iam.ManagedPolicy(node_role, "Homes", description="Homes", roles=[self.node_role])
            )
        self._group = SlurmSecurityGroup(self, "Group", vpc=network.vpc)
        self.launch_template = self._fabric_template("LaunchTemplate", spec.nodes, placement)
        """The launch template of training nodes."""
        self._size = slurm.cluster_size(spec.nodes.total).title()
        self._cluster = SlurmCluster(
            self,
            "Cluster",
            spec=slurm,
            name=spec.name,
            size=self._size.upper(),
            subnet=network.training_subnets[0],
            security_groups=[self._group],
        )
        keep = spec.storage.keep_data
        self.logs = SlurmLogs(
            self, "Logs", cluster=self._cluster, log_key=network.log_key, keep=keep
        ).groups
        """Log groups of the cluster, by the type of log."""
        self.placements = {ENVIRONMENTS_NODES: placement}
        """Placement and capacity of each EFA fabric, by the name of its node group."""
        self.on_capacity: list[IConstruct] = [self.launch_template]
        """The resources that use the capacity; all others are created before it."""
        groups = {ENVIRONMENTS_NODES: self._nodes(spec.nodes)}
        for group in slurm.accelerated:
            groups[group.name] = self._accelerated(group)
        self.on_capacity += groups.values()
        for each in slurm.cpu:
            groups[each.name] = self._cpu(each)
        self._checked = self._health_checks(groups)
        self.on_capacity += [c for name, c in self._checked.items() if name in self.placements]
        for queue in slurm.queues:
            self._queue(queue, groups)
        if slurm.login_instance_type is not None:
            self._login_nodes(slurm.login_instance_type)
        JobParameters(
            self,
            "Parameters",
            environment_name=spec.name,
            values={"slurm-cluster-id": self._cluster.cluster_id, "slurm-queue": slurm.queue},
        )

    def _fabric_template(
        self, construct_id: str, nodes: NodesSpec, placement: ClusterPlacement
    ) -> EfaLaunchTemplate:
        network = self._network
        return EfaLaunchTemplate(
            self,
            construct_id,
            spec=nodes,
            security_groups=[*network.security_groups, self._group],
            placement=placement,
            instance_tags={ENVIRONMENT_TAG: self._spec.name},
            subnet=network.training_subnets[0] if len(network.training_subnets) == 1 else None,
            # No role: PCS takes the profile with the node group.
            user_data=self._boot(nodes),
        )

    def _boot(
        self,
        nodes: NodesSpec | None = None,
        *,
        has_disks: bool = False,
        login: bool = False,
    ) -> ec2.MultipartUserData:
        lustre, users, homes = self._storage.lustre, self._slurm.users, self._storage.homes
        return node_boot(
            nodes=nodes,
            slurm_version=self._slurm.version,
            dns_name=lustre.dns_name,
            mount_name=lustre.mount_name,
            over_efa=self._spec.storage.efa_enabled,
            stripes=self._spec.storage.checkpoint_stripes,
            has_disks=has_disks,
            users=users,
            homes="" if homes is None else homes.file_system_id,
            makes_accounts=login and users is not None and bool(users.accounts),
            role="login" if login else "compute",
            programs=self._programs,
        )

    def _node_group(
        self, construct_id: str, template: NodeTemplate, **given: Any
    ) -> SlurmNodeGroup:
        return SlurmNodeGroup(
            self,
            f"{self._size}{construct_id}",
            cluster_id=self._cluster.cluster_id,
            launch_template=template,
            instance_profile=self._profile,
            **{"subnets": self._network.training_subnets, **given},
        )

    def _nodes(self, nodes: NodesSpec) -> SlurmNodeGroup:
        return self._node_group(
            "Nodes",
            self.launch_template,
            name=group_name(nodes.instance_type),
            instance_type=nodes.instance_type,
            least=self._slurm.always_running(nodes),
            most=nodes.total,
            purchase_option=_purchase(nodes),
            feature=ENVIRONMENTS_NODES if self._slurm.node_groups else None,
        )

    def _accelerated(self, group: AcceleratedGroupSpec) -> SlurmNodeGroup:
        """Define an accelerated group with a placement group of its own."""
        placement = ClusterPlacement(
            self,
            f"Placement-{group.name}",
            spec=group,
            availability_zone_id=self._spec.availability_zone_id,
            reservation_tags={ENVIRONMENT_TAG: self._spec.name},
        )
        template = self._fabric_template(f"LaunchTemplate-{group.name}", group, placement)
        self.placements[group.name] = placement
        self.on_capacity.append(template)
        return self._further(group, template, purchase_option=_purchase(group))

    def _cpu(self, group: CpuGroupSpec) -> SlurmNodeGroup:
        template = self._plain_template(
            f"LaunchTemplate-{group.name}",
            instance_type=group.instance_type,
            image=group.image or self._spec.nodes.image,
            root_volume_gib=group.root_volume_gib,
            user_data=self._boot(has_disks=group.has_disks),
        )
        return self._further(group, template)

    def _further(
        self, group: AcceleratedGroupSpec | CpuGroupSpec, template: NodeTemplate, **given: Any
    ) -> SlurmNodeGroup:
        return self._node_group(
            f"Nodes-{group.name}",
            template,
            name=group.group_name,
            instance_type=group.instance_type,
            least=group.least_nodes,
            most=group.total,
            feature=group.name,
            **given,
        )

    def _health_checks(self, groups: Mapping[str, SlurmNodeGroup]) -> dict[str, IConstruct]:
        """Define PCS's health checks of the spec; return their resources by node group name."""
        asked = self._slurm.instance_health_checks(self._spec.nodes)
        if not asked:
            return {}
        key, keep = self._network.log_key, self._spec.storage.keep_data
        function = InstanceHealthChecks(
            self, "HealthChecks", nodes=self._role, log_key=key, keep=keep
        )
        # By the id of the group: one of the cluster's next size is another one.
        return {
            name: function.turn_on(groups[name].node.id, groups[name], request)
            for name, request in asked.items()
        }

    def _queue(self, queue: QueueSpec, groups: Mapping[str, SlurmNodeGroup]) -> None:
        # By its name, so that queues may change places.
        own = "" if queue.name == FIRST_QUEUE else f"-{queue.name}"
        made = SlurmQueue(
            self,
            f"{self._size}Queue{own}",
            cluster_id=self._cluster.cluster_id,
            name=queue.name,
            node_groups=[groups[name] for name in queue.node_groups],
            default=queue.name == self._slurm.queue,
            settings=queue.custom_settings(),
        )
        if any(name in self.placements for name in queue.node_groups):
            self.on_capacity.append(made)
        # Setting checks replaces nodes, so that it comes before their first job.
        made.node.add_dependency(*(c for n, c in self._checked.items() if n in queue.node_groups))

    def _plain_template(
        self, construct_id: str, tags: Mapping[str, str] | None = None, **given: Any
    ) -> LoginLaunchTemplate:
        """Define the launch template of nodes without EFA."""
        return LoginLaunchTemplate(
            self,
            construct_id,
            root_device_name=self._spec.nodes.root_device_name,
            security_groups=[self._network.node_security_group, self._group],
            instance_tags={ENVIRONMENT_TAG: self._spec.name, **(tags or {})},
            **given,
        )

    def _login_nodes(self, instance_type: str) -> None:
        """Define login nodes. No queue has their group: they run no jobs."""
        nodes, slurm = self._spec.nodes, self._slurm
        template = self._plain_template(
            "LoginTemplate",
            instance_type=instance_type,
            image=slurm.login_image or nodes.image,
            root_volume_gib=nodes.root_volume_gib,
            user_data=self._boot(login=True),
            tags={ROLE_TAG: LOGIN},
        )
        self._node_group(
            "LoginNodes",
            template,
            name=group_name(instance_type, "login-"),
            instance_type=instance_type,
            least=slurm.login_nodes,
            most=slurm.login_nodes,
            subnets=self._network.training_subnets[:1],
        )


def _purchase(nodes: NodesSpec) -> str:
    return "ONDEMAND" if nodes.capacity_block is None else "CAPACITY_BLOCK"
