"""PCS's health checks of instances, by a custom resource: CloudFormation lacks the property."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct, IConstruct

from constructs_lib.acknowledgement import acknowledge
from constructs_lib.node_role import SlurmNodeRole
from constructs_lib.permissions import add_policy, allow
from constructs_lib.retention import log_group
from constructs_lib.slurm_node_group import SlurmNodeGroup

TYPE: Final = "Custom::InstanceHealthChecks"
DESCRIBED: Final = (
    *("InstanceTypeOfferings", "InstanceTypes", "LaunchTemplateVersions", "LaunchTemplates"),
    *("SecurityGroups", "Subnets", "Vpcs"),
)
LAUNCHING: Final = ("ec2:CreateFleet", "ec2:CreateTags", "ec2:RunInstances")
"""EC2 actions that the caller of UpdateComputeNodeGroup needs, besides describing (AWS PCS user
guide, "Minimum permissions", read 2026-11-27)."""
BY_PCS: Final = (
    "PCS launches a group's instances for whoever changes the group, and asks for these rights of "
    "EC2; the function has them for calls that an AWS service makes for it alone."
)
OUTSIDE: Final = "NIST.800.53.R5::NIST.800.53.R5-Lambda"
EXCEPTIONS: Final = {
    f"{OUTSIDE}InsideVPC": (
        "It calls AWS's own APIs and answers CloudFormation, and must work where the VPC has no "
        "way out; outside of the VPC it reaches none of the nodes and none of the data."
    ),
    f"{OUTSIDE}Concurrency": "CloudFormation calls it once for each node group of a deployment.",
    f"{OUTSIDE}DLQ": "CloudFormation waits for its answer and fails the deployment without one.",
}


class InstanceHealthChecks(Construct):
    """Define the function that sets PCS's health checks of node groups during deployments.

    Removing checks from a stack turns them off. Every change replaces the instances of the group
    once their jobs have ended. When the whole stack is deleted, the function does not touch the
    groups.

    Args:
        nodes: the role of the groups' instances, with its profile.
        log_key: the key of the function's log.
        keep: whether the log is kept when the stack is deleted.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        nodes: SlurmNodeRole,
        log_key: kms.IKey,
        keep: bool,
    ) -> None:
        super().__init__(scope, construct_id)

        group = log_group(self, "LogGroup", key=log_key, keep=keep)
        self._role = iam.Role(
            self,
            "Role",
            description="Sets PCS's health checks of node groups",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )
        to_ec2 = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
        by_service = {"Bool": {"aws:ViaAWSService": "true"}}
        profile = nodes.instance_profile.instance_profile_arn
        policy = add_policy(
            self,
            "Policy",
            self._role,
            [
                allow(
                    "WriteLog", "logs:CreateLogStream", "logs:PutLogEvents", on=group.log_group_arn
                ),
                allow("SeeStack", "cloudformation:DescribeStacks", on=cdk.Stack.of(self).stack_id),
                allow("PassNodeRole", "iam:PassRole", on=nodes.role.role_arn, where=to_ec2),
                allow("SeeProfile", "iam:GetInstanceProfile", on=profile),
                allow("Look", *(f"ec2:Describe{each}" for each in DESCRIBED), where=by_service),
                allow("LaunchByPcs", *LAUNCHING, where=by_service),
            ],
            {"*": BY_PCS},
            description="Health checks of PCS node groups",
        )
        self._function = lambda_.Function(
            self,
            "Function",
            description="Sets the health checks of PCS node groups",
            runtime=lambda_.Runtime.PYTHON_3_14,
            handler="index.handler",
            code=lambda_.Code.from_inline(
                (files("constructs_lib") / "functions" / "health_checks.py").read_text("utf-8")
            ),
            timeout=cdk.Duration.minutes(15),
            role=self._role,
            log_group=group,
        )
        self._function.node.add_dependency(policy)
        acknowledge(self._function, EXCEPTIONS)

    def turn_on(self, name: str, group: SlurmNodeGroup, checks: Mapping[str, Any]) -> IConstruct:
        """Define the health checks of one node group, and return their custom resource.

        Args:
            name: the construct id of the checks.
            group: the node group, in this app.
            checks: `instanceHealthChecks`, as PCS's API has it (`HealthChecksSpec.request`).
        """
        scope = Construct(self, name)
        set_ = ("pcs:GetComputeNodeGroup", "pcs:UpdateComputeNodeGroup")
        policy = add_policy(
            scope,
            "Policy",
            self._role,
            [allow("SetChecks", *set_, on=group.resource.attr_arn)],
            description="Health checks of one PCS node group",
        )
        checked = cdk.CustomResource(
            scope,
            "Resource",
            resource_type=TYPE,
            service_token=self._function.function_arn,
            service_timeout=cdk.Duration.minutes(16),
            properties={
                "Cluster": group.resource.cluster_id,
                "Group": group.node_group_id,
                "InstanceHealthChecks": checks,
            },
        )
        checked.node.add_dependency(policy)
        return scope
