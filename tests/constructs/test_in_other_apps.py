"""Constructs in other people's apps: their feature flags, their tags, their own constructs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import (
    aws_autoscaling as autoscaling,
)
from aws_cdk import (
    aws_batch as batch,
)
from aws_cdk import (
    aws_ec2 as ec2,
)
from aws_cdk import (
    aws_ecr as ecr,
)
from aws_cdk import (
    aws_iam as iam,
)
from aws_cdk import (
    aws_kms as kms,
)

from constructs_lib import (
    ClusterPlacement,
    DataBucket,
    EfaLaunchTemplate,
    ExecutionRole,
    FabricSecurityGroup,
    JobParameters,
    LustreSpec,
    LustreStorage,
    NodeSecurityGroup,
    NodesSpec,
    SlurmQueue,
    SlurmSecurityGroup,
    UnattendedTraining,
)
from tests.constructs.alone import CONSTRUCTS, NODES, define, slurm_queue
from tests.constructs.bare import Surroundings, bare_stack, listed, only, resources, text
from ultracluster.registry.schemas import replaced_by

FLAGS = json.loads((Path(__file__).parents[2] / "cdk.json").read_text())["context"]
# How a stack writes its own partition is the stack's.
PARTITION = "@aws-cdk/core:enablePartitionLiterals"
OTHERWISE = {
    name: not value
    for name, value in FLAGS.items()
    if isinstance(value, bool) and name != PARTITION
} | {"@aws-cdk/core:automaticL1Traits": False}  # is on where nobody names it
# Errors of the validator would end synthesis for the invented ids of `Surroundings`.
STRICT = "@aws-cdk/core:validateAgainstDefaultRules"


def alone(
    tags: Mapping[str, str] | None = None, context: Mapping[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """Return the template of each construct in a stack of its own."""
    app = cdk.App(context={**(context or {}), STRICT: False}, analytics_reporting=False)
    for name in CONSTRUCTS:
        define(name, cdk.Stack(app, name, env=cdk.Environment(region="us-east-1")))
    for key, value in (tags or {}).items():
        cdk.Tags.of(app).add(key, value)
    return {stack.stack_name: stack.template for stack in app.synth().stacks}


def ordered(value: Any) -> Any:
    """Return a template with the actions of its policies in order."""
    if isinstance(value, list):
        return [ordered(item) for item in value]
    if isinstance(value, dict):
        return {
            key: sorted(item) if key == "Action" and isinstance(item, list) else ordered(item)
            for key, item in value.items()
        }
    return value


@pytest.fixture(scope="session")
def plain() -> dict[str, dict[str, Any]]:
    return alone()


@pytest.mark.parametrize("context", [FLAGS, OTHERWISE], ids=["those of cdk.json", "the other ones"])
def test_a_construct_is_the_same_under_any_feature_flags(
    plain: dict[str, dict[str, Any]], context: Mapping[str, Any]
):
    """An app without our cdk.json had its access log written by ACL.

    The order of the actions by which CDK empties a bucket follows the stack's flags.
    """
    assert ordered(alone(context=context)) == ordered(plain)


def test_no_tag_of_an_app_replaces_anything(plain: dict[str, dict[str, Any]]):
    """A tag for the bill replaced the placement group, and with it the reservation of 512 nodes."""
    tagged = alone({"cost-center": "42", "Name": "theirs"})

    changed = 0
    for name, template in tagged.items():
        for logical_id, resource in template["Resources"].items():
            old = plain[name]["Resources"][logical_id].get("Properties", {})
            new = resource.get("Properties", {})
            changed += old != new
            assert replaced_by(resource["Type"], old, new, "us-east-1") == []
    assert changed > 20


@pytest.mark.parametrize("group", [FabricSecurityGroup, NodeSecurityGroup, SlurmSecurityGroup])
def test_a_group_is_taken_wherever_cdk_takes_one(group: type[FabricSecurityGroup]):
    """It was an AttributeError in jsii: only its attribute `security_group` was a group."""
    stack = bare_stack()
    vpc = ec2.Vpc(stack, "Vpc")
    ours, theirs = group(stack, "Ours", vpc=vpc), ec2.SecurityGroup(stack, "Theirs", vpc=vpc)
    ours.connections.allow_from(theirs, ec2.Port.tcp(22))
    endpoint = ec2.InterfaceVpcEndpoint(
        stack,
        "Endpoint",
        vpc=vpc,
        service=ec2.InterfaceVpcEndpointAwsService.SSM,
        security_groups=[ours],
    )
    endpoint.node.add_dependency(ours)

    rules = resources(stack, "AWS::EC2::SecurityGroupIngress")
    assert [r["Properties"].get("FromPort") for r in rules.values() if "22" in text(r)] == [22]
    (made,) = resources(stack, "AWS::EC2::VPCEndpoint").values()
    own = {name for name in rules if name.startswith("Ours")}
    assert own <= set(made["DependsOn"])
    assert group.from_security_group_id(stack, "Known", "sg-1").security_group_id == "sg-1"


def template_of_nodes(stack: cdk.Stack, vpc: ec2.IVpc) -> EfaLaunchTemplate:
    return EfaLaunchTemplate(
        stack,
        "Template",
        spec=NodesSpec(instance_type="p4d.24xlarge", count=2),
        security_groups=[FabricSecurityGroup(stack, "Fabric", vpc=vpc)],
    )


def test_a_launch_template_is_taken_by_auto_scaling():
    """Its groups are the template's: whoever admits the group of instances admits its nodes."""
    stack = bare_stack()
    vpc = ec2.Vpc(stack, "Vpc")
    nodes = template_of_nodes(stack, vpc)
    group = autoscaling.AutoScalingGroup(stack, "Nodes", vpc=vpc, launch_template=nodes)
    other = ec2.SecurityGroup(stack, "Other", vpc=vpc)
    nodes.add_security_group(other)
    group.connections.allow_from_any_ipv4(ec2.Port.tcp(22))

    made = only(stack, "AWS::AutoScaling::AutoScalingGroup")["Properties"]["LaunchTemplate"]
    (logical_id,) = resources(stack, "AWS::EC2::LaunchTemplate")
    assert made == {
        "LaunchTemplateId": {"Ref": logical_id},
        "Version": {"Fn::GetAtt": [logical_id, "LatestVersionNumber"]},
    }
    data = only(stack, "AWS::EC2::LaunchTemplate")["Properties"]["LaunchTemplateData"]
    assert all(len(interface["Groups"]) == 2 for interface in data["NetworkInterfaces"])


def test_a_launch_template_is_taken_by_batch():
    """Batch launches the nodes of its jobs by it."""
    stack = bare_stack()
    vpc = ec2.Vpc(stack, "Vpc")
    nodes = template_of_nodes(stack, vpc)
    batch.ManagedEc2EcsComputeEnvironment(stack, "Jobs", vpc=vpc, launch_template=nodes)

    made = only(stack, "AWS::Batch::ComputeEnvironment")["Properties"]["ComputeResources"]
    (logical_id,) = resources(stack, "AWS::EC2::LaunchTemplate")
    assert made["LaunchTemplate"]["LaunchTemplateId"] == {"Ref": logical_id}


def test_slurm_s_nodes_wait_for_what_their_role_may():
    """A node that may not register yet is replaced, again and again, and each is billed."""
    stack = bare_stack("us-east-1")
    slurm_queue(stack, Surroundings(stack))

    (group,) = resources(stack, "AWS::PCS::ComputeNodeGroup").values()
    assert {
        name
        for name, policy in resources(stack, "AWS::IAM::ManagedPolicy").items()
        if "SlurmRole" in text(policy["Properties"]["Roles"])
    } <= set(group["DependsOn"])


def storage(stack: cdk.Stack, vpc: ec2.IVpc) -> LustreStorage:
    return LustreStorage(
        stack,
        "Storage",
        spec=LustreSpec(deployment_type="SCRATCH_2", capacity_gib=1200, keep_data=False),
        vpc=vpc,
        subnet=vpc.private_subnets[0],
    )


def test_clients_of_a_later_stack_can_mount():
    """Its rules are in its own stack: the storage's would otherwise need it, and the other way."""
    app = cdk.App()
    first, later = cdk.Stack(app, "First"), cdk.Stack(app, "Later")
    vpc = ec2.Vpc(first, "Vpc")
    lustre = storage(first, vpc)
    lustre.add_client(NodeSecurityGroup(later, "Nodes", vpc=vpc))
    cdk.CfnOutput(later, "Mount", value=lustre.mount_name)

    assembly = app.synth()
    found = assembly.get_stack_by_name("Later").template["Resources"].values()
    rules = [r["Properties"] for r in found if "SecurityGroupIngress" in r["Type"]]
    assert sorted({rule["FromPort"] for rule in rules}) == [988, 1018]
    assert len(rules) == 4
    assert "Later" not in text(assembly.get_stack_by_name("First").template)


def test_a_group_that_a_later_stack_imports_can_mount():
    """As an EKS cluster's group: the storage would need the stack that needs the storage."""
    app = cdk.App()
    first, later = cdk.Stack(app, "First"), cdk.Stack(app, "Later")
    lustre = storage(first, ec2.Vpc(first, "Vpc"))
    group = cdk.CfnParameter(later, "GroupOfTheCluster").value_as_string
    lustre.add_client(ec2.SecurityGroup.from_security_group_id(later, "Nodes", group))
    cdk.CfnOutput(later, "Mount", value=lustre.mount_name)

    assembly = app.synth()
    found = assembly.get_stack_by_name("Later").template["Resources"].values()
    rules = [r["Properties"] for r in found if "SecurityGroupIngress" in r["Type"]]
    assert sorted(rule["FromPort"] for rule in rules) == [988, 988, 1018, 1018]
    assert "Later" not in text(assembly.get_stack_by_name("First").template)


def test_a_file_system_that_exists_has_clients_too():
    """Another team's file system is mounted from here."""
    stack = bare_stack("us-east-1")
    vpc = ec2.Vpc(stack, "Vpc")
    lustre = LustreStorage.from_lustre_storage_attributes(
        stack,
        "Theirs",
        file_system_id="fs-0123456789abcdef0",
        mount_name="abcdefgh",
        security_group=ec2.SecurityGroup.from_security_group_id(stack, "Servers", "sg-1"),
    )
    lustre.add_client(NodeSecurityGroup(stack, "Nodes", vpc=vpc))
    lustre.connections.allow_from(ec2.Peer.ipv4("10.1.0.0/16"), ec2.Port.tcp(988))

    assert text(stack.resolve(lustre.dns_name)).startswith('{"Fn::Join"')
    rules = resources(stack, "AWS::EC2::SecurityGroupIngress").values()
    assert sum(rule["Properties"]["GroupId"] == "sg-1" for rule in rules) == 3


def test_nodes_are_placed_where_something_exists():
    """A reservation that was bought elsewhere."""
    stack = bare_stack()
    vpc = ec2.Vpc(stack, "Vpc")
    EfaLaunchTemplate(
        stack,
        "Template",
        spec=NODES,
        security_groups=[FabricSecurityGroup(stack, "Fabric", vpc=vpc)],
        placement=ClusterPlacement.from_cluster_placement_attributes(
            stack, "Placement", placement_group_name="theirs", capacity_reservation_id="cr-1"
        ),
    )

    data = only(stack, "AWS::EC2::LaunchTemplate")["Properties"]["LaunchTemplateData"]
    assert data["Placement"]["GroupName"] == "theirs"
    assert "cr-1" in text(data["CapacityReservationSpecification"])


def test_grants_name_what_they_are_for():
    """A role of theirs gets what ours have, and no wildcard that ours have not."""
    stack = bare_stack()
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
    bucket = DataBucket(stack, "Data", key=kms.Key(stack, "Key"), keep=True)
    parameters = JobParameters(stack, "Parameters", environment_name="mine", values={"a": "b"})
    bucket.grant_read_write(role)
    parameters.grant_read(role)
    storage(stack, ec2.Vpc(stack, "Vpc")).grant_describe(role)

    (policy,) = resources(stack, "AWS::IAM::Policy").values()
    statements = policy["Properties"]["PolicyDocument"]["Statement"]
    actions = {action for s in statements for action in listed(s["Action"])}
    assert {"s3:PutObject", "kms:Decrypt", "ssm:GetParametersByPath"} <= actions
    assert not any("*" in action for action in actions)
    assert [s["Action"] for s in statements if s["Resource"] == "*"] == ["fsx:DescribeFileSystems"]


@pytest.mark.parametrize(
    "principal", [iam.AccountPrincipal("444455556666"), iam.ServicePrincipal("fsx.amazonaws.com")]
)
def test_a_grant_to_who_has_no_policy_is_refused(principal: iam.IPrincipal):
    """CDK returns a grant without success, which nobody looks at: access is denied much later."""
    stack = bare_stack()
    around = Surroundings(stack)
    data = DataBucket.from_data_bucket_attributes(
        stack, "Theirs", bucket=around.bucket, key=around.key
    )
    for grant in (data.grant_read_write, storage(stack, ec2.Vpc(stack, "New")).grant_describe):
        with pytest.raises(ValueError, match=r"grantee: got .* has no policy .*; pass a role"):
            grant(principal)


def test_a_data_bucket_that_exists_is_granted():
    """A role of this app reads what another one wrote."""
    stack = bare_stack()
    around = Surroundings(stack)
    role = iam.Role(stack, "Reader", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
    data = DataBucket.from_data_bucket_attributes(
        stack, "Theirs", bucket=around.bucket, key=around.key
    )
    data.grant_read_write(role)

    (policy,) = resources(stack, "AWS::IAM::Policy").values()
    assert "somebodys-data/*" in text(policy)
    assert "key/somebodys" in text(policy)


def test_jobs_can_be_started_by_a_role_of_theirs():
    """In the same networks and with the same role as by ours."""
    stack = bare_stack()
    around = Surroundings(stack)
    role = iam.Role(stack, "Starter", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    unattended = UnattendedTraining(
        stack,
        "Unattended",
        execution_role=around.role,
        subnets=around.subnets,
        security_groups=around.groups,
        log_key=around.key,
        keep=False,
    )
    execution = ExecutionRole(
        stack,
        "Execution",
        bucket=around.bucket,
        key=around.key,
        repository=ecr.Repository.from_repository_name(stack, "Images", "training"),
        vpc=around.vpc,
        subnets=around.subnets,
        security_groups=around.groups,
    )
    assert execution.grant_start_jobs(role).success
    assert unattended.grant_start(role).success

    (policy,) = resources(stack, "AWS::IAM::Policy").values()
    statements = policy["Properties"]["PolicyDocument"]["Statement"]
    (create,) = [s for s in statements if s["Action"] == "sagemaker:CreateTrainingJob"]
    assert create["Condition"]["ForAllValues:StringEquals"]["sagemaker:VpcSubnets"] == [
        "subnet-aaaaaaaa",
        "subnet-bbbbbbbb",
    ]
    (passed,) = [s for s in statements if s["Action"] == "iam:PassRole"]
    assert passed["Resource"]["Fn::GetAtt"][0].startswith("Execution")
    assert "states:StartExecution" in text(statements)
    assert "*" not in [s["Resource"] for s in statements]


def test_a_queue_runs_jobs_on_a_group_of_another_app():
    """A cluster that somebody else made has its node groups already: their ids are enough."""
    stack = bare_stack()
    SlurmQueue(
        stack, "It", cluster_id="pcs_abc123", name="debug", node_groups=["pcs_def456", "pcs_0a1b2c"]
    )
    queue = only(stack, "AWS::PCS::Queue")
    assert queue["Properties"]["ComputeNodeGroupConfigurations"] == [
        {"ComputeNodeGroupId": "pcs_def456"},
        {"ComputeNodeGroupId": "pcs_0a1b2c"},
    ]
