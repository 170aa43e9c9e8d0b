"""What docs/planner-accuracy.md promises of runs that somebody really ran."""

import csv
import json
import statistics

import pytest

from benchmarks.planner import accuracy, anchors, fit
from benchmarks.planner.published import ROWS, Run, published
from ultracluster.planner import stack
from ultracluster.planner.plan import plan
from ultracluster.planner.uncertainty import uncertainty

RUNS = published()
ONE_NODE_BAR = 0.035
SEVERAL_NODES_BAR = 0.05
WORST_BAR = 0.20


def errors(runs: list[Run]) -> list[float]:
    """Return how far each prediction is off."""
    return [run.error(stack.find(run.stack)) for run in runs]


def held_out(name: str) -> list[Run]:
    """Return the runs on one node that nothing was fitted to."""
    return [run for run in RUNS if run.stack == name and run.one_node and not run.fitted]


@pytest.mark.parametrize("name", stack.names())
def test_runs_on_one_node_that_nothing_was_fitted_to_are_predicted(name: str):
    """A plan is worth as much as its prediction of what it has not seen."""
    found = errors(held_out(name))

    assert len(found) >= 3
    assert statistics.mean(map(abs, found)) <= ONE_NODE_BAR


@pytest.mark.parametrize("name", ["a100_40gb", "a100_80gb", "h100_80gb"])
def test_runs_on_several_nodes_are_predicted_without_any_fit(name: str):
    """The network part is physics: bytes, hops and a line rate."""
    found = errors([run for run in RUNS if run.stack == name and not run.one_node])

    assert found
    assert statistics.mean(map(abs, found)) <= SEVERAL_NODES_BAR
    assert max(map(abs, found)) <= WORST_BAR


def test_no_run_that_ran_is_called_impossible():
    """Somebody who is told that a model does not fit looks no further."""
    impossible = [run.key for run in RUNS if not run.predicted(stack.find(run.stack)).holding.fits]

    assert impossible == []
    assert [each.name for each in anchors.SHIPPED if not each.holding().fits] == []


def test_the_shapes_have_the_published_parameters():
    """A wrong shape would be fitted away, and found again in every other model."""
    with ROWS.open() as lines:
        rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))

    assert len(rows) == len(RUNS)
    for row, run in zip(rows, RUNS, strict=True):
        assert run.shape.parameters == int(row["parameters"]), run.key


def test_only_half_of_the_runs_on_one_node_may_be_fitted_to():
    """A split that somebody can move is none."""
    fitted = [run for run in RUNS if run.fitted]

    assert all(run.one_node for run in fitted)
    assert 0.4 < len(fitted) / sum(run.one_node for run in RUNS) < 0.65


def test_no_constant_can_be_turned_for_a_better_fit():
    """A constant that was turned by hand afterwards would be a row tuned by hand."""
    fitted = [run for run in RUNS if run.fitted]
    shipped = fit.pack({name: stack.find(name) for name in fit.STACKS})
    least = fit.loss(fitted, shipped)

    for index in range(len(shipped)):
        for factor in (0.97, 1.03):
            turned = [*shipped[:index], shipped[index] * factor, *shipped[index + 1 :]]
            assert fit.loss(fitted, turned) >= least * (1 - 1e-3), index


def test_bloomberggpt_gets_its_partition_group_and_its_step_is_in_the_range():
    """The best published run of MiCS on p4d: 128 GPUs to a group, 32.5 s a step."""
    found = plan(anchors.bloomberg_question())
    low, high = uncertainty(found).step_seconds

    assert found.outcome.step.layout.group == anchors.BLOOMBERG_PARTITION
    assert low <= anchors.BLOOMBERG_SECONDS <= high
    # A range that holds everything says nothing.
    assert high / low < 2


def test_tensor_parallel_runs_of_other_people_are_predicted():
    """Megatron's published runs without pipeline stages; another program, another network."""
    found = [anchor for anchor in anchors.anchors() if "Megatron" in anchor.run]

    assert len(found) == 4
    assert max(abs(anchor.error) for anchor in found) < 0.15


def test_a_llama_is_predicted_on_one_node_and_on_sixteen():
    """Another family of shapes: gated, grouped heads, untied, 8,192 tokens; another program."""
    found = [anchor for anchor in anchors.anchors() if "Llama" in anchor.run]

    assert len(found) == 2
    assert max(abs(anchor.error) for anchor in found) < 0.10


def test_the_page_tells_the_errors_that_the_model_has():
    """Whoever reads the page must see the shipped constants judged, not older ones."""
    page = accuracy.PAGE.read_text()

    assert "\n".join(accuracy.summary()) in page
    assert "\n".join(accuracy.rows()) in page
    assert "\n".join(accuracy.feasibility()) in page


def test_the_calibration_says_what_it_is_made_of():
    """A constant without its origin cannot be judged."""
    data = json.loads((accuracy.ROOT / "ultracluster" / "planner" / "calibration.json").read_text())

    assert "fit.py" in data["_source"]
    assert all(entry["basis"] for entry in data["stacks"].values())
