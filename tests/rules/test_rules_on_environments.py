"""Our own environments: nothing is found in good ones, and every known fault in broken ones."""

import copy
import functools
import json
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.drawn import some
from tests.rules.cluster_templates import CLUSTER, STORAGE
from tests.rules.mutations import MUTATIONS, Mutation
from tests.rules.planted_values import PLANTED
from tests.rules.rule_cases import changed, said, verdict
from tests.rules.wrong_values import Stacks
from ultracluster.rules.engine import RULES, Verdict, judge
from ultracluster.templates.resolution import Template, resolved_group

GOLDEN: Final = Path(__file__).parents[2] / "golden"
ENVIRONMENTS: Final = ("dev", "staging", "ultracluster")
STACKS: Final = ("Network", "Storage", "Training", "Cluster")
REMARKS: Final = {"SAFETY-9", "OPERATE-3"}
"""Infos: an environment that names a parameter, and no image, asks for the newest; one that names
no address leaves it to a person to subscribe."""
DATA: Final = "Template.LaunchTemplateData"


@functools.cache
def golden(environment: str) -> Stacks:
    return {
        stack: json.loads((GOLDEN / environment / f"{stack}.template.json").read_text())
        for stack in STACKS
    }


def judged(stacks: Stacks, region: str) -> Verdict:
    templates = [Template(stack, body) for stack, body in stacks.items()]
    return judge(resolved_group(templates, {}, region))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_golden_environment_has_no_finding(environment: str):
    """What people review and copy must be right, and everything in it must be decidable."""
    verdict = judged(golden(environment), "us-east-1")

    assert said(verdict) <= REMARKS
    assert {RULES[name].severity for name in REMARKS} == {"info"}
    assert verdict.unknown == ()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
@some(4, same=True)
@given(data=st.data())
def test_a_known_fault_trips_the_rule_that_names_it(mutation: Mutation, data: st.DataObject):
    """One wrong value, whichever it is, in an environment that is right."""
    fitting = [name for name in ENVIRONMENTS if mutation.applies(golden(name))]
    broken = mutation.made(golden(data.draw(st.sampled_from(fitting))), data)

    names = mutation.rule if isinstance(mutation.rule, tuple) else (mutation.rule,)
    assert said(judged(broken, "us-east-1")).intersection(names)


@pytest.mark.parametrize("row", range(len(PLANTED)), ids=[row.name for row in PLANTED])
def test_a_single_wrong_value_is_named(row: int):
    """Each in one of the environments that have the value, in turn."""
    planted = PLANTED[row]
    fitting = [name for name in ENVIRONMENTS if planted.applies(golden(name))]
    broken = copy.deepcopy(golden(fitting[row % len(fitting)]))
    planted.plant(broken)

    assert said(judged(broken, "us-east-1")).intersection(planted.rules.split())


@pytest.mark.parametrize(
    ("base", "changes", "rule"),
    [
        (STORAGE, {"Lustre.LustreConfiguration.PerUnitStorageThroughput": 300}, "LUSTRE-1"),
        (STORAGE, {"Lustre.StorageCapacity": 1300}, "LUSTRE-1"),
        (CLUSTER, {f"{DATA}.NetworkInterfaces.2.InterfaceType": "efa_only"}, "FABRIC-3"),
        (CLUSTER, {f"{DATA}.NetworkInterfaces.0.AssociatePublicIpAddress": True}, "FABRIC-9"),
        (CLUSTER, {"Placement.GroupName": "training"}, "CAPACITY-2"),
    ],
)
def test_what_cfn_lint_passes_is_caught_by_name(base, changes, rule):
    """The five faults that cfn-lint 1.58 lets pass with exit 0; none can be excused."""
    findings = {f.rule: f for f in verdict(changed(base, changes)).findings}

    assert rule in findings
    assert RULES[rule].severity == "error"
    assert not RULES[rule].acknowledgeable
