"""Nodes that AWS PCS launches: for jobs, and for people to log in to."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_pcs as pcs
from constructs import Construct

from constructs_lib.acknowledgement import acknowledge

UNKNOWN_TO_CDK: Final = frozenset({"ap-south-2", "ca-central-1"})
"""Regions whose registry has `AWS::PCS::*` (cfn-lint 1.58.0, schemas of 2026-10-20), and which the
validator of aws-cdk-lib 2.275 refuses."""


class SlurmNodeGroup(Construct):
    """Define instances of one type that PCS launches on a launch template.

    Name, type and cluster are create-only, and names are unique in a cluster: the name holds the
    type, so that a group of another type can be made before this one is deleted. A group in another
    cluster is another construct (`stacks/slurm.py`).

    Args:
        cluster_id: id of the PCS cluster, of this app or not.
        name: 3 to 25 letters, digits and hyphens.
        instance_type: EC2 instance type, the same as the template's.
        launch_template: how an instance is launched.
        instance_profile: of a role that PCS takes (`SlurmNodeRole`).
        subnets: where instances are launched.
        least: instances that always run.
        most: instances at full size.
        purchase_option: `ONDEMAND`, also for a targeted capacity reservation, or `CAPACITY_BLOCK`.
        feature: what a job asks for with `sbatch --constraint` to run on this group alone.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cluster_id: str,
        name: str,
        instance_type: str,
        launch_template: ec2.ILaunchTemplate,
        instance_profile: iam.IInstanceProfile,
        subnets: Sequence[ec2.ISubnet],
        least: int,
        most: int,
        purchase_option: str = "ONDEMAND",
        feature: str | None = None,
    ) -> None:
        super().__init__(scope, construct_id)

        self.resource = pcs.CfnComputeNodeGroup(
            self,
            "Resource",
            cluster_id=cluster_id,
            name=name,
            instance_configs=[
                pcs.CfnComputeNodeGroup.InstanceConfigProperty(instance_type=instance_type)
            ],
            custom_launch_template=pcs.CfnComputeNodeGroup.CustomLaunchTemplateProperty(
                template_id=launch_template.launch_template_id,
                version=launch_template.version_number,
            ),
            iam_instance_profile_arn=instance_profile.instance_profile_arn,
            purchase_option=purchase_option,
            scaling_configuration=pcs.CfnComputeNodeGroup.ScalingConfigurationProperty(
                min_instance_count=least, max_instance_count=most
            ),
            subnet_ids=[subnet.subnet_id for subnet in subnets],
            slurm_configuration=configured({} if feature is None else {"Features": feature}),
        )
        """The L1 resource."""
        acknowledge_region(self.resource)
        self.node_group_id = self.resource.attr_id
        """The group's id, as a queue names it."""


def configured(settings: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the `SlurmConfiguration` that has these settings; PCS refuses an empty list."""
    listed = [{"parameterName": name, "parameterValue": v} for name, v in settings.items()]
    return {"slurmCustomSettings": listed} if listed else None


def acknowledge_region(resource: cdk.CfnResource) -> None:
    """Acknowledge that the validator does not know a resource of PCS in its stack's Region."""
    if cdk.Stack.of(resource).region in UNKNOWN_TO_CDK:
        acknowledge(
            resource,
            {
                "CloudFormation-Validate::F3006": (
                    "The registry of this Region has the type since the validator's copy was made, "
                    "and CloudFormation itself refuses it where it has not."
                )
            },
        )
