"""Environments with Slurm: what launches the nodes, on which capacity, and how they boot."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.stacks.synthesized import RESERVATION, VARIANTS, Synthesis

Made = Callable[[str], Synthesis]
SLURM = ("slurm", "slurm-gov", "slurm-block", "slurm-reserved")


def groups(made: Synthesis) -> dict[str, dict[str, Any]]:
    """Return the properties of the node groups, by name."""
    found = made.resources("AWS::PCS::ComputeNodeGroup")
    return {group["Properties"]["Name"]: group["Properties"] for group in found}


WANTED_LEAST = {"slurm-block": 1, "slurm-reserved": 3}
"""Nodes that run without a job: what is asked for, or all that are paid for."""


@pytest.mark.parametrize("name", SLURM)
def test_nodes_are_launched_between_none_and_all(synthesis: Made, name: str):
    """No more than the spec says are paid for, and none that nobody asked for."""
    spec = VARIANTS[name]
    assert spec.slurm is not None

    group = groups(synthesis(name))["p4d-24xlarge"]

    assert group["InstanceConfigs"] == [{"InstanceType": "p4d.24xlarge"}]
    assert group["ScalingConfiguration"] == {
        "MinInstanceCount": WANTED_LEAST.get(name, 0),
        "MaxInstanceCount": spec.nodes.count + spec.nodes.spare_nodes,
    }


def test_a_capacity_block_is_bought_as_one(synthesis: Made):
    """Else PCS asks for instances on demand, and the block runs out unused."""
    made = synthesis("slurm-block")

    assert groups(made)["p4d-24xlarge"]["PurchaseOption"] == "CAPACITY_BLOCK"
    assert RESERVATION in json.dumps(made.templates["Cluster"])
    assert groups(synthesis("slurm"))["p4d-24xlarge"]["PurchaseOption"] == "ONDEMAND"


def test_nodes_have_efa_on_every_card_and_speak_slurm(synthesis: Made):
    """efa-only interfaces do not register; without the group slurmctld is never reached."""
    made = synthesis("slurm")

    (cluster,) = made.resources("AWS::PCS::Cluster")
    (slurm_group,) = cluster["Properties"]["Networking"]["SecurityGroupIds"]
    for template in made.resources("AWS::EC2::LaunchTemplate"):
        data = template["Properties"]["LaunchTemplateData"]
        interfaces = data.get("NetworkInterfaces")
        if interfaces is None:
            assert slurm_group in data["SecurityGroupIds"]
            continue
        assert [each["InterfaceType"] for each in interfaces] == ["efa"] * 4
        assert all(slurm_group in each["Groups"] for each in interfaces)


def test_the_documented_ports_are_open_among_members_alone(synthesis: Made):
    """6817 to 6819 and srun's, both ways, and to nobody else."""
    made = synthesis("slurm")

    (cluster,) = made.resources("AWS::PCS::Cluster")
    (group,) = cluster["Properties"]["Networking"]["SecurityGroupIds"]
    for direction, peer in (
        ("Ingress", "SourceSecurityGroupId"),
        ("Egress", "DestinationSecurityGroupId"),
    ):
        rules = [
            rule["Properties"]
            for rule in made.resources(f"AWS::EC2::SecurityGroup{direction}")
            if rule["Properties"]["GroupId"] == group
        ]
        assert {(r["IpProtocol"], r["FromPort"], r["ToPort"]) for r in rules} == {
            ("tcp", 6817, 6819),
            ("tcp", 60001, 63000),
        }
        assert all(rule[peer] == group for rule in rules)


def test_login_nodes_run_no_jobs(synthesis: Made):
    """A queue that had them would train on them."""
    made = synthesis("slurm-block")

    (queue,) = made.resources("AWS::PCS::Queue")
    used = json.dumps(queue["Properties"]["ComputeNodeGroupConfigurations"])
    assert "LoginNodes" not in used
    assert "SlurmMediumNodes" in used
    login = groups(made)["login-m6i-xlarge"]
    assert login["ScalingConfiguration"] == {"MinInstanceCount": 2, "MaxInstanceCount": 2}


def test_login_nodes_are_optional(synthesis: Made):
    """Whoever submits from elsewhere need not pay for them."""
    assert list(groups(synthesis("slurm-gov"))) == ["p4d-24xlarge"]


def test_accounting_is_bought_where_it_is_asked_for(synthesis: Made):
    """It is billed by the job and the record."""
    accounting = {}
    for name in SLURM:
        (cluster,) = synthesis(name).resources("AWS::PCS::Cluster")
        accounting[name] = cluster["Properties"]["SlurmConfiguration"]["Accounting"]

    assert accounting["slurm"] == {"Mode": "NONE"}
    assert accounting["slurm-gov"] == {"Mode": "STANDARD", "DefaultPurgeTimeInDays": -1}


def test_the_cluster_names_the_prolog_that_nodes_install(synthesis: Made):
    """A prolog that is not there drains every node."""
    made = synthesis("slurm")

    (cluster,) = made.resources("AWS::PCS::Cluster")
    given = cluster["Properties"]["SlurmConfiguration"]["SlurmCustomSettings"]
    settings = {each["ParameterName"]: each["ParameterValue"] for each in given}
    assert settings["HealthCheckProgram"] == settings["Prolog"]
    for template in made.resources("AWS::EC2::LaunchTemplate"):
        user_data = json.dumps(template["Properties"]["LaunchTemplateData"]["UserData"])
        assert f"- path: {settings['Prolog']}\\n" in user_data


def test_profiles_have_the_path_that_pcs_takes(synthesis: Made):
    """And may register: a node that may not is billed, and replaced, for ever."""
    made = synthesis("slurm")

    (profile,) = made.resources("AWS::IAM::InstanceProfile")
    assert profile["Properties"]["Path"] == "/aws-pcs/"
    nodes = [
        role
        for role in made.resources("AWS::IAM::Role")
        if role["Properties"].get("Path") == "/aws-pcs/"
    ]
    assert len(nodes) == 1
    policies = json.dumps(list(made.resources("AWS::IAM::ManagedPolicy")))
    assert "pcs:RegisterComputeNodeGroupInstance" in policies


def test_jobs_find_the_queue(synthesis: Made):
    """Beside everything else, and in place of the Auto Scaling group."""
    names = {
        parameter["Properties"]["Name"].removeprefix("/ultracluster/slurm/")
        for parameter in synthesis("slurm").resources("AWS::SSM::Parameter")
    }

    assert {"slurm-cluster-id", "slurm-queue", "launch-template-id"} <= names
    assert "node-group-name" not in names


def test_the_controller_waits_for_the_rules_of_its_group(synthesis: Made):
    """CreateCluster fails now and then where the group has no outbound rule yet."""
    made = synthesis("slurm")

    (cluster,) = made.resources("AWS::PCS::Cluster")
    (group,) = cluster["Properties"]["Networking"]["SecurityGroupIds"]
    rules = {
        name
        for name, resource in made.templates["Cluster"]["Resources"].items()
        if resource["Type"].startswith("AWS::EC2::SecurityGroup")
        and resource["Properties"].get("GroupId") == group
    }
    assert len(rules) == 4
    assert rules <= set(cluster["DependsOn"])


def test_nodes_wait_for_what_their_role_may_do(synthesis: Made):
    """A node that may not register yet is terminated, and paid for."""
    made = synthesis("slurm")
    policies = {
        name
        for name, resource in made.templates["Cluster"]["Resources"].items()
        if resource["Type"] == "AWS::IAM::ManagedPolicy" and "NodeRole" in name
    }

    assert policies
    for group in made.resources("AWS::PCS::ComputeNodeGroup"):
        assert policies <= set(group["DependsOn"])


def test_each_interface_names_the_only_subnet(synthesis: Made):
    """As in the launch template of AWS's guide (PCS user guide, EFA, read 2026-11-27)."""
    made = synthesis("slurm")

    (group,) = [g for n, g in groups(made).items() if n == "p4d-24xlarge"]
    (subnet,) = group["SubnetIds"]
    (interfaces,) = [
        template["Properties"]["LaunchTemplateData"]["NetworkInterfaces"]
        for template in made.resources("AWS::EC2::LaunchTemplate")
        if "NetworkInterfaces" in template["Properties"]["LaunchTemplateData"]
    ]
    assert [each["SubnetId"] for each in interfaces] == [subnet] * 4


def test_jobs_that_name_no_partition_have_a_queue(synthesis: Made):
    """`sbatch train.sbatch` of the README is refused otherwise."""
    (queue,) = synthesis("slurm").resources("AWS::PCS::Queue")

    settings = queue["Properties"]["SlurmConfiguration"]["SlurmCustomSettings"]
    assert settings == [{"ParameterName": "Default", "ParameterValue": "YES"}]
