"""What a campaign does between its faults: accounts, rows, words and records."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from environments.ultracluster import ULTRACLUSTER
from tests.rehearse.test_campaign_verdicts import ROW, STACK
from tests.stacks.synthesized import existing
from ultracluster.aws import CloudError
from ultracluster.emulator.process import EmulatorError
from ultracluster.exit_status import ALL_WELL, UsageError
from ultracluster.prove.deployment import StackTemplate
from ultracluster.rehearse.campaign import command, cycle
from ultracluster.rehearse.campaign.cycle import Row
from ultracluster.rehearse.campaign.page import markdown
from ultracluster.rehearse.cdk import CdkError
from ultracluster.untrusted_file import UnreadableError

EMPTY: dict[str, Any] = {"Resources": {}}
BEFORE = StackTemplate("ultracluster-Before", "Before", EMPTY, termination_protection=False)
ON_DEMAND = 21.957642
"""USD an hour of p4d.24xlarge on demand in us-east-1 (facts/ec2_on_demand_prices.json)."""


def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *done: Row) -> command.Campaign:
    """Return a campaign of one stack and one before it, without an assembly."""
    record = cycle.Record(tmp_path / "record.jsonl", "digest")
    for row in done:
        record.add(row)
    monkeypatch.setattr(command, "stack_templates", lambda *_: (BEFORE, STACK))
    return command.Campaign(ULTRACLUSTER, tmp_path, record)


def test_a_stack_that_cannot_be_deleted_gets_another_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It is in the way of all that follow. What the record has already is not told again."""
    places: list[Any] = []
    cycles: list[tuple[int, str, float]] = []
    there = iter((False, False, True, False))

    def place(_: Any) -> Any:
        made: list[str] = []
        found = SimpleNamespace(
            stacks=(BEFORE, STACK),
            create=lambda stack: made.append(stack.name),
            exists=lambda _: next(there),
            made=made,
        )
        places.append(found)
        return nullcontext(found)

    def tried(at: Any, stack: StackTemplate, name: str, usd: float) -> Any:
        cycles.append((places.index(at), name, usd))
        rows = [replace(ROW, logical_id=name, operation=each) for each in cycle.OPERATIONS]
        assert stack is STACK
        return SimpleNamespace(run=lambda: iter(rows))

    monkeypatch.setattr(command.Campaign, "_place", place)
    monkeypatch.setattr(command, "Cycle", tried)
    ours = campaign(tmp_path, monkeypatch, replace(ROW, logical_id="One"))
    found = list(ours._cycles(STACK, ["One", "Two", "Files"]))

    assert cycles == [(0, "One", ON_DEMAND), (0, "Two", ON_DEMAND), (1, "Files", ON_DEMAND)]
    assert [each.made for each in places] == [["ultracluster-Before"]] * 2
    assert len(found) == 8
    assert ("One", "create") not in {(row.logical_id, row.operation) for row in found}


def test_a_fault_between_calls_has_an_account_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(command.Campaign, "_place", lambda _: nullcontext("a place"))
    tried = SimpleNamespace(run=lambda name: replace(ROW, logical_id=name))
    monkeypatch.setattr(command, "Between", lambda place: tried if place == "a place" else None)

    (row,) = campaign(tmp_path, monkeypatch)._try_between("throttled")
    assert row.logical_id == "throttled"


def test_an_account_that_does_not_answer_ends_the_campaign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """What is begun is told, and nothing more is begun."""
    ours = campaign(tmp_path, monkeypatch)

    def rows(_: command.Campaign, name: str) -> Iterator[Row]:
        yield replace(ROW, logical_id=name)
        raise CloudError("ec2", "describe_vpcs", "Throttling", "slower")

    monkeypatch.setattr(command.Campaign, "_try_between", rows)
    heard: list[Row] = []
    with pytest.raises(CloudError, match="slower"):
        ours.run(1, heard.append)

    assert ours._stop.is_set()
    assert len(heard) == 1
    assert ours.record.rows == heard


@pytest.mark.parametrize(
    ("error", "status"), [(None, 1), (CdkError("no"), 2), (EmulatorError("did not start"), 2)]
)
def test_a_campaign_tells_what_it_tries_and_how_it_ended(
    error: Exception | None, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """One row with a problem is no success; an account that ends early could not run."""
    file, page = tmp_path / "record.jsonl", tmp_path / "new" / "folder" / "page.md"
    ours = campaign(tmp_path, monkeypatch, replace(ROW, problems=("left",)))
    stage = SimpleNamespace(stage=lambda: tmp_path / "assembly")
    monkeypatch.setattr(command, "Synthesis", lambda *_: nullcontext(stage))
    monkeypatch.setattr(command, "digest", lambda *_: "digest")
    jobs: list[int] = []

    def run(_: command.Campaign, count: int, heard: Callable[[Row], None]) -> None:
        jobs.append(count)
        heard(ROW)
        if error:
            raise error

    monkeypatch.setattr(command.Campaign, "run", run)
    out = io.StringIO()
    arguments: Any = SimpleNamespace(record=file, only=None, jobs=3, page=page, json=False)

    ended = command.run(arguments, ULTRACLUSTER, None, Console(file=out, width=200))

    first, heard, *rest = out.getvalue().splitlines()
    assert first == f"ultracluster: {ours.left} faults to try, 1 in {file}"
    assert heard == "✓ create Network/Vpc ROLLBACK_COMPLETE"
    assert (ended, jobs) == (status, [3])
    if error:
        words = "The campaign ended early, and goes on where it is started again"
        assert rest == [f"{words}: {error}"]
    else:
        assert page.read_text() == markdown("ultracluster", ours.record.rows)
        assert "# Campaign of faults: ultracluster" in rest


def test_a_campaign_in_a_vpc_of_yours_is_refused():
    """Each emulated AWS would have it by another id."""
    mine: Any = SimpleNamespace(name="mine", network=existing())
    nothing: Any = SimpleNamespace()
    with pytest.raises(UsageError, match=r"^mine is in a VPC of yours"):
        command.run(nothing, mine, None, Console(quiet=True))


def test_a_document_of_a_campaign_has_its_rows(capsys: pytest.CaptureFixture[str]):
    arguments: Any = SimpleNamespace(page=None, json=True)
    assert command._told(arguments, ULTRACLUSTER, [ROW], Console(quiet=True)) == ALL_WELL

    document = json.loads(capsys.readouterr().out)
    assert (document["environment"], document["emulated"]) == ("ultracluster", True)
    assert [row["logical_id"] for row in document["rows"]] == ["Vpc"]


def test_a_record_of_something_else_is_not_overwritten(tmp_path: Path):
    file = tmp_path / "notes.txt"
    file.write_text("my notes\n")
    with pytest.raises(
        UnreadableError, match="not a record of `rehearse --campaign`; name another file"
    ):
        cycle.Record(file, "digest")
    assert file.read_text() == "my notes\n"


@pytest.mark.parametrize(
    ("kind", "properties", "change"),
    [
        (
            "AWS::FSx::FileSystem",
            {"LustreConfiguration": {"DeploymentType": "SCRATCH_2"}},
            {
                "LustreConfiguration": {
                    "DeploymentType": "SCRATCH_2",
                    "WeeklyMaintenanceStartTime": "1:05:00",
                }
            },
        ),
        ("AWS::SNS::Subscription", {}, {"RawMessageDelivery": False}),
        ("AWS::Nobody::Knows", {"A": 1}, None),
    ],
)
def test_a_change_is_one_that_the_type_takes(
    kind: str, properties: dict[str, Any], change: dict[str, Any] | None
):
    given = {"Resources": {"It": {"Type": kind, "Properties": properties}}}
    found = cycle.changed(given, "It", "us-east-1")

    if change is None:
        assert found is None
    else:
        assert found is not None
        assert found[0]["Resources"]["It"]["Properties"] == {**properties, **change}
