"""One rank of a run that nobody could start here, held against arithmetic."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.training_cases import python
from training.prepare import BYTE_VOCABULARY, sample, write
from training.torchtitan.layout import MODELS


def rehearsed(folder: Path, *words: str, titan: bool = False) -> dict[str, Any]:
    """Return what a rank of 4,096 holds and sends."""
    command = ("-m", "training.launch", "rehearse", "--world", "4096", "--json")
    done = python(*command, *words, folder=folder, titan=titan, LOCAL_RANK="0")
    assert done.returncode == 0, done.stdout[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def calls(found: dict[str, Any]) -> dict[tuple[str, int], int]:
    """Return how often each collective is called in groups of each size."""
    counted: dict[tuple[str, int], int] = {}
    for call in found["collectives"]:
        key = (call["name"].strip("_"), call["ranks"])
        counted[key] = counted.get(key, 0) + call["calls"]
    return counted


def test_the_training_program_at_full_size_is_what_its_page_says(tmp_path):
    """32 groups of 128: counts of docs/training/README.md, and a 128th of every state."""
    layers, width, vocabulary, group, micro_steps = 2, 256, 4096, 128, 2
    shape = {"layers": layers, "width": width, "vocabulary": vocabulary, "sequence": 64}
    changes = {
        **{f"model.{name}": value for name, value in shape.items()},
        "parallel.partition_size": group,
        "data.global_batch": 4096 * micro_steps,
        "data.micro_batch": 1,
        "numerics.dtype": "bf16",
    }
    settings = [word for name, value in changes.items() for word in ("--set", f"{name}={value}")]
    found = rehearsed(tmp_path, "smoke", *settings)

    parameters = 12 * layers * width**2 + (vocabulary + 64) * width
    assert parameters * 2 / group <= found["weights"] < 1.1 * parameters * 2 / group
    assert parameters * 12 / group <= found["optimizer"] < 1.1 * parameters * 12 / group
    counted = calls(found)
    assert counted["allgather_base", group] == micro_steps * (2 * layers + 1)
    assert counted["reduce_scatter_base", group] == micro_steps * (layers + 1)
    assert counted["allreduce", 4096 // group] == layers + 1
    assert counted["allreduce", 4096] == 1


def test_torchtitan_at_full_size_exchanges_gradients_between_replicas_once(tmp_path):
    """Groups of eight, 512 replicas; of two micro-batches only the output layer crosses twice."""
    changes = ("parallel.partition_size=8", "data.global_batch=16384", "run.path=run")
    settings = [word for each in changes for word in ("--set", each)]
    found = rehearsed(tmp_path, "torchtitan", "llama3-smoke", *settings, titan=True)

    facts = MODELS["llama3"]["debugmodel"]
    parameters, output = facts["parameters"], facts["vocabulary"] * facts["width"]
    assert parameters * 4 / 8 <= found["weights"] < 1.02 * parameters * 4 / 8
    assert parameters * 8 / 8 <= found["optimizer"] < 1.02 * parameters * 8 / 8
    assert found["passes"] == found["of_passes"] == 2
    sent = [c for c in found["collectives"] if c["ranks"] == 512]
    reduced = [c for c in found["collectives"] if "reduce_scatter" in c["name"]]
    # Between replicas: each rank's part of the gradients, in fp32.
    assert sum(c["size"] * c["calls"] for c in sent) < 1.01 * (parameters + output) * 4 / 8
    assert sum(c["size"] * c["calls"] for c in reduced) >= 2 * parameters * 4
    assert found["peak"] >= found["weights"] + found["gradients"] + found["optimizer"]


def test_a_layout_that_cannot_be_is_refused_before_anything_is_built(tmp_path):
    done = python(
        *("-m", "training.launch", "rehearse", "--world", "4096", "smoke"),
        *("--set", "parallel.partition_size=48"),
        folder=tmp_path,
    )
    assert done.returncode == 2
    assert "parallel.partition_size" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_pipeline_learns_the_same_of_many_micro_batches_and_of_two(tmp_path):
    """Two stages receive 16 or two of them into places that are used in turn."""
    tokens, losses = tmp_path / "tokens", {}
    write(tokens, sample(), vocabulary=BYTE_VOCABULARY)
    for size in (1, 8):
        folder = tmp_path / str(size)
        changes = {
            "model.sequence": 16,
            "data.path": tokens,
            "data.global_batch": 16,
            "data.micro_batch": size,
            "parallel.partition_size": 1,
            "parallel.pipeline_parallel": 2,
            "run.steps": 2,
            "run.path": folder,
            "checkpoint.path": folder / "checkpoints",
            "checkpoint.every": 100,
        }
        sets = (word for name, value in changes.items() for word in ("--set", f"{name}={value}"))
        module = ("-m", "tests.training.ranks", "2", "training.torchtitan.__main__", "llama3-smoke")
        done = python(*module, *sets, folder=tmp_path, titan=True)
        assert "ends [0, 0]" in done.stdout, done.stdout[-3000:]
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        losses[size] = [line["loss"] for line in lines if line["event"] == "step"]

    assert len(losses[1]) == 2
    assert losses[8] == pytest.approx(losses[1], rel=1e-5)
