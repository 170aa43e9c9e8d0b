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
from tests.spec.samples import EXISTING, P4D, QUEUES, SLURM, TIERING, USERS, changed, found
from ultracluster.problem import Problem, SpecError
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.node_image import NodeImageSpec
from ultracluster.spec.slurm import HealthChecksSpec
from ultracluster.spec.users import HomeStorageSpec

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


NEURON = {"slurm.version": "26.05", "slurm.repairs": False, "nodes.instance_type": "trn1.32xlarge"}
SMALL_FIRST = {"network.training_subnet_cidrs": ("10.0.1.0/28", "10.0.2.0/24")}


@pytest.mark.parametrize(
    ("base", "changes", "line"),
    [
        (
            USERS,
            {"slurm.home_storage": HomeStorageSpec()},
            (
                'slurm.users.homes: got "/fsx/home"; home_storage is mounted at /home; write '
                'homes="/home", or home_storage=None'
            ),
        ),
        (
            QUEUES,
            {"slurm.node_groups[1].instance_type": "zz9.huge"},
            (
                'slurm.node_groups[1].instance_type: got "zz9.huge"; no such instance type is '
                "known; write c7i.8xlarge"
            ),
        ),
        (
            SLURM,
            {"slurm.login_instance_type": "u7inh-32tb.480xlarge"},
            (
                'slurm.login_instance_type: got "u7inh-32tb.480xlarge"; '
                "its node group has the same name, of at most 25 characters; write m6i.xlarge"
            ),
        ),
        (
            SLURM,
            {**NEURON, "slurm.health_checks": HealthChecksSpec(deep_profile="QUICK")},
            (
                'slurm.health_checks.deep_profile: got "QUICK"; the checks need NVIDIA GPUs, and '
                'no node has one; write "NONE"'
            ),
        ),
        (
            SLURM,
            SMALL_FIRST,
            (
                'network.training_subnet_cidrs[0]: got "11 addresses"; the first subnet holds file '
                "system, endpoints, Slurm's controller and login nodes, which need 17; put a /27 "
                "or larger first"
            ),
        ),
        (
            P4D,
            SMALL_FIRST,
            (
                'network.training_subnet_cidrs[0]: got "11 addresses"; the first subnet holds file '
                "system and endpoints, which need 15; put a /27 or larger first"
            ),
        ),
        (
            P4D,
            {"nodes.count": 400},
            (
                'network.training_subnet_cidrs: got "251 addresses"; 400 nodes + 20 SageMaker + 4 '
                "file system + 11 endpoints need 435; write one /23"
            ),
        ),
        (
            EXISTING,
            {"nodes.count": 4000},
            (
                'network.training_subnets: got "502 addresses"; 4,000 nodes + 20 SageMaker + 4 '
                "file system + 1 endpoints need 4,025; write one /20"
            ),
        ),
    ],
)
def test_a_line_holds_the_figures_that_decide(
    base: EnvironmentSpec, changes: dict[str, object], line: str
):
    """Whole: somebody counts by them."""
    assert line in [str(problem) for problem in problems_of(base, changes)]


def test_an_image_takes_twenty_components_with_ours():
    arn = "arn:aws:imagebuilder:us-east-1:123456789012:component/x{}/1.0.0"
    some = tuple(arn.format(number) for number in range(20))

    assert NodeImageSpec(components=some[:19]).components == some[:19]
    with pytest.raises(
        SpecError, match="an image recipe takes 20, with those of this project; write fewer"
    ):
        NodeImageSpec(components=some)


def test_nodes_without_gpus_have_no_diagnostics():
    """PCS refuses checks that are all off, and an action of one that is off."""
    deep = HealthChecksSpec(monitoring_mode="NONE", deep_profile="QUICK", deep_repair_action="AUTO")
    assert deep.request(gpus=False) == {}
    assert deep.request(gpus=True) == {
        "healthMonitoring": {"mode": "NONE"},
        "deepHealthChecks": {"onStart": {"profile": "QUICK", "repairAction": "AUTO"}},
    }
    assert TIERING.storage.throughput_gbps == 4.0
