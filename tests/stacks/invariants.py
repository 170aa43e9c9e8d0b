"""What holds for the templates of every environment, whatever was asked for."""

import json
import re
from typing import Any

from tests.stacks.guards_of_access import ACCESS
from tests.stacks.guards_of_data import DATA
from tests.stacks.guards_of_money import MONEY
from tests.stacks.guards_of_records import RECORDS
from tests.stacks.guards_of_roles import ROLES
from tests.stacks.synthesized import Synthesis

IMPORT = re.compile(r'"Fn::ImportValue": "[a-z0-9-]+-([A-Z]\w+):')

MOST_RESOURCES = 500
MOST_BYTES = 1_000_000
"""Limits of a CloudFormation template (User Guide, quotas)."""


def no_subnet_gives_public_addresses(made: Synthesis) -> None:
    """EC2 refuses nodes with several interfaces where addresses are assigned."""
    for subnet in made.resources("AWS::EC2::Subnet"):
        assert subnet["Properties"]["MapPublicIpOnLaunch"] is False


def every_interface_is_in_the_fabric(made: Synthesis) -> None:
    """One card outside the group is a rank that hangs."""
    (fabric,) = (
        name
        for name, resource in made.templates["Network"]["Resources"].items()
        if resource["Type"] == "AWS::EC2::SecurityGroup"
        and resource["Properties"]["GroupDescription"].startswith("EFA traffic")
    )
    exports = {
        json.dumps(output["Value"]): output["Export"]["Name"]
        for output in made.templates["Network"]["Outputs"].values()
    }
    group = {"Fn::ImportValue": exports[json.dumps({"Fn::GetAtt": [fabric, "GroupId"]})]}
    # A login node has one interface and no part in the fabric; nor has a CPU node.
    interfaces = [
        interface
        for template in made.resources("AWS::EC2::LaunchTemplate")
        for interface in template["Properties"]["LaunchTemplateData"].get("NetworkInterfaces", ())
    ]
    assert interfaces
    assert all(group in interface["Groups"] for interface in interfaces)


def the_file_system_waits_for_its_rules(made: Synthesis) -> None:
    """FSx refuses a group that does not yet admit Lustre."""
    storage: dict[str, Any] = made.templates["Storage"]["Resources"]
    rules = {
        name
        for name, resource in storage.items()
        if resource["Type"].startswith("AWS::EC2::SecurityGroup")
        and resource["Properties"].get("Description") == "Lustre"
    }
    (file_system,) = made.resources("AWS::FSx::FileSystem")
    assert rules
    assert set(file_system["DependsOn"]) == rules


def templates_are_small_enough(made: Synthesis) -> None:
    """CloudFormation refuses more."""
    for stack, template in made.templates.items():
        assert len(template["Resources"]) < MOST_RESOURCES
        assert made.sizes[stack] < MOST_BYTES


def nothing_in_a_placement_group_is_tagged(made: Synthesis) -> None:
    """Tags of a group are create-only: a new one would replace it and its reservation.

    Those of a reservation can be changed (registry schema of cfn-lint 1.58.0, 2026-10-20): it has
    the one by which its unused hours are charged.
    """
    for group in made.resources("AWS::EC2::PlacementGroup"):
        assert group["Properties"] == {"Strategy": "cluster"}
    for reservation in made.resources("AWS::EC2::CapacityReservation"):
        (given,) = reservation["Properties"]["TagSpecifications"]
        assert [tag["Key"] for tag in given["Tags"]] == ["ultracluster:environment"]


def no_node_is_public(made: Synthesis) -> None:
    """Nothing in any template asks for a public address of a node."""
    assert "AssociatePublicIpAddress" not in json.dumps(made.templates)


def imports_run_one_way(made: Synthesis) -> None:
    """A stack takes from those before it, so that it can be deleted before them."""
    stacks = list(made.templates)
    for position, stack in enumerate(stacks):
        imported = IMPORT.findall(json.dumps(made.templates[stack]))
        assert bool(imported) is (position > 0)
        assert set(imported) <= set(stacks[:position])


def nodes_are_launched_by_one(made: Synthesis) -> None:
    """Two that launch would each count on all of the capacity."""
    scaled = len(list(made.resources("AWS::AutoScaling::AutoScalingGroup")))
    managed = len(list(made.resources("AWS::PCS::Cluster")))
    assert scaled + managed == 1


def no_version_of_a_template_is_exported(made: Synthesis) -> None:
    """CloudFormation refuses to change an export in use: no node could ever be changed again."""
    for template in made.templates.values():
        assert "LatestVersionNumber" not in json.dumps(template.get("Outputs", {}))


def a_function_of_cdk_waits_for_its_role_once(made: Synthesis) -> None:
    """`Fn::GetAtt` says so already, and cfn-lint (W3005) warns of a `DependsOn` beside it."""
    for name, function in made.named("AWS::Lambda::Function"):
        if "CustomResourceProvider" in name:
            assert "DependsOn" not in function


INVARIANTS = (
    a_function_of_cdk_waits_for_its_role_once,
    nodes_are_launched_by_one,
    no_version_of_a_template_is_exported,
    no_subnet_gives_public_addresses,
    every_interface_is_in_the_fabric,
    the_file_system_waits_for_its_rules,
    templates_are_small_enough,
    nothing_in_a_placement_group_is_tagged,
    no_node_is_public,
    imports_run_one_way,
    *DATA,
    *MONEY,
    *RECORDS,
    *ROLES,
    *ACCESS,
)
