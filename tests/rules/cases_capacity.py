"""Fixtures of the CAPACITY rules."""

from typing import Any, Final

from tests.rules.cluster_templates import ref, resource
from tests.rules.rule_cases import GONE, Case

DATA: Final = "Template.LaunchTemplateData"
UNRESERVED: Final = {f"{DATA}.CapacityReservationSpecification": GONE, "Reservation": GONE}
TARGET: Final = f"{DATA}.CapacityReservationSpecification.CapacityReservationTarget"
NO_RESERVATION: Final = {f"{DATA}.CapacityReservationSpecification": GONE}
BLOCK: Final = {
    f"{DATA}.InstanceMarketOptions": {"MarketType": "capacity-block"},
    f"{DATA}.Placement": GONE,
    TARGET: {"CapacityReservationId": "cr-0123456789abcdef0"},
}
TWO_ZONES: Final = {
    "Nodes.VPCZoneIdentifier": [ref("Near"), ref("Far")],
    **NO_RESERVATION,
}


def several(*types: str) -> dict[str, Any]:
    """Return an Auto Scaling group that may launch any of some types."""
    launches = {"LaunchTemplateId": ref("Template"), "Version": "1"}
    overrides = [{"InstanceType": name} for name in types]
    return {
        "Nodes.LaunchTemplate": GONE,
        "Nodes.MixedInstancesPolicy": {
            "LaunchTemplate": {"LaunchTemplateSpecification": launches, "Overrides": overrides}
        },
    }


def batch(kind: str) -> dict[str, Any]:
    """Return a Batch environment in place of the Auto Scaling group."""
    resources = {
        "Type": kind,
        "InstanceTypes": ["p4d.24xlarge"],
        "Subnets": [ref("Near")],
        "LaunchTemplate": {"LaunchTemplateId": ref("Template")},
    }
    properties = {"Type": "MANAGED", "ComputeResources": resources}
    return {"Nodes": resource("AWS::Batch::ComputeEnvironment", properties)}


CAPACITY: Final = (
    Case(
        "CAPACITY-12",
        "cluster",
        {**BLOCK, "Nodes.MaxSize": "65"},
        {**BLOCK, **batch("EC2"), "Nodes.ComputeResources.MaxvCpus": 100_000},
        words="65",
    ),
    Case("CAPACITY-1", "cluster", TWO_ZONES, {**TWO_ZONES, "Placement.Strategy": "spread"}),
    Case(
        "CAPACITY-2",
        "cluster",
        {"Placement.GroupName": "training"},
        {"Placement.Tags": [{"Key": "GroupName", "Value": "training"}]},
        words="GroupName is training",
    ),
    Case(
        "CAPACITY-3",
        "cluster",
        {"Placement.Strategy": "partition"},
        {"Placement.Strategy": GONE},
        words="partition",
    ),
    Case(
        "CAPACITY-30",
        "cluster",
        {**NO_RESERVATION, f"{DATA}.InstanceType": "p4d.24large"},
        {**NO_RESERVATION, f"{DATA}.InstanceType": "p2.xlarge", f"{DATA}.NetworkInterfaces": GONE},
        words="p4d.24large (did you mean",
    ),
    Case(
        "CAPACITY-30",
        "cluster",
        {"Reservation.InstanceType": "p7.huge"},
        {},
        words="p7.huge",
    ),
    Case(
        "CAPACITY-4",
        "cluster",
        {"Near.AvailabilityZoneId": GONE, "Near.AvailabilityZone": "us-east-1a"},
        {
            "Near.AvailabilityZoneId": GONE,
            "Near.AvailabilityZone": {"Fn::Select": [0, {"Fn::GetAZs": ""}]},
        },
        words="us-east-1a",
    ),
    Case(
        "CAPACITY-5",
        "cluster",
        {"Near.AvailabilityZoneId": "use1-az3"},
        words="not offered in use1-az3",
    ),
    Case(
        "CAPACITY-5",
        "cluster",
        {"Near.AvailabilityZoneId": "usw1-az1"},
        {f"{DATA}.InstanceType": "g4dn.8xlarge", "Near.AvailabilityZoneId": "usw1-az1"},
        region="us-west-1",
        words="p4d.24xlarge is not offered in us-west-1",
    ),
    Case(
        "CAPACITY-6",
        "cluster",
        {f"{DATA}.CpuOptions": {"ThreadsPerCore": 1}},
        {f"{DATA}.CpuOptions": {"CoreCount": 48, "ThreadsPerCore": 1}},
        words="without CoreCount",
    ),
    Case(
        "CAPACITY-6",
        "cluster",
        {f"{DATA}.CpuOptions": {"CoreCount": 96, "ThreadsPerCore": 1}},
        words="CoreCount 96",
    ),
    Case(
        "CAPACITY-7",
        "cluster",
        {"Nodes.NewInstancesProtectedFromScaleIn": True},
        {"Nodes.NewInstancesProtectedFromScaleIn": False},
    ),
    Case(
        "CAPACITY-3",
        "cluster",
        {**BLOCK, f"{DATA}.Placement": {"GroupName": ref("Placement")}},
        BLOCK,
    ),
    Case(
        "CAPACITY-3",
        "cluster",
        {"Reservation.PlacementGroupArn": GONE},
        {
            "Reservation.PlacementGroupArn": GONE,
            f"{DATA}.Placement": GONE,
            # Nodes without EFA need no group at all.
            f"{DATA}.NetworkInterfaces": GONE,
        },
        words="Reservation is in no placement group",
    ),
    Case(
        "CAPACITY-10",
        "pcs",
        {
            "Workers.PurchaseOption": "CAPACITY_BLOCK",
            TARGET: {"CapacityReservationId": "cr-0123456789abcdef0"},
        },
        {
            "Workers.PurchaseOption": "CAPACITY_BLOCK",
            f"{DATA}.InstanceMarketOptions": {"MarketType": "capacity-block"},
            TARGET: {"CapacityReservationId": "cr-0123456789abcdef0"},
        },
    ),
    Case("CAPACITY-10", "cluster", {**BLOCK, **NO_RESERVATION}, BLOCK),
    Case(
        "CAPACITY-10",
        "cluster",
        {**BLOCK, TARGET: {"CapacityReservationId": ref("Reservation")}},
        BLOCK,
        words="Reservation",
    ),
    Case(
        "CAPACITY-12",
        "cluster",
        {**BLOCK, "Nodes.MaxSize": "65"},
        {**BLOCK, "Nodes.MaxSize": "64"},
        words="65",
    ),
    Case(
        "CAPACITY-13",
        "cluster",
        {
            f"{DATA}.CapacityReservationSpecification": {
                "CapacityReservationPreference": "open",
                "CapacityReservationTarget": {"CapacityReservationId": ref("Reservation")},
            }
        },
        {f"{DATA}.CapacityReservationSpecification": {"CapacityReservationPreference": "open"}},
    ),
    Case(
        "CAPACITY-14",
        "cluster",
        {"Reservation.InstanceType": "p4de.24xlarge"},
        words="Reservation holds p4de.24xlarge",
    ),
    Case(
        "CAPACITY-14",
        "cluster",
        {"Reservation.AvailabilityZoneId": "use1-az4"},
        words="use1-az4",
    ),
    Case("CAPACITY-12", "cluster", {"Nodes.MaxSize": "5"}, words="up to 5"),
    Case(
        "FABRIC-25",
        "cluster",
        {f"{DATA}.NetworkInterfaces": GONE, **several("p4d.24xlarge", "p4de.24xlarge")},
        {
            f"{DATA}.NetworkInterfaces": GONE,
            **several("p4d.24xlarge", "p4de.24xlarge"),
            "Placement.Strategy": "partition",
        },
        words="p4d.24xlarge, p4de.24xlarge",
    ),
    Case(
        "CAPACITY-23",
        "cluster",
        batch("SPOT"),
        batch("EC2"),
        words="Nodes has Type SPOT",
    ),
    Case(
        "CAPACITY-5",
        "pcs",
        {
            "Workers.PurchaseOption": "CAPACITY_BLOCK",
            "Workers.InstanceConfigs": [{"InstanceType": "hpc7a.96xlarge"}],
        },
        {"Workers.InstanceConfigs": [{"InstanceType": "hpc7a.96xlarge"}]},
        words="hpc7a.96xlarge",
    ),
    Case(
        "CAPACITY-5",
        "pcs",
        {
            "Workers.PurchaseOption": "CAPACITY_BLOCK",
            "Workers.InstanceConfigs": [{"InstanceType": "g5.48xlarge"}],
        },
        {"Workers.PurchaseOption": "CAPACITY_BLOCK"},
        words="g5.48xlarge",
    ),
    Case("CAPACITY-18", "cluster", {"Reservation.InstanceCount": 1001}, words="1001"),
    Case(
        "CAPACITY-18",
        "cluster",
        {"Reservation.EndDate": "2027-01-01T00:00:00Z"},
        {"Reservation.EndDate": "2027-01-01T00:00:00Z", "Reservation.EndDateType": "limited"},
    ),
    Case(
        "CAPACITY-20",
        "cluster",
        {"Reservation.InstanceMatchCriteria": GONE},
        {"Reservation.InstanceMatchCriteria": GONE, **NO_RESERVATION},
    ),
    Case("CAPACITY-3", "cluster", {f"{DATA}.Placement": GONE}, words="in no placement group"),
    Case("CAPACITY-3", "cluster", {f"{DATA}.Placement.GroupName": "training"}, words="training"),
    Case("CAPACITY-14", "cluster", {"Reservation.InstancePlatform": "Windows"}, words="Windows"),
    Case("CAPACITY-14", "cluster", {"Reservation.Tenancy": "dedicated"}, words="dedicated"),
    Case(
        "CAPACITY-14",
        "cluster",
        {f"{DATA}.InstanceMarketOptions": {"MarketType": "spot"}},
        words="Spot",
    ),
    Case(
        "CAPACITY-3",
        "cluster",
        UNRESERVED | {f"{DATA}.Placement": GONE},
        UNRESERVED,
        words="Placement is made, and no node is in it",
    ),
    Case(
        "CAPACITY-3",
        "cluster",
        UNRESERVED | {f"{DATA}.Placement": GONE},
        UNRESERVED | {f"{DATA}.Placement": GONE, "Nodes.MaxSize": "1"},
    ),
    Case("CAPACITY-3", "cluster", {f"{DATA}.Placement.GroupName": "training"}, words="training"),
    Case(
        "CAPACITY-3",
        "cluster",
        {f"{DATA}.Placement.GroupName": ref("Near")},
        words="AWS::EC2::Subnet",
    ),
    Case("CAPACITY-26", "both", {"@Reservation.DependsOn": GONE}, words="Lustre"),
)
