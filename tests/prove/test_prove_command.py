"""`ultracluster prove`: what is deployed, looked at by anybody who may read."""

import json

import pytest

from tests.prove.conftest import Proved
from ultracluster.cli import main
from ultracluster.prove.proofs import PROOFS


def test_what_is_as_it_was_asked_for_is_proved(proved: Proved, capsys: pytest.CaptureFixture[str]):
    """Every area is true, and it is said that this is no AWS."""
    assert main(["prove", "staging"]) == 0
    said = capsys.readouterr().out
    assert "Slurm" in said
    assert said.count("all true") == len(PROOFS)
    assert f"emulated: {proved.front.endpoint_url}" in said
    assert "Nothing was changed." in said


@pytest.mark.usefixtures("templates")
def test_what_is_not_as_it_was_asked_for_is_1(spoiled: Proved, capsys: pytest.CaptureFixture[str]):
    """A difference is named, and is in the document."""
    bucket = spoiled.deployed.deployment.id_at("Storage", "Data/Resource/Resource")
    spoiled.deployed.cloud.ask(
        "s3",
        "put_bucket_versioning",
        Bucket=bucket,
        VersioningConfiguration={"Status": "Suspended"},
    )

    assert main(["prove", "staging", "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["exit_status"] == 1
    bad = [each for each in document["checks"]["data bucket"] if not each["ok"]]
    assert [each["check"] for each in bad] == [
        "versioning of the data bucket should be Enabled, and is Suspended"
    ]


@pytest.mark.usefixtures("templates")
def test_what_may_not_be_asked_is_named_and_is_no_pass(
    proved: Proved, capsys: pytest.CaptureFixture[str]
):
    """Somebody who may not look has not seen that all is well."""
    proved.front.refused = {"GetQueue", "DescribeFileSystems"}

    assert main(["prove", "staging"]) == 2
    said = capsys.readouterr().out
    assert "every AWS::PCS::Queue: not shown; the caller may not pcs:GetQueue" in said
    assert "Lustre: this and what follows: not shown; the caller may not fsx:DescribeFile" in said
    assert "failed" not in said


@pytest.mark.usefixtures("templates")
def test_a_missing_stack_is_missing_resources(spoiled: Proved, capsys: pytest.CaptureFixture[str]):
    """Other stacks are still proved."""
    cluster = spoiled.deployed.stacks[-1].name
    spoiled.deployed.cloud.ask(
        "cloudformation",
        "update_termination_protection",
        StackName=cluster,
        EnableTerminationProtection=False,
    )
    spoiled.deployed.cloud.ask("cloudformation", "delete_stack", StackName=cluster)

    assert main(["prove", "staging", "--format", "json"]) == 1
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert "missing" in checks["every resource of every stack"][0]["check"]
    assert all(each["ok"] for each in checks["network"])
    assert not all(each["ok"] for each in checks["Slurm"])


@pytest.mark.usefixtures("templates")
def test_an_account_without_the_environment_is_one_line(capsys: pytest.CaptureFixture[str]):
    """Nothing is known of what is not deployed."""
    assert main(["prove", "staging"]) == 2
    assert capsys.readouterr().err == (
        "ERROR staging: account 999999999999 has none of its stacks in us-east-1; deploy it: "
        "npx cdk deploy 'staging/*'\n"
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("AWS_ACCESS_KEY_ID", None, "aws sso login"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", "EndpointConnectionError"),
    ],
)
@pytest.mark.usefixtures("templates", "one_attempt")
def test_no_account_is_one_line(
    name: str,
    value: str | None,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """No credentials, and nobody who answers."""
    monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)

    assert main(["prove", "staging"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert words in lines[0]
