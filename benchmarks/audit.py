"""CPU time of whole `audit` processes over generated templates, as ratios to starting Python.

    python benchmarks/audit.py [--runs 5]

Every figure is the median of runs that take turns, so that a change of the machine's speed meets
all of them alike, each pinned to one core where the machine lets it. What else the machine does is
not counted. A template has 500 resources
and 1 MB, CloudFormation's own limits: launch templates with 8 interfaces and their user data,
groups with their rules, subnets, file systems, reservations and roles, with conditions, joins and
substitutions.
"""

import argparse
import dataclasses
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
TARGET_SECONDS = 1.0
RESOURCES = 500
BYTES = 1_000_000
PROGRAM = (
    "import argparse; from rich.console import Console; from ultracluster.audit import command; "
    "p = argparse.ArgumentParser(); command.add_arguments(p); "
    "command.run(p.parse_args(), Console(width=120))"
)


def resources(index: int, questions: int) -> dict[str, Any]:
    """Return the ten resources of one group of nodes."""
    name = f"Group{index}"
    group = {"Fn::GetAtt": [f"{name}Fabric", "GroupId"]}
    rule = {"GroupId": group, "IpProtocol": "-1"}
    script = "".join(f"echo ${{AWS::Region}} {name} step {step}\n" for step in range(250))
    return {
        f"{name}Subnet": {
            "Type": "AWS::EC2::Subnet",
            "Properties": {
                "VpcId": {"Ref": "Vpc"},
                "CidrBlock": {"Fn::Select": [index, {"Fn::Cidr": ["10.0.0.0/16", 64, 10]}]},
                "AvailabilityZone": {"Fn::Select": [0, {"Fn::GetAZs": ""}]},
            },
        },
        f"{name}Fabric": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"VpcId": {"Ref": "Vpc"}, "GroupDescription": "EFA"},
        },
        f"{name}In": {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {**rule, "SourceSecurityGroupId": group},
        },
        f"{name}Out": {
            "Type": "AWS::EC2::SecurityGroupEgress",
            "Properties": {**rule, "DestinationSecurityGroupId": group},
        },
        f"{name}Placement": {
            "Type": "AWS::EC2::PlacementGroup",
            "Properties": {"Strategy": "cluster"},
        },
        f"{name}Reservation": {
            "Type": "AWS::EC2::CapacityReservation",
            "Condition": "Reserved",
            "Properties": {
                "InstanceType": {"Ref": "NodeType"},
                "InstanceCount": 4,
                "InstancePlatform": "Linux/UNIX",
                "AvailabilityZone": {"Fn::GetAtt": [f"{name}Subnet", "AvailabilityZone"]},
            },
        },
        f"{name}Template": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {
                "LaunchTemplateData": {
                    "InstanceType": {"Ref": "NodeType"},
                    "Placement": {"GroupName": {"Ref": f"{name}Placement"}},
                    "UserData": {"Fn::Base64": {"Fn::Sub": script}},
                    "NetworkInterfaces": [
                        {
                            "NetworkCardIndex": card,
                            "DeviceIndex": min(card, 1),
                            "InterfaceType": "efa",
                            "Groups": [group],
                            "SubnetId": {"Ref": f"{name}Subnet"},
                        }
                        for card in range(4)
                    ],
                }
            },
        },
        f"{name}Lustre": {
            "Type": "AWS::FSx::FileSystem",
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
            "DependsOn": [f"{name}In", f"{name}Out"],
            "Properties": {
                "FileSystemType": "LUSTRE",
                "FileSystemTypeVersion": "2.15",
                "StorageCapacity": {"Fn::If": [f"Large{index % questions}", 12000, 2400]},
                "SubnetIds": [{"Ref": f"{name}Subnet"}],
                "SecurityGroupIds": [group],
                "LustreConfiguration": {
                    "DeploymentType": "PERSISTENT_2",
                    "PerUnitStorageThroughput": 250,
                    "MetadataConfiguration": {"Mode": "AUTOMATIC"},
                },
            },
        },
        f"{name}Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": {"Fn::Sub": "ec2.${AWS::URLSuffix}"}},
                            "Action": "sts:AssumeRole",
                        }
                    ]
                }
            },
        },
        f"{name}Policy": {
            "Type": "AWS::IAM::Policy",
            "Properties": {
                "Roles": [{"Ref": f"{name}Role"}],
                "PolicyName": "logs",
                "PolicyDocument": {
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Action": ["logs:PutLogEvents"],
                            "Resource": {
                                "Fn::Join": [
                                    "",
                                    ["arn:", {"Ref": "AWS::Partition"}, f":logs:*:*:{name}-{i}"],
                                ]
                            },
                        }
                        for i in range(20)
                    ]
                },
            },
        },
    }


def template(groups: int, questions: int = 1, most: int = RESOURCES) -> dict[str, Any]:
    """Return a template with a VPC and a number of groups of nodes.

    Args:
        groups: how many.
        questions: sizes that nobody decides, beside one such question whether to reserve.
        most: resources; the rest is left out.
    """
    sizes = [f"Size{number}" for number in range(questions)]
    made: dict[str, Any] = {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}}
    }
    for index in range(groups):
        made |= resources(index, questions)
    return {
        "Parameters": {
            "NodeType": {"Type": "String", "Default": "p4d.24xlarge"},
            "Reserve": {"Type": "String"},
            **{size: {"Type": "String"} for size in sizes},
        },
        "Conditions": {
            "Reserved": {"Fn::Equals": [{"Ref": "Reserve"}, "yes"]},
            **{
                f"Large{number}": {"Fn::Equals": [{"Ref": size}, "large"]}
                for number, size in enumerate(sizes)
            },
        },
        "Resources": dict(list(made.items())[:most]),
    }


def spent() -> float:
    """Return the CPU seconds of all children that ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@dataclasses.dataclass(frozen=True)
class Case:
    """One command that is timed."""

    name: str
    arguments: tuple[str, ...]
    templates: int
    seconds: list[float] = dataclasses.field(default_factory=list)

    def run(self) -> None:
        """Run the command once, on one core, and keep its CPU time."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        # Compiled modules are kept, as they are wherever somebody works.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        started = spent()
        subprocess.run(
            (sys.executable, *self.arguments), check=True, capture_output=True, env=environment
        )
        self.seconds.append(spent() - started)

    @property
    def median(self) -> float:
        """The median time, in seconds."""
        return statistics.median(self.seconds)


def cases(directory: Path) -> list[Case]:
    """Write the templates and return what is timed."""
    large, small = template(RESOURCES // 10), template(3)
    written = json.dumps(large, indent=1)
    (directory / "large.json").write_text(written)
    (directory / "large.yaml").write_text(yaml.dump(large, Dumper=yaml.CSafeDumper, width=200))
    print(
        f"large: {len(large['Resources'])} resources, {len(written) / BYTES:.2f} MB as JSON, "
        f"{(directory / 'large.yaml').stat().st_size / BYTES:.2f} MB as YAML; "
        f"small: {len(small['Resources'])} resources, {len(json.dumps(small)) / 1000:.0f} kB"
    )
    (directory / "open.json").write_text(json.dumps(template(RESOURCES // 10, 8), indent=1))
    offered = template(RESOURCES // 10)
    kinds = ["p4d.24xlarge", "p4de.24xlarge", "p5.48xlarge", "p5en.48xlarge"]
    offered["Parameters"] |= {
        "NodeType": {"Type": "String", "Default": kinds[0], "AllowedValues": kinds},
        "Reserve": {"Type": "String", "Default": "no", "AllowedValues": ["yes", "no"]},
        "Size0": {"Type": "String", "Default": "s", "AllowedValues": ["s", "large"]},
    }
    (directory / "offered.json").write_text(json.dumps(offered, indent=1))
    smalls = []
    for index in range(50):
        path = directory / f"small{index}.json"
        path.write_text(json.dumps(small))
        smalls.append(str(path))
    audit = ("-c", PROGRAM)
    region = ("--region", "us-east-1")
    return [
        Case("Python alone", ("-c", "pass"), 0),
        Case("1 large, JSON, 4 variants", (*audit, str(directory / "large.json"), *region), 1),
        Case(
            "1 large, JSON, 16 of 512 variants",
            (*audit, str(directory / "open.json"), *region),
            1,
        ),
        Case(
            "1 large, JSON, 1 variant",
            (
                *audit,
                str(directory / "large.json"),
                *region,
                "--parameter=Size0=s",
                "--parameter=Reserve=n",
            ),
            1,
        ),
        Case(
            "1 large, JSON, 3 parameters of AllowedValues",
            (*audit, str(directory / "offered.json"), *region, "--fail-on=never"),
            1,
        ),
        Case("1 large, YAML, 4 variants", (*audit, str(directory / "large.yaml"), *region), 1),
        Case("1 small", (*audit, smalls[0], *region), 1),
        Case("10 small", (*audit, *smalls[:10], *region), 10),
        Case("50 small", (*audit, *smalls, *region), 50),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    if hasattr(os, "sched_setaffinity"):
        # Children inherit it: what is measured is one core's work.
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as directory:
        every = cases(Path(directory))
        for number in range(runs + 1):
            for case in every:
                case.run()
                if number == 0:
                    case.seconds.clear()
    python = every[0].median
    one = next(case.median for case in every if case.name == "1 small")
    print(f"{runs} runs each, medians of CPU time, whole process")
    for case in every:
        each = case.median / case.templates if case.templates else case.median
        print(
            f"  {case.name:<46} {case.median:6.2f} s  {case.median / python:6.1f} x Python"
            f"  {1000 * each:7.1f} ms a template"
        )
    slowest = max(case.median for case in every if case.name.startswith("1 large"))
    verdict = "within" if slowest < TARGET_SECONDS else "ABOVE"
    print(f"slowest large template: {slowest:.2f} s ({verdict} the target of {TARGET_SECONDS} s)")
    fifty = every[-1].median / every[-1].templates
    print(f"a template among 50 / a template alone: {fifty / one:.2f} (below 1 is what is wanted)")


if __name__ == "__main__":
    main()
