"""Several templates at once: exports and imports, nested stacks, outputs of other stacks."""

from ultracluster.templates.resolution import Template, resolve
from ultracluster.templates.resolved import Link, Unknown
from ultracluster.templates.stacks import Stacks

NETWORK = {
    "Parameters": {"Name": {"Type": "String", "Default": "net"}},
    "Conditions": {"Never": {"Fn::Equals": ["a", "b"]}},
    "Resources": {"Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}}},
    "Outputs": {
        "VpcId": {"Value": {"Ref": "Vpc"}, "Export": {"Name": {"Fn::Sub": "${Name}-vpc"}}},
        "Own": {"Value": 1, "Export": {"Name": {"Fn::Sub": "${AWS::StackName}-own"}}},
        "Zone": {"Value": 2, "Export": {"Name": {"Fn::Sub": "${AWS::Region}-zone"}}},
        "Gone": {"Value": 3, "Condition": "Never", "Export": {"Name": "gone"}},
    },
}


def importing(name):
    return {"Resources": {"R": {"Type": "T", "Properties": {"V": {"Fn::ImportValue": name}}}}}


def imported(name, *, region="us-east-1", stack_name=None, exporter=NETWORK):
    templates = [
        Template("network", exporter, stack_name=stack_name),
        Template("user", importing(name)),
    ]
    (variant,) = resolve(templates, parameters={}, region=region)
    (found,) = [r for r in variant.resources if r.place.stack == "user"]
    return found.properties["V"], found.depends_on


def test_an_import_is_what_the_other_template_exports():
    """A rule follows a subnet into the stack that makes it; that is no dependency in this one."""
    assert imported("net-vpc") == (Link("network", "Vpc"), frozenset())


def test_names_that_are_equal_whatever_they_are_match():
    """Both sides write the Region, and neither knows which it is."""
    assert imported({"Fn::Sub": "${AWS::Region}-zone"}, region=None)[0] == 2


def test_a_stack_name_is_known_only_where_it_is_told():
    """The name of a file is not the name of its stack."""
    assert imported("network-own")[0].because == "export network-own is of no given template"
    assert imported("network-own", stack_name="network")[0] == 1


def test_an_output_that_is_not_made_cannot_be_imported():
    """Its condition does not hold."""
    assert "output Gone of network is not made under Never" in imported("gone")[0].because


def test_an_export_of_two_templates_is_nobodys():
    """Which of them is deployed is not known."""
    templates = [Template(n, NETWORK) for n in ("a", "b")]
    (variant,) = resolve(
        [*templates, Template("user", importing("net-vpc"))], parameters={}, region=None
    )
    assert variant.resources[-1].properties["V"].because == (
        "several given templates export net-vpc: a, b"
    )


def test_exports_in_a_circle_end():
    """Neither stack could ever be deployed first."""
    one = {
        "Resources": {},
        "Outputs": {"O": {"Value": {"Fn::ImportValue": "b"}, "Export": {"Name": "a"}}},
    }
    two = {
        "Resources": {"R": {"Type": "T", "Properties": {"V": {"Fn::ImportValue": "a"}}}},
        "Outputs": {"O": {"Value": {"Fn::ImportValue": "a"}, "Export": {"Name": "b"}}},
    }
    (variant,) = resolve([Template("one", one), Template("two", two)], parameters={}, region=None)
    assert "is made of itself" in variant.resources[0].properties["V"].because


def test_an_export_without_a_value_is_missing():
    """It would not deploy."""
    exporter = {"Resources": {}, "Outputs": {"O": {"Export": {"Name": "x"}}}}
    assert imported("x", exporter=exporter)[0].because == "template network has no output O"


def test_an_output_of_a_stack_by_its_name():
    """Weak references of CDK read outputs that are not exported."""
    user = {
        "Resources": {
            "R": {
                "Type": "T",
                "Properties": {
                    "V": {"Fn::GetStackOutput": {"StackName": "net", "OutputName": "VpcId"}},
                    "W": {"Fn::GetStackOutput": {"StackName": "other", "OutputName": "VpcId"}},
                },
            }
        }
    }
    templates = [Template("network", NETWORK, stack_name="net"), Template("user", user)]
    (variant,) = resolve(templates, parameters={}, region=None)

    assert variant.resources[1].properties["V"] == Link("network", "Vpc")
    assert "of stack other" in variant.resources[1].properties["W"].because
    assert [[t.name for t in group] for group in Stacks(templates, {}, None).connected()]


OUTER = {
    "Parameters": {"Make": {"Type": "String"}},
    "Conditions": {"Made": {"Fn::Equals": [{"Ref": "Make"}, "yes"]}},
    "Resources": {
        "Sg": {"Type": "AWS::EC2::SecurityGroup"},
        "Inner": {
            "Type": "AWS::CloudFormation::Stack",
            "Condition": "Made",
            "Properties": {
                "TemplateURL": "inner.yaml",
                "Parameters": {"Group": {"Fn::GetAtt": "Sg.GroupId"}, "Zones": "a,b", "Count": "4"},
            },
        },
        "Use": {"Type": "T", "Properties": {"V": {"Fn::GetAtt": "Inner.Outputs.Fs"}}},
    },
}
INNER = {
    "Parameters": {
        "Group": {"Type": "String"},
        "Zones": {"Type": "CommaDelimitedList"},
        "Count": {"Type": "Number"},
        "Rest": {"Type": "String", "Default": "r"},
    },
    "Resources": {
        "Fs": {
            "Type": "AWS::FSx::FileSystem",
            "Properties": {"V": [{"Ref": name} for name in ("Group", "Zones", "Count", "Rest")]},
        }
    },
    "Outputs": {"Fs": {"Value": {"Ref": "Fs"}}},
}


def test_a_nested_stack_is_read_with_what_it_is_passed():
    """A group that is passed down is the group of the outer template."""
    templates = [Template("outer", OUTER), Template("inner", INNER, nested_in=("outer", "Inner"))]
    absent, there = resolve(templates, parameters={}, region=None)

    assert [r.place.logical_id for r in absent.resources] == ["Sg", "Use"]
    found = {r.place.logical_id: r.properties for r in there.resources}
    assert found["Fs"]["V"] == [Link("outer", "Sg", "GroupId"), ["a", "b"], 4, "r"]
    assert found["Use"]["V"] == Link("inner", "Fs")


def test_stacks_that_nest_each_other_end():
    """Neither is ever deployed; reading them must end all the same."""
    body = {
        "Parameters": {"P": {"Type": "String"}},
        "Resources": {
            "S": {
                "Type": "AWS::CloudFormation::Stack",
                "Properties": {"Parameters": {"P": {"Ref": "P"}}},
            }
        },
    }
    templates = [
        Template("a", body, nested_in=("b", "S")),
        Template("b", body, nested_in=("a", "S")),
    ]
    found = resolve(templates, parameters={}, region=None)[0].resources[0]
    assert "in a circle" in found.properties["Parameters"]["P"].because


def test_templates_that_share_nothing_are_apart():
    """Open conditions of one do not multiply with those of another."""
    templates = [
        Template("network", NETWORK),
        Template("alone", {"Resources": {}}),
        Template("user", importing("net-vpc")),
        Template("stranger", importing("elsewhere")),
        Template("outer", OUTER),
        Template("inner", INNER, nested_in=("outer", "Inner")),
    ]
    groups = Stacks(templates, {}, None).connected()

    assert [[template.name for template in group] for group in groups] == [
        ["network", "user"],
        ["alone"],
        ["stranger"],
        ["outer", "inner"],
    ]


def test_templates_of_several_regions_have_no_one_region():
    """Where each goes is known to itself."""
    body = {"Resources": {"R": {"Type": "T", "Properties": {"V": {"Ref": "AWS::Region"}}}}}
    (variant,) = resolve(
        [Template("a", body, region="us-east-1"), Template("b", body, region="eu-west-1")],
        parameters={},
        region="us-west-2",
    )
    assert variant.region == Unknown("the templates go to several Regions")
    assert [r.properties["V"] for r in variant.resources] == ["us-east-1", "eu-west-1"]
