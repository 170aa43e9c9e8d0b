"""The stack of the EC2 nodes: placement, capacity, launch template, and Slurm or Auto Scaling."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from constructs_lib.alarms import AlarmTopic, IdleCapacityAlarm, Observability, ServiceAlarms
from constructs_lib.image_repository import PULL_ACTIONS
from constructs_lib.job_parameters import JobParameters
from constructs_lib.launch_template import EfaLaunchTemplate
from constructs_lib.node_group import NodeGroup
from constructs_lib.node_programs import NodePrograms
from constructs_lib.node_role import NodeRole
from constructs_lib.permissions import add_policy, allow
from constructs_lib.placement import ClusterPlacement
from constructs_lib.slurm_boot import node_boot
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.queues import ENVIRONMENTS_NODES
from ultracluster.spec.slurm import SlurmSpec

from .network import NetworkStack
from .slurm import Slurm
from .storage import StorageStack
from .training import TrainingStack


class ClusterStack(cdk.Stack):
    """Placement, capacity and launch template.

    Nodes are launched by Slurm if the environment has it, and otherwise by an Auto Scaling group:
    both together would each use all of the capacity (decision 0007).

    A reservation is charged as soon as it exists, so that every resource that does not need it is
    created first (decision 0010). A stack with a reservation has termination protection.
    """

    node_role: iam.IRole
    """The IAM role of the nodes."""
    launch_template: EfaLaunchTemplate
    """The launch template of the nodes."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        spec: EnvironmentSpec,
        network: NetworkStack,
        storage: StorageStack,
        training: TrainingStack,
        env: cdk.Environment,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            env=env,
            termination_protection=any(n.makes_reservation for n in spec.fabrics().values()),
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
        self._placements = {ENVIRONMENTS_NODES: self.placement}
        self._programs = NodePrograms(
            self,
            "Programs",
            environment_name=spec.name,
            observability=spec.observability,
            repairs=spec.slurm is not None and spec.slurm.repairs,
        )
        self._scaling_log: str | None = None
        if spec.slurm is None:
            on_capacity, known = self._scaled(spec, network, storage)
        else:
            on_capacity, known = self._launched_by_slurm(spec.slurm, spec, network, storage)
        self._programs.grant(self.node_role)
        add_policy(
            self,
            "Images",
            self.node_role,
            [allow("PullImages", *PULL_ACTIONS, on=training.images.repository_arn)],
            description="Training images on cluster nodes",
        )
        template = {"launch-template-id": self.launch_template.resource.ref}
        parameters = JobParameters(
            self, "Parameters", environment_name=spec.name, values=template | known
        )
        topics = AlarmTopic(self, "Alarms", notify=spec.budget.notify, key=network.log_key).arns
        if spec.observability is not None:
            Observability(
                self,
                "Observability",
                spec=spec.observability,
                environment_name=spec.name,
                has=_has(spec),
                topics=topics,
            )
            named = {
                "FileSystemId": storage.lustre.file_system_id,
                "Nat": getattr(spec.network, "public_subnet_cidr", None),
                "ScalingLog": self._scaling_log,
                "StateMachineArn": training.unattended.resource.attr_arn,
            }
            ServiceAlarms(
                self,
                "ServiceAlarms",
                environment_name=spec.name,
                of={name: value for name, value in named.items() if value},
                topics=topics,
                without=spec.observability.without,
            )
        alarms = self._idle_capacity_alarms(spec, topics)
        self._reserve_last([*self._placements.values(), *on_capacity, *alarms, parameters])

    def _idle_capacity_alarms(
        self, spec: EnvironmentSpec, topics: Sequence[str]
    ) -> list[IConstruct]:
        groups = () if spec.slurm is None else spec.slurm.accelerated
        fabrics = zip(self._placements.items(), (spec.nodes, *groups), strict=True)
        return [
            IdleCapacityAlarm(
                self,
                "IdleCapacity" if name == ENVIRONMENTS_NODES else f"IdleCapacity-{name}",
                capacity_reservation_id=placement.capacity_reservation_id,
                topics=topics,
                least_used_percent=nodes.capacity_reservation.least_used_percent,
            ).resource
            for (name, placement), nodes in fabrics
            if nodes.capacity_reservation and placement.capacity_reservation_id
        ]

    def _reserve_last(self, on_capacity: Sequence[IConstruct]) -> None:
        """Make the reservations depend on every resource that does not use them."""
        later = {part.node.path for each in on_capacity for part in each.node.find_all()}
        for placement in self._placements.values():
            if placement.reservation is None:
                continue
            for part in self.node.find_all():
                if isinstance(part, cdk.CfnResource) and part.node.path not in later:
                    placement.reservation.add_resource_dependency(part)

    def _scaled(
        self, spec: EnvironmentSpec, network: NetworkStack, storage: StorageStack
    ) -> tuple[list[IConstruct], dict[str, str]]:
        """Return the resources that use the capacity, and the parameters for jobs."""
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
                over_efa=spec.storage.efa_enabled,
                stripes=spec.storage.checkpoint_stripes,
                programs=self._programs,
            ),
        )
        nodes = NodeGroup(
            self,
            "Nodes",
            launch_template=self.launch_template,
            subnets=network.training_subnets,
            count=spec.nodes.total,
        )
        return [self.launch_template, nodes], {"node-group-name": nodes.resource.ref}

    def _launched_by_slurm(
        self,
        slurm: SlurmSpec,
        spec: EnvironmentSpec,
        network: NetworkStack,
        storage: StorageStack,
    ) -> tuple[list[IConstruct], dict[str, str]]:
        nodes = Slurm(
            self,
            "Slurm",
            spec=spec,
            slurm=slurm,
            network=network,
            storage=storage,
            placement=self.placement,
            programs=self._programs,
        )
        self.node_role, self.launch_template = nodes.node_role, nodes.launch_template
        self._placements = nodes.placements
        self._scaling_log = nodes.logs["PCS_SCALING_LOGS"].log_group_name
        return nodes.on_capacity, {}


def _has(spec: EnvironmentSpec) -> list[str]:
    """Return what the environment has, as the table of alarms names it: gpu, efa, lustre, slurm."""
    nodes = spec.fabrics().values()
    gpus = any(each.instance.accelerator.is_nvidia for each in nodes)
    kinds = {"gpu": gpus, "efa": True, "lustre": True, "slurm": spec.slurm is not None}
    return [kind for kind, there in kinds.items() if there]
