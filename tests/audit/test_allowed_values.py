"""A parameter that takes several values is judged at each of them, not at its default alone."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.audit.files import audit_of
from ultracluster.audit.report import Report

CARDS = ("1", "2", "4")


def interface(card: int, device: int = 1) -> dict[str, Any]:
    return {"InterfaceType": "efa", "NetworkCardIndex": card, "DeviceIndex": device}


def launch(**changes: Any) -> dict[str, Any]:
    """Return a template whose number of cards is a parameter, as public ones have it."""
    more = [
        {"Fn::If": ["Four", interface(card), {"Ref": "AWS::NoValue"}]}
        for card in changes.pop("cards", (1, 2, 3))
    ]
    return {
        "Parameters": {
            "Cards": {"Type": "String", "Default": "1", "AllowedValues": [*CARDS]},
            "Name": {"Type": "String", "Default": "nodes"},
            **changes.pop("parameters", {}),
        },
        "Conditions": {
            "Four": {"Fn::Equals": [{"Ref": "Cards"}, "4"]},
            **changes.pop("conditions", {}),
        },
        "Resources": {
            "Nodes": {
                "Type": "AWS::EC2::LaunchTemplate",
                "Properties": {
                    "LaunchTemplateName": {"Ref": "Name"},
                    "LaunchTemplateData": {
                        "NetworkInterfaces": [interface(0, 0), *more],
                        **changes,
                    },
                },
            }
        },
    }


def found(tmp_path: Path, body: Mapping[str, Any], rule: str, **given: str) -> list[Any]:
    """Return severity and choices of the findings of a rule, each once."""
    report = report_of(tmp_path, body, **given)
    every = [(report.severity(f), dict(f.choices)) for f in report.findings if f.rule == rule]
    return [each for index, each in enumerate(every) if each not in every[:index]]


def report_of(tmp_path: Path, body: Mapping[str, Any], **given: str) -> Report:
    path = tmp_path / "launch.json"
    path.write_text(json.dumps(body))
    return audit_of(path, **given)


def test_a_fault_in_a_branch_that_is_not_the_default_is_named(tmp_path: Path):
    """Two cards made equal where four are asked for: EC2 refuses that launch alone."""
    body = launch(cards=(1, 2, 2))

    assert found(tmp_path, body, "FABRIC-3") == [("error", {"launch/Cards": "4"})]
    assert found(tmp_path, body, "FABRIC-3", Cards="2") == []
    assert found(tmp_path, launch(), "FABRIC-3") == []


def test_a_value_that_is_passed_on_is_judged(tmp_path: Path):
    """Of several types that a template offers, one has no EFA."""
    offered = ["p5.48xlarge", "p4d.24xlarge", "g4dn.xlarge"]
    kinds = {"Type": "String", "Default": "p4d.24xlarge", "AllowedValues": offered}
    body = launch(parameters={"Kind": kinds}, InstanceType={"Ref": "Kind"})

    assert found(tmp_path, body, "FABRIC-3") == [("error", {"launch/Kind": "g4dn.xlarge"})]


def test_a_value_that_a_mapping_leads_to_is_judged(tmp_path: Path):
    """Also where a condition compares what the mapping gives."""
    size = {"Type": "Number", "Default": 1, "AllowedValues": [1, 8]}
    body = launch(
        parameters={"Size": size},
        conditions={"Four": {"Fn::Equals": [{"Fn::FindInMap": ["M", {"Ref": "Size"}, "n"]}, "x"]}},
        InstanceType={"Fn::FindInMap": ["M", {"Ref": "Size"}, "type"]},
        cards=(1, 1),
    )
    body["Mappings"] = {
        "M": {"1": {"n": "y", "type": "g6e.8xlarge"}, "8": {"n": "x", "type": "p4d.24xlarge"}}
    }
    assert found(tmp_path, body, "FABRIC-3") == [("error", {"launch/Size": "8"})]
    said = [finding.message for finding in report_of(tmp_path, body).findings]
    assert not any("no EFA interface" in message for message in said)


def many(count: int) -> dict[str, Any]:
    """Return parameters that nothing depends on but tags."""
    values = [str(n) for n in range(9)]
    return {
        f"Tag{n}": {"Type": "String", "Default": "0", "AllowedValues": values} for n in range(count)
    }


def test_a_fault_is_found_among_more_combinations_than_are_looked_at(tmp_path: Path):
    """And only what it takes is said: the values of other parameters have nothing to do with it."""
    tags = [{"Key": name, "Value": {"Ref": name}} for name in many(6)]
    body = launch(cards=(1, 2, 2), parameters=many(6))
    body["Resources"]["Vpc"] = {
        "Type": "AWS::EC2::VPC",
        "Properties": {"CidrBlock": "10.0.0.0/16", "Tags": tags},
    }
    report = report_of(tmp_path, body)

    assert "7 open questions make more than 16 combinations" in report.notes[0]
    assert found(tmp_path, body, "FABRIC-3") == [("error", {"launch/Cards": "4"})]


def lustre(*, tags: int = 0) -> dict[str, Any]:
    """Return a file system of which a template offers throughputs for either deployment type."""
    of: dict[str, list[Any]] = {
        "Deployment": ["PERSISTENT_2", "PERSISTENT_1"],
        "Rate": [125, 250, 50, 100],
    }
    parameters = {
        name: {"Type": "String", "Default": values[0], "AllowedValues": values}
        for name, values in of.items()
    }
    configuration = {
        "DeploymentType": {"Ref": "Deployment"},
        "PerUnitStorageThroughput": {"Ref": "Rate"},
    }
    return {
        "Parameters": {**parameters, **many(tags)},
        "Resources": {
            "System": {
                "Type": "AWS::FSx::FileSystem",
                "Properties": {
                    "FileSystemType": "LUSTRE",
                    "FileSystemTypeVersion": "2.15",
                    "StorageCapacity": 1200,
                    "LustreConfiguration": configuration,
                    "Tags": [{"Key": name, "Value": {"Ref": name}} for name in many(tags)],
                },
            }
        },
    }


def test_a_value_that_is_offered_for_another_choice_is_a_warning(tmp_path: Path):
    """50 MB/s is right with PERSISTENT_1: the template is not wrong, one choice of both is."""
    for tags in (0, 5):
        severities = {severity for severity, _ in found(tmp_path, lustre(tags=tags), "LUSTRE-1")}
        assert severities == {"warning"}


def test_what_was_judged_at_its_default_alone_is_said(tmp_path: Path):
    """Silence about a value that nobody looked at reads like an approval."""
    report = report_of(tmp_path, launch())

    assert report.defaults == {"launch/Name": "nodes"}
    (note,) = report.notes
    assert note.startswith("judged with the default values of parameters alone; give others by")
    assert note.endswith("--parameter: launch/Name=nodes")
    assert report_of(tmp_path, launch(), Name="mine").defaults == {}


def test_stacks_that_share_values_agree_about_their_names(tmp_path: Path):
    """What one template exports under a parameter's value another one still finds."""
    stage = {"Stage": {"Type": "String", "Default": "dev", "AllowedValues": ["dev", "prod"]}}
    name = {"Fn::Sub": "${Stage}-subnet"}
    network = {
        "Parameters": stage,
        "Resources": {
            "Subnet": {
                "Type": "AWS::EC2::Subnet",
                "Properties": {"CidrBlock": "10.0.0.0/28", "VpcId": "vpc-1"},
            }
        },
        "Outputs": {"Subnet": {"Value": {"Ref": "Subnet"}, "Export": {"Name": name}}},
    }
    nodes = launch(InstanceType="p4d.24xlarge", parameters=stage)
    nodes["Resources"]["Group"] = {
        "Type": "AWS::AutoScaling::AutoScalingGroup",
        "Properties": {
            "MaxSize": "40",
            "VPCZoneIdentifier": [{"Fn::ImportValue": name}],
            "LaunchTemplate": {"LaunchTemplateId": {"Ref": "Nodes"}, "Version": "1"},
        },
    }
    for file, body in (("network", network), ("launch", nodes)):
        (tmp_path / f"{file}.json").write_text(json.dumps(body))
    report = audit_of(tmp_path / "network.json", tmp_path / "launch.json", Cards="1")

    assert [f.rule for f in report.findings if f.rule == "FABRIC-17"] == ["FABRIC-17"]


def test_an_empty_default_stands_for_a_value_that_is_given(tmp_path: Path):
    """Nobody deploys a template whose bucket has to be written without writing it."""
    body = lustre()
    body["Parameters"]["Bucket"] = {"Type": "String", "Default": ""}
    properties = {
        "FileSystemId": {"Ref": "System"},
        "FileSystemPath": "/data",
        "DataRepositoryPath": {"Ref": "Bucket"},
    }
    link = {"Type": "AWS::FSx::DataRepositoryAssociation", "Properties": properties}
    body["Resources"]["Link"] = link

    assert found(tmp_path, body, "LUSTRE-21") == []
    open_ones = [u.because for u in report_of(tmp_path, body).unknown if u.rule == "LUSTRE-21"]
    assert open_ones == ["DataRepositoryPath is empty by default, whoever deploys it says it"]
    assert found(tmp_path, body, "LUSTRE-21", Bucket="bucket/prefix") == [("error", {})]
    assert found(tmp_path, body, "LUSTRE-21", Bucket="s3://bucket/prefix") == []


def test_what_the_rules_of_a_template_refuse_is_not_judged(tmp_path: Path):
    """CloudFormation stops such a deployment itself, with the template's own words."""
    for tags in (0, 5):
        body = lustre(tags=tags)
        of = {"PERSISTENT_2": ["125", "250"], "PERSISTENT_1": ["50", "100"]}
        body["Rules"] = {
            f"Rates{kind[-1]}": {
                "RuleCondition": {"Fn::Equals": [{"Ref": "Deployment"}, kind]},
                "Assertions": [{"Assert": {"Fn::Contains": [rates, {"Ref": "Rate"}]}}],
            }
            for kind, rates in of.items()
        }
        assert found(tmp_path, body, "LUSTRE-1") == []

        of["PERSISTENT_1"].append("125")
        only = {"launch/Deployment": "PERSISTENT_1", "launch/Rate": "125"}
        (one,) = found(tmp_path, body, "LUSTRE-1")
        assert one[1].items() <= only.items()
        # What is given is judged, whatever the rules say: it was asked for.
        given = {"Deployment": "PERSISTENT_1", "Rate": "250"}
        assert found(tmp_path, body, "LUSTRE-1", **given) == [("error", {})]


def test_a_value_that_goes_with_another_capacity_is_a_warning(tmp_path: Path):
    """The template says to give the capacity as well; its default is for the other choice."""
    body = lustre()
    body["Parameters"] |= {
        "Efa": {"Type": "String", "Default": "false", "AllowedValues": ["true", "false"]},
        "Size": {"Type": "Number", "Default": 1200},
    }
    body["Conditions"] = {"WithEfa": {"Fn::Equals": [{"Ref": "Efa"}, "true"]}}
    properties = body["Resources"]["System"]["Properties"]
    properties["LustreConfiguration"] = {
        "DeploymentType": "PERSISTENT_2",
        "PerUnitStorageThroughput": 250,
        "MetadataConfiguration": {"Mode": "AUTOMATIC"},
        "EfaEnabled": {"Fn::If": ["WithEfa", True, {"Ref": "AWS::NoValue"}]},
    }
    properties["StorageCapacity"] = {"Ref": "Size"}
    assert found(tmp_path, body, "LUSTRE-1") == [("warning", {"launch/Efa": "true"})]
    assert found(tmp_path, body, "LUSTRE-1", Efa="true") == [("error", {})]
    properties["StorageCapacity"] = 1200
    assert found(tmp_path, body, "LUSTRE-1") == [("error", {"launch/Efa": "true"})]
