"""An Auto Scaling group of EFA nodes."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from constructs_lib.acknowledgement import acknowledge


class NodeGroup(Construct):
    """Define an Auto Scaling group of EFA nodes between zero and full size.

    `aws autoscaling set-desired-capacity` starts and stops the nodes.

    Args:
        launch_template: the launch template of the nodes.
        subnets: the subnets of the nodes, all in one zone, which EFA does not leave.
        count: maximum number of nodes.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        launch_template: ec2.ILaunchTemplate,
        subnets: Sequence[ec2.ISubnet],
        count: int,
    ) -> None:
        super().__init__(scope, construct_id)

        # No desired capacity: CloudFormation would set it anew at every update, and so stop
        # nodes in the middle of a job. At creation it is the minimum.
        self.resource = autoscaling.CfnAutoScalingGroup(
            self,
            "Resource",
            min_size="0",
            max_size=str(count),
            vpc_zone_identifier=[subnet.subnet_id for subnet in subnets],
            launch_template=autoscaling.CfnAutoScalingGroup.LaunchTemplateSpecificationProperty(
                launch_template_id=launch_template.launch_template_id,
                version=launch_template.version_number,
            ),
            # No scale-in protection: no policy scales in here, and protected nodes would stay when
            # somebody asks for fewer, and stop the group's deletion (aws-cdk#18179: CloudFormation
            # sets the size to zero and waits).
            health_check_type="EC2",
            health_check_grace_period=cdk.Duration.minutes(15).to_seconds(),
        )
        """The L1 resource."""
        acknowledge(
            self.resource,
            {
                "AwsSolutions::AwsSolutions-AS3": (
                    "Nodes are started and stopped by whoever runs a job, who sees the scaling "
                    "activity; EventBridge carries every event without a topic."
                )
            },
        )
