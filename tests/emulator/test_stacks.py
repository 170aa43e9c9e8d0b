"""What CloudFormation does with a stack as a whole."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

PARAMETER: dict[str, Any] = {
    "Type": "AWS::SSM::Parameter",
    "Properties": {"Type": "String", "Value": "one"},
}
BROKEN = {
    "Type": "AWS::EC2::CapacityReservation",
    "DependsOn": "First",
    "Properties": {
        "InstanceType": "p4d.24xlarge",
        "InstancePlatform": "Linux/UNIX",
        "InstanceCount": 1,
        "AvailabilityZoneId": "use1-az5",
    },
}


def parameter(value="one", **more):
    return {**PARAMETER, "Properties": {**PARAMETER["Properties"], "Value": value}, **more}


def bucket_exists(cloud, name):
    return name in {each["Name"] for each in cloud.client("s3").list_buckets()["Buckets"]}


def test_a_failed_create_is_rolled_back(cloud):
    """What was created before the failure is gone afterwards."""
    stack = cloud.deploy({"First": PARAMETER, "Second": BROKEN})

    assert stack.status == "ROLLBACK_COMPLETE"
    with pytest.raises(ClientError, match="ParameterNotFound"):
        cloud.client("ssm").get_parameter(Name=f"/{stack.name}/First")


def test_a_failed_update_is_rolled_back(cloud):
    """The value in force before the update is in force again."""
    stack = cloud.deploy({"First": PARAMETER})
    name = stack.physical_id("First")

    stack.update({"First": parameter("two"), "Second": BROKEN})

    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert cloud.client("ssm").get_parameter(Name=name)["Parameter"]["Value"] == "one"


def test_an_update_without_a_change_is_refused(cloud):
    """AWS answers so, and the CDK CLI turns it into "no changes"."""
    stack = cloud.deploy({"First": PARAMETER})

    with pytest.raises(ClientError, match="No updates are to be performed"):
        stack.update({"First": PARAMETER})


def test_a_protected_stack_cannot_be_deleted(cloud):
    """Production stacks are protected; the refusal has AWS's words."""
    stack = cloud.deploy({"First": PARAMETER}, EnableTerminationProtection=True)

    with pytest.raises(
        ClientError, match="cannot be deleted while TerminationProtection is enabled"
    ):
        stack.delete()

    cloud.client("cloudformation").update_termination_protection(
        StackName=stack.name, EnableTerminationProtection=False
    )
    assert stack.delete() == "DELETE_COMPLETE"


@pytest.mark.parametrize("policy", ["Retain", "RetainExceptOnCreate"])
def test_retained_data_survives_its_stack(cloud, policy):
    """A data bucket must outlive the environment."""
    stack = cloud.deploy({"Data": {"Type": "AWS::S3::Bucket", "DeletionPolicy": policy}})
    name = stack.physical_id("Data")

    assert stack.delete() == "DELETE_COMPLETE"
    assert bucket_exists(cloud, name)


@pytest.mark.parametrize(("policy", "kept"), [("Retain", True), ("RetainExceptOnCreate", False)])
def test_a_failed_create_leaves_orphans_only_with_plain_retain(cloud, policy, kept):
    """RetainExceptOnCreate is why a failed first deployment leaves nothing behind."""
    name = f"orphan-{policy.lower()}"
    data = {
        "Type": "AWS::S3::Bucket",
        "DeletionPolicy": policy,
        "Properties": {"BucketName": name},
    }

    stack = cloud.deploy({"First": data, "Second": BROKEN})

    assert stack.status == "ROLLBACK_COMPLETE"
    assert bucket_exists(cloud, name) is kept


def test_update_replace_policy_keeps_the_predecessor(cloud):
    """A replaced bucket with data must not disappear with the update."""
    data = {
        "Type": "AWS::S3::Bucket",
        "UpdateReplacePolicy": "Retain",
        "Properties": {"BucketName": "before-the-change"},
    }
    stack = cloud.deploy({"Data": data})

    stack.update({"Data": {**data, "Properties": {"BucketName": "after-the-change"}}})

    assert bucket_exists(cloud, "before-the-change")
    assert bucket_exists(cloud, "after-the-change")


def test_an_export_in_use_can_be_neither_removed_nor_changed(cloud):
    """The exporting stack's update fails and rolls back; its delete is refused."""
    output = {"Value": {"Ref": "First"}, "Export": {"Name": "exported"}}
    exporter = cloud.deploy({"First": PARAMETER}, Outputs={"It": output})
    importer = cloud.deploy({"Uses": parameter({"Fn::ImportValue": "exported"})})
    assert importer.status == "CREATE_COMPLETE"

    exporter.update({"First": PARAMETER})
    assert exporter.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "Export exported cannot be deleted as it is in use by" in exporter.reasons(
        "UPDATE_FAILED"
    )
    exporter.update({"First": PARAMETER}, Outputs={"It": {**output, "Value": "else"}})
    assert "Export exported cannot be updated as it is in use by" in exporter.reasons(
        "UPDATE_FAILED"
    )
    with pytest.raises(ClientError, match="exported"):
        exporter.delete()

    importer.delete()
    exporter.update({"First": PARAMETER})
    assert exporter.status == "UPDATE_COMPLETE"
    exports = cloud.client("cloudformation").list_exports()["Exports"]
    assert "exported" not in {export["Name"] for export in exports}


def test_conditions_know_pseudo_parameters_and_joined_values(cloud):
    """CDK's bootstrap template joins a list inside a condition."""
    conditions = {
        "Here": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]},
        "Given": {"Fn::Not": [{"Fn::Equals": ["", {"Fn::Join": ["", {"Ref": "Names"}]}]}]},
    }
    resources = {
        "First": parameter(Condition="Here"),
        "Second": parameter(Condition="Given"),
    }

    stack = cloud.deploy(
        resources,
        Conditions=conditions,
        Parameters={"Names": {"Type": "CommaDelimitedList", "Default": ""}},
    )

    assert set(stack.resources) == {"First"}


def test_a_template_parameter_can_name_a_public_image(cloud):
    """CDK hands images over as SSM parameters with AWS's own names."""
    name = (
        "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
    )
    image = {"Type": "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>", "Default": name}

    stack = cloud.deploy(
        {"First": parameter({"Ref": "Image"}), "Second": parameter(f"{{{{resolve:ssm:{name}}}}}")},
        Parameters={"Image": image},
    )

    ssm = cloud.client("ssm")
    values = [
        ssm.get_parameter(Name=each)["Parameter"]["Value"]
        for each in (name, stack.physical_id("First"), stack.physical_id("Second"))
    ]
    assert values[0].startswith("ami-")
    assert len(set(values)) == 1
