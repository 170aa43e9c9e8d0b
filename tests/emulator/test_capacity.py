"""Launch templates, placement groups, reservations, Auto Scaling groups."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ultracluster.capacity import command
from ultracluster.cli import main

AMI = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
GROUP = {"Type": "AWS::EC2::PlacementGroup", "Properties": {"Strategy": "cluster"}}


def reservation(zone_id: str = "use1-az6", **more: Any) -> dict[str, Any]:
    properties = {
        "InstanceType": "p4d.24xlarge",
        "InstancePlatform": "Linux/UNIX",
        "InstanceCount": 2,
        "InstanceMatchCriteria": "targeted",
        "AvailabilityZoneId": zone_id,
        **more,
    }
    return {"Type": "AWS::EC2::CapacityReservation", "Properties": properties}


def template(**data: Any) -> dict[str, Any]:
    interfaces = [{"NetworkCardIndex": 0, "DeviceIndex": 0, "InterfaceType": "interface"}] + [
        {"NetworkCardIndex": card, "DeviceIndex": int(card == 0), "InterfaceType": "efa-only"}
        for card in range(4)
    ]
    content = {"InstanceType": "p4d.24xlarge", "NetworkInterfaces": interfaces, **data}
    return {"Type": "AWS::EC2::LaunchTemplate", "Properties": {"LaunchTemplateData": content}}


IN_GROUP = {"Fn::Sub": "arn:aws:ec2:${AWS::Region}:${AWS::AccountId}:placement-group/${Group}"}


def test_a_launch_template_comes_back_with_every_member(cloud):
    """The card of each interface, and what ties nodes to their reservation, must be readable."""
    data = {
        "ImageId": f"resolve:ssm:{AMI}",
        "Placement": {"GroupName": {"Ref": "Group"}},
        "CapacityReservationSpecification": {
            "CapacityReservationTarget": {"CapacityReservationId": {"Ref": "Reserved"}}
        },
        "InstanceMarketOptions": {"MarketType": "capacity-block"},
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        "CpuOptions": {"CoreCount": 48, "ThreadsPerCore": 1},
        "BlockDeviceMappings": [
            {"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True, "VolumeSize": 200}}
        ],
    }
    resources = {"Group": GROUP, "Reserved": reservation(), "Template": template(**data)}

    stack = cloud.deploy(resources)

    assert stack.status == "CREATE_COMPLETE"
    call = cloud.client("ec2").describe_launch_template_versions
    (version,) = call(LaunchTemplateId=stack.physical_id("Template"))["LaunchTemplateVersions"]
    found = version["LaunchTemplateData"]
    cards = [(each["NetworkCardIndex"], each["DeviceIndex"]) for each in found["NetworkInterfaces"]]
    assert cards == [(0, 0), (0, 1), (1, 0), (2, 0), (3, 0)]
    assert {each["InterfaceType"] for each in found["NetworkInterfaces"]} >= {"efa-only"}
    assert found["ImageId"] == f"resolve:ssm:{AMI}"
    assert found["Placement"]["GroupName"] == stack.physical_id("Group")
    target = found["CapacityReservationSpecification"]["CapacityReservationTarget"]
    assert target["CapacityReservationId"] == stack.physical_id("Reserved")
    assert found["InstanceMarketOptions"]["MarketType"] == "capacity-block"
    assert found["MetadataOptions"]["HttpPutResponseHopLimit"] == 2
    assert found["CpuOptions"] == {"CoreCount": 48, "ThreadsPerCore": 1}
    assert found["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 200


def test_a_changed_launch_template_gets_a_new_version(cloud):
    """`LatestVersionNumber` is what an Auto Scaling group follows."""
    outputs = {"Latest": {"Value": {"Fn::GetAtt": ["Template", "LatestVersionNumber"]}}}
    stack = cloud.deploy({"Template": template(ImageId="ami-1")}, Outputs=outputs)

    stack.update({"Template": template(ImageId="ami-2")}, Outputs=outputs)

    assert stack.outputs["Latest"] == "2"


def test_interfaces_that_no_p4d_has_are_refused(cloud):
    """Two EFA devices on one card: the launch would fail, and here nothing is launched."""
    twice = [
        {"NetworkCardIndex": 0, "DeviceIndex": index, "InterfaceType": "efa"} for index in (0, 1)
    ]

    stack = cloud.deploy({"Template": template(NetworkInterfaces=twice)})

    assert "a card takes one EFA device" in stack.reasons()


def test_launch_templates_made_by_the_api_keep_their_cards(cloud):
    """Other tools make launch templates without CloudFormation."""
    data = template()["Properties"]["LaunchTemplateData"]
    ec2 = cloud.client("ec2")

    made = ec2.create_launch_template(LaunchTemplateName="by-api", LaunchTemplateData=data)

    found = ec2.describe_launch_template_versions(
        LaunchTemplateId=made["LaunchTemplate"]["LaunchTemplateId"], Versions=["$Latest"]
    )
    interfaces = found["LaunchTemplateVersions"][0]["LaunchTemplateData"]["NetworkInterfaces"]
    assert interfaces[4]["NetworkCardIndex"] == 3


def test_a_reservation_says_where_and_how_much(cloud):
    """Preflight and status read reservations by zone, state and group."""
    resources = {"Group": GROUP, "Reserved": reservation(PlacementGroupArn=IN_GROUP)}

    stack = cloud.deploy(resources)

    found = cloud.client("ec2").describe_capacity_reservations(
        CapacityReservationIds=[stack.physical_id("Reserved")],
        Filters=[{"Name": "state", "Values": ["active"]}],
    )
    (row,) = found["CapacityReservations"]
    assert (row["AvailabilityZone"], row["TotalInstanceCount"]) == ("us-east-1f", 2)
    assert row["InstanceMatchCriteria"] == "targeted"
    assert row["PlacementGroupArn"].endswith(stack.physical_id("Group"))


def test_a_reservation_where_the_type_is_not_sold_is_refused(cloud):
    """Offerings are known by zone id; EC2 words the refusal with zone names."""
    stack = cloud.deploy({"Reserved": reservation("use1-az5")})

    assert stack.status == "ROLLBACK_COMPLETE"
    assert "(p4d.24xlarge) is not supported in your requested Availability" in stack.reasons()


def test_a_reservation_of_a_type_that_does_not_exist_is_refused(cloud):
    """No validator that was tried reported it."""
    stack = cloud.deploy({"Reserved": reservation(InstanceType="p4d.25xlarge")})

    assert "'p4d.25xlarge' is invalid" in stack.reasons()


def test_a_placement_group_with_an_active_reservation_cannot_be_deleted(cloud):
    """The group must go after the reservation (aws-parallelcluster#6329)."""
    stack = cloud.deploy({"Group": GROUP})
    ec2, name = cloud.client("ec2"), stack.physical_id("Group")
    (group,) = ec2.describe_placement_groups(GroupNames=[name])["PlacementGroups"]
    made = ec2.create_capacity_reservation(
        InstanceType="p4d.24xlarge",
        InstancePlatform="Linux/UNIX",
        InstanceCount=1,
        AvailabilityZoneId="use1-az6",
        PlacementGroupArn=group["GroupArn"],
    )["CapacityReservation"]

    assert stack.delete() == "DELETE_FAILED"
    assert "InvalidPlacementGroup.InUse" in stack.reasons("DELETE_FAILED")

    ec2.cancel_capacity_reservation(CapacityReservationId=made["CapacityReservationId"])
    assert stack.delete() == "DELETE_COMPLETE"


def test_a_changed_strategy_replaces_a_placement_group(cloud):
    """Nothing of a placement group can be changed in place."""
    stack = cloud.deploy({"Group": GROUP})
    before = stack.physical_id("Group")

    stack.update({"Group": {**GROUP, "Properties": {"Strategy": "spread"}}})

    found = cloud.client("ec2").describe_placement_groups()["PlacementGroups"]
    names = {group["GroupName"] for group in found}
    assert stack.physical_id("Group") in names
    assert before not in names


def test_an_auto_scaling_group_follows_its_template_and_subnets(cloud, vpc):
    """Nodes that scale from zero are described before any instance exists."""
    group = {
        "Type": "AWS::AutoScaling::AutoScalingGroup",
        "Properties": {
            "MinSize": "0",
            "MaxSize": "4",
            "DesiredCapacity": "0",
            "VPCZoneIdentifier": [{"Ref": "Subnet"}],
            "LaunchTemplate": {
                "LaunchTemplateId": {"Ref": "Template"},
                "Version": {"Fn::GetAtt": ["Template", "LatestVersionNumber"]},
            },
        },
    }

    stack = cloud.deploy({**vpc, "Template": template(), "Nodes": group})

    found = cloud.client("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=[stack.physical_id("Nodes")]
    )
    (nodes,) = found["AutoScalingGroups"]
    assert (nodes["MinSize"], nodes["MaxSize"], nodes["DesiredCapacity"]) == (0, 4, 0)
    assert nodes["LaunchTemplate"]["Version"] == "1"
    assert nodes["AvailabilityZones"] == ["us-east-1f"]


def test_tags_of_a_stack_reach_an_auto_scaling_group_and_its_instances(cloud, vpc):
    """`cdk deploy --tags` gives them without PropagateAtLaunch, which a template has to write."""
    group: dict[str, Any] = {
        "Type": "AWS::AutoScaling::AutoScalingGroup",
        "Properties": {
            "MinSize": "0",
            "MaxSize": "1",
            "VPCZoneIdentifier": [{"Ref": "Subnet"}],
            "LaunchTemplate": {"LaunchTemplateId": {"Ref": "Template"}, "Version": "1"},
        },
    }
    resources = {**vpc, "Template": template(), "Nodes": group}

    stack = cloud.deploy(resources, Tags=[{"Key": "team", "Value": "research"}])

    assert stack.status == "CREATE_COMPLETE", stack.reasons()
    found = cloud.client("autoscaling").describe_auto_scaling_groups(
        AutoScalingGroupNames=[stack.physical_id("Nodes")]
    )
    tags = {tag["Key"]: tag for tag in found["AutoScalingGroups"][0]["Tags"]}
    assert (tags["team"]["Value"], tags["team"]["PropagateAtLaunch"]) == ("research", True)

    group["Properties"]["Tags"] = [{"Key": "of", "Value": "template"}]
    assert "PropagateAtLaunch" in cloud.deploy(resources).reasons()


def blocks(cloud, **more: Any) -> dict[str, Any]:
    given = {"InstanceType": "p4d.24xlarge", "InstanceCount": 2, "CapacityDurationHours": 48}
    return cloud.client("ec2").describe_capacity_block_offerings(**{**given, **more})


def test_capacity_blocks_are_offered_in_the_zones_that_have_the_type(cloud):
    """By pages; an offer ends as long after its begin as was asked for."""
    first = blocks(cloud, MaxResults=1)
    rest = blocks(cloud, NextToken=first["NextToken"])

    assert "NextToken" not in rest
    rows = [*first["CapacityBlockOfferings"], *rest["CapacityBlockOfferings"]]
    assert len(rows) == len({row["CapacityBlockOfferingId"] for row in rows}) >= 2
    for row in rows:
        assert row["EndDate"] - row["StartDate"] == timedelta(hours=48)
        assert (row["InstanceCount"], float(row["UpfrontFee"]) > 0) == (2, True)
    far = datetime.now(UTC) + timedelta(days=5)
    assert 0 < len(blocks(cloud, StartDateRange=far)["CapacityBlockOfferings"]) < len(rows)


@pytest.mark.parametrize(
    "more",
    [{"InstanceCount": 3}, {"CapacityDurationHours": 360}, {"InstanceType": "p3dn.24xlarge"}],
)
def test_blocks_of_other_sizes_lengths_and_types_are_refused(cloud, more: dict[str, Any]):
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        blocks(cloud, **more)


def test_a_region_without_the_type_offers_none(cloud):
    assert blocks(cloud.elsewhere(region="eu-west-3"))["CapacityBlockOfferings"] == []


def test_training_plans_are_offered_by_the_day(cloud):
    search = cloud.client("sagemaker").search_training_plan_offerings
    given = {
        "InstanceType": "ml.p4d.24xlarge",
        "InstanceCount": 2,
        "TargetResources": ["training-job"],
    }
    rows = search(**given, DurationHours=30)["TrainingPlanOfferings"]

    assert {row["DurationHours"] for row in rows} == {48}
    (part,) = rows[0]["ReservedCapacityOfferings"]
    assert part["EndTime"] - part["StartTime"] == timedelta(hours=48)
    with pytest.raises(ClientError, match="ValidationException"):
        search(**{**given, "InstanceCount": 3}, DurationHours=30)


def test_the_command_finds_what_the_emulated_aws_offers(cloud, capsys, monkeypatch):
    class Emulated:
        """The gateway's one method, by the test's own clients."""

        def __init__(self, _: str, account: str | None) -> None:
            """Take the Region, which the emulator's client has, and an account if one is asked."""
            assert account is None

        def ask(self, service: str, operation: str, **given: Any) -> dict[str, Any]:
            return getattr(cloud.client(service), operation)(**given)

    monkeypatch.setattr(command, "Account", Emulated)
    assert main(["capacity", "dev", "--recipe", "gpt-1b", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {offer["kind"] for offer in found["offers"]} == {"Capacity Block", "training plan"}
    assert found["offers"][0]["fits"] == "yes"
    assert found["offers"][0]["in_zone"]
    assert found["notes"] == []
