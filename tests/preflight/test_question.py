"""A question as an IAM action and as a call of the AWS CLI."""

import json
import shlex
from pathlib import Path

import botocore.session
import pytest
from botocore import xform_name

from tests.preflight.account import Answering, always
from tests.preflight.specs import GIVEN, MADE, NOW
from ultracluster.aws import Caller
from ultracluster.preflight import permissions
from ultracluster.preflight.finding import Situation
from ultracluster.preflight.inquiry import Inquiry, Question, option, question
from ultracluster.preflight.offerings import OLDEST_VERSION
from ultracluster.preflight.preflight import preflight
from ultracluster.synthesis import qualifier

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture(scope="module")
def asked() -> list[Question]:
    """Return one question of each operation that the checks use."""
    questions: dict[str, Question] = {}
    for spec in (GIVEN, MADE):
        cloud = Answering()
        job = {"TrainingJobName": "one"}
        cloud.change("sagemaker", "list_training_jobs", always(TrainingJobSummaries=[job]))
        preflight(spec, cloud, NOW)
        questions |= {call.action: call for call in cloud.calls}
    return list(questions.values())


def test_actions_are_those_of_the_service_models(asked: list[Question]):
    """What the caller is told to be allowed must exist: botocore knows names and prefixes."""
    session = botocore.session.Session()
    for each in asked:
        model = session.get_service_model(each.service)
        (name,) = [n for n in model.operation_names if xform_name(n) == each.operation]
        expected = f"{model.signing_name}:{name}"
        if each.operation == "get_bucket_encryption":
            expected = "s3:GetEncryptionConfiguration"
        assert each.action == expected
    assert len(asked) > 20


def test_options_are_those_of_the_cli(asked: list[Question]):
    """The AWS CLI derives them by botocore's own function."""
    for each in asked:
        for name in each.parameters:
            assert option(name) == xform_name(name, "-")


@pytest.mark.parametrize(
    ("given", "command"),
    [
        (
            question(
                "ec2",
                "describe_instance_type_offerings",
                LocationType="availability-zone-id",
                Filters=[{"Name": "instance-type", "Values": ["p4d.24xlarge", "p5.48xlarge"]}],
            ),
            (
                "aws ec2 describe-instance-type-offerings --location-type availability-zone-id "
                "--filters Name=instance-type,Values=p4d.24xlarge,p5.48xlarge --region us-east-1"
            ),
        ),
        (
            question("s3", "get_bucket_location", Bucket="b"),
            "aws s3api get-bucket-location --bucket b --region us-east-1",
        ),
        (
            question("ec2", "describe_vpcs", MaxResults=1000),
            "aws ec2 describe-vpcs --region us-east-1",
        ),
        (
            question(
                "iam",
                "simulate_principal_policy",
                PolicySourceArn="arn:x",
                ActionNames=["a:B", "c:D"],
                ResourceArns=["*"],
            ),
            (
                "aws iam simulate-principal-policy --policy-source-arn arn:x "
                "--action-names a:B c:D --resource-arns '*' --region us-east-1"
            ),
        ),
    ],
)
def test_a_question_is_a_call_of_the_cli(given: Question, command: str):
    """It can be copied into a shell."""
    assert given.command("us-east-1") == command
    assert shlex.split(command)


def test_the_bootstrap_version_is_what_the_templates_ask_for():
    """The rule in a template names every version that is too old."""
    template = json.loads((GOLDEN / "dev" / "Network.template.json").read_text())
    rule = json.dumps(template["Rules"]["CheckBootstrapVersion"])
    too_old = template["Rules"]["CheckBootstrapVersion"]["Assertions"][0]["Assert"]
    versions = too_old["Fn::Not"][0]["Fn::Contains"][0]

    assert max(map(int, versions)) + 1 == OLDEST_VERSION
    assert f"version {OLDEST_VERSION} required" in rule
    assert qualifier() in template["Parameters"]["BootstrapVersion"]["Default"]


@pytest.mark.parametrize("spec", [GIVEN, MADE], ids=["given", "made"])
def test_actions_to_deploy_are_operations_of_their_services(spec):
    """A misspelt action would be denied to everybody."""
    situation = Situation(spec, Inquiry(Answering()), Caller("1", "arn:aws:iam::1:user/me"), NOW)
    session = botocore.session.Session()
    for actions in permissions.needed(situation).values():
        for action in actions:
            service, name = action.split(":")
            # IAM and botocore have a name of their own for Step Functions.
            model = {"states": "stepfunctions"}.get(service, service)
            operations = session.get_service_model(model).operation_names
            assert name in operations or action == "iam:PassRole"
