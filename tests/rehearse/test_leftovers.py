"""What is left after destroy is what is meant to be left."""

from unittest.mock import Mock

import pytest

from environments.dev import DEV
from environments.staging import STAGING
from ultracluster.aws import Account, CloudError
from ultracluster.prove.deployment import CALLS, REASONS, Resource
from ultracluster.prove.leftovers import leftovers, strays
from ultracluster.rehearse.direct import settled

PARTS_OF_OTHERS = {
    "AWS::CDK::Metadata",
    "AWS::EC2::Route",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::Logs::MetricFilter",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "Custom::S3AutoDeleteObjects",
    "Custom::VpcRestrictDefaultSG",
}


def destroy(deployed):
    """Delete the stacks, last first."""
    for stack in reversed(deployed.stacks):
        deployed.cloud.ask(
            "cloudformation",
            "update_termination_protection",
            StackName=stack.name,
            EnableTerminationProtection=False,
        )
        answer = deployed.cloud.ask("cloudformation", "describe_stacks", StackName=stack.name)
        stack_id = answer["Stacks"][0]["StackId"]
        deployed.cloud.ask("cloudformation", "delete_stack", StackName=stack.name)
        assert settled(deployed.cloud, stack_id) == "DELETE_COMPLETE"


def test_every_type_that_is_deployed_is_looked_for(deployed):
    """A type nobody asks for could be left behind unseen."""
    types = {resource.resource_type for resource in deployed.deployment.resources}

    assert types - set(CALLS) <= PARTS_OF_OTHERS


def test_dev_leaves_nothing(deployer):
    """An environment that keeps nothing must cost nothing after destroy."""
    deployed = deployer.deploy(DEV)
    resources = deployed.deployment.resources
    destroy(deployed)

    assert [entry.resource.logical_id for entry in leftovers(deployed.cloud, resources)]
    assert [entry for entry in leftovers(deployed.cloud, resources) if entry.there] == []
    unasked: list[CloudError] = []
    found = list(strays(deployed.cloud, DEV.name, resources, unasked))
    assert unasked == []
    assert [entry for entry in found if not entry.expected] == []
    # CDK's own functions have run, and Lambda's log of it is in no stack.
    assert {entry.resource.resource_type for entry in found} == {"AWS::Logs::LogGroup"}
    assert all("aws logs delete-log-group" in entry.reason for entry in found)


def test_what_nobody_answers_is_not_gone():
    """A token of SSO that "does not exist" says nothing of a bucket."""
    words = "Token for corp does not exist"
    error = CloudError("s3", "head_bucket", "SSOTokenLoadError", words, answered=False)
    cloud = Mock()
    cloud.ask.side_effect = error
    bucket = Mock(resource_type="AWS::S3::Bucket", physical_id="data")
    with pytest.raises(CloudError, match=words):
        list(leftovers(cloud, [bucket]))


def orphaned_group(cloud, vpc):
    tags = [{"Key": "ultracluster:environment", "Value": "dev"}]
    specifications = [{"ResourceType": "security-group", "Tags": tags}]
    given = {"GroupName": "orphan", "Description": "x", "TagSpecifications": specifications}
    return cloud.ask("ec2", "create_security_group", VpcId=vpc, **given)["GroupId"]


def orphaned_role(cloud, _):
    document = '{"Statement": []}'
    name = "dev-Network-FlowLogRole0123-ABCDEF"
    cloud.ask("iam", "create_role", RoleName=name, AssumeRolePolicyDocument=document)
    return name


def orphaned_parameter(cloud, _):
    name = "/ultracluster/dev/orphan"
    cloud.ask("ssm", "put_parameter", Name=name, Value="x", Type="String")
    return name


def orphaned_interface(cloud, vpc):
    subnet = cloud.ask("ec2", "create_subnet", VpcId=vpc, CidrBlock="10.77.0.0/24")["Subnet"]
    row = cloud.ask("ec2", "create_network_interface", SubnetId=subnet["SubnetId"])
    return row["NetworkInterface"]["NetworkInterfaceId"]


@pytest.mark.parametrize(
    "make", [orphaned_group, orphaned_role, orphaned_parameter, orphaned_interface]
)
def test_what_no_stack_knows_of_is_found(emulator, make):
    """By its tag, by its name, or because it names something of the environment."""
    account = str(abs(hash(make.__name__)))[:12].zfill(12)
    settings = emulator.environment() | {"AWS_ACCESS_KEY_ID": account}
    cloud = Account(DEV.region, settings)
    vpc = cloud.ask("ec2", "create_vpc", CidrBlock="10.77.0.0/16")["Vpc"]["VpcId"]
    known = Resource(
        "Network", "Vpc", "AWS::EC2::VPC", {}, "", kept=False, physical_id=vpc, status=""
    )
    unasked: list[CloudError] = []

    before = {e.resource.physical_id for e in strays(cloud, "dev", [known], unasked)}
    orphan = make(cloud, vpc)
    found = {e.resource.physical_id: e for e in strays(cloud, "dev", [known], unasked)}

    assert orphan not in before
    assert not found[orphan].expected
    assert "no stack knows of it" in found[orphan].reason
    assert orphan not in {e.resource.physical_id for e in strays(cloud, "prod", [], unasked)}
    assert unasked == []


class Refusing:
    """An account in which one question is refused."""

    def __init__(self, cloud, operation, code):
        self._cloud, self._operation, self._code = cloud, operation, code

    def ask(self, service, operation, **parameters):
        if operation == self._operation:
            raise CloudError(service, operation, self._code, "it was refused")
        return self._cloud.ask(service, operation, **parameters)


def test_a_question_that_is_refused_is_not_an_absence(emulator):
    """What may not be asked may still be there, and be charged."""
    cloud = Account(DEV.region, emulator.environment())
    unasked: list[CloudError] = []
    list(strays(Refusing(cloud, "describe_file_systems", "AccessDenied"), "dev", [], unasked))
    asked = {(error.service, error.operation) for error in unasked}
    assert asked == {(service, "describe_file_systems") for service in ("fsx", "efs")}

    role = Resource("", "Role", "AWS::IAM::Role", {}, "", kept=False, physical_id="r", status="")
    assert [entry.there for entry in leftovers(cloud, [role])] == [False]
    for code in ("AccessDenied", "Throttling", "InternalFailure", "ValidationError"):
        with pytest.raises(CloudError):
            list(leftovers(Refusing(cloud, "get_role", code), [role]))


def test_kept_data_is_left_with_what_it_needs(deployer):
    """The file system, and everything its deletion would otherwise hang on, with a reason."""
    deployed = deployer.deploy(STAGING)
    resources = deployed.deployment.resources
    destroy(deployed)

    found = list(leftovers(deployed.cloud, resources))
    assert [entry for entry in found if not entry.expected] == []
    there = {entry.resource.resource_type for entry in found if entry.there}
    assert {"AWS::FSx::FileSystem", "AWS::S3::Bucket", "AWS::KMS::Key", "AWS::EC2::VPC"} <= there
    assert there <= set(REASONS)
    unasked: list[CloudError] = []
    others = list(strays(deployed.cloud, STAGING.name, resources, unasked))
    assert [entry for entry in others if not entry.expected] == []


def test_data_that_is_gone_although_it_was_to_be_kept_is_a_fault(deployer):
    """Losing data is worse than leaving something behind."""
    deployed = deployer.deploy(STAGING)
    resources = deployed.deployment.resources
    destroy(deployed)
    ids = [r.physical_id for r in resources if r.resource_type == "AWS::FSx::FileSystem"]
    deployed.cloud.ask("fsx", "delete_file_system", FileSystemId=ids[0])

    lost = [entry for entry in leftovers(deployed.cloud, resources) if not entry.expected]
    assert [entry.resource.resource_type for entry in lost] == ["AWS::FSx::FileSystem"]
    assert not lost[0].there
