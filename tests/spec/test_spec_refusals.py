"""What cannot work is refused: each single fault, in one line, with what to write instead."""

import ast
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.spec import network_faults, node_faults, slurm_faults, storage_faults, user_faults
from tests.spec.faults import Fault
from tests.spec.samples import P4D, changed, found
from ultracluster.problem import Problem
from ultracluster.spec.environment import EnvironmentSpec

FAULTS = [
    *node_faults.FAULTS,
    *network_faults.FAULTS,
    *storage_faults.FAULTS,
    *slurm_faults.FAULTS,
    *user_faults.FAULTS,
]
each_fault = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)


def problems_of(base: EnvironmentSpec, changes: Mapping[str, object]) -> list[Problem]:
    """Return what is wrong with an environment once it is changed."""
    return found(lambda: changed(base, changes))


@each_fault
def test_a_single_fault_is_one_problem_that_names_field_and_value(fault: Fault):
    """A user with one thing to change is told one thing, in the place where it is written."""
    problems = problems_of(fault.base, fault.changes)

    assert [(p.field, p.got) for p in problems] == [(fault.field, fault.got)]


@each_fault
def test_a_problem_is_one_line_that_says_what_to_write(fault: Fault):
    """The line is all that a terminal shows: it has the field and the words of the answer."""
    (problem,) = problems_of(fault.base, fault.changes)

    line = str(problem)
    assert line.startswith(f"{fault.field}: got ")
    assert fault.says in problem.fix
    assert "\n" not in line


@each_fault
def test_following_the_message_makes_the_environment_valid(fault: Fault):
    """A fix that is refused in its turn would send a user in circles."""
    assert problems_of(fault.base, {**fault.changes, **fault.cure}) == []


def suggested(problem: Problem) -> Iterator[tuple[str, object]]:
    """Yield each field with the value that a message tells a user to write, where it is plain."""
    _, _, words = problem.fix.rpartition("write ")
    parent, _, own = problem.field.rpartition(".")
    for word in re.split(r", or | or |, ", words):
        name, _, text = word.rpartition("=")
        if not re.fullmatch(r'"[^"]*"|True|False|-?\d+|[A-Za-z_\d]+[./\-_]\S+|NONE|READ', text):
            return
        with suppress(SyntaxError, ValueError):
            text = ast.literal_eval(text)
        yield f"{parent}.{name or own}".lstrip("."), text


@each_fault
def test_a_value_that_a_message_suggests_is_taken(fault: Fault):
    """The value is copied from the terminal as it stands there."""
    (problem,) = problems_of(fault.base, fault.changes)

    for field, value in suggested(problem):
        left = problems_of(fault.base, {**fault.changes, field: value})
        assert problem.field not in [p.field for p in left], f"{problem.fix}: {value} is refused"


def test_most_messages_suggest_a_value():
    """Guards the test above: it would pass if no suggestion were ever read."""
    values = [
        value
        for fault in FAULTS
        for problem in problems_of(fault.base, fault.changes)
        for _, value in suggested(problem)
    ]
    assert {1200, 64, False, "dev", "p4d.24xlarge", "10.0.0.0/16", "SCRATCH_2"} <= set(values)
    assert len(values) > len(FAULTS) / 2


INDEPENDENT = (
    *("name in capitals", "zone name", "public subnet outside", "endpoint for S3"),
    *("half a node", "image by its name", "root volume too small", "three threads"),
    *("capacity between steps", "throughput of nobody", "metadata IOPS between steps"),
    *("window without a day", "a negative number of jobs", "nine data repositories"),
)


@given(st.sets(st.sampled_from(INDEPENDENT), min_size=2))
def test_faults_that_have_nothing_to_do_with_each_other_add_up(names: set[str]):
    """None hides another, and none calls forth a third: one run shows all there is to change."""
    faults = [fault for fault in FAULTS if fault.name in names]
    changes = {key: value for fault in faults for key, value in fault.changes.items()}
    problems = problems_of(P4D, changes)

    assert len(faults) == len(names)
    assert Counter(p.field for p in problems) == Counter(fault.field for fault in faults)


def test_the_samples_themselves_are_valid():
    """A fault stands alone only in an environment that has no other."""
    for fault in FAULTS:
        assert problems_of(fault.base, {}) == []


def test_fault_names_are_unique():
    """A failing test is found by its name."""
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names)
