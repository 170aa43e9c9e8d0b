"""Conditions: those that are known are decided, of those that are open both sides are looked at."""

import itertools

import pytest

from tests.templates.resolving import variants
from ultracluster.templates.choices import Atom, Choices, Spread
from ultracluster.templates.resolution import MOST_VARIANTS
from ultracluster.templates.resolved import Unknown

OPEN = {"Type": "String"}


def equals(parameter, text):
    return {"Fn::Equals": [{"Ref": parameter}, text]}


def template(conditions, *, parameters=None, **resources):
    """Return a template with a resource of the properties that are given for each name."""
    return {
        "Parameters": parameters or {},
        "Conditions": conditions,
        "Resources": {name: {"Type": "T", "Properties": p} for name, p in resources.items()},
    }


def values(found, logical_id="R"):
    """Return the property V of a resource in every variant."""
    return [
        resource.properties.get("V")
        for variant in found
        for resource in variant.resources
        if resource.place.logical_id == logical_id
    ]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"Fn::Equals": ["a", "a"]}, True),
        ({"Fn::Equals": ["a", "b"]}, False),
        ({"Fn::Equals": [1, "1"]}, True),
        ({"Fn::Equals": [True, "true"]}, True),
        ({"Fn::Equals": [["a"], ["a"]]}, True),
        ({"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}, True),
        ({"Fn::Equals": [{"Ref": "AWS::AccountId"}, {"Ref": "AWS::AccountId"}]}, True),
        ({"Fn::Not": [{"Condition": "Yes"}]}, False),
        ({"Fn::And": [{"Condition": "Yes"}, {"Fn::Not": [{"Condition": "Yes"}]}]}, False),
        ({"Fn::And": [{"Condition": "Yes"}, {"Condition": "Yes"}]}, True),
        ({"Fn::Or": [{"Condition": "Yes"}, equals("Open", "x")]}, True),
        ({"Fn::And": [{"Fn::Equals": [1, 2]}, equals("Open", "x")]}, False),
        ({"Fn::Equals": [{"Fn::Select": [0, {"Ref": "AnyOf"}]}, "a"]}, True),
        ({"Fn::Equals": [{"Fn::Join": ["-", [{"Ref": "Open"}, "b"]]}, "a-c"]}, False),
        ({"Fn::Equals": [{"Fn::FindInMap": ["M", "k", "v"]}, "yes"]}, True),
        (True, True),
    ],
)
def test_a_condition_that_is_known_makes_one_variant(condition, expected):
    """What is decisive decides, also where the rest is open."""
    body = template(
        {"C": condition, "Yes": {"Fn::Equals": ["x", "x"]}},
        parameters={"Open": OPEN, "AnyOf": {"Type": "CommaDelimitedList", "Default": "a,b"}},
        R={"V": {"Fn::If": ["C", "then", "else"]}},
    )
    body["Mappings"] = {"M": {"k": {"v": "yes"}}}
    (variant,) = variants(body)

    assert values([variant]) == ["then" if expected else "else"]
    assert variant.choices == {}


def test_both_sides_of_an_open_condition_are_looked_at():
    """A fault on either side is a fault, and says under which choice."""
    body = template(
        {"Prod": equals("Env", "prod")},
        parameters={"Env": OPEN},
        R={"V": {"Fn::If": ["Prod", "big", "small"]}, "W": {"Ref": "Env"}},
    )
    found = variants(body)

    assert [(variant.choices, *values([variant])) for variant in found] == [
        ({"t/Prod": False}, "small"),
        ({"t/Prod": True}, "big"),
    ]
    # What was assumed to choose the side is the parameter's value on that side.
    resources = [variant.resources[0].properties["W"] for variant in found]
    assert resources == [Unknown("parameter Env has no default", "t/Env"), "prod"]


def test_a_parameter_settles_the_condition():
    """`--parameter` is how a user closes what is open."""
    body = template(
        {"Prod": equals("Env", "prod")},
        parameters={"Env": OPEN},
        R={"V": {"Fn::If": ["Prod", 1, 2]}},
    )
    assert values(variants(body, Env="prod")) == [1]
    assert values(variants(body, Env="dev")) == [2]


def test_a_resource_exists_where_its_condition_holds():
    """A resource that is not made cannot be at fault."""
    body = template({"C": equals("P", "x")}, parameters={"P": OPEN}, R={"V": 1}, S={"V": 2})
    body["Resources"]["R"]["Condition"] = "C"
    names = [[r.place.logical_id for r in variant.resources] for variant in variants(body)]

    assert names == [["S"], ["R", "S"]]


def test_conditions_that_depend_on_each_other_agree():
    """Two conditions about one parameter cannot contradict each other."""
    body = template(
        {
            "IsA": equals("P", "a"),
            "IsB": equals("P", "b"),
            "NotA": {"Fn::Not": [{"Condition": "IsA"}]},
            "Either": {"Fn::Or": [{"Condition": "IsA"}, {"Condition": "IsB"}]},
        },
        parameters={"P": OPEN},
        R={"V": [{"Fn::If": [name, 1, 0]} for name in ("IsA", "IsB", "NotA", "Either")]},
    )
    assert sorted(values(variants(body))) == [[0, 0, 1, 0], [0, 1, 1, 1], [1, 0, 0, 1]]


def test_allowed_values_leave_nothing_else():
    """A parameter that takes two values cannot be a third."""
    body = template(
        {"IsA": equals("P", "a"), "IsB": equals("P", "b"), "IsC": equals("P", "c")},
        parameters={"P": {"Type": "String", "AllowedValues": ["a", "b"]}},
        R={"V": [{"Fn::If": [name, 1, 0]} for name in ("IsA", "IsB", "IsC")], "W": {"Ref": "P"}},
    )
    found = variants(body)

    assert sorted(values(found)) == [[0, 1, 0], [1, 0, 0]]
    assert sorted(variant.resources[0].properties["W"] for variant in found) == ["a", "b"]


def test_region_and_partition_agree():
    """No Region of China is in the partition of the others."""
    body = template(
        {
            "China": {"Fn::Equals": [{"Ref": "AWS::Partition"}, "aws-cn"]},
            "Virginia": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]},
        },
        R={"V": [{"Fn::If": ["China", 1, 0]}, {"Fn::If": ["Virginia", 1, 0]}]},
    )
    found = variants(body, region=None)

    assert sorted(values(found)) == [[0, 0], [0, 1], [1, 0]]
    assert {variant.region for variant in found if values([variant]) == [[0, 1]]} == {"us-east-1"}
    body["Resources"]["R"]["Properties"]["V"].reverse()
    assert sorted(values(variants(body, region=None))) == [[0, 0], [0, 1], [1, 0]]


def test_an_assumption_that_comes_late_holds_from_the_start():
    """A variant is one state of affairs, in whatever order its resources stand."""
    body = template(
        {"C": equals("P", "x")},
        parameters={"P": OPEN},
        A={"V": {"Ref": "P"}},
        R={"V": {"Fn::If": ["C", 1, 2]}},
    )
    assert values(variants(body), "A")[1] == "x"


def test_an_open_condition_that_changes_nothing_makes_no_variant():
    """Equal variants are one, and only what all of it shares is assumed of it."""
    body = template(
        {"C": equals("P", "x"), "D": equals("Q", "y")},
        parameters={"P": OPEN, "Q": OPEN},
        R={"V": {"Fn::If": ["C", {"Fn::If": ["D", 1, 1]}, 1]}},
    )
    (variant,) = variants(body)

    assert variant.choices == {}
    assert variant.incomplete is None


def test_a_condition_that_nothing_uses_is_not_asked_for():
    """Ten parameters for outputs make no thousand variants."""
    conditions = {f"C{i}": equals("P", str(i)) for i in range(10)}
    assert len(variants(template(conditions, parameters={"P": OPEN}, R={"V": 1}))) == 1


@pytest.mark.parametrize(
    "condition",
    [
        {"Fn::Equals": ["a"]},
        {"Fn::Not": []},
        {"Fn::And": [{"Condition": "Nowhere"}]},
        {"Condition": "Nowhere"},
        {"Condition": "C"},
        {"Fn::Not": [{"Condition": "C"}]},
        {"Fn::Contains": [["a"], "a"]},
        {"Fn::Equals": [{"Fn::Newest": 1}, "x"]},
        {"Fn::Equals": [{"Ref": "R"}, "x"]},
        {"Fn::Equals": [["a"], {"Fn::GetAZs": ""}]},
        "true",
        None,
        {},
        [],
    ],
)
def test_a_condition_that_cannot_be_understood_is_open(condition):
    """Nobody knows what it gives, so both sides are looked at."""
    body = template({"C": condition}, R={"V": {"Fn::If": ["C", 1, 0]}})

    assert sorted(values(variants(body))) == [0, 1]


def test_two_open_values_may_be_the_same():
    """Whether two parameters are equal is one question, and asked once."""
    same = {"Fn::Equals": [{"Ref": "P"}, {"Ref": "Q"}]}
    turned = {"Fn::Equals": [{"Ref": "Q"}, {"Ref": "P"}]}
    body = template(
        {"A": same, "B": turned},
        parameters={"P": OPEN, "Q": OPEN},
        R={"V": [{"Fn::If": ["A", 1, 0]}, {"Fn::If": ["B", 1, 0]}]},
    )
    assert sorted(values(variants(body))) == [[0, 0], [1, 1]]


def many(count):
    """Return a template with a number of conditions that have nothing to do with each other."""
    names = [f"P{i}" for i in range(count)]
    return template(
        {f"C{i}": equals(name, "x") for i, name in enumerate(names)},
        parameters=dict.fromkeys(names, OPEN),
        R={"V": [{"Fn::If": [f"C{i}", 1, 0]} for i in range(count)]},
    )


def test_as_many_worlds_as_are_looked_at_are_all_of_them():
    """Four open conditions are sixteen variants and not one is left out."""
    found = variants(many(4))

    assert sorted(values(found)) == [list(v) for v in itertools.product((0, 1), repeat=4)]
    assert all(variant.incomplete is None for variant in found)


@pytest.mark.parametrize("count", [5, 9, 15])
def test_of_too_many_worlds_every_pair_of_choices_is_seen(count):
    """Most faults need one or two choices; what was left out is said."""
    found = variants(many(count))
    seen = values(found)

    assert len(found) == MOST_VARIANTS
    for one, two in itertools.combinations(range(count), 2):
        assert {(v[one], v[two]) for v in seen} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert {variant.incomplete for variant in found} == {
        f"{count} open questions make more than 16 combinations; 16 that differ most were looked at"
    }


def test_sixty_open_conditions_are_no_trouble():
    """Each is still seen both ways."""
    seen = values(variants(many(60)))

    assert len(seen) == MOST_VARIANTS
    assert all({v[i] for v in seen} == {0, 1} for i in range(60))


def test_each_text_that_a_value_is_compared_with_gets_a_variant():
    """Twelve instance types of a parameter are twelve variants, and one for any other."""
    types = [f"p{i}.xlarge" for i in range(12)]
    body = template(
        {f"Is{i}": equals("Type", name) for i, name in enumerate(types)},
        parameters={"Type": OPEN},
        R={"V": [{"Fn::If": [f"Is{i}", name, None]} for i, name in enumerate(types)]},
    )
    seen = [tuple(item for item in v if item) for v in values(variants(body))]

    assert sorted(seen) == sorted([(), *((name,) for name in types)])


def test_spread_gives_each_of_many_texts_its_turn():
    """Also where there are other questions beside."""
    atoms = [Atom("is", "Type", name) for name in "abcdefgh"] + [Atom("holds", "Other")]
    taken = set()
    for row in range(MOST_VARIANTS):
        choices = Choices(Spread(row, atoms))
        taken |= {atom.other for atom in atoms[:-1] if choices.decide(atom)}
    assert taken == set("abcdefgh")
