"""Fixtures of the FABRIC rules."""

from typing import Any, Final

from tests.rules.cluster_templates import (
    CLASSIC,
    INTERFACES,
    att,
    group,
    ref,
    resource,
    rules_between,
)
from tests.rules.rule_cases import GONE, Case

DATA: Final = "Template.LaunchTemplateData"
CARDS: Final = f"{DATA}.NetworkInterfaces"
EVERYWHERE: Final = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}
VARIABLES: Final = "Job.Environment"
ALLOW_ALL: Final = {"RuleNumber": 100, "Protocol": "-1", "RuleAction": "allow"}


RESERVED: Final = {
    "Nodes": resource("AWS::EC2::VPC", {"CidrBlock": "10.1.0.0/16", "EnableDnsHostnames": True}),
    CARDS: [INTERFACES[0] | {"SubnetId": ref("Near")}],
}
"""Nodes that something outside of the templates launches into their reservation."""


def batch(vcpus: int) -> dict[str, Any]:
    resources = {
        "Type": "EC2",
        "MaxvCpus": vcpus,
        "InstanceTypes": ["p4d.24xlarge"],
        "Subnets": [ref("Near")],
        "LaunchTemplate": {"LaunchTemplateId": ref("Template")},
    }
    properties = {"Type": "MANAGED", "ComputeResources": resources}
    return {
        "Nodes": resource("AWS::Batch::ComputeEnvironment", properties),
        "Reservation.InstanceCount": 600,
    }


def endpoint(service: str, **properties):
    return resource(
        "AWS::EC2::VPCEndpoint",
        {
            "VpcId": ref("Vpc"),
            "ServiceName": {"Fn::Sub": f"com.amazonaws.${{AWS::Region}}.{service}"},
            **properties,
        },
    )


def entry(*, egress: bool, block: str, **properties):
    return resource(
        "AWS::EC2::NetworkAclEntry",
        {"NetworkAclId": ref("Acl"), "Egress": egress, "CidrBlock": block, **properties},
    )


ROUTES: Final = {"Routes": resource("AWS::EC2::RouteTable", {"VpcId": ref("Vpc")})}
ACL: Final = {
    "Acl": resource("AWS::EC2::NetworkAcl", {"VpcId": ref("Vpc")}),
    "NearAcl": resource(
        "AWS::EC2::SubnetNetworkAclAssociation",
        {"SubnetId": ref("Near"), "NetworkAclId": ref("Acl")},
    ),
    "AclOut": entry(egress=True, block="0.0.0.0/0", **ALLOW_ALL),
}
TWO_SUBNETS: Final = {"Nodes.VPCZoneIdentifier": [ref("Near"), ref("Beside")]}
OWN_GROUPS: Final = {
    # A card in two groups, of which each admits only the other.
    "Second": group(),
    "FabricIn": GONE,
    "FabricOut": GONE,
    **rules_between("Fabric", "Second", "Cross"),
    CARDS: [
        entry | {"Groups": [att("Fabric", "GroupId"), att("Second", "GroupId")]}
        for entry in INTERFACES
    ],
}

NO_RESERVATION: Final = {f"{DATA}.CapacityReservationSpecification": GONE}


def fleet(*subnets: str) -> dict[str, Any]:
    """Return a fleet in place of the Auto Scaling group, which launches into some subnets."""
    launches = {"LaunchTemplateId": ref("Template"), "Version": "1"}
    overrides = [{"InstanceType": "p4d.24xlarge", "SubnetId": ref(name)} for name in subnets]
    return {
        "Nodes": resource(
            "AWS::EC2::EC2Fleet",
            {
                "LaunchTemplateConfigs": [
                    {"LaunchTemplateSpecification": launches, "Overrides": overrides}
                ],
                "TargetCapacitySpecification": {"TotalTargetCapacity": 4},
            },
        )
    }


FABRIC: Final = (
    Case(
        "FABRIC-1",
        "cluster",
        {"FabricIn": GONE, "Fabric.SecurityGroupIngress": [EVERYWHERE]},
        OWN_GROUPS,
    ),
    Case(
        "FABRIC-1",
        "cluster",
        {"FabricIn.IpProtocol": "tcp", "FabricIn.FromPort": 0, "FabricIn.ToPort": 65535},
    ),
    Case(
        "FABRIC-2",
        "cluster",
        {"FabricOut": GONE, "Fabric.SecurityGroupEgress": [EVERYWHERE]},
        {"Fabric.SecurityGroupEgress": [EVERYWHERE]},
    ),
    Case("FABRIC-2", "cluster", {"FabricOut": GONE}, OWN_GROUPS),
    Case(
        "FABRIC-3",
        "cluster",
        {f"{DATA}.InstanceType": "m5.large", CARDS: [INTERFACES[0] | {"InterfaceType": "efa"}]},
        {
            f"{DATA}.InstanceType": "hpc6a.48xlarge",
            CARDS: [INTERFACES[0] | {"InterfaceType": "efa"}],
        },
        words="m5.large",
    ),
    Case(
        "FABRIC-3",
        "cluster",
        {f"{DATA}.InstanceType": "p3.16xlarge", CARDS: [INTERFACES[0] | {"InterfaceType": "efa"}]},
        {
            f"{DATA}.InstanceType": "p3dn.24xlarge",
            CARDS: [INTERFACES[0] | {"InterfaceType": "efa"}],
        },
        words="p3.16xlarge",
    ),
    Case("FABRIC-3", "cluster", {f"{CARDS}.1.InterfaceType": "efa_only"}, words="efa_only"),
    Case(
        "FABRIC-3",
        "cluster",
        {f"{CARDS}.0.InterfaceType": "efa-only", f"{CARDS}.1.InterfaceType": "interface"},
        {CARDS: CLASSIC},
    ),
    Case("FABRIC-3", "cluster", {f"{CARDS}.0.DeviceIndex": 2}),
    Case(
        "FABRIC-3",
        "cluster",
        {f"{CARDS}.4.NetworkCardIndex": 2},
        {CARDS: CLASSIC},
        words="card 2, device 0",
    ),
    Case("FABRIC-3", "cluster", {f"{CARDS}.4.NetworkCardIndex": 4}, words="NetworkCardIndex 4"),
    Case(
        "FABRIC-3",
        "cluster",
        {f"{CARDS}.0.InterfaceType": "efa"},
        {f"{CARDS}.0.InterfaceType": "efa", f"{CARDS}.1.InterfaceType": "interface"},
        words="2 EFA interfaces on card 0",
    ),
    Case(
        "FABRIC-9",
        "cluster",
        {f"{CARDS}.0.AssociatePublicIpAddress": True},
        {CARDS: [INTERFACES[0] | {"AssociatePublicIpAddress": True}]},
    ),
    Case(
        "FABRIC-9",
        "cluster",
        {"Near.MapPublicIpOnLaunch": True},
        {"Near.MapPublicIpOnLaunch": True, f"{CARDS}.0.AssociatePublicIpAddress": False},
        words="Near",
    ),
    Case(
        "FABRIC-3",
        "cluster",
        {f"{DATA}.SecurityGroupIds": [att("Fabric", "GroupId")]},
        {f"{DATA}.SecurityGroupIds": [att("Fabric", "GroupId")], CARDS: GONE},
    ),
    Case(
        "FABRIC-12",
        "cluster",
        {**NO_RESERVATION, **fleet("Near", "Far")},
        {**NO_RESERVATION, **fleet("Near", "Near")},
        words="use1-az4, use1-az6",
    ),
    Case(
        "FABRIC-12",
        "cluster",
        {"Nodes.VPCZoneIdentifier": [ref("Near"), ref("Far")]},
        TWO_SUBNETS,
        words="use1-az4, use1-az6",
    ),
    Case("FABRIC-13", "cluster", {f"{CARDS}.4": GONE}, {CARDS: CLASSIC}, words="about 300 of 400"),
    Case(
        "FABRIC-13",
        "cluster",
        {CARDS: [INTERFACES[0]]},
        {CARDS: [INTERFACES[0]], "Nodes.MaxSize": "1"},
    ),
    Case(
        "FABRIC-15",
        "cluster",
        {
            **TWO_SUBNETS,
            **ACL,
            "AclIn": entry(egress=False, block="0.0.0.0/0", **ALLOW_ALL | {"Protocol": "6"}),
        },
        {**TWO_SUBNETS, **ACL, "AclIn": entry(egress=False, block="10.0.0.0/16", **ALLOW_ALL)},
    ),
    Case(
        "FABRIC-15",
        "cluster",
        {
            **TWO_SUBNETS,
            **ACL,
            "AclIn": entry(egress=False, block="0.0.0.0/0", **ALLOW_ALL),
            "AclNo": entry(
                egress=False,
                block="10.0.33.0/24",
                **ALLOW_ALL | {"RuleNumber": 90, "RuleAction": "deny"},
            ),
        },
        # Nodes of one subnet never meet an ACL.
        {**ACL, "AclIn": entry(egress=False, block="192.168.0.0/24", **ALLOW_ALL)},
    ),
    Case(
        "FABRIC-16",
        "cluster",
        {"Vpc.EnableDnsHostnames": GONE, "Ssm": endpoint("ssm", PrivateDnsEnabled=True)},
        {"Vpc.EnableDnsHostnames": GONE, "S3": endpoint("s3", VpcEndpointType="Gateway")},
        words="EnableDnsHostnames off",
    ),
    Case("FABRIC-16", "both", {"Vpc.EnableDnsSupport": False}, {"Vpc.EnableDnsHostnames": False}),
    Case(
        "FABRIC-17",
        "cluster",
        {"Near.CidrBlock": "10.0.0.0/21", "Nodes.MaxSize": "512", CARDS: CLASSIC},
        {"Near.CidrBlock": "10.0.0.0/21", "Nodes.MaxSize": "512"},
        words="2048 addresses of 2043",
    ),
    Case(
        "FABRIC-17",
        "cluster",
        {"Near.CidrBlock": "10.0.0.0/26", "Reservation.InstanceCount": 512, **RESERVED},
        {"Near.CidrBlock": "10.0.0.0/21", "Reservation.InstanceCount": 512, **RESERVED},
        words="512 addresses of 59",
    ),
    Case(
        "FABRIC-17",
        "cluster",
        {"Near.CidrBlock": "10.0.0.0/26", **batch(512 * 96)},
        {"Near.CidrBlock": "10.0.0.0/26", **batch(16 * 96)},
        words="512 addresses of 59",
    ),
    Case(
        "FABRIC-18",
        "cluster",
        {f"{CARDS}.0.Groups": [f"sg-{n:017}" for n in range(6)]},
        {f"{CARDS}.0.Groups": [f"sg-{n:017}" for n in range(5)]},
        words="6 security groups",
    ),
    Case(
        "FABRIC-3",
        "cluster",
        {f"{CARDS}.1.Ipv4PrefixCount": 1},
        {f"{CARDS}.0.Ipv4PrefixCount": 1},
        words="Ipv4PrefixCount",
    ),
    Case(
        "FABRIC-3",
        "cluster",
        {f"{CARDS}.1.AssociatePublicIpAddress": True},
        {f"{CARDS}.1.AssociatePublicIpAddress": False},
    ),
    Case(
        "FABRIC-20",
        "cluster",
        {"Docker": endpoint("ecr.dkr"), **ROUTES},
        {"Docker": endpoint("ecr.dkr"), "S3": endpoint("s3"), **ROUTES},
    ),
    Case(
        "FABRIC-20",
        "cluster",
        {"Docker": endpoint("ecr.dkr"), **ROUTES},
        {
            "Docker": endpoint("ecr.dkr"),
            **ROUTES,
            "Out": resource(
                "AWS::EC2::Route",
                {
                    "RouteTableId": ref("Routes"),
                    "DestinationCidrBlock": "0.0.0.0/0",
                    "NatGatewayId": "nat-1",
                },
            ),
        },
    ),
    Case(
        "FABRIC-21",
        "cluster",
        {"Fabric.SecurityGroupIngress": [EVERYWHERE]},
        {"Fabric.SecurityGroupIngress": [EVERYWHERE | {"CidrIp": "10.0.0.0/8"}]},
        words="0.0.0.0/0",
    ),
    Case(
        "FABRIC-22",
        "job",
        {VARIABLES: {"FI_PROVIDER": "tcp;ofi_rxm"}},
        {VARIABLES: {"FI_PROVIDER": "efa"}},
        words="FI_PROVIDER=tcp",
    ),
    Case("FABRIC-22", "job", {"Job.Environment": {"NCCL_NET": "Socket"}}),
    Case("FABRIC-27", "job", {VARIABLES: {"RDMAV_FORK_SAFE": "1"}}),
    Case("FABRIC-24", "job", {VARIABLES: {"FI_EFA_USE_DEVICE_RDMA": "1"}}),
    Case(
        "FABRIC-25",
        "cluster",
        {
            "Nodes.LaunchTemplate": GONE,
            "Nodes.MixedInstancesPolicy": {
                "LaunchTemplate": {
                    "LaunchTemplateSpecification": {
                        "LaunchTemplateId": ref("Template"),
                        "Version": "1",
                    },
                    "Overrides": [
                        {"InstanceType": "p4d.24xlarge"},
                        {"InstanceType": "p4de.24xlarge"},
                    ],
                }
            },
        },
        {
            "Nodes.LaunchTemplate": GONE,
            "Nodes.MixedInstancesPolicy": {
                "LaunchTemplate": {
                    "LaunchTemplateSpecification": {
                        "LaunchTemplateId": ref("Template"),
                        "Version": "1",
                    },
                    "Overrides": [{"InstanceType": "p4d.24xlarge"}],
                }
            },
        },
        words="p4d.24xlarge, p4de.24xlarge",
    ),
    Case(
        "FABRIC-34",
        "cluster",
        {f"{DATA}.NetworkInterfaces.2.Groups": GONE},
        {f"{DATA}.NetworkInterfaces.2.Groups": [att("Fabric", "GroupId")]},
        words="NetworkInterfaces[2]",
    ),
)
