"""The four stacks of every kind of environment, as `app.build()` makes them."""

import json
from collections.abc import Callable
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from constructs_lib.stacks.environment import TrainingEnvironment
from tests.stacks.invariants import INVARIANTS
from tests.stacks.synthesized import STACKS, VARIANTS, Synthesis
from ultracluster.spec.network import INTERFACE_ENDPOINTS, NetworkSpec
from ultracluster.spec.node_image import NodeImageSpec

Made = Callable[[str], Synthesis]
EVERY_WORLD = pytest.mark.parametrize("name", VARIANTS)


@EVERY_WORLD
@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda rule: rule.__name__)
def test_what_always_holds(synthesis: Made, name: str, invariant: Callable[[Synthesis], None]):
    """And no gate finds anything: synthesis would raise."""
    invariant(synthesis(name))


@EVERY_WORLD
def test_a_resource_keeps_its_logical_id(synthesis: Made, name: str):
    """Another id is another resource: nodes lose their role, or are replaced, in an update.

    Who changes `logical_ids.json` writes a "Replaces resources" entry into the changelog. It has
    the ids of all environments together, and how many each of their stacks has.
    """
    known = json.loads(Path(__file__).with_name("logical_ids.json").read_text())
    templates = synthesis(name).templates
    for stack, template in templates.items():
        made = {logical_id: found["Type"] for logical_id, found in template["Resources"].items()}
        assert made.items() <= known["ids"][stack].items()
    assert [len(each["Resources"]) for each in templates.values()] == known["resources"][name]


@pytest.mark.parametrize("name", ["small", "existing", "reserved", "slurm"])
def test_stacks_depend_on_each_other_one_way(name: str):
    """Network, Storage, Training, Cluster: each is deleted before those that it uses."""
    stage = TrainingEnvironment(cdk.App(), spec=VARIANTS[name])
    stage.synth()
    made = [stage.network, stage.storage, stage.training, stage.cluster]

    assert [stack.node.id for stack in made] == list(STACKS)
    for position, stack in enumerate(made):
        depended = {other.node.id for other in stack.dependencies}
        assert depended <= set(STACKS[:position])
        assert position == 0 or depended


@pytest.mark.parametrize(
    ("name", "image"), [("small", None), ("slurm", None), ("slurm", NodeImageSpec())]
)
def test_a_specs_names_of_stacks_are_those_that_are_deployed(
    name: str, image: NodeImageSpec | None
):
    """`retry` and `deliver` find stacks by them: CDK gives stacks no tags."""
    spec = VARIANTS[name].model_copy(update={"node_image": image})
    made = TrainingEnvironment(cdk.App(), spec=spec).synth().stacks_recursively
    assert tuple(stack.stack_name for stack in made) == spec.stack_names
    described = {stack.template["Description"] for stack in made}
    assert len(described) == len(made)
    assert all(f"{name} training environment" in each for each in described)
    types = {each["Type"] for s in made for each in s.template["Resources"].values()}
    assert ("AWS::ImageBuilder::ImagePipeline" in types) is (image is not None)


def test_the_region_and_the_account_are_the_specs():
    """Its zone and its capacity are there; another one can only be a mistake."""
    spec, account, other = VARIANTS["small"], f"{1:012d}", f"{2:012d}"
    stage = TrainingEnvironment(cdk.App(), spec=spec, env=cdk.Environment(account=account))
    assert (stage.account, stage.region) == (account, "us-east-1")
    # CDK would look the names of zones up, with credentials.
    assert stage.network.availability_zones == ["use1-az6"]

    with pytest.raises(ValueError, match=r"got the Region eu-west-1, and .* is in us-east-1"):
        TrainingEnvironment(cdk.App(), spec=spec, env=cdk.Environment(region="eu-west-1"))
    bound = spec.model_copy(update={"account": account})
    with pytest.raises(ValueError, match=f"got the account {other}, and .* is for {account}"):
        TrainingEnvironment(cdk.App(), spec=bound, env=cdk.Environment(account=other))


def test_what_takes_one_subnet_of_a_zone_is_in_the_first():
    """EFS and interface endpoints take one of each zone; nodes take all, login nodes need one."""
    network = NetworkSpec(training_subnet_cidrs=("10.0.0.0/20", "10.0.16.0/20"))
    spec = VARIANTS["slurm-reserved"].model_copy(update={"network": network})
    stage = TrainingEnvironment(cdk.App(), spec=spec)
    made = {
        kind: [each["Properties"] for each in found.values()]
        for stack in (stage.network, stage.storage, stage.cluster)
        for kind in ("EC2::VPCEndpoint", "EFS::MountTarget", "PCS::ComputeNodeGroup")
        if (found := Template.from_stack(stack).find_resources(f"AWS::{kind}"))
    }

    assert len(made["EFS::MountTarget"]) == 1
    endpoints = [each for each in made["EC2::VPCEndpoint"] if "SubnetIds" in each]
    assert {len(each["SubnetIds"]) for each in endpoints} == {1}
    groups = {each["Name"]: len(each["SubnetIds"]) for each in made["PCS::ComputeNodeGroup"]}
    assert groups == {"p4d-24xlarge": 2, "login-m6i-xlarge": 1}


@pytest.mark.parametrize(("name", "protected"), [("kept", True), ("small", False)])
def test_only_what_holds_state_refuses_deletion(name: str, *, protected: bool):
    """A cluster that cannot be torn down costs money; data that can be is lost."""
    stage = TrainingEnvironment(cdk.App(), spec=VARIANTS[name])

    assert stage.network.termination_protection is protected
    assert stage.storage.termination_protection is protected
    assert not stage.cluster.termination_protection
    assert not stage.training.termination_protection


@pytest.mark.parametrize("name", ["reserved", "slurm-reserved"])
def test_a_reservation_is_guarded_and_comes_last(synthesis: Made, name: str):
    """512 p4d are 187 USD a minute, and may never come back once they are given up."""
    made = synthesis(name)
    stage = TrainingEnvironment(cdk.App(), spec=VARIANTS[name])
    assert stage.cluster.termination_protection
    resources = made.templates["Cluster"]["Resources"]
    (reservation,) = made.resources("AWS::EC2::CapacityReservation")
    (group,) = made.resources("AWS::EC2::PlacementGroup")
    assert "cloudwatch.amazonaws.com" in json.dumps(made.templates["Network"])
    alarms = made.resources("AWS::CloudWatch::Alarm")
    (alarm,) = (a for a in alarms if a["Properties"].get("MetricName") == "InstanceUtilization")
    assert alarm["Properties"]["AlarmActions"]
    for each in (reservation, group):
        assert each["DeletionPolicy"] == "RetainExceptOnCreate"
        assert each["UpdateReplacePolicy"] == "Retain"
    later = {
        each["Type"]
        for logical_id, each in resources.items()
        if logical_id not in reservation["DependsOn"]
    }
    assert later <= {
        "AWS::EC2::PlacementGroup",
        "AWS::EC2::CapacityReservation",
        "AWS::CloudWatch::Alarm",
        # What is launched on it, its profile, and the parameter that names it.
        "AWS::IAM::InstanceProfile",
        "AWS::EC2::LaunchTemplate",
        "AWS::AutoScaling::AutoScalingGroup",
        "AWS::PCS::ComputeNodeGroup",
        "AWS::PCS::Queue",
        "AWS::SSM::Parameter",
        "AWS::CDK::Metadata",
    }


@pytest.mark.parametrize("name", ["govcloud", "china", "slurm-gov"])
def test_no_partition_is_written_down(synthesis: Made, name: str):
    """Wherever it is deployed, ARNs are of that partition."""
    assert "arn:aws:" not in json.dumps(synthesis(name).templates)


def test_nothing_is_made_of_a_network_that_is_there(synthesis: Made):
    """Only the groups, the flow of logs' key and the endpoints that were asked for are added."""
    made = synthesis("existing")

    for kind in ("VPC", "Subnet", "RouteTable", "NatGateway", "FlowLog"):
        assert list(made.resources(f"AWS::EC2::{kind}")) == []
    assert len(list(made.resources("AWS::EC2::VPCEndpoint"))) == 3
    (nodes,) = made.resources("AWS::AutoScaling::AutoScalingGroup")
    assert nodes["Properties"]["VPCZoneIdentifier"] == [
        "subnet-0123456789abcdef0",
        "subnet-0123456789abcdef1",
    ]
    (file_system,) = made.resources("AWS::FSx::FileSystem")
    assert file_system["Properties"]["SubnetIds"] == ["subnet-0123456789abcdef0"]


def test_a_closed_network_reaches_every_service_it_needs(synthesis: Made):
    """There is no other way out."""
    made = synthesis("closed")

    assert list(made.resources("AWS::EC2::NatGateway")) == []
    assert list(made.resources("AWS::EC2::InternetGateway")) == []
    assert len(list(made.resources("AWS::EC2::VPCEndpoint"))) == len(INTERFACE_ENDPOINTS) + 1


def test_nodes_mount_the_file_system_and_may_reach_it(synthesis: Made):
    """The group that storage admits is one of those on the nodes' interfaces."""
    made = synthesis("small")

    (template,) = made.resources("AWS::EC2::LaunchTemplate")
    data = template["Properties"]["LaunchTemplateData"]
    assert "@tcp:/" in json.dumps(data["UserData"])
    admitted = {
        json.dumps(rule["Properties"]["SourceSecurityGroupId"])
        for rule in made.resources("AWS::EC2::SecurityGroupIngress")
    }
    assert admitted & {json.dumps(group) for group in data["NetworkInterfaces"][0]["Groups"]}


def test_nodes_may_pull_the_training_images(synthesis: Made):
    """Nodes come after the repository, and their policy opens it alone."""
    statements = [
        statement
        for policy in synthesis("small").resources("AWS::IAM::ManagedPolicy")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "NodeRole" in json.dumps(policy["Properties"]["Roles"])
    ]

    (pull,) = (s for s in statements if "ecr:BatchGetImage" in s["Action"])
    assert pull["Action"] == [
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
    ]
    assert "small-Training:ExportsOutputFnGetAttImages" in json.dumps(pull["Resource"])


def test_jobs_find_everything_below_one_path(synthesis: Made):
    """A launcher that knows the environment's name needs nothing else."""
    names = {
        parameter["Properties"]["Name"]
        for parameter in synthesis("small").resources("AWS::SSM::Parameter")
    }

    assert names == {
        f"/ultracluster/small/{what}"
        for what in (
            "availability-zone-id",
            "budget-topic-arn",
            "data-bucket",
            "data-key-arn",
            "execution-role-arn",
            "file-system-id",
            "image-repository-uri",
            "instance-type",
            "launch-template-id",
            "launcher-role-arn",
            "lustre-dns-name",
            "lustre-mount-name",
            "node-group-name",
            "sagemaker-instances",
            "security-group-ids",
            "state-machine-arn",
            "subnet-ids",
        )
    }


@pytest.mark.parametrize(("name", "count"), [("small", 1), ("govcloud", 0), ("china", 0)])
def test_a_budget_is_made_where_there_are_budgets(synthesis: Made, name: str, count: int):
    """GovCloud has none, and China's would be in CNY; the ceiling holds everywhere."""
    made = synthesis(name)

    assert len(list(made.resources("AWS::Budgets::Budget"))) == count
    # The other is that of the alarms.
    assert len(list(made.resources("AWS::SNS::Topic"))) == count + 1
    parameters = {p["Properties"]["Name"] for p in made.resources("AWS::SSM::Parameter")}
    assert (f"/ultracluster/{name}/budget-topic-arn" in parameters) is bool(count)


def test_unused_hours_of_a_reservation_are_charged_to_the_environment(synthesis: Made):
    """They are the largest sum that a budget by tag could miss."""
    (reservation,) = synthesis("reserved").resources("AWS::EC2::CapacityReservation")

    assert reservation["Properties"]["TagSpecifications"] == [
        {
            "ResourceType": "capacity-reservation",
            "Tags": [{"Key": "ultracluster:environment", "Value": "reserved"}],
        }
    ]


def test_the_launcher_reads_the_parameters_that_are_written(synthesis: Made):
    """A path of its own would be denied, one level up would open every environment."""
    made = synthesis("small")

    reading = [
        statement
        for policy in made.resources("AWS::IAM::ManagedPolicy")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Sid" if "Sid" in statement else "Effect"] == "ReadParameters"
    ]
    (statement,) = reading
    assert statement["Resource"]["Fn::Join"][1][-1].endswith(":parameter/ultracluster/small")


def test_everything_but_the_placement_group_carries_the_environment(synthesis: Made):
    """Costs are told apart by it."""
    made = synthesis("reserved")

    expected = {"Key": "ultracluster:environment", "Value": "reserved"}
    for kind in ("AWS::EC2::VPC", "AWS::FSx::FileSystem", "AWS::S3::Bucket", "AWS::KMS::Key"):
        for resource in made.resources(kind):
            assert expected in resource["Properties"]["Tags"]
    (nodes,) = made.resources("AWS::AutoScaling::AutoScalingGroup")
    assert nodes["Properties"]["Tags"] == [{**expected, "PropagateAtLaunch": True}]
