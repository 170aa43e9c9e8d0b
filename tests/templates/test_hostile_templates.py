"""Templates that are too deep, too large or go in circles: an answer, and in time."""

import time
from typing import Any

import pytest

from tests.rules.rule_cases import said, verdict
from tests.templates.resolving import value, variants
from ultracluster.templates.resolution import Template, resolve
from ultracluster.templates.resolved import Unknown


def nested(make, inner, levels):
    for _ in range(levels):
        inner = make(inner)
    return inner


@pytest.mark.parametrize("levels", [300, 20_000])
@pytest.mark.parametrize(
    "make",
    [
        lambda inner: {"Fn::Join": ["", [inner]]},
        lambda inner: [inner],
        lambda inner: {"a": inner},
        lambda inner: {"Fn::Sub": ["${X}", {"X": inner}]},
        lambda inner: {"Fn::If": ["C", inner, inner]},
        lambda inner: {"Fn::ForEach::L": ["X", ["a"], {"k${X}": inner}]},
        lambda inner: {"Fn::ToJsonString": [inner]},
        lambda inner: {"Fn::Equals": [inner, 1]},
    ],
)
def test_a_value_that_is_too_deep_is_unknown(make, levels):
    """Python's own depth is not a limit that a user can do anything about."""
    sections = {"Conditions": {"C": {"Fn::Equals": [1, 1]}}}
    assert value(nested(make, "x", levels), sections=sections) is not None


def test_depth_that_templates_have_is_resolved():
    """Fifty levels are more than any."""
    assert value(nested(lambda inner: {"Fn::Join": ["", [inner, "y"]]}, "x", 50)) == "x" + 50 * "y"


@pytest.mark.parametrize("levels", [50, 5_000])
def test_a_chain_of_conditions_ends(levels):
    """The last of many is still judged, or open."""
    conditions: Any = {f"C{i}": {"Fn::Not": [{"Condition": f"C{i + 1}"}]} for i in range(levels)}
    conditions[f"C{levels}"] = {"Fn::Equals": [1, 1]}
    body = {
        "Conditions": conditions,
        "Resources": {"R": {"Type": "T", "Condition": "C0"}},
    }
    assert len(variants(body)) == (1 if levels < 100 else 2)


def test_conditions_that_double_are_judged_once():
    """Sixty conditions that each use the one before twice have 2^60 paths."""
    conditions: Any = {"C0": {"Fn::Equals": [{"Ref": "P"}, "x"]}}
    for i in range(60):
        conditions[f"C{i + 1}"] = {"Fn::And": [{"Condition": f"C{i}"}, {"Condition": f"C{i}"}]}
    body = {
        "Parameters": {"P": {"Type": "String"}},
        "Conditions": conditions,
        "Resources": {"R": {"Type": "T", "Condition": "C60"}},
    }
    assert len(variants(body)) == 2


def test_text_that_doubles_is_cut():
    """Quotes within quotes double at every level."""
    found = value(nested(lambda inner: {"Fn::ToJsonString": [inner, inner]}, '"', 40))
    assert isinstance(found, Unknown)

    parts: dict[str, Any] = {"X": "x" * 10_000}
    for name in "ABC":
        parts = {name: {"Fn::Join": ["", [*parts.values()] * 10]}}
    assert value(parts["C"]).because == "it is a text of more than a megabyte"


def test_a_value_that_is_shared_does_not_grow_without_end():
    """YAML's anchors make a file of one kilobyte stand for a billion values."""
    bomb = nested(lambda inner: {"a": [inner] * 9}, "x", 30)
    started = time.perf_counter()
    value(bomb)
    # Generous: a machine that others use as well; without the limit it would never end.
    assert time.perf_counter() - started < 60


def test_parameters_of_the_wrong_kind_are_read():
    """A default that is a mapping is a mistake, not a crash."""
    for default in ({"a": 1}, [{"a": 1}], [[1]]):
        sections = {"Parameters": {"P": {"Type": "Number", "Default": default}}}
        assert value({"Ref": "P"}, sections=sections) is not None


def resources(count):
    """Return a template of about 2 kB a resource, with what templates are made of."""
    one = {
        "Type": "AWS::EC2::LaunchTemplate",
        "Properties": {
            "Data": {
                "Cards": [
                    {"Index": i, "Groups": [{"Fn::GetAtt": ["R0", "Id"]}], "Name": {"Ref": "P"}}
                    for i in range(16)
                ],
                "UserData": {"Fn::Base64": {"Fn::Sub": "echo ${AWS::Region} ${P}\n" * 20}},
                "Zone": {"Fn::If": ["C", {"Fn::Select": [0, {"Fn::GetAZs": ""}]}, "z"]},
            }
        },
    }
    return {
        "Parameters": {"P": {"Type": "String", "Default": "p"}, "Q": {"Type": "String"}},
        "Conditions": {"C": {"Fn::Equals": [{"Ref": "Q"}, "x"]}},
        "Resources": {f"R{i}": one for i in range(count)},
    }


def test_time_is_linear_in_the_size_of_a_template():
    """Eight times the resources take about eight times as long, not sixty-four."""

    def seconds(body):
        times = []
        for _ in range(3):
            started = time.process_time()
            resolve([Template("t", body)], parameters={}, region=None)
            times.append(time.process_time() - started)
        return min(times)

    # 16 allows for caches that are shared; a square would be 64.
    assert seconds(resources(400)) / seconds(resources(50)) < 16


def test_loops_within_loops_end():
    """A hundred loops within each other are no template's."""
    entries: dict[str, Any] = {"R": {"Type": "T"}}
    for i in range(100):
        entries = {f"Fn::ForEach::L{i}": ["X", ["a"], entries]}
    (variant,) = variants({"Resources": entries})

    assert "more than 20 loops" in variant.resources[0].properties["V"].because


@pytest.mark.parametrize("wrong", ["text", 3, ["a", 3], [], {"a": [1]}, True, None, [None]])
@pytest.mark.parametrize("name", ["LustreConfiguration", "SubnetIds", "StorageCapacity"])
def test_a_value_of_the_wrong_shape_is_no_end_of_the_audit(name, wrong):
    """CloudFormation will refuse it; everything else in the template is judged all the same."""
    properties = {"FileSystemType": "LUSTRE", name: wrong}
    system = {"Type": "AWS::FSx::FileSystem", "Properties": properties}
    node = {
        "Type": "AWS::EC2::Instance",
        "Properties": {"MetadataOptions": {"HttpTokens": "optional"}},
    }

    judged = verdict({"Resources": {"System": system, "Node": node}})

    assert "SAFETY-7" in said(judged)
