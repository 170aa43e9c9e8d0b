"""Training jobs and unattended runs of an environment, by API calls."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from ultracluster.aws import Cloud, CloudError
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.exit_status import CommandError
from ultracluster.train.deployed import Deployed

LOG_GROUP: Final = "/aws/sagemaker/TrainingJobs"
OVER: Final = ("Completed", "Failed", "Stopped")
EXECUTION_OVER: Final = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
ABSENT: Final = ("ValidationException", "ResourceNotFound", "ResourceNotFoundException")
EXECUTION_ABSENT: Final = ("ExecutionDoesNotExist", "InvalidArn")


class NoSuchJobError(CommandError):
    """A job that SageMaker does not know."""


@dataclass(frozen=True)
class Line:
    """One line that a host of a job wrote."""

    at: datetime
    host: str
    text: str


@dataclass
class Jobs:
    """The training jobs of one environment."""

    cloud: Cloud
    deployed: Deployed
    _seen: set[str] = field(default_factory=set)

    def submit(self, request: dict[str, Any]) -> str:
        answer = self.cloud.ask("sagemaker", "create_training_job", **request)
        return str(answer["TrainingJobArn"])

    def start(self, request: dict[str, Any]) -> str:
        """Hand a request to the state machine, and return the execution's ARN."""
        answer = self.cloud.ask(
            "stepfunctions",
            "start_execution",
            stateMachineArn=self.deployed["state-machine-arn"],
            name=request["TrainingJobName"],
            input=json.dumps({"request": request}),
        )
        return str(answer["executionArn"])

    def describe(self, name: str) -> dict[str, Any]:
        """Return a job as SageMaker describes it."""
        try:
            return self.cloud.ask("sagemaker", "describe_training_job", TrainingJobName=name)
        except CloudError as error:
            if error.code in ABSENT and "not found" in error.message.lower():
                raise NoSuchJobError(
                    f"{name}: {self.deployed.region} has no training job of that name; see "
                    f"ultracluster train list {self.deployed.name}"
                ) from error
            raise

    def execution(self, name: str) -> dict[str, Any] | None:
        """Return the unattended run of that name, None where there is none."""
        arn = self.deployed["state-machine-arn"].replace(":stateMachine:", ":execution:")
        try:
            return self.cloud.ask(
                "stepfunctions", "describe_execution", executionArn=f"{arn}:{name}"
            )
        except CloudError as error:
            if error.code in EXECUTION_ABSENT:
                return None
            raise

    def stop(self, name: str) -> None:
        """Stop a job: SageMaker sends SIGTERM and waits 120 s."""
        status = self.describe(name)["TrainingJobStatus"]
        if status in OVER:
            raise NoSuchJobError(f"{name}: it has ended ({status}); there is nothing to stop")
        self.cloud.ask("sagemaker", "stop_training_job", TrainingJobName=name)

    def stop_execution(self, execution: dict[str, Any]) -> None:
        """End an unattended run; Step Functions stops the job that it waits for."""
        self.cloud.ask("stepfunctions", "stop_execution", executionArn=execution["executionArn"])

    def rows(self, *, everything: bool = False, status: str | None = None) -> list[dict[str, Any]]:
        """Return summaries of jobs, newest first."""
        prefix = f"{self.deployed.name}-"
        given: dict[str, Any] = {"SortBy": "CreationTime", "SortOrder": "Descending"}
        if not everything:
            given["NameContains"] = prefix
        if status is not None:
            given["StatusEquals"] = status
        found = self.cloud.ask("sagemaker", "list_training_jobs", **given)
        return [
            row
            for row in found["TrainingJobSummaries"]
            if everything or str(row["TrainingJobName"]).startswith(prefix)
        ]

    def newest(self) -> str:
        """Return the name of the environment's newest job.

        Jobs of `dev-two` begin with `dev-`, too: a job is of the environment that its tag names.
        """
        own = {"Key": ENVIRONMENT_TAG, "Value": self.deployed.name}
        for row in self.rows():
            tags = self.cloud.ask("sagemaker", "list_tags", ResourceArn=row["TrainingJobArn"])
            if own in tags["Tags"]:
                return str(row["TrainingJobName"])
        raise NoSuchJobError(
            f"{self.deployed.name}: no training job of this environment; start one: "
            f"ultracluster train submit {self.deployed.name} RECIPE"
        )

    def lines(self, name: str, since: datetime | None = None) -> Iterator[Line]:
        """Yield what all hosts of a job wrote, in the order of time, each line once."""
        given: dict[str, Any] = {"logGroupName": LOG_GROUP, "logStreamNamePrefix": f"{name}/"}
        if since is not None:
            given["startTime"] = int(since.timestamp() * 1000)
        try:
            events = self.cloud.ask("logs", "filter_log_events", **given).get("events", [])
        except CloudError as error:
            if error.code == "ResourceNotFoundException":
                return  # the group comes with the account's first job
            raise
        for event in sorted(events, key=lambda event: int(event["timestamp"])):
            key = str(
                event.get("eventId")
                or (event["logStreamName"], event["timestamp"], event["message"])
            )
            if key not in self._seen:
                self._seen.add(key)
                # <job>/algo-1-1764000000
                host = str(event["logStreamName"]).rpartition("/")[2].rpartition("-")[0]
                at = datetime.fromtimestamp(int(event["timestamp"]) / 1000, UTC)
                yield Line(at, host, str(event["message"]).rstrip())


def is_over(job: dict[str, Any]) -> bool:
    return job["TrainingJobStatus"] in OVER
