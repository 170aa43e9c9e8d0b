"""torchtitan's run names a slow rank, a hang and a crash, and tells what alarms ask for."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.training.training_cases import python
from training import prepare
from ultracluster.catalogue.alarms import alarms

FROM = 7
"""Step from which on rank 1 is slow; rank 2 stops later."""


class Played(NamedTuple):
    """What one case left."""

    folder: Path
    output: str

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = (self.folder / "run" / "metrics.jsonl").read_text().splitlines()
        return [each for each in map(json.loads, lines) if each["event"] == name]

    def suspects(self) -> str:
        return (self.folder / "suspects").read_text()


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Played]:
    """Both cases, played by real processes after one import of torchtitan."""
    folder = tmp_path_factory.mktemp("titan")
    assert prepare.main(["--out", str(folder / "tokens"), "--sample"]) == 0
    words = (str(folder), str(folder / "tokens"))
    done = python("-m", "tests.training.torchtitan.slowed", *words, titan=True)
    assert done.returncode == 0, done.stdout
    return {case: Played(folder / case, done.stdout) for case in ("stops", "dies")}


def test_a_slow_rank_is_named_within_ten_steps(cases):
    (found,) = cases["stops"].events("straggler")
    assert (found["rank"], found["node"], found["cause"]) == (1, "n1", "clock")
    assert FROM <= found["step"] <= FROM + 10
    assert "STRAGGLER rank 1 on n1 computes" in cases["stops"].output


def test_a_hang_is_named_and_ends_the_run(cases):
    """By the rank that stopped, not by the one that was slow before it."""
    assert "stops: ends [76, 76]" in cases["stops"].output
    (failed,) = cases["stops"].events("failed")
    assert (failed["rank"], failed["node"]) == (2, "n2")
    assert cases["stops"].suspects() == "n2\n"


def test_a_crash_is_told_once_with_the_rank_that_failed_first(cases):
    assert "dies: ends [1, 1, 1]" in cases["dies"].output
    (failed,) = cases["dies"].events("failed")
    assert (failed["rank"], failed["node"]) == (1, "n1")
    assert "uncorrectable ECC" in failed["error"]
    assert cases["dies"].output.count("FAILED rank 1 on n1 failed first") == 1
    assert cases["dies"].output.count("Traceback") == 1
    assert cases["dies"].suspects() == "n1\n"  # an ECC error is the node's, not the program's


def test_it_tells_what_alarms_on_jobs_ask_for(cases):
    """Names that nobody writes would leave the alarms silent for ever."""
    asked = {
        name
        for alarm in alarms().values()
        for name in re.findall(r"ultracluster_(?:job|rank)_\w+", alarm.query)
    }
    written = "".join(file.read_text() for file in (cases["stops"].folder / "heart").glob("*.prom"))
    # A processor has no peak, and this run had no plan.
    unknown = {"ultracluster_job_mfu_ratio", "ultracluster_job_planned_mfu_ratio"}
    assert asked - unknown <= set(re.findall(r"^ultracluster_\w+", written, re.MULTILINE))
    assert written.count("ultracluster_rank_due_seconds") == 3
