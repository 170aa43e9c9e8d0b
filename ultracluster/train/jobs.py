"""Training jobs and unattended runs of an environment, by API calls."""

import json
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Any, Final

from ultracluster.aws import Cloud, CloudError, ask_unless
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.exit_status import CommandError
from ultracluster.train.deployed import Deployed

LOG_GROUP: Final = "/aws/sagemaker/TrainingJobs"
ABSENT: Final = ("ValidationException", "ResourceNotFound", "ResourceNotFoundException")
NO_GROUP: Final = ("ResourceNotFoundException",)
EXECUTION_ABSENT: Final = ("ExecutionDoesNotExist", "InvalidArn")


class NoSuchJobError(CommandError):
    """A job that SageMaker does not know."""


Described = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of runs: how one is described, and how it ends."""

    state: str
    """The member of a description that says how it is."""
    over: AbstractSet[str]
    """States after which it runs no more."""
    well: str
    stopped: str
    """The state of one that somebody stopped, which is no failure."""
    words: Callable[[Described], str]
    """It in a few words."""

    def is_over(self, run: Described) -> bool:
        return run[self.state] in self.over

    def has_failed(self, run: Described) -> bool:
        return run[self.state] in self.over - {self.well, self.stopped}


TRAINING: Final = Kind(
    "TrainingJobStatus",
    over={"Completed", "Failed", "Stopped"},
    well="Completed",
    stopped="Stopped",
    words=lambda job: f"{job['TrainingJobStatus']}: {job.get('SecondaryStatus', '')}",
)
EXECUTION: Final = Kind(
    "status",
    over={"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"},
    well="SUCCEEDED",
    stopped="ABORTED",
    words=lambda execution: str(execution["status"]),
)
"""Of the state machine: a run that is unattended."""


@dataclass(frozen=True)
class Run:
    """Something that runs."""

    kind: Kind
    name: str
    looks: Iterator[Described]
    """How it was when it was found; from then on, how it is."""

    @classmethod
    def of(cls, kind: Kind, name: str, look: Callable[[], Described]) -> "Run":
        return cls(kind, name, chain([look()], iter(look, None)))


@dataclass(frozen=True)
class Line:
    """One line that a host of a job wrote."""

    at: datetime
    host: str
    text: str


@dataclass
class Jobs:
    """The training jobs of one environment."""

    none = "no training jobs"
    stopped = "is being stopped; its program has 120 s for a checkpoint"
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
        named = {"executionArn": f"{arn}:{name}"}
        return ask_unless(
            self.cloud, EXECUTION_ABSENT, "stepfunctions", "describe_execution", **named
        )

    def run(self, name: str) -> Run:
        """Return a job, or an unattended run whose job has not begun."""
        try:
            return Run.of(TRAINING, name, partial(self.describe, name))
        except NoSuchJobError:
            if self.execution(name) is None:
                raise
        return self.unattended(name)

    def unattended(self, name: str) -> Run:
        """Return an unattended run."""

        def look() -> dict[str, Any]:
            execution = self.execution(name)
            if execution is None:
                raise NoSuchJobError(f"{name}: there is no unattended run of that name")
            return execution

        return Run.of(EXECUTION, name, look)

    def stop(self, name: str) -> str:
        """Stop an unattended run, or a job, to which SageMaker sends SIGTERM and waits 120 s.

        Step Functions stops the job that it waits for. Return what was stopped.
        """
        execution = self.execution(name)
        if execution is not None and execution["status"] == "RUNNING":
            arn = str(execution["executionArn"])
            self.cloud.ask("stepfunctions", "stop_execution", executionArn=arn)
            return arn
        try:
            job = self.describe(name)
        except NoSuchJobError as error:
            if execution is None:
                raise
            ended = f"{name}: its unattended run has ended ({execution['status']})"
            raise NoSuchJobError(f"{ended}; there is nothing to stop") from error
        if TRAINING.is_over(job):
            status = job["TrainingJobStatus"]
            raise NoSuchJobError(f"{name}: it has ended ({status}); there is nothing to stop")
        self.cloud.ask("sagemaker", "stop_training_job", TrainingJobName=name)
        return name

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
        # The group comes with the account's first job.
        answer = ask_unless(self.cloud, NO_GROUP, "logs", "filter_log_events", **given)
        events = (answer or {}).get("events", [])
        for event in sorted(events, key=lambda event: int(event["timestamp"])):
            told = event["logStreamName"], event["timestamp"], event["message"]
            key = str(event.get("eventId") or told)
            if key not in self._seen:
                self._seen.add(key)
                # <job>/algo-1-1764000000
                host = str(event["logStreamName"]).rpartition("/")[2].rpartition("-")[0]
                at = datetime.fromtimestamp(int(event["timestamp"]) / 1000, UTC)
                yield Line(at, host, str(event["message"]).rstrip())
