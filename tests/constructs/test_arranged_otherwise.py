"""Constructs as other people arrange them: two of a kind, nested stacks, tokens, other L2s."""

from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_fsx as fsx
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from cdk_nag import AwsSolutionsChecks
from constructs import Construct

from constructs_lib import (
    AlarmTopic,
    DataBucket,
    DataKey,
    EfaLaunchTemplate,
    JobParameters,
    LoginLaunchTemplate,
    LustreSpec,
    LustreStorage,
    NodeRole,
    NodesSpec,
    UltraClusterRules,
    UnattendedTraining,
)
from constructs_lib.acknowledgement import acknowledge
from tests.constructs.bare import Surroundings, bare_stack, only, resources, text
from ultracluster.input_files import Sources

NODES = NodesSpec(instance_type="p4d.24xlarge", count=2)
SCRATCH = LustreSpec(deployment_type="SCRATCH_2", capacity_gib=1200, keep_data=False)


def lustre(scope: Construct, name: str, around: Surroundings) -> LustreStorage:
    return LustreStorage(scope, name, spec=SCRATCH, vpc=around.vpc, subnet=around.subnets[0])


def template(scope: Construct, around: Surroundings, **more: Any) -> EfaLaunchTemplate:
    return EfaLaunchTemplate(scope, "Nodes", spec=NODES, security_groups=around.groups, **more)


def test_two_of_a_kind_stand_in_one_stack():
    """Their log groups had one name, and the second was refused when the stack was made."""
    stack = bare_stack()
    around = Surroundings(stack)
    for name in ("Blue", "Green"):
        lustre(Construct(stack, name), "Lustre", around)
        UnattendedTraining(
            stack,
            f"{name}Jobs",
            execution_role=around.role,
            subnets=around.subnets,
            security_groups=around.groups,
            log_key=around.key,
            keep=False,
        )

    groups = resources(stack, "AWS::Logs::LogGroup").values()
    assert len({text(group["Properties"]["LogGroupName"]) for group in groups}) == 4


class Nested(cdk.NestedStack):
    """Nodes' role and template below, with a bucket and a key of another stack."""

    def __init__(self, scope: Construct, name: str, bucket: s3.IBucket, key: kms.IKey) -> None:
        super().__init__(scope, name)
        role = NodeRole(self, "NodeRole", bucket=bucket, key=key)
        template(self, Surroundings(self), role=role.role)


class Data(cdk.NestedStack):
    """A bucket and a key in a nested stack of their own."""

    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(scope, name)
        self.key = DataKey(self, "Key", keep=True).key
        self.bucket = DataBucket(self, "Bucket", key=self.key, keep=True).bucket


@pytest.mark.parametrize("beside", [False, True], ids=["parent", "sibling"])
def test_exceptions_hold_in_nested_stacks(beside: bool, tmp_path: Path):  # noqa: FBT001
    """What a policy names of another stack has another name there, by which a finding is known.

    It ended in an error of CDK's about exports.
    """
    app = cdk.App(outdir=str(tmp_path))
    parent = cdk.Stack(app, "Parent")
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app), UltraClusterRules())
    data = Data(parent, "Data")
    bucket, key = data.bucket, data.key
    if not beside:
        key = DataKey(parent, "Key", keep=True).key
        bucket = DataBucket(parent, "Bucket", key=key, keep=True).bucket
    for name in ("Nested", "Other"):  # in which logical ids are the same
        Nested(parent, name, bucket, key)

    app.synth()  # raises at a finding that nobody acknowledged, and at what excuses nothing

    nested = next(tmp_path.glob("ParentNested*.json")).read_text()
    assert "ImportValue" not in nested


def test_exceptions_hold_where_stacks_refer_to_each_other_weakly(tmp_path: Path):
    """CDK's newer way, by outputs in place of exports."""
    weak = {"@aws-cdk/core:defaultCrossStackReferences": "weak"}
    app = cdk.App(outdir=str(tmp_path), context=weak)
    here = cdk.Environment(region="us-east-1")
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app), UltraClusterRules())
    first = cdk.Stack(app, "First", env=here)
    key = DataKey(first, "Key", keep=True).key
    bucket = DataBucket(first, "Bucket", key=key, keep=True).bucket
    NodeRole(cdk.Stack(app, "Second", env=here), "Role", bucket=bucket, key=key)

    app.synth()


def test_a_stack_without_resources_hides_no_other(tmp_path: Path):
    """CDK makes such stacks, and the rules then judged nothing that came after it, in silence."""
    app = cdk.App(outdir=str(tmp_path))
    cdk.Validations.of(app).add_plugins(UltraClusterRules())
    cdk.CfnOutput(cdk.Stack(app, "Empty"), "Nothing", value="x")
    later = cdk.Stack(app, "Later")
    fsx.CfnFileSystem(
        later, "F", file_system_type="LUSTRE", subnet_ids=["subnet-0f"], storage_capacity=1300
    )

    with pytest.raises(RuntimeError, match="1300"):
        app.synth()
    assert Sources([str(tmp_path)]).errors == []


def test_a_template_that_cannot_be_read_fails_the_synthesis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A gate that has judged nothing has not passed anything."""
    app = cdk.App(outdir=str(tmp_path))
    cdk.Validations.of(app).add_plugins(UltraClusterRules())
    sns.Topic(cdk.Stack(app, "Theirs"), "Topic")
    monkeypatch.setattr("ultracluster.templates.file_reading.LONGEST_NAME", 3)

    with pytest.raises(RuntimeError, match="CloudFormation takes 3"):
        app.synth()


def test_topics_of_this_app_are_told():
    """A topic's ARN is a token there; it became an e-mail address, and nobody was told."""
    stack = bare_stack()
    own, key = sns.Topic(stack, "Own"), Surroundings(stack).key
    told = AlarmTopic(stack, "Told", notify=[own.topic_arn], key=key)

    assert told.topic is None
    assert [stack.resolve(each) for each in told.arns] == [stack.resolve(own.topic_arn)]
    assert not resources(stack, "AWS::SNS::Subscription")


def test_an_image_can_be_looked_up_by_cdk():
    """`ec2.MachineImage` gives a token, which is the id already and no parameter's name."""
    stack = bare_stack()
    around = Surroundings(stack)
    image = ec2.MachineImage.latest_amazon_linux2023().get_image(stack).image_id
    LoginLaunchTemplate(
        stack,
        "Login",
        instance_type="m6i.xlarge",
        image=image,
        root_device_name="/dev/xvda",
        root_volume_gib=50,
        security_groups=around.groups,
        user_data=ec2.UserData.for_linux(),
    )

    data = only(stack, "AWS::EC2::LaunchTemplate")["Properties"]["LaunchTemplateData"]
    assert data["ImageId"] == stack.resolve(image)


def test_the_environments_name_can_be_a_parameter():
    """One template for several environments."""
    stack = bare_stack()
    name = cdk.CfnParameter(stack, "Name").value_as_string
    JobParameters(stack, "Parameters", environment_name=name, values={"one": "1", "two": ["2"]})

    for made in resources(stack, "AWS::SSM::Parameter").values():
        first, name, _ = made["Properties"]["Name"]["Fn::Join"][1]
        assert (first, name) == ("/ultracluster/", {"Ref": "Name"})


def test_a_client_is_admitted_once():
    """Two constructs may share a group, and EC2 refuses a rule that is there already."""
    stack = bare_stack()
    around = Surroundings(stack)
    first, later = (ec2.SecurityGroup(stack, name, vpc=around.vpc) for name in ("First", "Later"))
    file_system = LustreStorage(
        stack, "L", spec=SCRATCH, vpc=around.vpc, subnet=around.subnets[0], clients=[first]
    )
    for client in (first, later, ec2.Connections(security_groups=[later])):
        file_system.add_client(client)

    found = resources(stack, "AWS::EC2::SecurityGroupIngress").values()
    rules = [text(rule["Properties"]) for rule in found]
    assert len(rules) == len(set(rules)) == 2 * (1 + 2 + 2)


def test_a_group_that_is_not_to_be_changed_gets_no_rules():
    """CDK adds none to it either; those of the file servers alone are defined."""
    stack = bare_stack()
    around = Surroundings(stack)
    file_system = lustre(stack, "Lustre", around)
    frozen = ec2.SecurityGroup.from_security_group_id(stack, "F", "sg-0f", mutable=False)
    file_system.add_client(frozen)

    for kind in ("Ingress", "Egress"):
        rules = resources(stack, f"AWS::EC2::SecurityGroup{kind}").values()
        assert "sg-0f" in text([*rules])
        assert not [r for r in rules if r["Properties"]["GroupId"] == "sg-0f"]


def test_ecs_registers_the_nodes_of_a_template():
    """ECS writes the cluster's name into user data; the template had none to write into."""
    stack = bare_stack()
    around = Surroundings(stack)
    vpc = ec2.Vpc(stack, "Own")
    group = autoscaling.AutoScalingGroup(
        stack, "Scaled", vpc=vpc, launch_template=template(stack, around, role=around.role)
    )
    provider = ecs.AsgCapacityProvider(stack, "P", auto_scaling_group=group)
    ecs.Cluster(stack, "Cluster", vpc=vpc).add_asg_capacity_provider(provider)

    data = only(stack, "AWS::EC2::LaunchTemplate")["Properties"]["LaunchTemplateData"]
    assert "ECS_CLUSTER" in text(data["UserData"])


@pytest.mark.parametrize("flag", [True, False])
def test_commands_are_added_later(flag: bool):  # noqa: FBT001
    """They were lost in silence under the flag by which templates have user data by default."""
    context = {"@aws-cdk/aws-ec2:launchTemplateDefaultUserData": flag}
    app = cdk.App(context=context)
    stack = cdk.Stack(app, "Theirs")
    around = Surroundings(stack)
    nodes = template(stack, around)
    assert nodes.user_data is not None
    nodes.user_data.add_commands("nvidia-smi")
    other = EfaLaunchTemplate(stack, "Other", spec=NODES, security_groups=around.groups)
    assert other.user_data is not None

    found = resources(stack, "AWS::EC2::LaunchTemplate").items()
    data = {name[:5]: each["Properties"]["LaunchTemplateData"] for name, each in found}
    assert "nvidia-smi" in text(data["Nodes"]["UserData"])
    assert "UserData" not in data["Other"]


def test_what_is_acknowledged_for_a_whole_app_excuses_nothing(tmp_path: Path):
    """It would excuse what nobody has looked at."""
    app = cdk.App(outdir=str(tmp_path))
    cdk.Validations.of(app).add_plugins(UltraClusterRules())
    sns.Topic(cdk.Stack(app, "Alerts"), "Topic", enforce_ssl=True)
    acknowledge(app, {"UltraCluster::OPERATE-3": "somebody subscribes by hand"})

    with pytest.raises(RuntimeError, match="at an app, a stage or a stack"):
        app.synth()
