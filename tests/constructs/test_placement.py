"""Placement group and capacity, in each of the ways that nodes ask for them."""

from typing import Any

import aws_cdk as cdk
import pytest

from constructs_lib.placement import ClusterPlacement
from tests.constructs.bare import bare_stack, only, resources
from ultracluster.problem import SpecError
from ultracluster.spec.nodes import CapacityBlockSpec, CapacityReservationSpec, NodesSpec

ID = "cr-0123456789abcdef0"


def placed(count: int = 512, **nodes: Any) -> tuple[cdk.Stack, ClusterPlacement]:
    stack = bare_stack()
    placement = ClusterPlacement(
        stack,
        "Placement",
        spec=NodesSpec(instance_type="p4d.24xlarge", count=count, **nodes),
        availability_zone_id="use1-az6",
    )
    return stack, placement


@pytest.mark.parametrize(
    ("zone", "says"),
    [
        ("us-east-1a", "means another zone in each account; write use1-az"),
        ("usw2-az1", "us-east-1 has no such zone id; write use1-az"),
        ("use1-az3", "p4d.24xlarge is not offered in that zone; write use1-az"),
    ],
)
def test_a_zone_that_cannot_be_is_refused(zone: str, says: str):
    """EC2 would refuse it while the stack is deployed, after whatever else is made first."""
    nodes = NodesSpec(
        instance_type="p4d.24xlarge", count=2, capacity_reservation=CapacityReservationSpec()
    )
    with pytest.raises(SpecError, match=f'availability_zone_id: got "{zone}"; .*{says}'):
        ClusterPlacement(bare_stack("us-east-1"), "It", spec=nodes, availability_zone_id=zone)


def test_on_demand_nodes_get_a_group_and_no_reservation():
    """Nothing is paid for until nodes run."""
    stack, placement = placed()

    assert only(stack, "AWS::EC2::PlacementGroup")["Properties"] == {"Strategy": "cluster"}
    assert resources(stack, "AWS::EC2::CapacityReservation") == {}
    assert placement.capacity_reservation_id is None


def test_nodes_without_a_group_get_nothing():
    """An instance type that takes no group, or a user who wants none."""
    stack, placement = placed(placement_group=False)

    assert resources(stack, "AWS::EC2::PlacementGroup") == {}
    assert placement.placement_group is None


def test_reservation_is_made_inside_the_group():
    """Capacity reserved outside the group is not found by instances launched into it."""
    stack, _ = placed(capacity_reservation=CapacityReservationSpec())

    (group,) = resources(stack, "AWS::EC2::PlacementGroup")
    reservation = only(stack, "AWS::EC2::CapacityReservation")["Properties"]
    head, *_, middle, tail = reservation["PlacementGroupArn"]["Fn::Join"][1]
    assert (head, middle, tail) == ("arn:", ":placement-group/", {"Ref": group})


def test_reservation_is_for_the_nodes_alone():
    """An open one would be eaten by whatever else of the type starts in the zone."""
    stack, placement = placed(capacity_reservation=CapacityReservationSpec())

    reservation = only(stack, "AWS::EC2::CapacityReservation")["Properties"]
    del reservation["PlacementGroupArn"]
    assert reservation == {
        "AvailabilityZoneId": "use1-az6",
        "EndDateType": "unlimited",
        "InstanceCount": 512,
        "InstanceMatchCriteria": "targeted",
        "InstancePlatform": "Linux/UNIX",
        "InstanceType": "p4d.24xlarge",
        "Tenancy": "default",
    }
    (logical_id,) = resources(stack, "AWS::EC2::CapacityReservation")
    assert stack.resolve(placement.capacity_reservation_id) == {"Ref": logical_id}


def test_capacity_outlives_its_stack_but_not_a_creation_that_failed():
    """512 nodes that were given up may not be got again; those of a failed creation are billed."""
    stack, _ = placed(capacity_reservation=CapacityReservationSpec())

    for kind in ("PlacementGroup", "CapacityReservation"):
        found = only(stack, f"AWS::EC2::{kind}")
        assert found["DeletionPolicy"] == "RetainExceptOnCreate"
        assert found["UpdateReplacePolicy"] == "Retain"


def test_a_group_without_a_reservation_goes_with_its_stack():
    """Nothing is lost with it."""
    stack, _ = placed()

    assert "DeletionPolicy" not in only(stack, "AWS::EC2::PlacementGroup")


def test_capacity_is_reserved_for_spare_nodes_too():
    """A node that takes a drained one's place must find a place to run."""
    stack, _ = placed(capacity_reservation=CapacityReservationSpec(), spare_nodes=4)

    assert only(stack, "AWS::EC2::CapacityReservation")["Properties"]["InstanceCount"] == 516


def test_reservation_without_a_group_names_none():
    """The nodes are then placed anywhere in the zone, and so is their capacity."""
    stack, _ = placed(capacity_reservation=CapacityReservationSpec(), placement_group=False)

    assert "PlacementGroupArn" not in (only(stack, "AWS::EC2::CapacityReservation")["Properties"])


def test_existing_reservation_is_taken_as_it_is():
    """It has been paid for: a second one would double the bill."""
    stack, placement = placed(
        capacity_reservation=CapacityReservationSpec(capacity_reservation_id=ID),
        placement_group=False,
    )

    assert resources(stack, "AWS::EC2::CapacityReservation") == {}
    assert placement.capacity_reservation_id == ID


def test_capacity_block_makes_neither_group_nor_reservation():
    """A block is placed close together by itself."""
    stack, placement = placed(
        count=64,
        placement_group=False,
        capacity_block=CapacityBlockSpec(capacity_reservation_id=ID),
    )

    assert resources(stack, "AWS::EC2::PlacementGroup") == {}
    assert resources(stack, "AWS::EC2::CapacityReservation") == {}
    assert placement.capacity_reservation_id == ID
