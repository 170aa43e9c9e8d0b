"""Requests that nobody meant to write: what is checked never falls over what it checks."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.train.requests import changed, place, request
from ultracluster import service_model
from ultracluster.catalogue.training_request import parsed
from ultracluster.catalogue.training_rules import advice
from ultracluster.train.recipe_files import read, request_problems

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)


def paths(value: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in a document."""
    found = [before] if before else []
    entries: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        entries = list(value.items())
    elif isinstance(value, list):
        entries = list(enumerate(value))
    return found + [path for key, inner in entries for path in paths(inner, (*before, key))]


PATHS = paths(request())


@settings(max_examples=80)
@given(st.sampled_from(PATHS), VALUES)
def test_any_value_anywhere_is_judged_without_an_error(path: tuple[Any, ...], value: Any):
    """A program that falls over a request has not checked it."""
    wrong = json.loads(json.dumps(request()))
    target = wrong
    for part in path[:-1]:
        target = target[part]
    target[path[-1]] = value

    found = request_problems(wrong, place())
    assert all("\n" not in str(problem) for problem in found)
    list(advice(parsed(wrong)))


@settings(max_examples=40)
@given(VALUES)
@example([])
@example("{}")
@example({"HyperParameters": {"settings": "[" * 5000}})
@example({"ResourceConfig": {"InstanceGroups": [None, 1, {}]}})
def test_anything_at_all_is_judged_without_an_error(value: Any):
    """What is no request is told to be none."""
    assert request_problems(value, place())


@settings(max_examples=40)
@given(st.sampled_from(["nodes", "seconds", "attempts"]), st.integers(-(10**9), 10**9))
def test_a_number_is_refused_exactly_outside_of_its_range(which: str, value: int):
    """Neither an edge too many nor one too few."""
    path, smallest, largest = {
        "nodes": (("ResourceConfig", "InstanceCount"), 1, None),
        "seconds": (("ResourceConfig", "KeepAlivePeriodInSeconds"), 0, 21_600),
        "attempts": (("RetryStrategy", "MaximumRetryAttempts"), 1, 30),
    }[which]
    changed = request()
    changed["HyperParameters"] = {}
    changed[path[0]][path[1]] = value

    inside = value >= smallest and (largest is None or value <= largest)
    assert (request_problems(changed) == []) is inside


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("ResourceConfig.InstanceCount", 10**30),
        ("ResourceConfig.InstanceCount", 10**15),
        ("HyperParameters.settings", json.dumps({"parallel.partition_size": "9" * 5000})),
        ("HyperParameters.settings", json.dumps({"data.global_batch": str(10**17)})),
        ("HyperParameters.sagemaker_mpi_num_of_processes_per_host", "9" * 5000),
    ],
)
def test_numbers_without_sense_are_judged_at_once(path: str, value: object):
    """All that divides 10^30 is not looked for, and nobody waits."""
    began = time.monotonic()

    assert request_problems(changed(request(), path, value), place())
    assert time.monotonic() - began < 5


def test_a_number_of_thousands_of_digits_is_judged_as_it_is_written(tmp_path: Path):
    """Python's own JSON reader refuses it with words that nobody can do anything with."""
    (tmp_path / "request.json").write_text(f'{{"a": {"1" * 5000}}}')
    found = read(str(tmp_path / "request.json"))
    assert found == {"a": "1" * 5000}
    assert request_problems(found, place())


def test_every_pattern_of_the_model_is_understood():
    """A pattern of Java's that Python reads otherwise would refuse what is right."""
    shape = service_model._input_shape("sagemaker", "CreateTrainingJob")
    found: list[str] = []

    def walk(inner: Any) -> None:
        if pattern := inner.metadata.get("pattern"):
            found.append(service_model._compiled(pattern).pattern)
        for member in getattr(inner, "members", {}).values():
            walk(member)
        for name in ("member", "key", "value"):
            if hasattr(inner, name):
                walk(getattr(inner, name))

    walk(shape)
    assert len(found) > 50
    assert [pattern for pattern in found if "\\p{" in pattern] == []
