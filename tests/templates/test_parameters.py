"""What a parameter is: what was given, its default, or unknown."""

import pytest

from tests.templates.resolving import properties
from ultracluster.templates.resolution import Template, resolve


def parameter(declared, **given):
    body = {
        "Parameters": {"P": declared},
        "Resources": {"R": {"Type": "T", "Properties": {"V": {"Ref": "P"}}}},
    }
    return properties(body, **given)["V"]


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({"Type": "String", "Default": "a"}, "a"),
        ({"Type": "String", "Default": ""}, ""),
        ({"Type": "String", "Default": 4}, "4"),
        ({"Type": "String", "Default": True}, "true"),
        ({"Type": "String", "Default": "007"}, "007"),
        ({"Default": "a"}, "a"),
        ({"Type": "Number", "Default": "1200"}, 1200),
        ({"Type": "Number", "Default": "007"}, "007"),
        ({"Type": "Number", "Default": 1.5}, "1.5"),
        ({"Type": "Number", "Default": -3}, -3),
        ({"Type": "CommaDelimitedList", "Default": "a, b ,c"}, ["a", "b", "c"]),
        ({"Type": "CommaDelimitedList", "Default": ""}, []),
        ({"Type": "List<Number>", "Default": "1,2"}, [1, 2]),
        ({"Type": "List<AWS::EC2::Subnet::Id>", "Default": "s-1,s-2"}, ["s-1", "s-2"]),
        ({"Type": "CommaDelimitedList", "Default": ["a", "b"]}, ["a", "b"]),
        ({"Type": "AWS::EC2::VPC::Id", "Default": "vpc-1"}, "vpc-1"),
        ({"Type": "String", "AllowedValues": ["only"]}, "only"),
    ],
)
def test_a_parameter_takes_its_default(declared, expected):
    """Types are CloudFormation's: a list is split, a number is a number."""
    assert parameter(declared) == expected


def test_what_is_given_comes_before_the_default():
    """And takes the same type."""
    assert parameter({"Type": "Number", "Default": 1}, P="2") == 2
    assert parameter({"Type": "CommaDelimitedList"}, P="x,y") == ["x", "y"]


@pytest.mark.parametrize("given", [{}, {"P": "/my/own"}])
def test_an_ssm_parameter_is_unknown_whatever_its_default(given):
    """The default is the name of the parameter, not its value."""
    declared = {
        "Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
        "Default": "/aws/service/ami/latest",
    }
    name = given.get("P", "/aws/service/ami/latest")
    found = parameter(declared, **given)

    assert found.because == f"parameter P takes the value of SSM parameter {name} at deployment"
    assert found.symbol == f"SSM parameter {name}"


def test_an_ssm_parameter_without_a_default_says_so():
    """There is no name to show."""
    found = parameter({"Type": "AWS::SSM::Parameter::Value<String>"})
    assert found.because == "parameter P takes the value of an SSM parameter at deployment"


@pytest.mark.parametrize("declared", [None, "String", ["x"]])
def test_a_parameter_that_is_no_mapping_is_unknown(declared):
    """It would not deploy."""
    assert parameter(declared).because == "parameter P is not a mapping"


def test_one_of_several_templates_can_be_given_a_parameter():
    """Two templates may call different things by one name."""
    body = {
        "Parameters": {"P": {"Type": "String"}},
        "Resources": {"R": {"Type": "T", "Properties": {"V": {"Ref": "P"}}}},
    }
    (variant,) = resolve(
        [Template("a", body), Template("b", body)],
        parameters={"P": "both", "b:P": "mine"},
        region=None,
    )
    assert [r.properties["V"] for r in variant.resources] == ["both", "mine"]
