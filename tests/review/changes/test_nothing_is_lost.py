"""Every difference between two sets of templates has its one line."""

import copy
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.review.goldens import changes, edited, golden, put
from ultracluster.review.changes.change import Danger, at_least, worst

NAMES = st.sampled_from(["A", "B", "C"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["x", "y"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["P", "Q.R", "Tags"]), inner, max_size=2)
        | st.builds(lambda name: {"Ref": name}, NAMES)
        | st.builds(lambda name: {"Fn::GetAtt": [name, "Arn"]}, NAMES)
        | st.builds(lambda v: {"Fn::If": ["Open", v, {"Ref": "AWS::NoValue"}]}, inner)
    ),
    max_leaves=6,
)
RESOURCES = st.dictionaries(
    NAMES,
    st.fixed_dictionaries(
        {
            "Type": st.sampled_from(
                ["AWS::S3::Bucket", "AWS::IAM::Role", "Custom::X", "No::No::No"]
            ),
            "Properties": st.dictionaries(
                st.sampled_from(["BucketName", "RoleName", "Tags", "Z"]), VALUES, max_size=3
            ),
        },
        optional={
            "DeletionPolicy": st.sampled_from(["Retain", "Delete"]),
            "Condition": st.just("Open"),
            "DependsOn": NAMES,
            "Metadata": VALUES,
        },
    ),
    max_size=3,
)
TEMPLATES = st.dictionaries(
    st.sampled_from(["One", "Two"]),
    st.fixed_dictionaries(
        {"Resources": RESOURCES},
        optional={
            "Description": st.sampled_from(["a", "b"]),
            "Parameters": st.just({"Given": {"Type": "String"}}),
            "Conditions": st.just({"Open": {"Fn::Equals": [{"Ref": "Given"}, "x"]}}),
            "Outputs": st.dictionaries(NAMES, st.fixed_dictionaries({"Value": VALUES}), max_size=2),
        },
    ),
    max_size=2,
)


def _function(value):
    return (
        isinstance(value, dict)
        and len(value) == 1
        and (next(iter(value)) == "Ref" or next(iter(value)).startswith("Fn::"))
    )


def _leaves(old: Any, new: Any, path=()):
    """Yield the paths at which two values differ; written apart from what is tested."""
    if (
        isinstance(old, dict)
        and isinstance(new, dict)
        and not _function(old)
        and not _function(new)
    ):
        for key in {*old, *new}:
            yield from _leaves(old.get(key), new.get(key), (*path, key.replace(".", "\\.")))
    elif json.dumps(_set(old, path)) != json.dumps(_set(new, path)):
        yield ".".join(path)


def _set(value: Any, path):
    """Return a value in which the order of sets is none."""
    if isinstance(value, dict):
        return {k: _set(v, (k,)) for k, v in sorted(value.items())}
    if isinstance(value, list):
        items = [_set(item, path) for item in value]
        return sorted(items, key=json.dumps) if path and path[-1] == "Tags" else items
    return value


def differences(before, after):
    """Return every place at which two sets of templates differ, found the plain way."""
    found = set()
    for stack in {*before, *after}:
        old, new = before.get(stack, {}), after.get(stack, {})
        found |= {(stack, *place) for place in _of_resources(old, new)}
        for section in {*old, *new} - {"Resources"}:
            found |= {(stack, section, name) for name in _of_section(section, old, new)}
    return found


def _of_resources(old, new):
    ours, theirs = old.get("Resources", {}), new.get("Resources", {})
    for name in {*ours, *theirs}:
        if name not in ours or name not in theirs:
            yield name, ""
            continue
        one, other = ours[name], theirs[name]
        for path in _leaves(one.get("Properties", {}), other.get("Properties", {})):
            yield name, path
        for key in {*one, *other} - {"Properties"}:
            if _written(one.get(key)) != _written(other.get(key)):
                yield name, f"@{key}"


def _of_section(section, old, new):
    was, now = old.get(section), new.get(section)
    if section in ("Outputs", "Parameters"):
        names = {*(was or {}), *(now or {})}
        return {n for n in names if _written((was or {}).get(n)) != _written((now or {}).get(n))}
    return {""} if was != now else set()


def _written(value):
    return json.dumps(value, sort_keys=True)


@settings(max_examples=60)
@given(TEMPLATES, TEMPLATES)
def test_the_lines_cover_the_difference_exactly_once(before, after):
    """A change that no line speaks of is a change that nobody reviewed."""
    covered = Counter(place for change in changes(before, after) for place in change.covers)

    assert set(covered) == differences(before, after)
    assert max(covered.values(), default=1) == 1


def test_a_number_instead_of_a_boolean_has_its_line():
    """Python takes 0 for False, and CloudFormation writes them as two texts."""

    def template(value):
        return {"S": {"Resources": {"A": {"Type": "X::Y::Z", "Properties": {"P": value}}}}}

    assert [change.property for change in changes(template(False), template(0))] == ["P"]


@settings(max_examples=30)
@given(TEMPLATES)
def test_templates_that_are_equal_have_no_line(templates):
    """A line about nothing hides those about something."""
    assert changes(templates, copy.deepcopy(templates)) == ()


@settings(max_examples=30)
@given(TEMPLATES, TEMPLATES)
def test_the_same_two_give_the_same_lines(before, after):
    """A review of the same commit is the same review, whatever the order of keys."""
    assert changes(before, after) == changes(_reversed(before), _reversed(after))


def _reversed(value):
    if isinstance(value, dict):
        return {key: _reversed(value[key]) for key in reversed(value)}
    return [_reversed(item) for item in value] if isinstance(value, list) else value


def test_the_order_of_sets_is_no_change():
    """Tags, groups, statements and actions have no order that AWS looks at."""
    old = golden()
    for template in old.values():
        for body in template["Resources"].values():
            if isinstance(body["Properties"].get("Tags", []), list):
                tags = body["Properties"].setdefault("Tags", [])
                tags.append({"Key": "z", "Value": "z"})
    new = {name: _shuffled(body) for name, body in copy.deepcopy(old).items()}
    assert new != old
    assert changes(old, new) == ()


def _shuffled(value, name=""):
    """Return templates with the lists turned round that are sets."""
    if isinstance(value, dict):
        return {key: _shuffled(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        items = [_shuffled(item) for item in value]
        return items[::-1] if name in ("Tags", "Statement", "Action", "Groups", "Roles") else items
    return value


@pytest.mark.parametrize(
    "value",
    [
        {"Fn::Sub": "com.amazonaws.${AWS::Region}.s3"},
        {"Fn::Join": [".", ["com.amazonaws", {"Ref": "AWS::Region"}, "s3"]]},
    ],
)
def test_another_way_to_write_the_same_value_is_harmless(value):
    """Functions are resolved: what is create-only and written otherwise replaces nothing."""
    (change,) = changes(golden(), edited(put("Network/Network/S3", "ServiceName", value)))
    assert change.dangers == (Danger.HARMLESS,)
    assert "same value" in change.why


def test_a_threshold_takes_what_is_as_bad_or_worse():
    """`--fail-on interrupts` also fails on what loses data, and not on what costs more."""
    lost = changes(golden(), edited(put("Network/Network/FlowLogGroup", "RetentionInDays", 30)))
    dearer = changes(golden(), edited(put("Network/Network/FlowLogGroup", "RetentionInDays", 731)))

    assert worst(lost) is Danger.LOSES_DATA
    assert at_least(lost, Danger.INTERRUPTS) == lost
    assert at_least(dearer, Danger.INTERRUPTS) == ()
    assert worst(()) is None


@pytest.mark.parametrize(
    "template",
    [
        {},
        {"Resources": None},
        {"Resources": []},
        {"Resources": {"A": None, "B": [], "C": "x", "D": {"Type": 5, "Properties": "y"}}},
        {"Resources": {"A": {"Type": "AWS::S3::Bucket", "Properties": {"Tags": {"Ref": 3}}}}},
        {"Resources": {"A": {"Type": "AWS::EC2::SecurityGroup", "Properties": []}}, "Outputs": 3},
        {"Resources": {"A": {"Type": "AWS::IAM::Role", "Properties": {"Policies": {"x": 1}}}}},
        {"Parameters": [], "Conditions": "x", "Outputs": {"O": None}},
    ],
)
def test_templates_that_cannot_be_deployed_are_compared_as_well(template):
    """A foreign template is read as it is; what it says is somebody else's to judge."""
    other = golden()
    for before, after in (
        ({"S": template}, other),
        (other, {"S": template}),
        ({}, {"S": template}),
    ):
        found = changes(before, after)
        assert len(found) >= 1 or template == {} or before == {}
        assert all(change.what for change in found)


def _nested(depth):
    value: Any = "x"
    for _ in range(depth):
        value = {"A": [value]}
    return value


def test_a_template_nested_deeper_than_python_calls_is_compared():
    """A hostile template is an answer, not a stack trace."""
    before = {"S": {"Resources": {"A": {"Type": "X::Y::Z", "Properties": {"P": _nested(400)}}}}}
    after = {"S": {"Resources": {"A": {"Type": "X::Y::Z", "Properties": {"P": "x"}}}}}
    assert [change.worst for change in changes(before, after)] == [Danger.CANNOT_TELL]
