"""PCS compute node groups, for jobs and for login nodes."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_pcs as pcs
from constructs import Construct, Dependable

from constructs_lib.acknowledgement import acknowledge

UNKNOWN_TO_CDK: Final = frozenset({"ap-south-2", "ca-central-1"})
"""Regions whose registry has `AWS::PCS::*` (cfn-lint 1.58.0, schemas of 2026-10-20), and which the
validator of aws-cdk-lib 2.275 refuses."""


class SlurmNodeGroup(Construct):
    """Define a PCS compute node group: instances of one type.

    Name, type and cluster cannot be changed, and names are unique in a cluster. The name contains
    the type, so that a group of another type can be created before this one is deleted. For another
    cluster use another construct id (`stacks/slurm.py`).

    Args:
        cluster_id: id of the PCS cluster, of this app or not.
        name: 3 to 25 letters, digits and hyphens.
        instance_type: EC2 instance type, the same as the template's.
        launch_template: the launch template of the instances.
        instance_profile: an instance profile that PCS accepts. The group waits for the policies
            of a `SlurmNodeRole`: nodes register as soon as they run.
        subnets: the subnets of the instances.
        least: minimum number of instances.
        most: maximum number of instances.
        purchase_option: `ONDEMAND`, also with a capacity reservation, or `CAPACITY_BLOCK`.
        feature: a Slurm feature, for jobs that select this group with `sbatch --constraint`.
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
        for root in Dependable.of(instance_profile).dependency_roots:
            for part in root.node.find_all():
                if isinstance(part, iam.CfnManagedPolicy):
                    self.resource.add_resource_dependency(part)
        acknowledge_region(self.resource)
        self.node_group_id = self.resource.attr_id
        """The group's id, for queues."""


def configured(settings: Mapping[str, str]) -> dict[str, Any] | None:
    """Return a `SlurmConfiguration` with these settings; PCS refuses an empty list."""
    listed = [{"parameterName": name, "parameterValue": v} for name, v in settings.items()]
    return {"slurmCustomSettings": listed} if listed else None


def acknowledge_region(resource: cdk.CfnResource) -> None:
    """Acknowledge that CDK's validator does not know a PCS resource in the stack's Region."""
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
