"""Who used the nodes, in dollars, and what nobody did."""

import json
import subprocess
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.repository import ENVIRONMENTS
from ultracluster.cli import main
from ultracluster.exit_status import UsageError
from ultracluster.problem import collecting
from ultracluster.tables import Rows
from ultracluster.train.slurm_jobs import LoginNode
from ultracluster.waste.command import parts
from ultracluster.waste.usage import QUESTION, Usage, node_price, usage

BY_NAME = {each.name: each for each in ENVIRONMENTS}
CLUSTER, STAGING = BY_NAME["ultracluster"], BY_NAME["staging"]
DAY = Decimal(24)
ROWS = """ada|research|train|COMPLETED|3|864000|0
ada|research|train|NODE_FAIL|1|360000|0
bob|teaching|train|CANCELLED|2|0|0
"""


def of_a_day(text: str = ROWS) -> Usage:
    return usage(CLUSTER, text, DAY)


def test_node_hours_become_gpu_hours_and_dollars():
    ada, bob = of_a_day().shares
    price = node_price(CLUSTER, CLUSTER.nodes)

    assert (ada.user, ada.jobs) == ("ada", 4)
    assert ada.node_hours == 340
    assert ada.gpu_hours == 340 * 8
    assert ada.usd == 340 * price
    assert ada.lost_usd == 100 * price
    assert bob.user == "bob"
    assert bob.usd == 0


def test_what_is_paid_for_and_nobody_used_is_told():
    """516 reserved nodes cost the same, used or not."""
    found = of_a_day()

    assert found.idle_gpu_hours == (CLUSTER.nodes.total * 24 - 340) * 8
    assert found.idle_usd == (CLUSTER.nodes.total * 24 - 340) * node_price(CLUSTER, CLUSTER.nodes)


def test_a_queue_without_gpus_costs_no_gpus():
    (share,) = usage(STAGING, "ada|research|prepare|COMPLETED|1|36000|0\n", DAY).shares

    assert share.node_hours == 10
    assert share.gpu_hours == 0


def test_accelerators_that_no_source_counts_are_not_divided_by():
    """Trn2u is in the catalogue without their number; its hours and dollars are known."""
    nodes = CLUSTER.nodes.model_copy(update={"instance_type": "trn2u.48xlarge"})
    with collecting():  # what else an environment of it lacks is not the subject
        spec = CLUSTER.model_copy(update={"nodes": nodes})
    found = replace(usage(spec, "ada|research|train|COMPLETED|1|36000|0\n", DAY), idle_usd=DAY)
    rows, idle, *_ = parts("mine", "1day", found)

    assert found.shares[0].node_hours == 10
    assert isinstance(rows, Rows)
    assert rows.rows[0][5] == "-"
    assert idle == "Nobody used nodes that are paid for: 24 USD."


@pytest.mark.parametrize(
    "text",
    [
        *("a|b|c\n", "a|b|c|FAILED|x|1|0\n", "a|b|c|FAILED|1|1.5|0\n", "sacct: not found\n"),
        *("a|b|c|FAILED|²|1|0\n", f"a|b|c|FAILED|1|{'9' * 5000}|0\n", f"a|b|c|X|1|1|{'9' * 19}\n"),
    ],
)
def test_an_answer_that_is_none_is_refused(text: str):
    with pytest.raises(UsageError, match="not a row of sacct"):
        of_a_day(text)


def answered(monkeypatch: pytest.MonkeyPatch, text: str) -> list[tuple[str, ...]]:
    asked: list[tuple[str, ...]] = []

    def run(_: LoginNode, *words: str) -> str:
        asked.append(words)
        return text

    monkeypatch.setattr(LoginNode, "run", run)
    return asked


def test_the_command_prints_numbers_for_a_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    asked = answered(monkeypatch, ROWS)

    assert main(["waste", "ultracluster", "--since", "2w", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["hours"] == 336
    assert document["shares"][0]["gpu_hours"] == 2720
    assert asked[0][1] == "2weeks"


def test_numbers_that_are_large_are_numbers_of_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    answered(monkeypatch, f"ada|research|train|FAILED|1|{'9' * 18}|{'9' * 18}\n")

    assert main(["waste", "ultracluster", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["shares"][0]["usd"] > 1e15


def test_the_command_prints_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    answered(monkeypatch, ROWS)

    assert main(["waste", "ultracluster", "--since", "1d"]) == 0
    out = capsys.readouterr().out
    assert "ada" in out
    assert "Nobody used 96,352 GPU hours" in out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["ultracluster", "--since", "soon"], "write a number and h, d or w"),
        (["dev"], "SlurmSpec(accounting_days=365)"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["waste", *words]) == 2
    assert says in capsys.readouterr().err


SACCT = """#!/bin/bash
rows=(
  'ada|lab|train|CANCELLED by 1001|60|2|billing=2,cpu=192,node=2'
  'ada|lab|train|CANCELLED|30|1|'
  'ada|lab|train|CANCELLED|0|512|'
  'd.ada|lab|train|COMPLETED|100|1|billing=8,cpu=8,gres/gpu:a100=4,gres/gpu=4,node=1'
)
# As it does: of a requeued job the last run alone, and 1024 nodes as 1K, unless it is told not to.
[[ $* != *\\ -D\\ * ]] || rows+=('ada|lab|train|REQUEUED|7200|2|')
[[ $* == *--noconvert* ]] && many=1024 || many=1K
printf '%s\\n' "${rows[@]}" "bob|lab|train|RUNNING|5000000|$many|"
"""


def test_jobs_are_summed_up_on_the_node(tmp_path: Path):
    """A month of jobs is more than Run Command returns."""
    sacct = tmp_path / "sacct"
    sacct.write_text(SACCT)
    sacct.chmod(0o755)
    command = ["/bin/bash", "-c", QUESTION, "ultracluster", "7days"]
    path = f"{tmp_path}:/usr/bin:/bin"

    done = subprocess.run(command, env={"PATH": path}, text=True, capture_output=True, check=True)
    assert sorted(done.stdout.splitlines()) == [
        "ada|lab|train|CANCELLED|3|150|0",
        "ada|lab|train|REQUEUED|1|14400|0",
        "bob|lab|train|RUNNING|1|5120000000|0",
        "d.ada|lab|train|COMPLETED|1|0|400",
    ]


def test_a_job_that_shares_a_node_is_charged_its_gpus():
    """Two jobs of four GPUs each were sixteen GPUs of a node that has eight."""
    day = 86400
    two = "".join(f"{who}|lab|train|RUNNING|1|0|{4 * day}\n" for who in ("ada", "bob"))
    found = of_a_day(two)

    assert [share.gpu_hours for share in found.shares] == [96, 96]
    assert found.idle_gpu_hours == (CLUSTER.nodes.total * 8 - 8) * 24


def test_a_run_that_was_requeued_bought_nothing():
    (share,) = of_a_day("ada|lab|train|REQUEUED|1|7200|0\n").shares

    assert share.lost_usd == share.usd == 2 * node_price(CLUSTER, CLUSTER.nodes)
