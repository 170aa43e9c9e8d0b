"""The proof of training jobs is good only where each answer is as it was requested."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from environments.dev import DEV
from ultracluster.prove.deployment import Deployment
from ultracluster.prove.proof import Check, Evidence
from ultracluster.rehearse import job_proof
from ultracluster.rehearse.job_proof import rehearsal_recipe, training_jobs

REQUEST = {"TrainingJobName": "job", "RoleArn": "role", "Tags": [], "RetryStrategy": {}}


@dataclass
class Jobs:
    """SageMaker, Step Functions and ECR, which answer by these fields."""

    problems: dict[str, list[str]] = field(default_factory=dict)
    """Of the first request of each run."""
    unknown: tuple[str, ...] = ()
    again: tuple[str, ...] = ("--run",)
    arn: str = "arn"
    described: dict[str, Any] = field(default_factory=dict)
    listed: tuple[str, ...] = ("job",)
    status: str = "Completed"
    execution_status: str = "SUCCEEDED"
    not_yet: list[dict[str, str] | None] = field(default_factory=list)
    """What is answered of the execution before it ends."""
    deployed: dict[str, str] = field(
        default_factory=lambda: {"image-repository-uri": "host/images"}
    )
    asked: list[str] = field(default_factory=list)

    def ask(self, _: str, operation: str, **__: Any) -> dict[str, Any]:
        self.asked.append(operation)
        return {}

    def prepare(self, *_: Any, run: str) -> Any:
        second = "submit" in self.asked and run == "direct"
        found = self.again if second else self.problems.get(run, ())
        problems = [SimpleNamespace(field=each) for each in found]
        return SimpleNamespace(problems=problems, unknown=[*self.unknown], request=REQUEST)

    def submit(self, _: Any) -> str:
        self.asked.append("submit")
        return "arn"

    def start(self, _: Any) -> None:
        self.asked.append("start")

    def describe(self, _: str) -> dict[str, Any]:
        answer = {"TrainingJobArn": self.arn, "TrainingJobStatus": self.status, **REQUEST}
        return {name: each for name, each in answer.items() if name != "Tags"} | self.described

    def rows(self) -> list[dict[str, str]]:
        return [{"TrainingJobName": name} for name in self.listed]

    def execution(self, _: str) -> dict[str, str] | None:
        assert "start" in self.asked
        return self.not_yet.pop(0) if self.not_yet else {"status": self.execution_status}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Wait for nothing."""
    monkeypatch.setattr(job_proof, "MOST_SECONDS", 0.0)
    monkeypatch.setattr(job_proof, "read", lambda *_: None)
    return iter(())


def checks(jobs: Jobs) -> list[Check]:
    cloud: Any = jobs
    recipe = rehearsal_recipe(DEV)
    assert recipe is not None
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(job_proof, "Jobs", lambda *_: jobs)
        patched.setattr(job_proof, "prepare", jobs.prepare)
        return list(training_jobs(recipe, Evidence(DEV, Deployment(cloud, ()), cloud)))


ROLE, RETRY = "RoleArn of the job", "RetryStrategy of the job"
SUBJECTS = [
    *("problems of the request", "checks that were left out", "ARN of the job"),
    *("TrainingJobName of the job", ROLE, RETRY, "the job among those of the environment"),
    *("what refuses a second job of the same run", "how the job ended"),
    *("problems of the second request", "how the unattended run ended"),
    # Step Functions passes on what it knows.
    *("TrainingJobName of the job", ROLE),
]


def test_what_is_as_it_was_requested_is_good():
    """Both ways, and the image that stood in is taken away again."""
    jobs = Jobs()
    found = checks(jobs)

    assert [check.subject for check in found] == SUBJECTS
    assert [str(check) for check in found if not check.ok] == []
    assert jobs.asked == ["put_image", "submit", "start", "batch_delete_image"]


@pytest.mark.parametrize(
    ("jobs", "wrong"),
    [
        (Jobs(problems={"direct": ["nodes"]}), ["problems of the request"]),
        (Jobs(problems={"unattended": ["nodes"]}), ["problems of the second request"]),
        (Jobs(unknown=("quota",)), ["checks that were left out"]),
        (Jobs(arn="another"), ["ARN of the job"]),
        (Jobs(described={"RoleArn": "another"}), [ROLE, ROLE]),
        (Jobs(described={"RetryStrategy": None}), [RETRY]),
        (Jobs(listed=()), ["the job among those of the environment"]),
        (Jobs(again=()), ["what refuses a second job of the same run"]),
        (Jobs(again=("--run", "nodes")), ["what refuses a second job of the same run"]),
        (Jobs(status="Failed"), ["how the job ended"]),
        (Jobs(status="InProgress"), ["how the job ended"]),
        (Jobs(execution_status="FAILED"), ["how the unattended run ended"]),
        (Jobs(execution_status="RUNNING"), ["how the unattended run ended"]),
    ],
)
def test_one_answer_that_is_another_is_a_check_that_is_false(jobs: Jobs, wrong: list[str]):
    assert [check.subject for check in checks(jobs) if not check.ok] == wrong


def test_a_run_is_waited_for(monkeypatch: pytest.MonkeyPatch):
    """It is not there at once, and it runs for a while."""
    monkeypatch.setattr(job_proof, "MOST_SECONDS", 60.0)
    monkeypatch.setattr(job_proof, "SOON", 0.0)
    jobs = Jobs(not_yet=[None, {"status": "RUNNING"}])

    assert [str(check) for check in checks(jobs) if not check.ok] == []
    assert jobs.not_yet == []
