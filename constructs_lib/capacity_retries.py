"""The workflow that starts a training job again for as long as there is no capacity for it.

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
from typing import Any, Final

from ultracluster.catalogue.training_request import SYNC_MEMBERS

INTEGRATION: Final = "sagemaker:createTrainingJob.sync"
"""The integration that waits until the job has ended."""
SUBSTITUTED: Final = "TrainingJob"
"""The name by which the template puts the integration's ARN in, with its own partition."""


def definition() -> dict[str, Any]:
    """Return the workflow."""
    text = (files("constructs_lib") / "capacity_retries.asl.json").read_text()
    workflow: dict[str, Any] = json.loads(text)
    workflow["States"]["Begin"]["Assign"]["members"] = list(SYNC_MEMBERS)
    return workflow
