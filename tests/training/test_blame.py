"""A slow rank and a hang are named, with cause and node, by ranks that are real processes."""

import ast
import inspect
import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.repository import ROOT
from tests.training.slowed import CASES, FROM, USUAL
from tests.training.training_cases import python
from training.blame import Blame, Pace, saw
from training.failure import Witness
from training.hang import Guard
from training.heartbeat import Heartbeat


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Every case, played once."""
    folder = tmp_path_factory.mktemp("slowed")
    return folder, python("-m", "tests.training.slowed", str(folder)).stdout


def events(played: tuple[Path, str], case: str, name: str) -> list[dict[str, Any]]:
    file = played[0] / case.replace(" ", "-") / "run" / "metrics.jsonl"
    found = [json.loads(line) for line in file.read_text().splitlines()]
    return [each for each in found if each["event"] == name]


def suspects(played: tuple[Path, str], case: str) -> list[str]:
    file = played[0] / case.replace(" ", "-") / "suspects"
    return file.read_text().split() if file.exists() else []


@pytest.mark.parametrize(
    ("case", "cause", "says"),
    [("clock", "clock", "computes"), ("data", "data", "data"), ("network", "network", "card")],
)
def test_a_slow_rank_is_named_within_ten_steps(played, case, cause, says):
    """By rank and node, with what it costs, and whether it is its clock, data or network."""
    (found,) = events(played, case, "straggler")
    who = CASES[case][0]
    assert (found["rank"], found["node"], found["cause"]) == (who, f"n{who}", cause)
    # Nobody waits for data before the batches are used up that have been read ahead.
    assert found["step"] <= FROM + 10 + 6 * (case == "data")
    assert found["seconds"] > USUAL
    assert f"rank {who} on n{who} " in found["text"]
    assert says in found["text"]


def test_a_run_can_be_set_to_go_on_without_a_slow_rank(played):
    """It saves, ends as if it had been told to stop, and asks for the next start elsewhere."""
    assert "clock: ends [75, 75, 75]" in played[1]
    assert suspects(played, "clock") == ["n1"]
    assert suspects(played, "data") == []
    (stopped,) = events(played, "clock", "stopped")
    assert (played[0] / "clock" / "checkpoints" / f"step-{stopped['step']:08}").is_dir()


@pytest.mark.parametrize(
    ("case", "ends", "says"),
    [
        ("stopped", "[76, -9, 76]", "it does not answer"),
        ("first stopped", "[-9, 76, 76]", "it does not answer"),
        ("reads", "[76, 76, 76]", "called by next (data.py:"),
    ],
)
def test_a_hang_is_named_and_ends_the_run(played, case, ends, says):
    """With what the rank waits in; stopped ranks and the rank of the store do not answer."""
    who = CASES[case][0]
    assert f"{case}: ends {ends}" in played[1]
    assert played[1].count(f"HANGS rank {who} on n{who}: ") >= 1
    (failed,) = events(played, case, "failed")
    assert (failed["rank"], failed["node"]) == (who, f"n{who}")
    assert says in failed["error"]
    assert suspects(played, case) == [f"n{who}"]


def test_pauses_for_checkpoints_and_validations_are_nobodys_fault(played):
    assert "calm: ends [0, 0, 0]" in played[1]
    assert len(events(played, "calm", "validation")) == 3
    assert events(played, "calm", "straggler") == events(played, "calm", "hang") == []


def test_a_checkpoint_that_all_wait_for_is_no_hang(played):
    """The last one is waited for by every rank, for minutes where it is large."""
    assert "saves: ends [0, 0, 0]" in played[1]
    assert events(played, "saves", "hang") == []


def test_no_false_alarm_in_ten_thousand_undisturbed_steps():
    """With the noise of a few percent that GPUs have, and steps that are slow once."""
    chance, pace, alarms = random.Random(1), Pace(), 0  # noqa: S311 - noise, no secret
    for step in range(10_000):
        table = torch.tensor(
            [
                [math.exp(chance.gauss(0, 0.03)), abs(chance.gauss(0, 0.002)), 0, 0]
                for _ in range(16)
            ]
        )
        if step % 50 == 0:
            table[chance.randrange(16), step % 2] += 1.0  # one rank, once
        whole = table.sum(1).max() + 0.2 * math.exp(chance.gauss(0, 0.1))
        if step % 100 < 12:
            whole += 2.0  # a checkpoint that is being written slows the network
            table[3, 3] = 1.0
        table[:, 2] = whole - table[:, :2].sum(1)
        alarms += pace.saw(table) is not None
    assert alarms == 0


def test_ranks_that_share_layers_are_named_together():
    """Inside a layer they wait for each other: which of them is slow cannot be known."""
    pace = Pace(together=2)
    named = []
    for step in range(8):
        table = torch.tensor([[1.0, 0, 1, 0], [1.01, 0, 1, 0], [1.4, 0, 0.6, 0], [1.4, 0, 0.6, 0]])
        named.append(pace.saw(table * (1 + step * 1e-4)))
    (found,) = filter(None, named)
    assert (found.rank, found.together, found.cause) == (2, 2, "clock")
    assert "one of ranks 2 to 3 on n1 " in found.text("n1")


def test_the_calls_that_the_contract_shows_are_there():
    """Each with the arguments that it takes; the loop itself is torchtitan's, which runs."""
    page = (ROOT / "docs" / "training" / "contract.md").read_text()
    block = page.partition("```python\n")[2].partition("```")[0]
    made = {"Heartbeat": Heartbeat, "Witness": Witness, "Blame": Blame, "Guard": Guard}
    kinds = {name.lower(): kind for name, kind in made.items()} | {"heart": Heartbeat}
    found = set()
    for call in (node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)):
        names = {word.arg: None for word in call.keywords if word.arg}
        if isinstance(call.func, ast.Name) and call.func.id in made:
            inspect.signature(made[call.func.id]).bind(*call.args, **names)
        elif isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
            kind = kinds.get(call.func.value.id)
            if kind and call.func.attr != "watch":
                inspect.signature(getattr(kind, call.func.attr)).bind(None, *call.args, **names)
                found.add(call.func.attr)
    assert found == {"row", "passed", "stepped", "judge", "close"}


def test_a_stage_of_a_pipeline_is_compared_with_itself_alone():
    """The last stage has the loss and takes half as long again, which is nobody's fault."""
    paces, named = [Pace(), Pace()], []
    for step in range(16):
        slow = 1.9 if step >= 8 else 1.5
        table = torch.tensor([[1.0, 0, 1, 0]] * 3 + [[1.5, 0, 0.5, 0]] * 2 + [[slow, 0, 0.1, 0]])
        named.append(saw(paces, table * (1 + step * 1e-4)))
    assert not any(named[:8])
    (found,) = filter(None, named)
    assert (found.rank, found.cause) == (5, "clock")


@pytest.mark.parametrize("writes", [0.0, 1.0])
def test_a_checkpoint_may_have_the_network_for_as_long_as_it_takes(writes: float):
    """All steps are slow from the twentieth on; without a checkpoint that is told."""
    pace = Pace()
    found = [
        pace.saw(torch.tensor([[1 + n / 1e4, 0, 0.2 + (n > 20), writes * (n > 20)]] * 2))
        for n in range(40)
    ]
    named = [each for each in found if each]
    assert [each.cause for each in named] == ([] if writes else ["network"])
    if named:
        assert 20 < found.index(named[0]) <= 27
        assert named[0].times == pytest.approx(2.2 / 1.2, rel=0.01)
