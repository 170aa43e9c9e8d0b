"""A state machine that starts SageMaker training jobs, and again while there is no capacity.

`capacity_retries.asl.json` is Amazon States Language in JSONata (Step Functions Developer Guide,
"Transforming data with JSONata"; the text that AWS's documentation had on 2026-11-24). The
execution's input is `{"request": <CreateTrainingJob>}`; what the integration is known to pass on
is sent of it. Of the rest `RetryStrategy` is obeyed here, and `InfraCheckConfig` is left out.

* SageMaker never forgets a job's name, so that each attempt after a failed job has its own. There
  are 99: a job's name has 63 characters, and a repeated attempt adds its number of two digits.
* ResourceLimitExceededException: the account's quota is used up, until other jobs end.
* AmazonSageMakerException: throttling and errors of the service, but also requests that it refuses:
  tried a few times.
* InternalServerError: what `RetryStrategy` is for; that often a job of that end is tried again.
* NoCapacity: how the FailureReason of a job begins, or what it names, that found no instances. The
  first is SageMaker's ("CapacityError: Unable to provision requested ML compute capacity", as
  quoted in public issues and code, read 2026-11-24), the others are EC2's.
"""

import json
from importlib.resources import files
from typing import Any, Final, Unpack

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from constructs_lib.permissions import (
    ANY_JOB,
    JobLimits,
    add_policy,
    allow,
    arn,
    grant,
    job_arn,
    job_statements,
    service_of_the_account,
)
from constructs_lib.retention import log_group, of_this_one
from ultracluster.catalogue.training_request import SYNC_MEMBERS

LOG_GROUP_PREFIX: Final = "/aws/vendedlogs/states/"
"""Delivery to groups below it needs no resource policy of its own, whose size is limited (Step
Functions Developer Guide, "Logging", text of 2026-11-24)."""
EVENTS_RULE: Final = "StepFunctionsGetEventsForSageMakerTrainingJobsRule"
"""The rule by which Step Functions hears that a job has ended (same guide, "IAM policies for
integrated services", as aws-cdk-lib 2.275.0 writes it too)."""
HEAR: Final = ("DescribeRule", "PutRule", "PutTargets")
DELIVER: Final = (
    *("CreateLogDelivery", "DeleteLogDelivery", "DescribeLogGroups", "DescribeResourcePolicies"),
    *("GetLogDelivery", "ListLogDeliveries", "PutResourcePolicy", "UpdateLogDelivery"),
)
TRACE: Final = (
    *("GetSamplingRules", "GetSamplingTargets", "PutTelemetryRecords", "PutTraceSegments"),
)


INTEGRATION: Final = "sagemaker:createTrainingJob.sync"
"""The integration that waits until the job has ended."""
SUBSTITUTED: Final = "TrainingJob"
"""The name by which the template puts the integration's ARN in, with its own partition."""


def definition() -> dict[str, Any]:
    """Return the definition in Amazon States Language."""
    text = (files("constructs_lib") / "capacity_retries.asl.json").read_text("utf-8")
    workflow: dict[str, Any] = json.loads(text)
    workflow["States"]["Begin"]["Assign"]["members"] = list(SYNC_MEMBERS)
    return workflow


class UnattendedTraining(Construct):
    """Define a state machine that starts a training job, and again while there is no capacity.

    Its role may start jobs within the given limits, and pass one execution role.

    Args:
        log_key: the key of its log group.
        keep: whether its log is kept when the stack is deleted.
        **limits: the limits of its jobs, see `JobLimits`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        log_key: kms.IKey,
        keep: bool,
        **limits: Unpack[JobLimits],
    ) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)

        name = f"{LOG_GROUP_PREFIX}training-{of_this_one(self, 'Unattended')}"
        group = log_group(self, "LogGroup", key=log_key, keep=keep, name=name)
        machines = arn(self, "states", "stateMachine:*")
        role = iam.Role(
            self,
            "Role",
            description="Runs training jobs unattended",
            assumed_by=service_of_the_account(stack, "states.amazonaws.com", machines),
        )
        rule = arn(self, "events", f"rule/{EVENTS_RULE}")
        policy = add_policy(
            self,
            "Policy",
            role,
            [
                *job_statements(self, **limits),
                allow("HearOfEnd", *(f"events:{each}" for each in HEAR), on=rule),
                allow("DeliverLog", *(f"logs:{each}" for each in DELIVER)),
                allow("Trace", *(f"xray:{each}" for each in TRACE)),
            ],
            {
                job_arn(self, limits.get("environment")): ANY_JOB,
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
        return arn(self, "states", f"execution:{self.resource.attr_name}:*")

    def start_statements(self) -> list[iam.PolicyStatement]:
        """Return IAM statements to start, describe and stop executions."""
        follow = ("states:DescribeExecution", "states:StopExecution")
        return [
            allow("StartUnattended", "states:StartExecution", on=self.resource.attr_arn),
            allow("FollowUnattended", *follow, on=self.executions_arn),
        ]

    def grant_start(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a role start, describe and stop executions."""
        return grant(grantee, self.start_statements())
