"""What is left after destroy is what is meant to be left."""

from environments.dev import DEV
from environments.staging import STAGING
from tests.rehearse.conftest import settled
from ultracluster.prove.leftovers import leftovers
from ultracluster.prove.services import CALLS, REASONS

PARTS_OF_OTHERS = {
    "AWS::CDK::Metadata",
    "AWS::EC2::Route",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPCGatewayAttachment",
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
