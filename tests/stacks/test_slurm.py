"""Environments with Slurm: what launches the nodes, on which capacity, and how they boot."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from constructs_lib.node_programs import PROGRAMS, digest
from constructs_lib.slurm_boot import PROLOG
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
    settings = cluster["Properties"]["SlurmConfiguration"]["SlurmCustomSettings"]
    told = {setting["ParameterName"]: setting["ParameterValue"] for setting in settings}
    assert told["HealthCheckProgram"] == told["Epilog"] == told["Prolog"] == PROLOG
    folder, _, program = PROLOG.rpartition("/")
    assert (PROGRAMS / program).exists()
    # A job whose prolog fails would otherwise wait for an operator.
    assert told["SchedulerParameters"] == "nohold_on_prolog_fail"
    for template in made.resources("AWS::EC2::LaunchTemplate"):
        user_data = json.dumps(template["Properties"]["LaunchTemplateData"]["UserData"])
        assert f" path: {folder}/setup.sh\\n" in user_data
        assert f"PROGRAMS_SHA256={digest()}" in user_data


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


def queues(made: Synthesis) -> dict[str, dict[str, str]]:
    """Return the settings of the queues, by name."""
    return {
        queue["Properties"]["Name"]: {
            each["ParameterName"]: each["ParameterValue"]
            for each in queue["Properties"]
            .get("SlurmConfiguration", {})
            .get("SlurmCustomSettings", ())
        }
        for queue in made.resources("AWS::PCS::Queue")
    }


def test_each_queue_has_its_limits_and_the_first_is_the_default(synthesis: Made):
    """A debug queue without a limit is a second queue for training; two defaults are none."""
    assert queues(synthesis("slurm-queues")) == {
        "train": {
            "Default": "YES",
            "DefaultTime": "1-0",
            "PriorityTier": "2",
            "AllowAccounts": "research",
        },
        "debug": {"MaxTime": "30"},
        "prepare": {},
    }


def test_each_queue_has_its_node_groups(synthesis: Made):
    """By reference, so that CloudFormation deletes the queue before the group."""
    made = synthesis("slurm-queues")
    resources = made.templates["Cluster"]["Resources"]
    found = {
        queue["Properties"]["Name"]: [
            resources[each["ComputeNodeGroupId"]["Fn::GetAtt"][0]]["Properties"]["Name"]
            for each in queue["Properties"]["ComputeNodeGroupConfigurations"]
        ]
        for queue in made.resources("AWS::PCS::Queue")
    }

    assert found == {
        "train": ["p4d-24xlarge"],
        "debug": ["p4d-24xlarge", "h100-p5-48xlarge"],
        "prepare": ["cpu-c6id-8xlarge"],
    }


def template_of(made: Synthesis, group: str) -> dict[str, Any]:
    """Return the data of a node group's launch template."""
    name = groups(made)[group]["CustomLaunchTemplate"]["TemplateId"]["Ref"]
    data: dict[str, Any] = made.templates["Cluster"]["Resources"][name]["Properties"]
    return dict(data["LaunchTemplateData"])


def test_an_accelerated_group_is_a_fabric_of_its_own(synthesis: Made):
    """EFA on each of its own cards, in a placement group and on a reservation of its own."""
    made = synthesis("slurm-queues")
    own, nodes = (template_of(made, name) for name in ("h100-p5-48xlarge", "p4d-24xlarge"))

    assert [each["InterfaceType"] for each in own["NetworkInterfaces"]] == ["efa"] * 32
    assert own["Placement"]["GroupName"] != nodes["Placement"]["GroupName"]
    target = own["CapacityReservationSpecification"]["CapacityReservationTarget"]
    (reservation,) = made.resources("AWS::EC2::CapacityReservation")
    assert reservation["Properties"]["InstanceType"] == "p5.48xlarge"
    assert reservation["Properties"]["InstanceCount"] == 2
    assert "CapacityReservationSpecification" not in nodes
    assert target["CapacityReservationId"]["Ref"] in made.templates["Cluster"]["Resources"]
    assert "EFA_DEVICES=32" in json.dumps(own["UserData"])


def test_a_cpu_group_has_no_fabric_and_the_same_boot(synthesis: Made):
    """It prepares data: file system and local disks, one interface, the environment's tag."""
    made = synthesis("slurm-queues")
    data = template_of(made, "cpu-c6id-8xlarge")
    boot = json.dumps(data["UserData"])

    assert "NetworkInterfaces" not in data
    assert "Placement" not in data
    assert "EFA_DEVICES=0" in boot
    assert "SCRATCH=/scratch" in boot
    assert "LUSTRE=/fsx" in boot
    tags = {spec["ResourceType"]: spec["Tags"] for spec in data["TagSpecifications"]}
    assert {"Key": "ultracluster:environment", "Value": "slurm-queues"} in tags["instance"]
    group = groups(made)["cpu-c6id-8xlarge"]
    assert group["ScalingConfiguration"] == {"MinInstanceCount": 1, "MaxInstanceCount": 4}


def test_a_job_can_ask_for_one_group_of_its_queue(synthesis: Made):
    """Its nodes would otherwise be of two types, and of two placement groups."""
    found = {
        name: group.get("SlurmConfiguration", {}).get("SlurmCustomSettings")
        for name, group in groups(synthesis("slurm-queues")).items()
    }

    assert found == {
        "p4d-24xlarge": [{"ParameterName": "Features", "ParameterValue": "nodes"}],
        "h100-p5-48xlarge": [{"ParameterName": "Features", "ParameterValue": "h100"}],
        "cpu-c6id-8xlarge": [{"ParameterName": "Features", "ParameterValue": "cpu"}],
        "login-m6i-xlarge": None,
    }


def test_the_size_class_and_the_subnet_count_every_group():
    """A class too small refuses the last group; a full subnet leaves nodes that never start."""
    spec = VARIANTS["slurm-queues"]
    assert spec.slurm is not None

    assert spec.slurm.instances(spec.nodes.count) == 2 + 2 + 4 + 1
    assert spec.address_demand()["further node groups"] == 2 * 32 + 4


def test_queues_may_change_places(synthesis: Made):
    """A queue that another takes the place of would be made anew under a name that is taken."""
    made = synthesis("slurm-queues")
    resources = made.templates["Cluster"]["Resources"]
    ids = {
        resource["Properties"]["Name"]: name
        for name, resource in resources.items()
        if resource["Type"] == "AWS::PCS::Queue"
    }

    assert "Queuedebug" in ids["debug"]
    assert "Queueprepare" in ids["prepare"]


def test_every_node_has_the_users_and_login_nodes_make_their_accounts(synthesis: Made):
    """With other numbers a node would run alice's job as somebody else, or not at all."""
    made = synthesis("slurm-queues")
    boots = {name: json.dumps(template_of(made, name)["UserData"]) for name in groups(made)}

    assert len(boots) == 4
    assert all("user alice 2001" in boot for boot in boots.values())
    makers = [name for name, boot in boots.items() if "account research root 2" in boot]
    assert makers == ["login-m6i-xlarge"]


def test_jobs_without_an_account_are_refused_where_there_are_accounts(synthesis: Made):
    """And those that their queue does not take, instead of waiting for ever."""

    def settings(name: str) -> dict[str, str]:
        (cluster,) = synthesis(name).resources("AWS::PCS::Cluster")
        rows = cluster["Properties"]["SlurmConfiguration"]["SlurmCustomSettings"]
        return {row["ParameterName"]: row["ParameterValue"] for row in rows}

    found = settings("slurm-queues")
    assert found["AccountingStorageEnforce"] == "associations,limits"
    assert found["EnforcePartLimits"] == "ALL"
    assert not {"AccountingStorageEnforce", "EnforcePartLimits"} & set(settings("slurm"))


def test_pcs_checks_every_group_that_runs_jobs_before_it_has_some(synthesis: Made):
    """A CPU group has no GPUs to diagnose, and login nodes run no jobs."""
    made = synthesis("slurm-queues")
    resources = made.templates["Cluster"]["Resources"]
    checks = {
        name: each["Properties"]
        for name, each in resources.items()
        if each["Type"] == "Custom::InstanceHealthChecks"
    }

    asked = {
        resources[each["Group"]["Fn::GetAtt"][0]]["Properties"]["Name"]: each[
            "InstanceHealthChecks"
        ]["deepHealthChecks"]["onStart"]["profile"]
        for each in checks.values()
    }
    assert asked == {
        "p4d-24xlarge": "QUICK",
        "h100-p5-48xlarge": "QUICK",
        "cpu-c6id-8xlarge": "NONE",
    }
    queues = [each for each in resources.values() if each["Type"] == "AWS::PCS::Queue"]
    for queue in queues:
        own = {
            each["ComputeNodeGroupId"]["Fn::GetAtt"][0]
            for each in queue["Properties"]["ComputeNodeGroupConfigurations"]
        }
        awaited = {
            checks[name]["Group"]["Fn::GetAtt"][0] for name in queue["DependsOn"] if name in checks
        }
        assert awaited == own


def test_the_function_may_change_these_groups_alone(synthesis: Made):
    """What PCS asks of EC2 it may only through a service of AWS."""
    resources = synthesis("slurm-queues").templates["Cluster"]["Resources"]
    (role,) = (name for name in resources if name.startswith("SlurmHealthChecksRole"))
    statements = [
        statement
        for each in resources.values()
        if {"Ref": role} in each.get("Properties", {}).get("Roles", ())
        for statement in each["Properties"]["PolicyDocument"]["Statement"]
    ]

    on = [s["Resource"] for s in statements if "pcs:UpdateComputeNodeGroup" in s["Action"]]
    groups = {each["Fn::GetAtt"][0] for each in on}
    assert {resources[name]["Type"] for name in groups} == {"AWS::PCS::ComputeNodeGroup"}
    assert len(on) == len(groups) == 3
    wide = [s for s in statements if s["Resource"] == "*"]
    assert all(s["Condition"] == {"Bool": {"aws:ViaAWSService": "true"}} for s in wide)
