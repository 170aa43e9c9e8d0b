"""How the checks are run: side by side, asking once, changing nothing, and never stopped by one."""

import time
from typing import Any

import pytest

from tests.preflight.account import Answering, always, error
from tests.preflight.specs import GIVEN, MADE, NOW, QUEUED
from ultracluster.aws import CloudError
from ultracluster.exit_status import CommandError
from ultracluster.preflight.finding import Verdict
from ultracluster.preflight.preflight import preflight
from ultracluster.spec.environment import EnvironmentSpec

READING = ("describe_", "get_", "list_", "head_", "simulate_")
MOST_ROUNDS = 30
PAGES_OF_SAGEMAKER = 15
JOBS = 40


@pytest.mark.parametrize("spec", [GIVEN, MADE, QUEUED], ids=["given", "made", "queued"])
def test_nothing_is_changed(spec: EnvironmentSpec):
    """Every operation reads, by its name."""
    cloud = Answering()
    preflight(spec, cloud, NOW)

    assert {c.operation for c in cloud.calls if not c.operation.startswith(READING)} == set()


@pytest.mark.parametrize("spec", [GIVEN, MADE, QUEUED], ids=["given", "made", "queued"])
def test_a_question_is_asked_once(spec: EnvironmentSpec):
    """Checks share answers, whichever of them comes first."""
    cloud = Answering(seconds=0.002)
    preflight(spec, cloud, NOW)

    keys = [call.key for call in cloud.calls]
    assert len(keys) == len(set(keys))


def test_calls_of_100_ms_stay_far_below_15_s():
    """Counted in rounds: calls that each wait for the one before, however many are side by side.

    The lists of SageMaker are long: its quotas come in pages, and every job is asked for.
    """
    cloud = Answering(seconds=0.1)
    quotas = cloud.answers["service-quotas", "list_service_quotas"]
    jobs = [{"TrainingJobName": f"job-{number}"} for number in range(JOBS)]
    cloud.change("sagemaker", "list_training_jobs", always(TrainingJobSummaries=jobs))

    def paged(given):
        if given["ServiceCode"] == "sagemaker":
            time.sleep(0.1 * (PAGES_OF_SAGEMAKER - 1))
        return quotas(given)

    cloud.change("service-quotas", "list_service_quotas", paged)
    begun = time.monotonic()
    preflight(GIVEN, cloud, NOW)
    took = time.monotonic() - begun

    rounds, end = 0, 0.0
    for start, finish in sorted(cloud.spans, key=lambda span: span[1]):
        if start >= end:
            rounds, end = rounds + 1, finish
    assert rounds <= MOST_ROUNDS
    assert len(cloud.calls) > 2 * rounds
    assert took < 15


def test_a_check_that_is_asked_for_runs_alone():
    """`--only` costs its own calls and the caller's identity."""
    cloud = Answering()
    found = preflight(GIVEN, cloud, NOW, only=["zone-offering"])

    assert [result.check.name for result in found.results] == ["zone-offering"]
    assert [call.operation for call in cloud.calls] == [
        "get_caller_identity",
        "describe_instance_type_offerings",
    ]


@pytest.mark.parametrize(
    "code",
    [
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "AuthorizationErrorException",
    ],
)
def test_a_missing_permission_is_a_soft_skip_that_names_the_action(code: str):
    """Each service has a word of its own for it."""
    cloud = Answering()
    cloud.change("fsx", "describe_file_systems", error(code))

    found = preflight(GIVEN, cloud, NOW)

    skipped = found.having(Verdict.SKIP)
    assert {f.missing_action for _, f in skipped} == {"fsx:DescribeFileSystems", ""}
    assert [c.name for c, f in skipped if f.missing_action] == [
        "quota-file-systems",
        "quota-file-system-capacity",
        "lustre-persistent-2",
    ]
    assert found.having(Verdict.FAIL) == []
    assert found.exit_status == 0


@pytest.mark.parametrize("code", ["Throttling", "EndpointConnectionError", "InternalFailure"])
def test_what_is_not_answered_is_no_pass(code: str):
    """A gate that let it through would be open whenever AWS is not."""
    cloud = Answering()
    cloud.change("fsx", "describe_file_systems", error(code))

    found = preflight(GIVEN, cloud, NOW)
    assert found.having(Verdict.FAIL) == []
    assert found.exit_status == 2
    # Something that fails for certain is told first.
    cloud.change("ssm", "get_parameter", error("ParameterNotFound"))
    assert preflight(GIVEN, cloud, NOW).exit_status == 1


def test_every_call_may_be_refused():
    """Whatever the caller may not ask, the rest is still looked at, and nothing fails for it."""
    for call in Answering().answers:
        if call == ("sts", "get_caller_identity"):
            continue
        cloud = Answering()
        cloud.change(*call, error("AccessDenied"))
        found = preflight(GIVEN, cloud, NOW)
        assert found.having(Verdict.FAIL) == [], call
        assert found.exit_status == 0, call


def test_without_an_identity_nothing_is_run():
    """There is no account to speak of."""
    cloud = Answering()
    cloud.change("sts", "get_caller_identity", error("NoCredentialsError", "Unable to locate"))

    with pytest.raises(CommandError, match=r"NoCredentialsError.*; sign in with"):
        preflight(GIVEN, cloud, NOW)


@pytest.mark.parametrize(
    ("arn", "words"),
    [
        ("arn:aws:iam::123456789012:root", "root user"),
        ("arn:aws:sts::123456789012:federated-user/me", "federated-user cannot be simulated"),
    ],
)
def test_a_caller_that_cannot_be_simulated_is_said_to_be_one(arn: str, words: str):
    """The simulator takes users and roles."""
    cloud = Answering()
    cloud.change("sts", "get_caller_identity", always(Account="123456789012", Arn=arn))

    (result,) = preflight(GIVEN, cloud, NOW, only=["deployer-permissions"]).results
    (found,) = result.findings
    assert found.verdict is Verdict.SKIP
    assert words in found.found


def test_a_user_is_simulated_as_such():
    """A role's session is traced back to its role, path included; a user needs nothing."""
    principals = []
    for arn in ("arn:aws:iam::123456789012:user/team/me", None):
        cloud = Answering()
        if arn:
            cloud.change("sts", "get_caller_identity", always(Account="123456789012", Arn=arn))
        simulator = cloud.answers["iam", "simulate_principal_policy"]

        def noted(given: Any, simulator: Any = simulator) -> Any:
            principals.append(given["PolicySourceArn"])
            return simulator(given)

        cloud.change("iam", "simulate_principal_policy", noted)
        preflight(GIVEN, cloud, NOW, only=["deployer-permissions"])

    assert set(principals) == {
        "arn:aws:iam::123456789012:user/team/me",
        "arn:aws:iam::123456789012:role/team/Deployer",
    }


def test_a_fault_of_our_own_is_not_hidden():
    """Only what AWS says is a finding; a mistake in a check is a mistake."""
    cloud = Answering()

    def broken(_):
        raise ZeroDivisionError

    cloud.change("fsx", "describe_file_systems", broken)
    with pytest.raises(ZeroDivisionError):
        preflight(GIVEN, cloud, NOW)


def test_an_error_of_aws_keeps_its_parts():
    """Code and message are told apart; the text is as it was."""
    fault = CloudError("ec2", "describe_vpcs", "UnauthorizedOperation", "You are not")

    assert fault.refused
    assert (fault.service, fault.operation, fault.message) == (
        "ec2",
        "describe_vpcs",
        "You are not",
    )
    assert str(fault) == "ec2 describe_vpcs: UnauthorizedOperation: You are not"
    assert not CloudError("ec2", "describe_vpcs", "RequestLimitExceeded", "").refused
