"""Nodes that scale to zero."""

import aws_cdk as cdk
import pytest

from constructs_lib.launch_template import EfaLaunchTemplate
from constructs_lib.node_group import NodeGroup
from constructs_lib.placement import ClusterPlacement
from tests.constructs.bare import Surroundings, bare_stack, only, resources
from ultracluster.spec.nodes import CapacityReservationSpec, NodesSpec


@pytest.fixture(scope="session")
def nodes() -> cdk.Stack:
    stack = bare_stack()
    around = Surroundings(stack)
    spec = NodesSpec(
        instance_type="p4d.24xlarge", count=512, capacity_reservation=CapacityReservationSpec()
    )
    template = EfaLaunchTemplate(
        stack,
        "Template",
        spec=spec,
        security_groups=around.groups,
        placement=ClusterPlacement(stack, "Placement", spec=spec, availability_zone_id="use1-az6"),
    )
    NodeGroup(stack, "Nodes", launch_template=template, subnets=around.subnets, count=spec.count)
    return stack


def test_nodes_scale_between_zero_and_full_size(nodes: cdk.Stack):
    """Without a desired capacity an update never stops nodes in the middle of a job."""
    group = only(nodes, "AWS::AutoScaling::AutoScalingGroup")["Properties"]

    assert (group["MinSize"], group["MaxSize"]) == ("0", "512")
    assert "DesiredCapacity" not in group


def test_nodes_can_be_stopped(nodes: cdk.Stack):
    """Protected from scaling in they would stay, and block the group's deletion for good."""
    group = only(nodes, "AWS::AutoScaling::AutoScalingGroup")["Properties"]

    assert not group.get("NewInstancesProtectedFromScaleIn", False)


def test_nodes_are_launched_into_the_subnets_that_are_named(nodes: cdk.Stack):
    """The launch template names none."""
    group = only(nodes, "AWS::AutoScaling::AutoScalingGroup")["Properties"]

    assert group["VPCZoneIdentifier"] == ["subnet-aaaaaaaa", "subnet-bbbbbbbb"]


def test_everything_refers_to_what_must_be_deleted_after_it(nodes: cdk.Stack):
    """Nodes, template, reservation, group: EC2 refuses any other order of deletion."""
    (template,) = resources(nodes, "AWS::EC2::LaunchTemplate")
    (reservation,) = resources(nodes, "AWS::EC2::CapacityReservation")
    (placement,) = resources(nodes, "AWS::EC2::PlacementGroup")

    group = only(nodes, "AWS::AutoScaling::AutoScalingGroup")["Properties"]
    assert group["LaunchTemplate"] == {
        "LaunchTemplateId": {"Ref": template},
        "Version": {"Fn::GetAtt": [template, "LatestVersionNumber"]},
    }
    data = only(nodes, "AWS::EC2::LaunchTemplate")["Properties"]["LaunchTemplateData"]
    target = data["CapacityReservationSpecification"]["CapacityReservationTarget"]
    assert target == {"CapacityReservationId": {"Ref": reservation}}
    arn = only(nodes, "AWS::EC2::CapacityReservation")["Properties"]["PlacementGroupArn"]
    assert arn["Fn::Join"][1][-1] == {"Ref": placement}
