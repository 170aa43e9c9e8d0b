"""Random expressions: those that are known agree with a naive evaluator, and no others crash."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.templates.naive import Naive
from tests.templates.resolving import variants
from ultracluster.templates.resolution import Template, resolve
from ultracluster.templates.resolved import Encoded, Link, Text, Unknown

REGION = "us-east-1"
PARAMETERS = {
    "Text": {"Type": "String", "Default": "abc"},
    "Empty": {"Type": "String", "Default": ""},
    "Number": {"Type": "Number", "Default": 7},
    "List": {"Type": "CommaDelimitedList", "Default": "x,y,z"},
}
MAPPINGS = {"M": {REGION: {"text": "m", "number": 3, "list": ["p", "q"]}}}
CONDITIONS = ["C0", "C1", "C2"]

words = st.text("ab-/$!. é", max_size=6)


def texts_of(texts, lists):
    """Return expressions that give a text or another scalar, of smaller ones."""
    names = st.sampled_from(["Text", "Empty", "Number", "AWS::Region", "AWS::Partition", "!Text"])
    pieces = st.lists(st.one_of(words, names.map("${{{}}}".format)), max_size=4).map("".join)
    return st.one_of(
        st.builds(lambda d, v: {"Fn::Join": [d, v]}, words, st.lists(texts, max_size=3)),
        st.builds(lambda d, v: {"Fn::Join": [d, v]}, words, lists),
        pieces.map(lambda text: {"Fn::Sub": text}),
        st.builds(lambda t, v: {"Fn::Sub": [t + "${Own}", {"Own": v}]}, pieces, texts),
        st.builds(lambda v: {"Fn::Select": [0, {"Fn::Split": ["/", v]}]}, texts),
        st.builds(
            lambda i, v: {"Fn::Select": [i, v]},
            st.sampled_from([0, "1", {"Fn::Length": ["a"]}]),
            st.lists(texts, min_size=2, max_size=3),
        ),
        st.builds(lambda c, a, b: {"Fn::If": [c, a, b]}, st.sampled_from(CONDITIONS), texts, texts),
        texts.map(lambda v: {"Fn::Base64": v}),
        lists.map(lambda v: {"Fn::Length": v}),
        lists.map(lambda v: {"Fn::ToJsonString": {"k": v}}),
        st.builds(
            lambda k, v: {"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, k, {"DefaultValue": v}]},
            st.sampled_from(["text", "number", "absent"]),
            texts,
        ),
    )


leaves: Any = st.one_of(
    words.filter(lambda word: "${" not in word),
    st.integers(0, 99),
    st.sampled_from(["Text", "Empty", "Number", "AWS::Region"]).map(lambda name: {"Ref": name}),
)
flat: Any = st.one_of(
    st.lists(leaves, max_size=3),
    st.just({"Ref": "List"}),
    st.just({"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "list"]}),
    st.builds(lambda n: {"Fn::Cidr": ["10.0.0.0/16", n, "8"]}, st.integers(1, 3)),
)
small: Any = st.one_of(leaves, leaves, texts_of(leaves, flat))
lists: Any = st.one_of(
    flat,
    st.lists(small, max_size=3),
    st.builds(lambda d, v: {"Fn::Split": [d, v]}, st.sampled_from(["-", "a", "::"]), small),
    st.builds(lambda c, a, b: {"Fn::If": [c, a, b]}, st.sampled_from(CONDITIONS), flat, flat),
)
texts: Any = st.one_of(leaves, texts_of(small, lists))


@st.composite
def conditions(draw):
    """Return three conditions, of which later ones may use earlier ones."""
    made: dict[str, Any] = {}
    for name in CONDITIONS:
        simple: Any = st.builds(lambda a, b: {"Fn::Equals": [a, b]}, leaves, leaves)
        if made:
            simple |= st.sampled_from(list(made)).map(lambda other: {"Condition": other})
        made[name] = draw(
            st.one_of(
                simple,
                simple.map(lambda inner: {"Fn::Not": [inner]}),
                st.lists(simple, min_size=2, max_size=3).map(lambda inner: {"Fn::And": inner}),
                st.lists(simple, min_size=2, max_size=3).map(lambda inner: {"Fn::Or": inner}),
            )
        )
    return made


@settings(max_examples=300)
@given(st.one_of(texts, lists), conditions())
def test_what_is_known_agrees_with_a_naive_evaluator(expression, made):
    """Two evaluators that were written apart are seldom wrong alike."""
    body = {
        "Parameters": PARAMETERS,
        "Mappings": MAPPINGS,
        "Conditions": made,
        "Resources": {"R": {"Type": "T", "Properties": {"V": {"in": [expression]}}}},
    }
    (variant,) = variants(body, region=REGION)
    assert variant.resources[0].properties["V"] == {"in": [Naive(body, REGION)(expression)]}


FUNCTIONS = [
    "Ref", "Condition", "Fn::GetAtt", "Fn::Sub", "Fn::Join", "Fn::Select", "Fn::Split", "Fn::If",
    "Fn::FindInMap", "Fn::ImportValue", "Fn::Base64", "Fn::Cidr", "Fn::GetAZs", "Fn::Length",
    "Fn::ToJsonString", "Fn::Transform", "Fn::GetStackOutput", "Fn::And", "Fn::Or", "Fn::Not",
    "Fn::Equals", "Fn::ForEach::L", "Fn::Newest", "DefaultValue",
]  # fmt: skip
NAMES = ["Text", "Open", "R", "S", "M", "C0", "C1", "AWS::Region", "AWS::NoValue", "R.Arn", "e"]
junk = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 300),
        st.floats(allow_nan=False),
        st.sampled_from(NAMES),
        st.sampled_from(NAMES).map("x${{{}}}".format),
        st.sampled_from(
            ["{{resolve:ssm:/x}}", "{{resolve:", "}}", "10.0.0.0/16", "", "${", "${!}"]
        ),
        st.text(max_size=4),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.builds(lambda name, value: {name: value}, st.sampled_from(FUNCTIONS), inner),
        st.dictionaries(st.sampled_from([*FUNCTIONS, *NAMES]), inner, max_size=3),
    ),
    max_leaves=12,
)


def plain(value):
    """Whether nothing is left in a value that is neither plain nor one of ours."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and plain(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(plain(inner) for inner in value)
    return value is None or isinstance(
        value, str | int | float | bool | Unknown | Link | Text | Encoded
    )


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(NAMES), junk, min_size=1, max_size=3), junk, junk, junk)
def test_nothing_that_is_written_crashes(properties, condition, output, section):
    """An audit that fails on a faulty template is of no use: those are what it is for."""
    body = {
        "Parameters": {"Text": {"Type": "String", "Default": "t"}, "Open": {"Type": "String"}},
        "Mappings": {"M": section},
        "Conditions": {"C0": condition, "C1": {"Fn::Equals": [condition, {"Ref": "Open"}]}},
        "Resources": {
            "R": {"Type": "T", "Properties": properties},
            "S": {"Type": "T", "Condition": "C1", "Properties": section, "DependsOn": section},
            "Fn::ForEach::L": section,
        },
        "Outputs": {"O": {"Value": output, "Export": {"Name": "e"}}, "Q": section},
    }
    found = resolve([Template("t", body)], parameters={}, region=None)

    assert found
    for variant in found:
        for resource in variant.resources:
            assert plain(dict(resource.properties))


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["Parameters", "Mappings", "Conditions", "Outputs"]), junk))
def test_sections_of_any_kind_are_read(sections):
    """A section that is a list is as good as none."""
    body = {"Resources": {"R": {"Type": "T", "Properties": {"V": {"Ref": "Text"}}}}, **sections}
    assert resolve([Template("t", body)], parameters={}, region=None)
