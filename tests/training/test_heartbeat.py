"""What a rank tells its node, and that telling never ends a run."""

import os
import re
import time
from pathlib import Path

import pytest

from tests.training.alone import Run, met
from training.heartbeat import PLANNED, VARIABLE, Heartbeat
from ultracluster.catalogue.alarms import alarms
from ultracluster.dashboards.command import dashboards

PANELS = [panel.query for each in dashboards() for panel in each.panels]


def read(folder: Path) -> dict[str, float]:
    (file,) = folder.glob("*.prom")
    rows = (line.rsplit(" ", 1) for line in file.read_text().splitlines())
    return {name.partition("{")[0]: float(value) for name, value in rows}


def test_a_rank_announces_when_its_step_will_be_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A pause that was announced is no hang."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    heart = Heartbeat(3, 1)
    first = read(tmp_path)["ultracluster_rank_due_seconds"]
    heart.stepped(2.0)
    due = read(tmp_path)["ultracluster_rank_due_seconds"]

    assert first - time.time() > 600
    assert 30 < due - time.time() < 60
    assert next(tmp_path.glob("*.prom")).name == f"rank3.{os.getpid()}.prom"
    heart.close()
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_ends_by_its_loss_leaves_word_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It may end before its node's program has looked."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    heart = Heartbeat(0, 0)
    heart.tell(job_loss_finite=0.0)
    heart.close()

    # A process that takes long to end is no rank that is overdue.
    assert read(tmp_path) == {"ultracluster_job_loss_finite": 0.0}


def test_figures_of_the_job_are_written_with_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setenv(PLANNED, "0.42")
    Heartbeat(0, 0).tell(job_loss=2.5, job_mfu_ratio=None)

    found = read(tmp_path)
    assert found["ultracluster_job_planned_mfu_ratio"] == 0.42
    assert "ultracluster_job_mfu_ratio" not in found


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_where_nothing_can_be_written_a_run_goes_on(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / folder))

    Heartbeat(0, 0).stepped(1.0)


def test_a_full_disk_ends_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    heart = Heartbeat(0, 0)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    heart.stepped(1.0)


def test_the_program_tells_what_alarms_and_panels_ask_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Names that nobody writes would leave every alarm on jobs silent for ever."""
    node = tmp_path / "node"
    node.mkdir()
    monkeypatch.setenv(VARIABLE, str(node))
    monkeypatch.setattr(Heartbeat, "close", lambda _: None)
    monkeypatch.setenv(PLANNED, "0.4")
    asked = {
        name
        for text in (*(alarm.query for alarm in alarms().values()), *PANELS)
        for name in re.findall(r"ultracluster_(?:job|rank)_\w+", text)
    }
    with met():
        Run(tmp_path).trained()

    unknown = {"ultracluster_job_mfu_ratio"}  # the share of a peak that this machine does not have
    assert asked - unknown <= set(read(node))
