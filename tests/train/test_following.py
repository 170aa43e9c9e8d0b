"""What is shown of jobs: statuses, times, and the lines of all hosts."""

import json
from argparse import Namespace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.train.requests import DEPLOYED, VALUES, request
from ultracluster import service_model
from ultracluster.aws import CloudError
from ultracluster.cli import main
from ultracluster.train import actions
from ultracluster.train.deployed import NEEDED, Deployed, NotDeployedError, read, survey
from ultracluster.train.display import (
    SECONDS_BETWEEN,
    duration,
    followed,
    job_view,
    jobs_table,
    lines_of,
    recipes_table,
    until_over,
)
from ultracluster.train.jobs import Jobs, NoSuchJobError
from ultracluster.train.recipe_files import registered
from ultracluster.train.submission import base_name, is_of_run, job_name

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


class Answers:
    """A cloud that answers from lists: the last answer of an operation is repeated."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def ask(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Return the next answer."""
        del service
        self.asked.append((operation, parameters))
        found = self.answers[operation]
        answer = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(answer, CloudError):
            raise answer
        return dict(answer)


def event(host: str, second: int, text: str) -> dict[str, Any]:
    at = int((NOW + timedelta(seconds=second)).timestamp() * 1000)
    return {
        "eventId": f"{host}-{second}",
        "logStreamName": f"job/{host}-1764000000",
        "timestamp": at,
        "message": f"{text}\n",
    }


def job(status: str, secondary: str = "Training", **more: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": "job",
        "TrainingJobStatus": status,
        "SecondaryStatus": secondary,
        **more,
    }


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the seconds between looks, which nobody waits for."""
    found: list[float] = []
    monkeypatch.setattr("time.sleep", found.append)
    return found


@pytest.mark.usefixtures("pauses")
def test_lines_of_all_hosts_are_merged_and_printed_once():
    """Sixteen hosts write at the same time; a line that comes again is the same line."""
    early = [event("algo-2", 2, "b"), event("algo-1", 1, "a")]
    late = [*early, event("algo-1", 3, "c")]
    cloud = Answers(
        describe_training_job=[job("InProgress"), job("Completed")],
        filter_log_events=[{"events": early}, {"events": late}],
    )
    console = Console(width=100, record=True, file=StringIO())
    jobs = Jobs(cloud, DEPLOYED)
    printed = lines_of(jobs, "job", console, None)

    looks = jobs.run("job").looks
    followed(lambda: (next(looks)["TrainingJobStatus"], printed())[0] == "Completed", bool)

    lines = console.export_text().splitlines()
    assert [line.split()[1:] for line in lines] == [
        ["algo-1", "a"],
        ["algo-2", "b"],
        ["algo-1", "c"],
    ]
    (_, first), *_ = [asked for asked in cloud.asked if asked[0] == "filter_log_events"]
    assert first["logStreamNamePrefix"] == "job/"


def test_an_account_without_any_job_has_no_log():
    """The log group comes with the first job."""
    refusal = CloudError("logs", "filter_log_events", "ResourceNotFoundException", "no group")
    cloud = Answers(filter_log_events=[refusal])

    assert list(Jobs(cloud, DEPLOYED).lines("job")) == []


def shown(found: dict[str, Any]) -> str:
    """Return a job as a terminal shows it."""
    console = Console(width=120, record=True, file=StringIO())
    console.print(job_view(found, NOW))
    return console.export_text()


def test_a_job_is_shown_with_its_parts_metrics_and_reason():
    """Where it is, how long each part took, what it measured, and why it failed."""
    text = shown(
        job(
            "Failed",
            "Failed",
            SecondaryStatusTransitions=[
                {
                    "Status": "Starting",
                    "StartTime": NOW - timedelta(minutes=10),
                    "EndTime": NOW - timedelta(minutes=4),
                    "StatusMessage": "Preparing the instances for training",
                },
                {"Status": "Training", "StartTime": NOW - timedelta(minutes=4)},
            ],
            FinalMetricDataList=[{"MetricName": "train:loss", "Value": 2.5, "Timestamp": NOW}],
            FailureReason="AlgorithmError: ended with 2",
            WarmPoolStatus={"Status": "Available"},
        )
    )

    for words in (
        "Starting",
        "6 min",
        "Preparing the instances",
        "4 min",
        "train:loss 2.5",
        "AlgorithmError: ended with 2",
        "warm pool: Available",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h"), (2_419_200, "28 d")],
)
def test_times_are_said_as_people_say_them(seconds: int, words: str):
    """Two parts are as much as anybody reads."""
    assert duration(seconds) == words


def test_names_are_unique_and_leave_room_for_attempts():
    """63 characters hold environment, run, time and a number; a run knows its own jobs."""
    name = job_name("e" * 24, "r" * 24, NOW)

    assert len(f"{name}-99") <= 63
    assert is_of_run(f"{name}-2", "e" * 24, "r" * 24)
    assert is_of_run(job_name("dev", "gpt", NOW), "dev", "gpt")
    assert not is_of_run(job_name("dev", "gpt-1b", NOW), "dev", "gpt")
    assert base_name("dev", "gpt") == "dev-gpt"


def parameters(values: dict[str, str]) -> dict[str, Any]:
    return {
        "Parameters": [{"Name": f"/ultracluster/dev/{k}", "Value": v} for k, v in values.items()]
    }


def test_an_environment_of_older_stacks_is_told_to_be_deployed_again():
    """A parameter that came later is named."""
    old = {name: value for name, value in VALUES.items() if name != "data-key-arn"}

    with pytest.raises(NotDeployedError, match="lacks data-key-arn"):
        read(Answers(get_parameters_by_path=[parameters(old)]), "dev", "us-east-1")
    assert set(NEEDED) == set(VALUES)


def test_what_may_not_be_asked_is_left_out_and_said():
    """Somebody with the right to start jobs alone can still start them."""
    refusal = CloudError("ec2", "describe", "AccessDenied", "no")
    cloud = Answers(
        describe_subnets=[refusal], describe_file_systems=[refusal], list_images=[refusal]
    )

    place, unknown = survey(cloud, Deployed("dev", "us-east-1", VALUES))

    assert len(unknown) == 3
    assert place.image_tags is None
    assert place.subnets == {"subnet-0123456789abcdef0": None}
    assert place.file_systems["fs-0123456789abcdef0"].mount_name == "abcd1234"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not valid JSON"),
        ('{"TrainingJobName": "a", "TrainingJobName": "b"}', "written 2 times"),
        ("[" * 100_000, "nesting is too deep"),
    ],
)
def test_a_file_that_is_no_request_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
):
    """Whatever is in it, there is no stack trace."""
    path = tmp_path / "request.json"
    path.write_text(text)

    assert main(["train", "check", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_a_request_of_somebody_else_is_checked_without_an_account(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """No credentials, no network, a profile that is not there: the rules are here."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    service_model._input_shape.cache_clear()
    path = tmp_path / "request.json"
    wrong = request()
    wrong["RetryStrategy"]["MaximumRetryAttempts"] = 31
    path.write_text(json.dumps(wrong))

    assert main(["train", "check", str(path), "--json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert problem["field"] == "RetryStrategy.MaximumRetryAttempts"
    assert main(["train", "check", str(path), "--region", "eu-west-1"]) == 1
    assert "the job runs in eu-west-1" in capsys.readouterr().err


def test_recipes_are_listed(capsys: pytest.CaptureFixture[str]):
    """What each takes is seen before it is submitted."""
    assert main(["train", "recipes"]) == 0

    shown_recipes = capsys.readouterr().out
    # A GPU holds its part of one of the 64 stages of llama3-1t: 4.1 GB.
    for words in ("gpt-1b", "gpt-50b-mics", "128 of 512", "4.1 GB"):
        assert words in shown_recipes
    assert main(["train", "recipes", "--json"]) == 0
    assert {each["name"] for each in json.loads(capsys.readouterr().out)} >= {"gpt-13b"}


def test_a_job_is_looked_at_soon_and_then_less_often(pauses: list[float]):
    """What cannot start says so in seconds; a run of weeks is asked for four times a minute."""
    cloud = Answers(describe_training_job=[*[job("InProgress")] * 12, job("Completed")])

    until_over(Jobs(cloud, DEPLOYED).run("job"), Console(file=StringIO()), quiet=True)

    assert sum(pauses[:4]) < SECONDS_BETWEEN
    assert pauses[-1] == SECONDS_BETWEEN


@pytest.mark.usefixtures("pauses")
def test_a_terminal_shows_the_job_until_it_has_ended():
    """The display turns in place, and the end stays on the screen."""
    parts = [{"Status": "Training", "StartTime": NOW}]
    cloud = Answers(
        describe_training_job=[
            job("InProgress", SecondaryStatusTransitions=parts),
            job("Completed", "Completed", SecondaryStatusTransitions=parts),
        ]
    )
    screen = StringIO()
    console = Console(width=100, file=screen, force_terminal=True)

    ended = until_over(Jobs(cloud, DEPLOYED).run("job"), console, quiet=False)

    assert ended["TrainingJobStatus"] == "Completed"
    assert "Training" in screen.getvalue()
    assert "Completed" in screen.getvalue()


def test_a_terminal_is_told_why_an_unattended_run_failed(monkeypatch: pytest.MonkeyPatch):
    """Its job never began, so that nothing was shown in place."""
    none = CloudError(
        "sagemaker", "describe", "ValidationException", "Requested resource not found."
    )
    failed = {"name": "job", "status": "FAILED", "error": "NoCapacity", "cause": "none for a week"}
    cloud = Answers(describe_training_job=[none], describe_execution=[failed])
    monkeypatch.setattr(actions, "_those", lambda _: Jobs(cloud, DEPLOYED))
    console = Console(width=100, file=StringIO(), force_terminal=True)

    assert actions.status(Namespace(job="job", wait=True, json=False), console) == 1

    assert "cause: none for a week" in console.file.getvalue()  # type: ignore[attr-defined]


def test_an_ended_job_is_not_stopped_again():
    """What has ended is said, instead of SageMaker's refusal."""
    none = CloudError("stepfunctions", "describe_execution", "ExecutionDoesNotExist", "no")
    cloud = Answers(describe_training_job=[job("Failed")], describe_execution=[none])

    with pytest.raises(NoSuchJobError, match="has ended"):
        Jobs(cloud, DEPLOYED).stop("job")


def test_no_name_is_cut_in_a_narrow_terminal():
    """The name of a job is copied into the next command; a table of 80 columns had no room."""
    name = "staging-gpt-50b-mics-with-a-long-name-of-a-run-261124035933"
    job = {"TrainingJobName": name, "TrainingJobStatus": "InProgress", "CreationTime": NOW}
    file = StringIO()
    console = Console(file=file, width=80, force_terminal=True, color_system=None)
    console.print(jobs_table([job]))
    console.print(recipes_table(registered()))

    out = file.getvalue()
    assert name in out
    for each in registered():
        assert each.name in out
        assert f"{each.nodes} x {each.instance_type}" in out
    assert "…" not in out
