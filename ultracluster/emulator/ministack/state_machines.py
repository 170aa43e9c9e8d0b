"""Step Functions' integration with SageMaker training jobs, which MiniStack does not have."""

import json
from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from ultracluster.catalogue.training_request import SYNC_MEMBERS
from ultracluster.emulator import wire
from ultracluster.emulator.ministack import internals
from ultracluster.emulator.provisioning import Order, ServiceError
from ultracluster.emulator.training_jobs import TrainingJobs

PARTITIONS: Final = ("aws", "aws-cn", "aws-us-gov")
SYNC: Final = ".sync"
TRAINING_JOB: Final = ("sagemaker:createTrainingJob", "sagemaker:createTrainingJob.sync")
OVER: Final = ("Completed", "Failed", "Stopped")
ERRORS: Final = {
    "ResourceInUse": "SageMaker.ResourceInUseException",
    "ResourceLimitExceeded": "SageMaker.ResourceLimitExceededException",
}
"""How Step Functions names SageMaker's errors; any other is an AmazonSageMakerException."""


def install(jobs: TrainingJobs) -> None:
    """Let state machines start training jobs, and wait for them where `.sync` asks for it."""
    for partition in PARTITIONS:
        prefix = f"arn:{partition}:states:::sagemaker:createTrainingJob"
        internals.stepfunctions._SERVICE_DISPATCH[prefix] = partial(_invoke, jobs)


def complete(arn: str, order: Order) -> dict[str, Any]:
    """Keep a state machine's log settings in the names that DescribeStateMachine has."""
    stated = order.properties.get("LoggingConfiguration") or {"Level": "OFF"}
    internals.stepfunctions._state_machines[arn]["loggingConfiguration"] = wire.camel(stated)
    return {}


def require_taken(order: Order) -> None:
    """Refuse a state machine whose task states a field that its integration does not know."""
    text = str(order.properties.get("DefinitionString") or "{}")
    for name, value in (order.properties.get("DefinitionSubstitutions") or {}).items():
        text = text.replace(f"${{{name}}}", str(value))
    states = json.loads(text).get("States", {})
    for name, state in states.items():
        stated = state.get("Arguments") or state.get("Parameters")
        if str(state.get("Resource")).endswith(TRAINING_JOB) and isinstance(stated, dict):
            for field in _strange(key.removesuffix(".$") for key in stated):
                raise ServiceError(
                    "Sfn",
                    "InvalidDefinition",
                    f"Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: {field} "
                    f"at /States/{name}/Parameters'",
                )


def _strange(members: Iterable[str]) -> list[str]:
    """Return what Step Functions says of each member that it does not pass on."""
    return [
        f'The field "{member}" is not supported by Step Functions'
        for member in members
        if member not in SYNC_MEMBERS
    ]


def _invoke(jobs: TrainingJobs, resource: str, request: Any) -> dict[str, Any]:
    scope = internals.current_scope()
    if strange := _strange(request):
        raise internals.stepfunctions._ExecutionError(
            "States.Runtime",
            f"The Parameters '{json.dumps(request)}' could not be used to start the Task: "
            f"[{', '.join(strange)}]",
        )
    try:
        wire.require_sound("sagemaker", "CreateTrainingJob", request)
        answer = jobs.create(scope, request)
    except ServiceError as error:
        name = ERRORS.get(error.code, "SageMaker.AmazonSageMakerException")
        raise internals.stepfunctions._ExecutionError(name, error.message) from error
    if not resource.endswith(SYNC):
        return answer
    named = {"TrainingJobName": request["TrainingJobName"]}
    job: dict[str, Any] = {}
    while job.get("TrainingJobStatus") not in OVER:
        found = jobs.describe(scope, named)
        job = wire.answer_members("sagemaker", "DescribeTrainingJob", found)
    if job["TrainingJobStatus"] != "Completed":
        raise internals.stepfunctions._ExecutionError("States.TaskFailed", json.dumps(job))
    return job
