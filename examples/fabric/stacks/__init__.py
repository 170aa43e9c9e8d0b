"""Fabric, placement and launch template, beside constructs of CDK."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib import (
    CapacityReservationSpec,
    ClusterPlacement,
    EfaLaunchTemplate,
    FabricSecurityGroup,
    NetworkSpec,
    NodeSecurityGroup,
    NodesSpec,
    TrainingNetwork,
)

ZONE = "use1-az6"  # subnets, nodes and reservation are in one zone


class NodesStack(cdk.Stack):
    """Four p4d nodes, close together on reserved capacity, launched by CDK's own construct."""

    def __init__(self, scope: Construct, construct_id: str, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, **kwargs)

        nodes = NodesSpec(
            instance_type="p4d.24xlarge", count=4, capacity_reservation=CapacityReservationSpec()
        )
        network = TrainingNetwork(self, "Network", spec=NetworkSpec(), availability_zone_id=ZONE)
        vpc = network.vpc
        fabric = FabricSecurityGroup(self, "Fabric", vpc=vpc)
        template = EfaLaunchTemplate(
            self,
            "Template",
            spec=nodes,
            security_groups=[fabric, NodeSecurityGroup(self, "Traffic", vpc=vpc)],
            placement=ClusterPlacement(self, "Placement", spec=nodes, availability_zone_id=ZONE),
            role=iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com")),
        )
        autoscaling.AutoScalingGroup(
            self,
            "Group",
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=network.training_subnets),
            launch_template=template,
            min_capacity=0,
            max_capacity=nodes.count,
        )
        # Fabric and bill: a tag of the whole stack never replaces group or reservation.
        cdk.Tags.of(self).add("cost-center", "research")
