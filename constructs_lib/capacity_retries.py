"""The workflow that starts a training job again for as long as there is no capacity for it.

Amazon States Language in JSONata (Step Functions Developer Guide, "Transforming data with JSONata";
the text that AWS's documentation had on 2026-11-24). The execution's input is
`{"request": <CreateTrainingJob>}`; the request is sent as it is.
"""

from typing import Any, Final

INTEGRATION: Final = "sagemaker:createTrainingJob.sync"
"""The integration that waits until the job has ended."""
SUBSTITUTED: Final = "TrainingJob"
"""The name by which the template puts the integration's ARN in, with its own partition."""

FIRST_WAIT_SECONDS: Final = 300
LONGEST_WAIT_SECONDS: Final = 3600
MOST_ATTEMPTS: Final = 99
"""Two digits: a job's name has 63 characters, and a repeated attempt adds its number."""

LIMIT: Final = "SageMaker.ResourceLimitExceededException"
"""The account's quota is used up: other jobs end, and then it is not."""
SERVICE: Final = "SageMaker.AmazonSageMakerException"
"""Throttling and errors of the service, but also requests that it refuses: tried a few times."""

NO_CAPACITY: Final = "CapacityError|InsufficientInstanceCapacity|InsufficientCapacity"
"""How the FailureReason of a job begins, or what it names, that found no instances. The first is
SageMaker's ("CapacityError: Unable to provision requested ML compute capacity", as quoted in public
issues and code, read 2026-11-24), the others are EC2's."""

NAME: Final = (
    "$attempt = 1 ? $request.TrainingJobName : $request.TrainingJobName & '-' & $string($attempt)"
)
"""SageMaker never forgets a job's name, so that each attempt after a failed job has its own."""


def definition() -> dict[str, Any]:
    """Return the workflow."""
    return {
        "Comment": "Starts a SageMaker training job, again while there is no capacity for it",
        "QueryLanguage": "JSONata",
        "StartAt": "Begin",
        "States": {
            "Begin": {
                "Type": "Pass",
                "Assign": {"request": "{% $states.input.request %}", "attempt": 1},
                "Next": "Train",
            },
            "Train": {
                "Type": "Task",
                "Resource": f"${{{SUBSTITUTED}}}",
                "Arguments": f"{{% $merge([$request, {{'TrainingJobName': {NAME}}}]) %}}",
                "Output": {
                    "TrainingJobName": "{% $states.result.TrainingJobName %}",
                    "TrainingJobArn": "{% $states.result.TrainingJobArn %}",
                    "TrainingJobStatus": "{% $states.result.TrainingJobStatus %}",
                    "attempts": "{% $attempt %}",
                },
                "Retry": [
                    {
                        "ErrorEquals": [LIMIT],
                        "IntervalSeconds": FIRST_WAIT_SECONDS,
                        "BackoffRate": 2,
                        "MaxDelaySeconds": LONGEST_WAIT_SECONDS,
                        "MaxAttempts": MOST_ATTEMPTS,
                        "JitterStrategy": "FULL",
                    },
                    {
                        "ErrorEquals": [SERVICE],
                        "IntervalSeconds": 10,
                        "BackoffRate": 2,
                        "MaxAttempts": 5,
                        "JitterStrategy": "FULL",
                    },
                ],
                "Catch": [
                    {
                        "ErrorEquals": ["States.TaskFailed"],
                        "Assign": {
                            "failure": "{% $states.errorOutput %}",
                            "attempt": "{% $attempt + 1 %}",
                        },
                        "Next": "NoCapacity",
                    }
                ],
                "End": True,
            },
            "NoCapacity": {
                "Type": "Choice",
                "Choices": [
                    {
                        "Condition": (
                            f"{{% $attempt <= {MOST_ATTEMPTS} and "
                            f"$contains($string($failure), /{NO_CAPACITY}/) %}}"
                        ),
                        "Next": "Wait",
                    }
                ],
                "Default": "Failed",
            },
            "Wait": {
                "Type": "Wait",
                "Seconds": (
                    f"{{% $min([{LONGEST_WAIT_SECONDS}, "
                    f"{FIRST_WAIT_SECONDS} * $power(2, $min([$attempt - 2, 10]))]) %}}"
                ),
                "Next": "Train",
            },
            "Failed": {
                "Type": "Fail",
                "Error": "{% $failure.Error %}",
                "Cause": "{% $exists($failure.Cause) ? $failure.Cause : 'no cause was given' %}",
            },
        },
    }
