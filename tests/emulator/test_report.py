"""Honesty: what stood behind each type, and what was refused because nothing could."""

import pytest
from botocore.exceptions import ClientError


def test_the_report_tells_services_and_mere_schemas_apart(cloud):
    """A rehearsal that only stored something must not be read as more than that."""
    resources = {
        "Parameter": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Type": "String", "Value": "one"},
        },
        "Reserved": {
            "Type": "AWS::EC2::CapacityReservation",
            "Properties": {
                "InstanceType": "p4d.24xlarge",
                "InstancePlatform": "Linux/UNIX",
                "InstanceCount": 1,
                "AvailabilityZoneId": "use1-az6",
            },
        },
        "Workspace": {
            "Type": "AWS::APS::Workspace",
            "Properties": {"Alias": "metrics"},
        },
    }

    stack = cloud.deploy(
        resources, Outputs={"Arn": {"Value": {"Fn::GetAtt": ["Workspace", "Arn"]}}}
    )

    assert stack.status == "CREATE_COMPLETE"
    assert stack.outputs["Arn"].startswith("arn:aws:aps:us-east-1:123456789012:")
    report = cloud.emulator.report()
    assert "AWS::APS::Workspace" in report.schema_only
    services = {"AWS::SSM::Parameter", "AWS::EC2::CapacityReservation"}
    assert not services & set(report.schema_only)


def test_a_schema_only_type_is_validated_updated_and_replaced(cloud):
    """Stored or not, CloudFormation's own view of the resource must be right."""

    def team(name, **more):
        properties = {"Name": name, "Description": "first", **more}
        return {"Team": {"Type": "AWS::SSMIncidents::ResponsePlan", "Properties": properties}}

    def board(title, **more):
        properties = {"Alias": title, **more}
        return {"Team": {"Type": "AWS::APS::Workspace", "Properties": properties}}

    refused = cloud.deploy(team("team", Colour="red"))
    assert "extraneous key [Colour] is not permitted" in refused.reasons()
    stack = cloud.deploy(board("one"))
    before = stack.physical_id("Team")
    stack.update(board("two"))
    assert (stack.status, stack.physical_id("Team")) == ("UPDATE_COMPLETE", before)
    stack.update(board("two", KmsKeyArn="arn:aws:kms:us-east-1:123456789012:key/1"))
    assert stack.status == "UPDATE_COMPLETE"
    assert stack.physical_id("Team") != before


def test_a_type_that_the_region_lacks_fails_by_name(cloud):
    """PCS is not in every Region, and a plan for one without it must not look fine."""
    cluster = {
        "Type": "AWS::PCS::Cluster",
        "Properties": {
            "Size": "SMALL",
            "Scheduler": {"Type": "SLURM", "Version": "25.05"},
            "Networking": {"SubnetIds": ["subnet-1"]},
        },
    }

    stack = cloud.elsewhere(region="ca-west-1").deploy({"Cluster": cluster})

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "AWS::PCS::Cluster is not available in ca-west-1" in stack.reasons()


def test_a_type_that_no_region_has_is_refused_at_once(cloud):
    """CloudFormation names unrecognized types before it makes a stack."""
    with pytest.raises(ClientError, match=r"Unrecognized resource types: \[AWS::FSx::Filesystem\]"):
        cloud.deploy({"Typo": {"Type": "AWS::FSx::Filesystem"}})


def test_a_call_that_nothing_answers_is_a_problem_in_the_report(cloud):
    """The CLI may swallow the error; the report keeps it."""
    with pytest.raises(ClientError):
        cloud.client("fsx").describe_backups()

    assert any("DescribeBackups" in problem for problem in cloud.emulator.report().problems)
