"""The checks by boto3's own clients over HTTP, and the command as it is typed."""

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.config import Config
from moto.ec2.models import instance_types

from tests.preflight.emulated import PLENTY, ZONE, Prepared, grant, prepare, reserve, with_slurm
from tests.preflight.front import Front
from tests.preflight.jobs import WARM
from ultracluster.aws import Account
from ultracluster.cli import main
from ultracluster.preflight.finding import Verdict
from ultracluster.preflight.preflight import NAMES, Preflight, preflight
from ultracluster.spec.nodes import CapacityReservationSpec

READING = ("Describe", "Get", "List", "Head", "Simulate", "GET ", "HEAD ")
SMALL = "10.0.0.0/27"


def look(prepared: Prepared) -> Preflight:
    """Run every check as the deployer."""
    cloud = Account(prepared.spec.region, prepared.deployer)
    return preflight(prepared.spec, cloud, datetime.now(UTC))


@pytest.fixture(scope="module")
def ready(front: Front) -> Prepared:
    """An account that lacks nothing."""
    front.behave()
    return prepare(front, "111111111111")


def test_an_emulated_account_that_lacks_nothing_passes(aws: Front, ready: Prepared):
    """The answers of two emulated clouds are understood, and every call reads."""
    found = look(ready)

    assert [(c.name, f.subject) for c, f in found.having(Verdict.FAIL)] == []
    assert found.exit_status == 0
    assert (found.caller.account, found.region) == ("111111111111", "us-east-1")
    assert len(found.having(Verdict.PASS)) > 20
    assert {name for name in aws.calls if not name.startswith(READING)} == set()


def test_six_planted_faults_are_reported_and_nothing_else(
    aws: Front, monkeypatch: pytest.MonkeyPatch
):
    """Quota, offering, reservation, subnet, permission, throttling: all in one run."""
    prepared = prepare(aws, "222222222222", subnet=SMALL)
    owner, spec = prepared.owner, prepared.spec
    grant(owner, "sagemaker", "L-09B4A649", 1)
    sold = instance_types.INSTANCE_TYPE_OFFERINGS["availability-zone-id"]["us-east-1"]
    p4d_here = {"InstanceType": "p4d.24xlarge", "Location": ZONE}
    elsewhere = [row for row in sold if not p4d_here.items() <= row.items()]
    monkeypatch.setitem(
        instance_types.INSTANCE_TYPE_OFFERINGS["availability-zone-id"], "us-east-1", elsewhere
    )
    reservation = reserve(owner, "use1-az1")
    nodes = spec.nodes.model_copy(
        update={
            "capacity_reservation": CapacityReservationSpec(capacity_reservation_id=reservation)
        }
    )
    subnet = spec.network.training_subnets[0].subnet_id
    for _ in range(20):
        owner.ask("ec2", "create_network_interface", SubnetId=subnet)
    aws.behave()
    aws.refused.add("DescribeFileSystems")
    throttled = {"DescribeVpcAttribute": 2, "GetParameter": 1, "SimulatePrincipalPolicy": 1}
    aws.throttled.update(throttled)

    found = look(
        Prepared(
            spec.model_copy(update={"nodes": nodes}), owner, prepared.deployer, prepared.vpc_id
        )
    )

    failed = [(check.name, f.subject, f.found) for check, f in found.having(Verdict.FAIL)]
    assert failed == [
        (
            "quota-training-instances",
            "ml.p4d.24xlarge for training job usage",
            "limit 1, in use 0",
        ),
        (
            "zone-offering",
            f"p4d.24xlarge in {ZONE}",
            "offered in use1-az1, use1-az2, use1-az4 to this account",
        ),
        ("capacity-reservation", f"zone of {reservation}", "use1-az1"),
        ("subnet-addresses", "free addresses", f"7 free in {subnet}"),
    ]
    refused = {f.missing_action for _, f in found.having(Verdict.SKIP)} - {""}
    assert refused == {"fsx:DescribeFileSystems"}
    assert not any(f.unanswered for _, f in found.having(Verdict.SKIP))
    # What was throttled was asked again, and answered.
    assert +aws.throttled == {}
    passed = {check.name for check, _ in found.having(Verdict.PASS)}
    assert {"vpc-dns", "bootstrap-version", "image-exists", "deployer-permissions"} <= passed
    assert found.exit_status == 1


def test_slurm_and_the_quotas_of_recipes_are_asked_for_over_http(aws: Front):
    """An account that lacks nothing passes; a quota that holds none of what comes fails."""
    prepared = with_slurm(prepare(aws, "333333333333"))
    aws.behave()
    cloud = Account(prepared.spec.region, prepared.deployer)

    def looked() -> Preflight:
        return preflight(prepared.spec, cloud, datetime.now(UTC), recipes=[WARM])

    found = looked()
    assert [(c.name, f.subject, f.found) for c, f in found.having(Verdict.FAIL)] == []
    passed = {check.name for check, _ in found.having(Verdict.PASS)}
    # Neither emulated cloud publishes where PCS is, and a made-up list would test itself.
    assert "slurm-region" not in passed
    of_slurm = {name for name in NAMES if "slurm" in name or "login" in name} - {"slurm-region"}
    of_recipes = {"quota-training-warm-pools"}
    assert len(of_slurm) == 5
    assert (of_slurm | of_recipes) - passed == set()
    assert {name for name in aws.calls if not name.startswith(READING)} == set()

    grant(prepared.owner, "pcs", "L-00000002", 0)
    grant(prepared.owner, "sagemaker", "L-00000001", 1)
    cloud = Account(prepared.spec.region, prepared.deployer)
    assert [(c.name, f.found) for c, f in looked().having(Verdict.FAIL)] == [
        ("quota-training-warm-pools", "limit 1, in use 0"),
        ("quota-slurm-clusters", "limit 0, in use 0"),
    ]


@pytest.fixture
def as_deployer(monkeypatch: pytest.MonkeyPatch, ready: Prepared) -> None:
    """Let the process have the deployer's credentials, and nobody else's."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    for name, value in ready.deployer.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def environment_file(tmp_path: Path, ready: Prepared) -> str:
    """The environment as a user's own file."""
    names = ("budget", "environment", "lustre", "network", "nodes")
    imports = "\n".join(f"from ultracluster.spec.{name} import *" for name in names)
    path = tmp_path / "ours.py"
    path.write_text(f"{imports}\nOURS = {ready.spec!r}\n")
    return str(path)


def typed(*words: str) -> int:
    """Run the command as it is typed, and return its exit status."""
    return main(["preflight", *words])


@pytest.mark.usefixtures("as_deployer", "aws")
def test_the_command_says_where_it_looked_and_what_it_found(
    environment_file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A table for a reader, with the calls that show the same, and what the templates are."""
    # However busy the machine is.
    monkeypatch.setattr("ultracluster.preflight.command.SECONDS", 300.0)
    assert typed(environment_file) == 0

    shown = capsys.readouterr().out
    assert shown.startswith("ours in account 111111111111, us-east-1, as arn:aws:sts::")
    assert re.search(
        r"^ours: \d+ pass, 0 fail, \d+ skipped; nothing was changed\.$", shown, re.MULTILINE
    )
    assert "aws ec2 describe-route-tables --filters Name=vpc-id,Values=vpc-" in shown
    assert {name for name in NAMES if name not in shown} == set()
    assert "rules find no error in" in " ".join(shown.split())


@pytest.mark.usefixtures("as_deployer", "aws")
def test_a_failure_is_explained_below_the_table(
    environment_file: str, ready: Prepared, capsys: pytest.CaptureFixture[str]
):
    """The exit status is 1, and the increase to ask for is a call that can be copied."""
    demand, code = 2 * 5 + 2 * 5 + 3, "L-DF5E4CA3"
    answer = ready.owner.ask("ec2", "describe_network_interfaces")
    used = len(answer["NetworkInterfaces"])
    grant(ready.owner, "vpc", code, used + demand - 1)
    try:
        assert typed(environment_file, "--only", "quota-network-interfaces") == 1
    finally:
        grant(ready.owner, "vpc", code, PLENTY)

    lines = capsys.readouterr().out.splitlines()
    assert "FAIL quota-network-interfaces: Network interfaces per Region" in lines
    assert (
        "  fix by: aws service-quotas request-service-quota-increase --service-code vpc "
        f"--quota-code {code} --desired-value {used + demand} --region us-east-1"
    ) in lines
    assert lines[-1] == "ours: 0 pass, 1 fail, 0 skipped; nothing was changed."


@pytest.mark.usefixtures("as_deployer", "aws")
def test_json_holds_all_of_it(environment_file: str, capsys: pytest.CaptureFixture[str]):
    """A program reads verdicts, calls and where it was looked."""
    assert typed(environment_file, "--json", "--only", "zone-offering") == 0

    document = json.loads(capsys.readouterr().out)
    assert (document["account"], document["region"]) == ("111111111111", "us-east-1")
    assert document["summary"] == {"PASS": 1, "FAIL": 0, "SKIP": 0}
    (row,) = document["findings"]
    assert (row["check"], row["verdict"]) == ("zone-offering", "PASS")
    assert row["command"].startswith("aws ec2 describe-instance-type-offerings ")


@pytest.mark.usefixtures("as_deployer")
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "NoCredentialsError"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "EndpointConnectionError"),
        ({"AWS_PROFILE": "nobody", "AWS_ACCESS_KEY_ID": None}, "ProfileNotFound"),
    ],
)
def test_without_an_account_it_could_not_run(
    settings: dict[str, str | None],
    words: str,
    environment_file: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """Status 2 is neither a pass nor a fault of the account."""
    # Nobody answers however often one asks: the pauses between are left out.
    monkeypatch.setattr("ultracluster.aws.RETRIES", Config(retries={"total_max_attempts": 1}))
    for name, value in settings.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)

    assert typed(environment_file, "--json") == 2

    said = capsys.readouterr()
    assert words in said.err
    assert json.loads(said.out)["exit_status"] == 2


@pytest.mark.parametrize("name", ["nowhere", "nowhere.py"])
def test_without_an_environment_it_could_not_run(name: str, capsys: pytest.CaptureFixture[str]):
    """A misspelt name is not a fault of the account either."""
    assert typed(name) == 2

    assert capsys.readouterr().err.startswith(f"ERROR {name}: no such")


def test_a_check_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]):
    """`--only` names a check; whoever does not know the names is told."""
    assert typed("dev", "--only", "quota") == 2

    said = capsys.readouterr().err
    assert said.startswith("ERROR quota: no such check (did you mean quota-vcpus?); write one of ")
    assert all(name in said for name in NAMES)
