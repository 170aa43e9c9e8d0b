"""Metric definitions find the values in what the training program really prints."""

import math
import re
from pathlib import Path

import pytest
import torch

from training.mesh import Launch
from training.metrics import Metrics
from training.settings import ModelSettings, RunSettings
from ultracluster.train.submission import METRICS

MODEL = ModelSettings(layers=2, width=64, heads=4, vocabulary=320, sequence=64)


def printed(
    capsys: pytest.CaptureFixture[str], *, peak: float | None, loss: float, skipped: int = 0
) -> str:
    """Return a line that the program prints for a step."""
    metrics = Metrics(
        MODEL,
        Launch(world=16),
        torch.device("cpu"),
        RunSettings(steps=100, peak_tflops=peak or 0.0),
    )
    metrics.step(
        100,
        loss=loss,
        norm=12.3456,
        rate=1.2e-4,
        tokens=524_288,
        seconds=7.25,
        waited=0.1,
        skipped=skipped,
    )
    return capsys.readouterr().out


def found(line: str) -> dict[str, float]:
    """Return what SageMaker would read: the first group of the first match."""
    matches = {name: re.search(regex, line) for name, regex in METRICS.items()}
    return {name: float(match[1]) for name, match in matches.items() if match}


def test_every_value_of_a_step_is_found(capsys: pytest.CaptureFixture[str]):
    """A regular expression that matches nothing shows an empty graph for a month."""
    values = found(printed(capsys, peak=312.0, loss=2.7183))

    memory = values.pop("train:memory_gib")
    mfu = values.pop("train:mfu_percent")
    assert values == {
        "train:step": 100,
        "train:loss": 2.7183,
        "train:gradient_norm": 12.346,
        "train:learning_rate": 1.2e-4,
        "train:step_seconds": 7.25,
    }
    assert memory > 0
    assert mfu >= 0


def test_without_a_known_peak_there_is_no_mfu(capsys: pytest.CaptureFixture[str]):
    """The program prints none, and none is invented."""
    assert "train:mfu_percent" not in found(printed(capsys, peak=None, loss=2.0))


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_no_number_is_seen(capsys: pytest.CaptureFixture[str], loss: float):
    """A graph that goes quiet looks like a job that does; so does the number of lost steps."""
    line = printed(capsys, peak=312.0, loss=loss, skipped=7)
    values = found(line)
    assert str(values["train:loss"]) == str(loss)
    assert values["train:skipped"] == 7
    assert set(values) == set(METRICS) - {"validation:loss"}


def test_the_norm_of_a_lost_step_is_seen(capsys: pytest.CaptureFixture[str]):
    metrics = Metrics(MODEL, Launch(world=16), torch.device("cpu"), RunSettings(steps=100))
    lost = float("nan")
    metrics.step(3, loss=2.0, norm=lost, rate=1e-4, tokens=64, seconds=1.0, waited=0.0, skipped=1)
    assert math.isnan(found(capsys.readouterr().out)["train:gradient_norm"])


def test_held_out_loss_is_another_metric():
    """training/trainer.py prints it on a line of its own."""
    line = f"step {100:7d}  held-out loss {2.5:.4f}\n"

    assert found(line) == {"validation:loss": 2.5}


def test_the_trainer_prints_that_line():
    """The words above are the program's."""
    source = (Path(__file__).parents[2] / "training" / "trainer.py").read_text()

    assert 'f"step {self.step:7d}  held-out loss {value:.4f}"' in source
