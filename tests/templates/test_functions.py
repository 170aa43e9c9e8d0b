"""Every intrinsic function: what it gives, and what it says where it cannot be known."""

import base64

import pytest

from tests.templates.resolving import properties, value, variants
from ultracluster.templates.resolved import Encoded, Link, Text, Unknown

OTHER = Link("t", "Other")
SECTIONS = {
    "Parameters": {
        "Size": {"Type": "Number", "Default": 1200},
        "Names": {"Type": "CommaDelimitedList", "Default": "a, b,c"},
        "Open": {"Type": "String"},
        "OpenList": {"Type": "List<AWS::EC2::Subnet::Id>"},
    },
    "Mappings": {
        "Zones": {
            "us-east-1": {"ids": ["use1-az4", "use1-az6"], "count": 2},
            "eu-west-1": {"ids": ["euw1-az1"], "count": 1},
        }
    },
    "Conditions": {
        "Yes": {"Fn::Equals": ["a", "a"]},
        "No": {"Fn::Not": [{"Condition": "Yes"}]},
    },
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("plain", "plain"),
        ({"Ref": "Size"}, 1200),
        ({"Ref": "Names"}, ["a", "b", "c"]),
        ({"Ref": "Other"}, OTHER),
        ({"Ref": "AWS::Region"}, "us-east-1"),
        ({"Ref": "AWS::Partition"}, "aws"),
        ({"Ref": "AWS::URLSuffix"}, "amazonaws.com"),
        ({"Fn::GetAtt": ["Other", "CidrBlock"]}, Link("t", "Other", "CidrBlock")),
        ({"Fn::GetAtt": "Other.A.B"}, Link("t", "Other", "A.B")),
        ({"Fn::GetAtt": ["Other", "A", "B"]}, Link("t", "Other", "A.B")),
        ({"Fn::Sub": "s-${Size}-${!Literal}"}, "s-1200-${Literal}"),
        ({"Fn::Sub": "${ AWS::Region }"}, "us-east-1"),
        ({"Fn::Sub": ["${X}/${Size}", {"X": {"Ref": "AWS::Region"}}]}, "us-east-1/1200"),
        ({"Fn::Sub": "${Other}"}, OTHER),
        ({"Fn::Sub": "x ${Other.Arn}"}, Text(("x ", Link("t", "Other", "Arn")))),
        ({"Fn::Join": ["-", ["a", 1, True]]}, "a-1-true"),
        ({"Fn::Join": [",", {"Ref": "Names"}]}, "a,b,c"),
        ({"Fn::Join": ["", ["", OTHER, ""]]}, OTHER),
        ({"Fn::Join": ["-", ["a", {"Ref": "AWS::NoValue"}, "b"]]}, "a-b"),
        ({"Fn::Select": ["1", {"Ref": "Names"}]}, "b"),
        ({"Fn::Select": [0, [{"Ref": "Other"}]]}, OTHER),
        ({"Fn::Split": ["/", "a/b//c"]}, ["a", "b", "", "c"]),
        ({"Fn::Select": [1, {"Fn::Split": [".", "10.20.0.0"]}]}, "20"),
        ({"Fn::FindInMap": ["Zones", {"Ref": "AWS::Region"}, "count"]}, 2),
        ({"Fn::Select": [1, {"Fn::FindInMap": ["Zones", "us-east-1", "ids"]}]}, "use1-az6"),
        ({"Fn::FindInMap": ["Zones", "x", "y", {"DefaultValue": {"Ref": "Size"}}]}, 1200),
        ({"Fn::If": ["Yes", 1, {"Fn::Nonsense": 2}]}, 1),
        ({"Fn::If": ["No", 1, {"Ref": "Size"}]}, 1200),
        ({"Fn::If": ["No", 1, {"Ref": "AWS::NoValue"}]}, None),
        ({"a": {"Ref": "AWS::NoValue"}, "b": [{"Ref": "AWS::NoValue"}, 1]}, {"b": [1]}),
        (
            {"Fn::Base64": {"Fn::Sub": "r=${AWS::Region}"}},
            base64.b64encode(b"r=us-east-1").decode(),
        ),
        ({"Fn::Base64": {"Fn::Sub": "v=${Other}"}}, Encoded(Text(("v=", OTHER)))),
        ({"Fn::Length": {"Ref": "Names"}}, 3),
        ({"Fn::Length": [1, {"Ref": "Other"}]}, 2),
        ({"Fn::ToJsonString": {"a": [{"Ref": "Size"}, "é"]}}, '{"a":[1200,"é"]}'),
        ({"Fn::Cidr": ["10.0.0.0/16", 2, 8]}, ["10.0.0.0/24", "10.0.1.0/24"]),
        ({"Fn::Cidr": ["2001:db8::/56", "2", "64"]}, ["2001:db8::/64", "2001:db8:0:1::/64"]),
        # GetAtt of a VPC's own block gives back what the template says it is.
        (
            {"Fn::Select": [1, {"Fn::Cidr": [{"Fn::GetAtt": "Other.CidrBlock"}, 2, 8]}]},
            "10.0.1.0/24",
        ),
        ({"Ref": "AWS::Region", "beside": 1}, {"Ref": "AWS::Region", "beside": 1}),
        ({"Condition": {"Bool": {"aws:SecureTransport": "false"}}},) * 2,
    ],
)
def test_a_function_gives_its_value(expression, expected):
    """A rule must see what CloudFormation would send to the service."""
    assert value(expression, sections=SECTIONS) == expected


@pytest.mark.parametrize(
    ("expression", "because"),
    [
        ({"Ref": "Nowhere"}, "Nowhere is neither a parameter nor a resource of the template"),
        ({"Ref": ["Size"]}, "Ref is malformed: it takes a name"),
        ({"Ref": "Open"}, "parameter Open has no default"),
        ({"Ref": "AWS::AccountId"}, "AWS::AccountId is not known"),
        ({"Ref": "AWS::StackId"}, "AWS::StackId is known only at deployment"),
        ({"Ref": "AWS::StackName"}, "AWS::StackName is known only at deployment"),
        ({"Fn::GetAtt": ["Nowhere", "Arn"]}, "Nowhere is no resource of the template"),
        ({"Fn::GetAtt": "Other"}, "Fn::GetAtt is malformed: it takes [resource, attribute]"),
        ({"Fn::GetAtt": ["Other", {"Ref": "Open"}]}, "parameter Open has no default"),
        ({"Fn::GetAtt": ["Other", ["x"]]}, "Fn::GetAtt is malformed: it takes two texts"),
        (
            {"Fn::Sub": "${Nowhere}"},
            "Nowhere is neither a parameter nor a resource of the template",
        ),
        ({"Fn::Sub": "${Names}"}, "${Names} is a list where a text is needed"),
        ({"Fn::Sub": ["${X}", {"X": {"a": 1}}]}, "${X} is a mapping where a text is needed"),
        ({"Fn::Sub": ["${X}"]}, "Fn::Sub is malformed: it takes a text, or [text, mapping]"),
        ({"Fn::Sub": {"Ref": "Open"}}, "Fn::Sub is malformed: it takes a text, or [text, mapping]"),
        ({"Fn::Join": ["-"]}, "Fn::Join is malformed: it takes [delimiter, list]"),
        ({"Fn::Join": ["-", "a"]}, "Fn::Join is malformed: it takes a list"),
        ({"Fn::Join": [1, ["a"]]}, "Fn::Join is malformed: it takes a text as delimiter"),
        ({"Fn::Join": [",", {"Ref": "OpenList"}]}, "parameter OpenList has no default"),
        ({"Fn::Join": ["", [["a"]]]}, "a value of Fn::Join is a list where a text is needed"),
        ({"Fn::Select": [3, {"Ref": "Names"}]}, "Fn::Select asks for item 3 of a list of 3"),
        ({"Fn::Select": [-1, ["a"]]}, "Fn::Select is malformed: it takes an index from 0"),
        ({"Fn::Select": ["²", ["a"]]}, "Fn::Select is malformed: it takes an index from 0"),
        ({"Fn::Select": [0, "a"]}, "Fn::Select is malformed: it takes a list"),
        ({"Fn::Select": [0]}, "Fn::Select is malformed: it takes [index, list]"),
        ({"Fn::Select": [0, {"Ref": "OpenList"}]}, "parameter OpenList has no default"),
        ({"Fn::Select": [{"Ref": "Open"}, ["a"]]}, "parameter Open has no default"),
        ({"Fn::Split": ["", "a"]}, "Fn::Split is malformed: it takes a delimiter"),
        ({"Fn::Split": ["-", ["a"]]}, "Fn::Split is malformed: it takes a text"),
        ({"Fn::Split": ["-"]}, "Fn::Split is malformed: it takes [delimiter, text]"),
        ({"Fn::Split": ["-", {"Ref": "Other"}]}, "Other is known only once it is deployed"),
        (
            {"Fn::Split": ["-", {"Fn::Sub": "a-${Other.Arn}"}]},
            "Other.Arn is known only once it is deployed",
        ),
        (
            {"Fn::FindInMap": ["Zones", "us-west-2", "ids"]},
            "mapping Zones / us-west-2 / ids does not exist",
        ),
        ({"Fn::FindInMap": ["Zones", {"Ref": "Open"}, "ids"]}, "parameter Open has no default"),
        (
            {"Fn::FindInMap": ["Zones", ["a"], "ids"]},
            "Fn::FindInMap is malformed: it takes texts, not a list",
        ),
        ({"Fn::FindInMap": ["Zones"]}, "Fn::FindInMap is malformed: it takes [map, key, key]"),
        ({"Fn::If": ["Nowhere", 1, 2]}, "Nowhere is no condition of the template"),
        ({"Fn::If": [{"Ref": "Open"}, 1, 2]}, "{'Ref': 'Open'} is no condition of the template"),
        ({"Fn::If": ["Yes", 1]}, "Fn::If is malformed: it takes [condition, value, value]"),
        ({"Fn::Base64": ["a"]}, "Fn::Base64 is malformed: it takes a text"),
        ({"Fn::Length": "abc"}, "Fn::Length is malformed: it takes a list"),
        ({"Fn::Length": {"Ref": "OpenList"}}, "parameter OpenList has no default"),
        (
            {"Fn::ToJsonString": [{"Ref": "Open"}]},
            "Fn::ToJsonString is of values that are not all known",
        ),
        ({"Fn::ToJsonString": "a"}, "Fn::ToJsonString is malformed: it takes a list or a mapping"),
        (
            {"Fn::Cidr": ["10.0.0.0/16", 2]},
            "Fn::Cidr does not say how many bits its blocks have for hosts",
        ),
        (
            {"Fn::Cidr": ["10.0.0.0/16", 300, 8]},
            "Fn::Cidr is malformed: it takes a count from 1 to 256 and a number of bits",
        ),
        (
            {"Fn::Cidr": ["10.0.0.0/16", "²", 8]},
            "Fn::Cidr is malformed: it takes a count from 1 to 256 and a number of bits",
        ),
        (
            {"Fn::Cidr": ["10.0.0.0/24", 4, 7]},
            "Fn::Cidr asks for 4 blocks where 10.0.0.0/24 holds 2",
        ),
        ({"Fn::Cidr": ["10.0.0.0/16", {"Ref": "Open"}, 8]}, "parameter Open has no default"),
        ({"Fn::Cidr": "10.0.0.0/16"}, "Fn::Cidr is malformed: it takes [block, count, bits]"),
        ({"Fn::GetAZs": ""}, "the Availability Zones of us-east-1 differ by account"),
        (
            {"Fn::GetAZs": {"Ref": "AWS::Region"}},
            "the Availability Zones of us-east-1 differ by account",
        ),
        ({"Fn::GetAZs": "eu-west-1"}, "the Availability Zones of eu-west-1 differ by account"),
        ({"Fn::ImportValue": "x"}, "export x is of no given template"),
        (
            {"Fn::ImportValue": {"Fn::Sub": "${Open}-x"}},
            "it is imported by a name that is not known: parameter Open has no default",
        ),
        ({"Fn::GetStackOutput": "x"}, "Fn::GetStackOutput is malformed: it takes a mapping"),
        ({"Fn::Transform": {"Name": "X"}}, "Fn::Transform is run at deployment"),
        ({"Fn::Transform": {"Name": "X"}, "a": 1}, "Fn::Transform is run at deployment"),
        ({"Fn::Join": ["", ["a"]], "b": 1}, "Fn::Join stands beside other keys"),
        ({"Fn::Newest": 1}, "Fn::Newest is no function that is known here"),
        ("{{resolve:ssm:/x}}", "{{resolve:ssm:/x}} is read at deployment"),
        (
            {"Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": "Other"}, ":a}}"]]},
            "{{resolve:secretsmanager:...:a}} is read at deployment",
        ),
    ],
)
def test_what_cannot_be_known_says_why(expression, because):
    """A reader must be able to do something about it: give a parameter, or mend the template."""
    found = value(expression, sections=SECTIONS)

    assert isinstance(found, Unknown)
    assert found.because == because


def test_a_block_that_cannot_be_divided_says_so():
    """Python's own reason is part of it."""
    assert "cannot divide 10.0.0.0/33" in value({"Fn::Cidr": ["10.0.0.0/33", 2, 8]}).because


def test_dynamic_references_are_parts_of_texts():
    """What stands around a secret is known, and a mark that never ends is text."""
    around = value("arn:{{resolve:ssm:/x}}:{{resolve:ssm:/y:2}}")

    assert [part if isinstance(part, str) else part.because[:18] for part in around.parts] == [
        "arn:",
        "{{resolve:ssm:/x}}",
        ":",
        "{{resolve:ssm:/y:2",
    ]
    assert value({"Fn::Join": ["", ["{{resolve:ssm", " never ends"]]}) == "{{resolve:ssm never ends"


@pytest.mark.parametrize(
    ("region", "partition", "suffix"),
    [
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
        ("us-iso-east-1", "aws-iso", "c2s.ic.gov"),
        ("us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov"),
        ("eu-central-1", "aws", "amazonaws.com"),
    ],
)
def test_partition_follows_from_the_region(region, partition, suffix):
    """An ARN of another partition is a known fault of templates."""
    assert value({"Ref": "AWS::Partition"}, region=region) == partition
    assert value({"Ref": "AWS::URLSuffix"}, region=region) == suffix


def test_what_is_not_known_is_the_same_wherever_it_is_used():
    """Two subnets in `Fn::Select 0` of the zones are in one zone, whichever that is."""
    first = {"Fn::Select": [0, {"Fn::GetAZs": ""}]}
    second = {"Fn::Select": [1, {"Fn::GetAZs": {"Ref": "AWS::Region"}}]}

    assert value(first) == value(first)
    assert value(first).symbol != value(second).symbol
    assert value({"Ref": "AWS::AccountId"}) == value({"Ref": "AWS::AccountId"})


def test_without_a_region_what_depends_on_it_is_unknown():
    """Nothing is assumed of where a template goes."""
    for name in ("AWS::Region", "AWS::Partition", "AWS::URLSuffix"):
        assert value({"Ref": name}, region=None).because == "the Region is not given"


def test_references_are_dependencies():
    """A file system must wait for the rules of its group, however that is written."""
    body = {
        "Resources": {
            "A": {"Type": "T"},
            "B": {"Type": "T"},
            "C": {"Type": "T"},
            "R": {
                "Type": "T",
                "DependsOn": ["A"],
                "Properties": {"X": {"Fn::Sub": "${B.Arn}"}, "Y": [{"Ref": "C"}]},
            },
        }
    }
    found = {r.place.logical_id: r.depends_on for r in variants(body)[0].resources}
    assert found["R"] == {"A", "B", "C"}


@pytest.mark.parametrize("broken", [None, "text", 3, ["a"], {"Fn::Transform": {"Name": "X"}}])
def test_properties_that_are_not_known_hide_which_there_are(broken):
    """A property that is absent and one that nobody can see must not look alike."""
    found = properties({"Resources": {"R": {"Type": "T", "Properties": broken}}})

    assert isinstance(found.get("Anything"), Unknown)
    assert isinstance(found["Anything"], Unknown)
    assert len(found) == 0


@pytest.mark.parametrize("broken", [None, "text", 3, ["a"]])
def test_a_resource_that_is_no_mapping_is_looked_at_all_the_same(broken):
    """It would not deploy, and a rule says that it cannot tell."""
    assert properties({"Resources": {"R": broken}})["X"].because == "R is not a mapping"


def test_policies_and_metadata_are_kept():
    """Retention and the construct's path stand beside the properties."""
    body = {
        "Parameters": {"Keep": {"Type": "String", "Default": "Retain"}, "Open": {"Type": "String"}},
        "Resources": {
            "R": {
                "Type": "T",
                "DeletionPolicy": {"Ref": "Keep"},
                "UpdateReplacePolicy": {"Ref": "Open"},
                "Metadata": {"aws:cdk:path": "dev/Storage/Lustre"},
            },
            "S": {"Type": "T", "DeletionPolicy": ["Retain"]},
            "U": {"Type": "T", "DeletionPolicy": {"Ref": "AWS::NoValue"}},
        },
    }
    first, second, third = variants(body)[0].resources
    assert first.deletion_policy == "Retain"
    assert first.update_replace_policy.because == "parameter Open has no default"
    assert first.place.construct_path == "dev/Storage/Lustre"
    assert second.deletion_policy == Unknown("DeletionPolicy is no text")
    assert third.deletion_policy is None
