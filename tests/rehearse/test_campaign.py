"""The campaign of faults: a sample of it, and each thing that it must not overlook."""

import io
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from environments.ultracluster import ULTRACLUSTER
from tests.made_before import copied
from ultracluster.cli import main
from ultracluster.prove.deployment import StackTemplate
from ultracluster.rehearse.campaign.account import Place
from ultracluster.rehearse.campaign.between import ENDPOINT, Between
from ultracluster.rehearse.campaign.command import Campaign, _hear, digest
from ultracluster.rehearse.campaign.cycle import (
    BETWEEN,
    KEPT,
    OPERATIONS,
    Cycle,
    Record,
    Row,
    changed,
)
from ultracluster.rehearse.campaign.page import markdown, summary
from ultracluster.rehearse.direct import delete
from ultracluster.rehearse.machine.faults import NAMES
from ultracluster.untrusted_file import UnreadableError

GOOD = Row("Network", "Vpc", "AWS::EC2::VPC", "create", "ROLLBACK_COMPLETE", "CREATE_COMPLETE", 1.0)


def endpoint(service: str) -> dict[str, Any]:
    name = {"Fn::Sub": f"com.amazonaws.${{AWS::Region}}.{service}"}
    properties = {"VpcId": {"Ref": "Vpc"}, "ServiceName": name, "VpcEndpointType": "Gateway"}
    return {"Type": ENDPOINT, "Properties": properties}


RESOURCES = {
    "Vpc": {
        "Type": "AWS::EC2::VPC",
        "DeletionPolicy": "RetainExceptOnCreate",
        "Properties": {"CidrBlock": "10.0.0.0/16"},
    },
    "Address": {"Type": "AWS::EC2::EIP", "Properties": {"Domain": "vpc"}},
    "ToS3": endpoint("s3"),
    "ToDynamo": endpoint("dynamodb"),
    "Table": {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": {"Ref": "Vpc"}}},
    # CDK writes it last, and nothing of it can fail.
    "CDKMetadata": {"Type": "AWS::CDK::Metadata", "Properties": {"Analytics": "v2"}},
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An assembly of one protected stack, a part of which is kept."""
    directory = tmp_path_factory.mktemp("small")
    stage = directory / "assembly-ultracluster"
    stage.mkdir()
    properties = {
        "templateFile": "Network.template.json",
        "stackName": "ultracluster-Network",
        "terminationProtection": True,
    }
    artifact = {"type": "aws:cloudformation:stack", "properties": properties}
    manifest = {"version": "48.0.0", "artifacts": {"ultracluster-Network": artifact}}
    (stage / "manifest.json").write_text(json.dumps(manifest))
    (stage / "Network.template.json").write_text(json.dumps({"Resources": RESOURCES}))
    return directory


@pytest.fixture(scope="module")
def place(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An emulated AWS, and that stack in it."""
    directory = tmp_path_factory.mktemp("place")
    with Place(ULTRACLUSTER, small, directory) as running:
        yield running
    assert not directory.exists()


def cycle(place: Place, kind: str) -> dict[str, Row]:
    """Let the first resource of a type fail three times."""
    stack = place.stacks[0]
    resources = stack.template["Resources"].items()
    name = next(name for name, each in resources if each["Type"] == kind)
    return {row.operation: row for row in Cycle(place, stack, name, 32.0).run()}


@pytest.mark.parametrize("kind", ["AWS::EC2::RouteTable", ENDPOINT])
def test_a_resource_fails_and_comes_back_three_times(place: Place, kind: str):
    """A sample of the table; `make campaign` has every resource."""
    rows = cycle(place, kind)

    assert [(row.operation, row.problems) for row in rows.values()] == [
        ("create", ()),
        ("update", ()),
        ("delete", ()),
    ]
    ends = {name: (row.ended, row.retried) for name, row in rows.items()}
    assert ends == {
        "create": ("ROLLBACK_COMPLETE", "CREATE_COMPLETE"),
        "update": ("UPDATE_ROLLBACK_COMPLETE", "UPDATE_COMPLETE"),
        "delete": ("DELETE_FAILED", "DELETE_COMPLETE"),
    }


def test_what_is_kept_is_no_leftover_and_fails_at_no_deletion(place: Place):
    """The VPC of kept data stays, with everything in it that stays on purpose."""
    rows = cycle(place, "AWS::EC2::VPC")

    assert {row.problems for row in rows.values()} == {()}
    assert (rows["delete"].ended, rows["delete"].note) == ("DELETE_COMPLETE", KEPT)


def test_what_was_not_there_before_is_left_but_for_what_belongs_to_what_is_kept(place: Place):
    before, ask = place.inventory(), place.cloud.ask
    vpc = ask("ec2", "create_vpc", CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    table = ask("ec2", "create_route_table", VpcId=vpc)["RouteTable"]["RouteTableId"]
    address = ask("ec2", "allocate_address", Domain="vpc")["AllocationId"]
    everything = place.left(before)
    beside = place.left(before, frozenset({("AWS::EC2::VPC", vpc)}))
    ask("ec2", "release_address", AllocationId=address)
    ask("ec2", "delete_route_table", RouteTableId=table)
    ask("ec2", "delete_vpc", VpcId=vpc)

    assert {f"AWS::EC2::VPC {vpc}", f"AWS::EC2::RouteTable {table}"} <= set(everything)
    assert [each.partition(" ")[0] for each in beside] == ["AWS::EC2::EIP"]
    assert place.left(before) == []


@pytest.mark.parametrize(
    ("name", "answer", "words"),
    [
        ("left", lambda *_: ["AWS::EC2::EIP 192.0.2.1"], "left after the rollback: AWS::EC2::EIP"),
        ("reason", lambda *_: False, "CloudFormation does not say why it failed"),
        ("unlock", lambda _: False, "TerminationProtection is enabled"),
        ("fail", lambda *_: None, "the fault never happened|CREATE_COMPLETE, not ROLLBACK"),
    ],
    ids=["leftover", "reason", "protection", "fault"],
)
def test_what_a_campaign_must_not_overlook(
    place: Place, monkeypatch: pytest.MonkeyPatch, name: str, answer: Callable[..., Any], words: str
):
    """A verdict that cannot be bad says nothing."""
    stack = place.stacks[0]
    resources = stack.template["Resources"].items()
    first = next(name for name, each in resources if each["Type"] == "AWS::EC2::EIP")
    before = place.inventory()
    lifted = place.unlock
    with monkeypatch.context() as patched:
        patched.setattr(Place, name, lambda _, *given: answer(*given))
        found = Cycle(place, stack, first, 32.0)._timed(
            "create", lambda: Cycle(place, stack, first, 32.0)._create(before)
        )
    place.fail()
    lifted(stack)
    delete(place.cloud, stack.name)

    assert any(word in str(found.problems) for word in words.split("|"))


@pytest.mark.parametrize(
    ("name", "ended", "retried", "way_out"),
    [
        ("a creation's rollback fails", "ROLLBACK_FAILED", "CREATE_COMPLETE", ""),
        (
            "an update's rollback fails",
            "UPDATE_ROLLBACK_FAILED",
            "UPDATE_COMPLETE",
            "continue-update-rollback",
        ),
    ],
)
def test_the_way_out_of_a_rollback_that_failed(
    place: Place, name: str, ended: str, retried: str, way_out: str
):
    """Two of the faults between calls, as the sample of them."""
    if place.exists(place.stacks[0]):
        place.unlock(place.stacks[0])
        delete(place.cloud, place.stacks[0].name)
    row = Between(place).run(name)

    assert (row.ended, row.retried) == (ended, retried)
    assert row.problems == ()
    assert way_out in row.note


def test_a_campaign_goes_on_where_it_was_killed(tmp_path: Path):
    """The last line may be half a line; rows of other templates are worth nothing."""
    file = tmp_path / "build" / "campaign" / "record.jsonl"
    record = Record(file, "one")
    record.add(GOOD)
    record.add(replace(GOOD, operation="update"))
    file.write_text(file.read_text()[:-20])

    again = Record(file, "one")
    assert again.done == {("Network", "Vpc", "create")}
    again.add(replace(GOOD, operation="delete"))
    assert len(Record(file, "one").rows) == 2
    assert Record(file, "other").rows == []
    file.write_text("notes of somebody\n")
    with pytest.raises(UnreadableError, match="not a record of `rehearse --campaign`"):
        Record(file, "one")
    assert file.read_text() == "notes of somebody\n"


def test_what_is_done_is_not_tried_again(small: Path, tmp_path: Path):
    """A resource is done when all three operations are, and a fault between calls by its name."""
    record = Record(tmp_path / "record.jsonl", digest(small, "ultracluster"))
    campaign = Campaign(ULTRACLUSTER, small, record, "Network/|killed")
    every = campaign.left
    first = next(iter(RESOURCES))
    assert every == 3 * (len(RESOURCES) - 1) + 1
    for operation in ("create", "update"):
        record.add(replace(GOOD, logical_id=first, operation=operation))
    assert campaign.left == every
    record.add(replace(GOOD, logical_id=first, operation="delete"))
    assert campaign.left == every - 3
    record.add(replace(GOOD, stack=BETWEEN, logical_id="the CLI is killed"))
    assert campaign.left == every - 4


def test_a_fault_that_cannot_be_tried_ends_the_campaign(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Otherwise it would look as if all had been tried."""

    def broken(_: Campaign, __: str) -> Iterator[Row]:
        raise RuntimeError("no emulator")

    monkeypatch.setattr(Campaign, "_try_between", broken)
    monkeypatch.setattr(Campaign, "_cycles", lambda *_: iter(()))
    campaign = Campaign(ULTRACLUSTER, small, Record(tmp_path / "record", "digest"))
    with pytest.raises(RuntimeError, match="no emulator"):
        campaign.run(2)


def test_other_templates_are_another_campaign(small: Path, tmp_path: Path):
    """Rows of templates that have changed since say nothing of these."""
    other = tmp_path / "other"
    shutil.copytree(small, other)
    assert digest(other, "ultracluster") == digest(small, "ultracluster")
    (template,) = other.rglob("*.template.json")
    template.write_text(template.read_text().replace("10.0.0.0", "10.1.0.0"))
    assert digest(other, "ultracluster") != digest(small, "ultracluster")


def test_every_fault_is_tried_and_told_of(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def three_of_each(_: Campaign, __: StackTemplate, names: list[str]) -> Iterator[Row]:
        for name, operation in product(names, OPERATIONS):
            yield replace(GOOD, logical_id=name, operation=operation)

    def one(_: Campaign, name: str) -> Iterator[Row]:
        yield replace(GOOD, stack=BETWEEN, logical_id=name)

    monkeypatch.setattr(Campaign, "_cycles", three_of_each)
    monkeypatch.setattr(Campaign, "_try_between", one)
    campaign = Campaign(ULTRACLUSTER, small, Record(tmp_path / "record", "digest"))
    every, heard = campaign.left, list[Row]()
    campaign.run(2, heard.append)

    assert every > len(OPERATIONS)
    assert len(heard) == len(set(heard)) == every
    assert (campaign.left, set(campaign.record.rows)) == (0, set(heard))


def _heard(row: Row) -> str:
    """Return the line that tells of a row when it is there."""
    file = io.StringIO()
    _hear(Console(file=file, width=200), row)
    return file.getvalue().strip()


def test_the_page_shows_what_is_wrong():
    """Minutes and money are summed, and each problem stands there by its resource."""
    paid = replace(GOOD, operation="delete", node_minutes=60.0, usd=32.77)
    wrong = replace(GOOD, logical_id="Other", problems=("left: a", "left: b"))
    killed = replace(GOOD, stack=BETWEEN, logical_id="the CLI is killed", ended="killed")

    kept = replace(GOOD, kind="AWS::KMS::Key", operation="delete", note=KEPT)
    other = replace(GOOD, kind="AWS::EC2::EIP", ended="CREATE_COMPLETE")

    page = markdown("dev", [GOOD, paid, wrong, killed, kept, other])

    # A row that does not begin its line is no row of a table.
    ended = "1 as it must; 1 ROLLBACK_COMPLETE, then CREATE_COMPLETE"
    assert f"\n| Network | AWS::EC2::VPC | 2 | {ended} | " in page
    assert "| 60.0 | 32.77 | 2 |\n" in page
    assert "\n* Network/Other (create): left: a; left: b\n" in page
    assert "\n| the CLI is killed | killed |" in page
    assert f"\n| Network | AWS::KMS::Key | 1 |  |  | {KEPT} | 1 |" in page
    assert "\n| Network | AWS::EC2::EIP | 1 | CREATE_COMPLETE, then CREATE_COMPLETE |" in page
    lines = page.splitlines()
    assert [line.split(" | ")[1] for line in lines if line.startswith("| ")] == [
        *("type", "---", "AWS::EC2::EIP", "AWS::EC2::VPC", "AWS::KMS::Key"),
        *("ended", "---", "killed"),
    ]
    assert len([line for line in lines if line.startswith("* ")]) == 1
    assert "ended otherwise than it must" in page
    assert "## What ended otherwise" not in markdown("dev", [GOOD])
    assert _heard(GOOD) == "✓ create Network/Vpc ROLLBACK_COMPLETE"
    assert _heard(wrong) == "✗ create Network/Other left: a; left: b"
    untried = replace(GOOD, ended="", note="no change of it alone is possible")
    assert _heard(untried) == "- create Network/Vpc no change of it alone is possible"
    assert summary([replace(paid, seconds=119.0), wrong, replace(GOOD, ended="")]) == (
        "2 faults, of which 1 ended otherwise than they must; 1 that no template can have; "
        "2.0 minutes, and 32.77 USD of reserved capacity"
    )


def template(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Resources": {"It": {"Type": kind, "Properties": properties}}}


@pytest.mark.parametrize(
    ("kind", "properties", "operation"),
    [
        ("AWS::EC2::VPC", {"CidrBlock": "10.0.0.0/16"}, "update"),
        ("AWS::SSM::Parameter", {"Tags": {"a": "b"}}, "update"),
        ("AWS::IAM::ManagedPolicy", {"PolicyDocument": {"Statement": []}}, "update"),
        ("Custom::Anything", {}, "update"),
        ("AWS::EC2::SubnetRouteTableAssociation", {"SubnetId": "s"}, None),
    ],
)
def test_a_change_reaches_one_resource(kind: str, properties: dict[str, object], operation: str):
    """A change that replaces a resource beside itself fails for another reason than the fault."""
    given = template(kind, **properties)
    before = json.dumps(given)

    found = changed(given, "It", "us-east-1")

    assert json.dumps(given) == before
    assert (found and found[1]) == operation
    if found:
        assert found[0] != given
        tags = found[0]["Resources"]["It"]["Properties"].get("Tags")
        assert tags is None or isinstance(tags, dict) == (kind == "AWS::SSM::Parameter")
        # All that a document of a policy may hold (IAM User Guide, JSON policy elements).
        document = found[0]["Resources"]["It"]["Properties"].get("PolicyDocument", {})
        assert set(document) <= {"Id", "Statement", "Version"}


def test_what_nothing_alone_changes_is_said_to_be_so(place: Place):
    cycle = Cycle(place, place.stacks[0], "CDKMetadata", 32.0)
    row = cycle._timed("update", cycle._update)

    assert (row.ended, row.note) == ("", "no change of it alone is possible")


def test_a_fault_that_a_template_cannot_have_is_not_tried(place: Place):
    """An environment without a file system of its own, or without endpoints, has fewer faults."""
    names = Between.names(ULTRACLUSTER, place.stacks)
    without = Between.names(ULTRACLUSTER, ())

    assert "stuck in progress" not in names
    assert "an update's rollback fails" in names
    assert not set(without) & {"stuck in progress", "the third of a kind"}
    assert "no capacity for a node" in names


@pytest.mark.parametrize("text", ["(", "*"])
def test_a_pattern_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], text: str):
    """Before anything is started."""
    assert main(["rehearse", "dev", "--campaign", "--only", text]) == 2
    assert "is no regular expression" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "called", "given"),
    [
        (["--campaign"], "campaign.command.run", {}),
        (["--nodes"], "machine.command.run", {"names": NAMES, "as_json": False}),
        (["--nodes", "--node-fault", "none"], "machine.command.run", {"names": ("none",)}),
        (["--nodes", "--accept", "--format", "json"], "machine.command.accept", {"as_json": True}),
    ],
)
def test_each_kind_of_rehearsal_is_one_command(
    words: list[str], called: str, given: dict[str, object], monkeypatch: pytest.MonkeyPatch
):
    """Its exit status is that of the command."""
    heard: list[tuple[str, dict[str, object]]] = []

    def answer(command: str, *_: object, **more: object) -> int:
        heard.append((command, more))
        return 7

    for each in ("campaign.command.run", "machine.command.run", "machine.command.accept"):
        monkeypatch.setattr(f"ultracluster.rehearse.{each}", partial(answer, each))

    assert main(["rehearse", "dev", *words]) == 7
    ((command, more),) = heard
    assert (command, {name: more[name] for name in given}) == (called, given)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--campaign", "--nodes"], "--nodes and --campaign exclude each other; write one of them"),
        (["--only", "x"], "--only: the option has no effect here; write --campaign as well"),
        (["--nodes", "--keep"], "--keep: the option has no effect here; leave out --nodes"),
        (
            ["--node-fault", "none"],
            "--node-fault: the option has no effect here; write --nodes as well",
        ),
        (["--campaign", "--jobs", "0"], "--jobs: got 0; write 1 to 256"),
        (["--campaign", "--jobs", "257"], "--jobs: got 257; write 1 to 256"),
    ],
)
def test_what_would_do_nothing_is_told_what_it_needs(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["rehearse", "dev", *words]) == 2
    assert capsys.readouterr().err == f"ERROR {says}\n"


@pytest.mark.parametrize("jobs", ["1", "256"])
def test_a_campaign_takes_1_to_256_jobs(jobs: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ultracluster.rehearse.campaign.command.run", lambda *_: 7)
    assert main(["rehearse", "dev", "--campaign", "--jobs", jobs]) == 7


@pytest.mark.parametrize(
    "words",
    [
        ["--campaign", "--faults", "f.json"],
        ["--campaign", "--nodes"],
        ["--campaign", "--keep"],
        ["--nodes", "--faults", "f.json"],
        ["--nodes", "--only", "x"],
        ["--nodes", "--accept", "--node-fault", "none"],
        ["--node-fault", "none"],
        ["--only", "Network"],
        ["--accept"],
    ],
)
def test_a_fault_that_nobody_would_plant_is_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
):
    """A rehearsal that leaves out an option without a word would look like a pass."""
    assert main(["rehearse", "dev", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ERROR --")


def test_a_pattern_that_no_fault_has_is_refused(
    assembly: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    """A campaign of no fault at all would be a pass."""
    monkeypatch.setattr("ultracluster.synthesis.synthesize_command", lambda _: copied(assembly))
    record = ["--record", str(tmp_path / "r.jsonl")]
    assert main(["rehearse", "dev", "--campaign", "--only", "Strage/", *record]) == 2
    assert "ERROR --only Strage/: no fault of dev has this" in capsys.readouterr().err


def test_a_file_of_no_fault_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Nothing would fail, and the rehearsal would say that all was well."""
    file = tmp_path / "faults.json"
    for text in ("", "[]"):
        file.write_text(text)
        assert main(["rehearse", "dev", "--faults", str(file)]) == 2
        assert "there is no fault in it" in capsys.readouterr().err
