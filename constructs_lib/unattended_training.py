"""The state machine that runs a training job without anybody watching."""

import json
from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from constructs_lib.capacity_retries import INTEGRATION, SUBSTITUTED, definition
from constructs_lib.permissions import (
    ANY_JOB,
    add_policy,
    allow,
    grant,
    job_arn,
    job_statements,
    service_of_the_account,
)
from constructs_lib.retention import removal_policy

LOG_GROUP_PREFIX: Final = "/aws/vendedlogs/states/"
"""Delivery to groups below it needs no resource policy of its own, whose size is limited (Step
Functions Developer Guide, "Logging", text of 2026-11-24)."""
EVENTS_RULE: Final = "StepFunctionsGetEventsForSageMakerTrainingJobsRule"
"""The rule by which Step Functions hears that a job has ended (same guide, "IAM policies for
integrated services", as aws-cdk-lib 2.275.0 writes it too)."""


class UnattendedTraining(Construct):
    """Define a state machine that starts a training job, again while there is no capacity.

    Its role may do what starting jobs of this environment takes, and pass one execution role.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        execution_role: iam.IRole,
        subnets: Sequence[ec2.ISubnet],
        security_groups: Sequence[ec2.ISecurityGroup],
        log_key: kms.IKey,
        keep: bool,
        environment: str | None = None,
        instance_types: Sequence[str] | None = None,
    ) -> None:
        """Define the state machine.

        Args:
            scope: the parent construct.
            construct_id: the id in that scope.
            execution_role: the role that jobs run as.
            subnets: the only subnets that a job may be started in.
            security_groups: the only groups that a job may be given.
            environment: by whose name the names of its jobs begin; None for every job.
            instance_types: the only types that a job may ask for; None for all.
            log_key: the key of its log group.
            keep: whether its log outlives the stack.
        """
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)

        unique = cdk.Fn.select(2, cdk.Fn.split("/", stack.stack_id))
        group = logs.LogGroup(
            self,
            "LogGroup",
            log_group_name=f"{LOG_GROUP_PREFIX}training-{unique}",
            encryption_key=log_key,
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=removal_policy(keep=keep),
        )
        role = self._role()
        policy = add_policy(
            self,
            "Policy",
            role,
            [
                *job_statements(
                    self,
                    execution_role=execution_role,
                    subnets=subnets,
                    security_groups=security_groups,
                    environment=environment,
                    instance_types=instance_types,
                ),
                *self._own_statements(),
            ],
            {
                job_arn(self, environment): ANY_JOB,
                "*": (
                    "Delivery of a state machine's log and its traces have no resource in IAM; "
                    "both write about this state machine only."
                ),
            },
            description="Runs training jobs unattended",
        )
        self.resource = sfn.CfnStateMachine(
            self,
            "Resource",
            role_arn=role.role_arn,
            definition_string=json.dumps(definition(), indent=1),
            definition_substitutions={SUBSTITUTED: f"arn:{stack.partition}:states:::{INTEGRATION}"},
            logging_configuration=sfn.CfnStateMachine.LoggingConfigurationProperty(
                destinations=[
                    sfn.CfnStateMachine.LogDestinationProperty(
                        cloud_watch_logs_log_group=sfn.CfnStateMachine.CloudWatchLogsLogGroupProperty(
                            log_group_arn=group.log_group_arn
                        )
                    )
                ],
                include_execution_data=True,
                level="ALL",
            ),
            tracing_configuration=sfn.CfnStateMachine.TracingConfigurationProperty(enabled=True),
        )
        """The L1 resource."""
        # CloudFormation makes it as soon as the role is there, and Step Functions then refuses a
        # role that may not write to the log yet.
        self.resource.node.add_dependency(policy)

    @property
    def executions_arn(self) -> str:
        """The ARN of every execution of the state machine."""
        return cdk.Stack.of(self).format_arn(
            service="states",
            resource="execution",
            resource_name=f"{self.resource.attr_name}:*",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )

    def start_statements(self) -> list[iam.PolicyStatement]:
        """Return statements that start, follow and stop executions."""
        follow = ("states:DescribeExecution", "states:StopExecution")
        return [
            allow("StartUnattended", "states:StartExecution", on=self.resource.attr_arn),
            allow("FollowUnattended", *follow, on=self.executions_arn),
        ]

    def grant_start(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a role start, follow and stop unattended jobs."""
        return grant(grantee, self.start_statements())

    def _role(self) -> iam.Role:
        stack = cdk.Stack.of(self)
        machines = stack.format_arn(
            service="states",
            resource="stateMachine",
            resource_name="*",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        return iam.Role(
            self,
            "Role",
            description="Runs training jobs unattended",
            assumed_by=service_of_the_account(stack, "states.amazonaws.com", machines),
        )

    def _own_statements(self) -> list[iam.PolicyStatement]:
        rule = cdk.Stack.of(self).format_arn(
            service="events", resource="rule", resource_name=EVENTS_RULE
        )
        return [
            allow(
                "HearOfEnd", "events:DescribeRule", "events:PutRule", "events:PutTargets", on=rule
            ),
            allow(
                "DeliverLog",
                "logs:CreateLogDelivery",
                "logs:DeleteLogDelivery",
                "logs:DescribeLogGroups",
                "logs:DescribeResourcePolicies",
                "logs:GetLogDelivery",
                "logs:ListLogDeliveries",
                "logs:PutResourcePolicy",
                "logs:UpdateLogDelivery",
            ),
            allow(
                "Trace",
                "xray:GetSamplingRules",
                "xray:GetSamplingTargets",
                "xray:PutTelemetryRecords",
                "xray:PutTraceSegments",
            ),
        ]
