"""Launch template of EFA nodes, with an interface for each network card."""

from collections.abc import Mapping, Sequence
from typing import Final

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib.acknowledgement import acknowledge
from constructs_lib.node_template import Data, NodeTemplate
from constructs_lib.placement import ClusterPlacement
from ultracluster.catalogue.images import DEEP_LEARNING_AMI, PCS_READY_AMI
from ultracluster.catalogue.interfaces import layout
from ultracluster.spec.nodes import NodesSpec
from ultracluster.spec.slurm import PCS_READY_AMI_ARM64

IMAGES_OF_AWS: Final = (DEEP_LEARNING_AMI, PCS_READY_AMI, PCS_READY_AMI_ARM64)
AWS_HAS_NO_OTHER_NAME: Final = (
    "The id of AWS's image differs by Region and the parameter of the newest one is its only name "
    "that holds in all of them; it is read when the stack is deployed and not at a launch, so that "
    "all nodes boot one image, and NodesSpec.image pins a tested id where a driver must not change."
)


class EfaLaunchTemplate(NodeTemplate):
    """Define the launch template of EFA nodes: interfaces, image, placement and capacity.

    Args:
        spec: type, layout, image and root volume of the nodes.
        security_groups: groups of every interface; the fabric group must be one of them.
        placement: placement group and capacity; with None nodes are launched on demand, anywhere.
        role: role of the instances.
        user_data: commands of a node's first boot.
        instance_tags: tags of instances, volumes and network interfaces. PCS does not propagate its
            own tags, so that a budget counts nodes only by these.
        subnet: the subnet of every interface, as in AWS's templates for PCS; None if the launching
            service names it (Auto Scaling, a fleet, or PCS with several subnets).

    Raises:
        ValueError: without a security group, or if the spec has a reservation or Capacity Block and
            no placement is given.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        spec: NodesSpec,
        security_groups: Sequence[ec2.ISecurityGroup],
        placement: ClusterPlacement | None = None,
        role: iam.IRole | None = None,
        user_data: ec2.UserData | None = None,
        instance_tags: Mapping[str, str] | None = None,
        subnet: ec2.ISubnet | None = None,
    ) -> None:
        _check(spec, security_groups, placement)
        super().__init__(
            scope,
            construct_id,
            instance_type=spec.instance_type,
            image=spec.image,
            root_device_name=spec.root_device_name,
            root_volume_gib=spec.root_volume_gib,
            security_groups=security_groups,
            # A container on a bridge network is one hop further away.
            metadata_hops=2 if spec.container_metadata else 1,
            user_data=user_data,
            role=role,
            instance_tags=instance_tags,
        )
        group = capacity = block = cpu = None
        if placement is not None and placement.placement_group_name is not None:
            group = Data.PlacementProperty(
                group_name=placement.placement_group_name, tenancy="default"
            )
        if placement is not None and placement.capacity_reservation_id is not None:
            capacity = Data.CapacityReservationSpecificationProperty(
                capacity_reservation_target=Data.CapacityReservationTargetProperty(
                    capacity_reservation_id=placement.capacity_reservation_id
                )
            )
        if spec.capacity_block is not None:
            block = Data.InstanceMarketOptionsProperty(market_type="capacity-block")
        if spec.threads_per_core is not None:  # EC2 takes the two only together.
            cpu = Data.CpuOptionsProperty(
                core_count=spec.instance.cores, threads_per_core=spec.threads_per_core
            )
        self._holds(
            # No `AssociatePublicIpAddress`: EC2 takes it for a single interface only.
            network_interfaces=[
                Data.NetworkInterfaceProperty(
                    network_card_index=interface.network_card_index,
                    device_index=interface.device_index,
                    interface_type=interface.interface_type,
                    groups=self._group_ids,
                    subnet_id=None if subnet is None else subnet.subnet_id,
                    delete_on_termination=True,
                )
                for interface in layout(spec.instance, spec.interface_layout)
            ],
            placement=group,
            capacity_reservation_specification=capacity,
            instance_market_options=block,
            cpu_options=cpu,
        )
        if spec.image in IMAGES_OF_AWS:
            acknowledge(self.resource, {"UltraCluster::SAFETY-9": AWS_HAS_NO_OTHER_NAME})


def _check(
    spec: NodesSpec,
    security_groups: Sequence[ec2.ISecurityGroup],
    placement: ClusterPlacement | None,
) -> None:
    """Refuse combinations that EC2 accepts and that are mistakes."""
    if not security_groups:
        raise ValueError(
            "security_groups: got none, and nodes would get the VPC's default group; pass "
            "FabricSecurityGroup(...) and NodeSecurityGroup(...)"
        )
    for field in ("capacity_block", "capacity_reservation"):
        if getattr(spec, field) is not None and (
            placement is None or placement.capacity_reservation_id is None
        ):
            raise ValueError(
                f"placement: got {'nothing' if placement is None else 'one without capacity'}, "
                f"and the spec has a {field} that nodes would not be launched on; pass "
                "ClusterPlacement(..., spec=<the same nodes>)"
            )
