"""The whole road against an emulated SageMaker: what is asked for, and what is answered."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.train.conftest import Training
from tests.train.requests import changed
from ultracluster.aws import CloudError
from ultracluster.cli import main
from ultracluster.train.jobs import EXECUTION, TRAINING, NoSuchJobError
from ultracluster.train.submission import prepare


@pytest.fixture
def recipe_file(tmp_path: Path) -> str:
    """Return a file with the recipe."""
    path = tmp_path / "mine.py"
    path.write_text(
        "from environments.dev import DEV\n"
        "from ultracluster.rehearse.job_proof import rehearsal_recipe\n"
        "MINE = rehearsal_recipe(DEV).model_copy(update={'image': 'v1'})\n"
    )
    return str(path)


def prepared(training: Training, run: str) -> dict[str, Any]:
    """Return a request that can be sent."""
    found = prepare(training.recipe, training.jobs, datetime.now(UTC), run=run)
    assert [str(problem) for problem in found.problems] == []
    return found.request


def test_the_command_submits_follows_and_finds_a_job(
    training: Training, recipe_file: str, capsys: pytest.CaptureFixture[str]
):
    """Request and answer: DescribeTrainingJob gives back what was sent."""
    assert main(["train", "submit", "dev", recipe_file, "--run", "one", "--json"]) == 0
    sent = json.loads(capsys.readouterr().out)
    name = sent["name"]
    assert name.startswith("dev-one-")

    described = training.jobs.describe(name)
    for field, value in sent["request"].items():
        if field != "Tags":
            assert described[field] == value, field

    assert main(["train", "status", "dev", name]) == 0
    assert name in capsys.readouterr().out
    assert main(["train", "list", "dev"]) == 0
    assert name in capsys.readouterr().out
    assert main(["train", "stop", "dev", name]) == 0
    capsys.readouterr()
    assert main(["train", "status", "dev", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["TrainingJobStatus"] in ("Stopping", "Stopped")


def test_the_newest_job_is_none_of_an_environment_with_a_longer_name(training: Training):
    """`train stop dev` stopped the job of dev-two, which began later."""
    own = training.jobs.submit(prepared(training, "own")).rpartition("/")[2]
    other = changed(prepared(training, "x"), "TrainingJobName", "dev-two-x")
    training.jobs.submit(changed(other, "Tags.0.Value", "dev-two"))

    assert training.jobs.rows()[0]["TrainingJobName"] == "dev-two-x"
    assert training.jobs.newest() == own

    for name in ("dev-two-x", own):
        training.jobs.stop(name)


def test_a_dry_run_sends_nothing(
    training: Training, recipe_file: str, capsys: pytest.CaptureFixture[str]
):
    """What would be sent is printed, and can be checked again from a file."""
    before = len(training.jobs.rows())
    given = ["train", "submit", "dev", recipe_file, "--run", "dry", "--dry-run", "--json"]

    assert main(given) == 0

    document = json.loads(capsys.readouterr().out)
    assert document["problems"] == []
    assert len(training.jobs.rows()) == before
    file = Path(recipe_file).with_suffix(".json")
    file.write_text(json.dumps(document["request"]))
    assert main(["train", "check", str(file), "--environment", "dev"]) == 0


@pytest.mark.usefixtures("training")
def test_an_environment_needs_no_file_here(recipe_file: str, capsys: pytest.CaptureFixture[str]):
    """Name and Region are enough: all else is read from the account."""
    given = ["train", "submit", "dev", recipe_file, "--region", "us-east-1", "--dry-run", "--json"]

    assert main(given) == 0
    assert json.loads(capsys.readouterr().out)["problems"] == []


def test_what_cannot_run_here_is_told_at_once_and_not_sent(
    training: Training, capsys: pytest.CaptureFixture[str]
):
    """Sixteen nodes do not fit an environment of two."""
    before = len(training.jobs.rows())

    assert main(["train", "submit", "dev", "gpt-13b"]) == 1

    told = capsys.readouterr()
    assert "use 2 at a time" in told.err
    assert "nothing was sent" in told.out
    assert len(training.jobs.rows()) == before


@pytest.mark.usefixtures("training")
def test_a_tag_that_was_not_pushed_is_told_before_capacity_is_waited_for(
    recipe_file: str, capsys: pytest.CaptureFixture[str]
):
    """The most usual mistake of all."""
    assert main(["train", "submit", "dev", recipe_file, "--image", "v9"]) == 1
    assert "the repository has v1" in capsys.readouterr().err


@pytest.mark.usefixtures("training")
@pytest.mark.parametrize(
    ("run", "instead"),
    [("My Run!", "My-Run"), ("../up", "up"), ("a" * 44, "a" * 43), ("!", "run")],
)
def test_a_run_that_nothing_can_be_named_after_is_told_once(
    recipe_file: str, capsys: pytest.CaptureFixture[str], run: str, instead: str
):
    """Job, tag, folder and prefix are named after it, and each would say so in its own words."""
    assert main(["train", "submit", "dev", recipe_file, "--run", run]) == 1

    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("ERROR --run: got ")
    assert error.endswith(f'write "{instead}"')


def test_two_jobs_of_one_run_are_refused(training: Training):
    """They would write into the same checkpoints."""
    training.jobs.submit(prepared(training, "same"))

    again = prepare(training.recipe, training.jobs, datetime.now(UTC), run="same")
    assert [problem.field for problem in again.problems] == ["--run"]


@pytest.mark.usefixtures("training")
def test_waiting_shows_each_step_and_ends_with_the_job(
    recipe_file: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    """A pipe gets a line for each change."""
    monkeypatch.setattr("ultracluster.train.display.SECONDS_BETWEEN", 0)
    given = ["train", "submit", "dev", recipe_file, "--run", "wait", "--wait"]

    assert main(given) == 0

    shown = capsys.readouterr().out
    for part in ("Starting", "Downloading", "Training", "Uploading", "Completed"):
        assert part in shown


def test_ctrl_c_leaves_the_job_running_and_says_so(
    training: Training,
    recipe_file: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    """Only the display ends; how to find the job again is printed."""

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupt)
    given = ["train", "submit", "dev", recipe_file, "--run", "left", "--wait"]

    assert main(given) == 130

    (shown,) = capsys.readouterr().err.strip().splitlines()
    (name,) = {word for word in shown.split() if word.startswith("dev-left-")}
    assert f"{name} goes on" in shown
    assert f"ultracluster train stop dev {name}" in shown
    assert not TRAINING.is_over(training.jobs.describe(name))


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("RetryStrategy.MaximumRetryAttempts", 31, "30"),
        ("VpcConfig.Subnets", [f"subnet-{n:017x}" for n in range(17)], "16"),
        ("TrainingJobName", "no_underscore", "must match"),
        ("ResourceConfig.VolumeKmsKeyId", "key", "keeps its volume on local NVMe"),
        ("HyperParameters.settings", '{"parallel.partition_size": "7"}', "does not divide"),
        ("StoppingCondition.MaxRuntimeInSeconds", 29 * 86_400, "28 days"),
    ],
)
def test_the_emulated_sagemaker_refuses_by_the_same_rules(
    training: Training, path: str, value: object, words: str
):
    """Whoever sends a request past our check is refused as well."""
    wrong = changed(prepared(training, "refused"), path, value)

    with pytest.raises(CloudError, match=words):
        training.jobs.submit(wrong)


def finished(training: Training, name: str) -> dict[str, Any]:
    """Wait until an unattended run has ended."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        execution = training.jobs.execution(name) or {}
        if execution and EXECUTION.is_over(execution):
            return execution
        time.sleep(0.02)
    raise TimeoutError(name)


CAPACITY = "CapacityError: Unable to provision requested ML compute capacity."


UNKNOWN_TO_STEP_FUNCTIONS = {"RetryStrategy", "InfraCheckConfig"}
NO = "EnableInterContainerTrafficEncryption"


def test_an_unattended_run_sends_what_step_functions_takes(training: Training):
    """Step Functions ends an execution at once that has a member which it does not know."""
    request = prepared(training, "alone")
    training.jobs.start(request)

    execution = finished(training, request["TrainingJobName"])

    assert execution["status"] == "SUCCEEDED"
    described = training.jobs.describe(request["TrainingJobName"])
    assert set(request) > UNKNOWN_TO_STEP_FUNCTIONS
    assert UNKNOWN_TO_STEP_FUNCTIONS.isdisjoint(described)
    assert not request[NO]
    rest = set(request) - UNKNOWN_TO_STEP_FUNCTIONS - {"Tags", NO}
    assert {name: described[name] for name in rest} == {name: request[name] for name in rest}


def test_step_functions_refuses_members_that_it_does_not_know(training: Training):
    """What the emulated AWS took, an account refuses: no run would have begun."""
    request = prepared(training, "refused")
    name, stepfunctions = f"direct-{request['TrainingJobName']}"[:63], training.jobs.cloud
    machine = training.jobs.deployed["state-machine-arn"]
    described = stepfunctions.ask(
        "stepfunctions", "describe_state_machine", stateMachineArn=machine
    )
    task = {
        "StartAt": "Train",
        "States": {
            "Train": {
                "Type": "Task",
                "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync",
                "End": True,
            }
        },
    }
    made = stepfunctions.ask(
        "stepfunctions",
        "create_state_machine",
        name="direct",
        definition=json.dumps(task),
        roleArn=described["roleArn"],
    )["stateMachineArn"]
    arn = stepfunctions.ask(
        "stepfunctions",
        "start_execution",
        stateMachineArn=made,
        name=name,
        input=json.dumps(request),
    )["executionArn"]

    deadline = time.monotonic() + 30
    execution: dict[str, Any] = {"status": "RUNNING"}
    while not EXECUTION.is_over(execution) and time.monotonic() < deadline:
        execution = stepfunctions.ask("stepfunctions", "describe_execution", executionArn=arn)
    assert (execution["status"], execution["error"]) == ("FAILED", "States.Runtime")
    assert 'The field "RetryStrategy" is not supported by Step Functions' in execution["cause"]


def test_an_unattended_run_repeats_an_internal_error_as_often_as_the_recipe_says(
    training: Training,
):
    """SageMaker's own retry is not to be had by this road, so the workflow does it."""
    request = prepared(training, "internal")
    name = request["TrainingJobName"]
    request["RetryStrategy"] = {"MaximumRetryAttempts": 2}
    fault = {"type": "SageMaker::TrainingJob", "operation": "run", "message": "InternalServerError"}
    training.fail({**fault, "logical_id": f"^{name}", "times": 9})
    training.jobs.start(request)

    execution = finished(training, name)

    assert execution["status"] == "FAILED"
    assert training.jobs.describe(f"{name}-3")["TrainingJobStatus"] == "Failed"
    with pytest.raises(NoSuchJobError):
        training.jobs.describe(f"{name}-4")


def test_an_unattended_run_tries_again_while_there_is_no_capacity(training: Training):
    """A failed job keeps its name for ever, so that each attempt has another."""
    request = prepared(training, "again")
    name = request["TrainingJobName"]
    fault = {"type": "SageMaker::TrainingJob", "operation": "run", "message": CAPACITY, "times": 2}
    training.fail({**fault, "logical_id": f"^{name}"})
    training.jobs.start(request)

    execution = finished(training, name)

    assert execution["status"] == "SUCCEEDED"
    assert json.loads(execution["output"])["attempts"] == 3
    statuses = {
        each: training.jobs.describe(each)["TrainingJobStatus"]
        for each in (name, f"{name}-2", f"{name}-3")
    }
    assert statuses == {name: "Failed", f"{name}-2": "Failed", f"{name}-3": "Completed"}


def test_an_unattended_run_waits_for_the_accounts_limit(training: Training):
    """The API refuses while other jobs use the quota; the name is still free."""
    request = prepared(training, "limit")
    name = request["TrainingJobName"]
    training.fail(
        {"type": "SageMaker::TrainingJob", "logical_id": f"^{name}$", "message": "used", "times": 2}
    )
    training.jobs.start(request)

    assert finished(training, name)["status"] == "SUCCEEDED"
    assert training.jobs.describe(name)["TrainingJobStatus"] == "Completed"


def test_an_unattended_run_does_not_repeat_a_programs_own_failure(training: Training):
    """A program that fails would fail a hundred times, on 128 billed GPUs."""
    request = prepared(training, "broken")
    name = request["TrainingJobName"]
    reason = "AlgorithmError: the program ended with 2"
    training.fail(
        {
            "type": "SageMaker::TrainingJob",
            "operation": "run",
            "logical_id": f"^{name}",
            "message": reason,
            "times": 9,
        }
    )
    training.jobs.start(request)

    execution = finished(training, name)

    assert execution["status"] == "FAILED"
    assert reason in execution["cause"]
    assert [row for row in training.jobs.rows() if row["TrainingJobName"] == f"{name}-2"] == []


def test_an_unattended_run_is_found_before_its_job_is(
    training: Training, recipe_file: str, capsys: pytest.CaptureFixture[str]
):
    """While it waits for capacity there is no job of that name."""
    # Waits are a thousandth here: 99 attempts would be over in seconds if they took no time.
    full = {"type": "SageMaker::TrainingJob", "message": "used", "times": 10**6, "seconds": 0.5}
    training.fail(full)
    given = ["train", "submit", "dev", recipe_file, "--run", "early", "--unattended", "--json"]
    assert main(given) == 0
    name = json.loads(capsys.readouterr().out)["name"]

    assert main(["train", "status", "dev", name]) == 0
    assert "unattended: RUNNING" in capsys.readouterr().out
    assert main(["train", "stop", "dev", name]) == 0
    assert finished(training, name)["status"] == "ABORTED"
    capsys.readouterr()
    assert main(["train", "stop", "dev", name]) == 2
    assert "its unattended run has ended (ABORTED)" in capsys.readouterr().err


@pytest.mark.usefixtures("training")
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["status", "dev", "gone"], "no training job of that name"),
        (["submit", "dev", "gone"], "no such recipe"),
        (["submit", "gone", "gpt-1b"], "no such environment"),
        (["submit", "staging", "gpt-1b"], "npx cdk deploy 'staging/*'"),
        (["list", "gone", "--region", "us-east-1"], "has no parameters below"),
        (["check", "gone.json"], "No such file"),
        (["logs", "dev", "gone"], "no training job of that name"),
        (["logs", "dev", "--minutes", "-1"], "write more than 0"),
    ],
)
def test_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str], given: list[str], words: str):
    """What was given, and what to write instead; never a stack trace."""
    assert main(["train", *given]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ERROR ")
    assert words in line
