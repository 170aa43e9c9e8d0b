"""A catalogue of faults: the change, the check that finds it, of what, and what it says."""

from datetime import timedelta

from tests.preflight.account import acl, error, rule, subnet
from tests.preflight.changes import (
    Change,
    altered,
    answered,
    block,
    no_parameter,
    raised,
    simulating,
)
from tests.preflight.specs import ACCOUNT, BUCKET, GIVEN, IMAGE, KEY, NOW, RESERVATION, SUBNETS, VPC

RESERVED = "describe_capacity_reservations"
TO_DEPLOY, TO_PUBLISH = (
    f"arn:aws:iam::{ACCOUNT}:role/cdk-hnb659fds-{use}-role-{ACCOUNT}-us-east-1"
    for use in ("deploy", "file-publishing")
)


FAULTS: dict[str, tuple[Change, str, str, str]] = {
    "no such offering": (
        answered("ec2", "describe_instance_type_offerings", InstanceTypeOfferings=[]),
        "zone-offering",
        "p4d.24xlarge in use1-az6",
        "offered in no zone of the Region",
    ),
    "no such service": (
        answered("ec2", "describe_vpc_endpoint_services", ServiceDetails=[]),
        "endpoint-services",
        "endpoint services in use1-az6",
        "the Region has no endpoint service sts",
    ),
    "service not in the zone": (
        answered(
            "ec2",
            "describe_vpc_endpoint_services",
            ServiceDetails=[
                {
                    "ServiceName": "com.amazonaws.us-east-1.sts",
                    "AvailabilityZoneIds": ["use1-az2"],
                }
            ],
        ),
        "endpoint-services",
        "endpoint services in use1-az6",
        "sts has endpoints in use1-az2",
    ),
    "unknown reservation": (
        raised(RESERVED, "InvalidCapacityReservationId.NotFound"),
        "capacity-reservation",
        RESERVATION,
        "no such reservation in this account and Region",
    ),
    "block for a reservation": (
        altered("ec2", RESERVED, **block()),
        "capacity-reservation",
        f"kind of {RESERVATION}",
        "a Capacity Block",
    ),
    "reserved type": (
        altered("ec2", RESERVED, InstanceType="p4de.24xlarge"),
        "capacity-reservation",
        f"instance type of {RESERVATION}",
        "p4de.24xlarge",
    ),
    "reserved platform": (
        altered("ec2", RESERVED, InstancePlatform="Windows"),
        "capacity-reservation",
        f"platform of {RESERVATION}",
        "Windows",
    ),
    "reserved tenancy": (
        altered("ec2", RESERVED, Tenancy="dedicated"),
        "capacity-reservation",
        f"tenancy of {RESERVATION}",
        "dedicated",
    ),
    "reserved zone": (
        altered("ec2", RESERVED, AvailabilityZoneId="use1-az1"),
        "capacity-reservation",
        f"zone of {RESERVATION}",
        "use1-az1",
    ),
    "reserved in a group": (
        altered("ec2", RESERVED, PlacementGroupArn="arn:aws:ec2:::placement-group/theirs"),
        "capacity-reservation",
        f"placement group of {RESERVATION}",
        "theirs",
    ),
    "cancelled": (
        altered("ec2", RESERVED, State="cancelled", AvailableInstanceCount=0),
        "capacity-reservation",
        f"state of {RESERVATION}",
        "cancelled",
    ),
    "about to end": (
        altered("ec2", RESERVED, EndDate=NOW + timedelta(minutes=20)),
        "capacity-reservation",
        f"end of {RESERVATION}",
        "2026-11-24 12:20 UTC",
    ),
    "too small": (
        altered("ec2", RESERVED, TotalInstanceCount=3, AvailableInstanceCount=3),
        "capacity-reservation",
        f"size of {RESERVATION}",
        "3 instances",
    ),
    "in use": (
        altered("ec2", RESERVED, AvailableInstanceCount=1),
        "capacity-reservation",
        f"free places of {RESERVATION}",
        "1 of 4",
    ),
    "subnet missing": (
        answered("ec2", "describe_subnets", Subnets=[subnet(0)]),
        "subnet-place",
        SUBNETS[1],
        "no such subnet in this account and Region",
    ),
    "subnet in another zone": (
        altered("ec2", "describe_subnets", AvailabilityZoneId="use1-az1"),
        "subnet-place",
        f"zone of {SUBNETS[0]}",
        "use1-az1",
    ),
    "subnet of another VPC": (
        altered("ec2", "describe_subnets", VpcId="vpc-0fedcba9876543210"),
        "subnet-place",
        f"VPC of {SUBNETS[0]}",
        "vpc-0fedcba9876543210",
    ),
    "subnets too full": (
        answered(
            "ec2",
            "describe_subnets",
            Subnets=[subnet(i, AvailableIpAddressCount=10) for i in range(2)],
        ),
        "subnet-addresses",
        "free addresses",
        f"20 free in {', '.join(SUBNETS)}",
    ),
    "first subnet too full": (
        altered("ec2", "describe_subnets", AvailableIpAddressCount=4),
        "subnet-addresses",
        f"free addresses of {SUBNETS[0]}",
        "4 free",
    ),
    "public subnet": (
        altered("ec2", "describe_subnets", MapPublicIpOnLaunch=True),
        "subnet-public-addresses",
        f"public addresses of {SUBNETS[0]}",
        "given at launch",
    ),
    "no VPC": (
        answered("ec2", "describe_vpcs", Vpcs=[]),
        "vpc-shape",
        VPC,
        "no such VPC in this account and Region",
    ),
    "VPC's block": (
        altered("ec2", "describe_vpcs", CidrBlock="10.9.0.0/16"),
        "vpc-shape",
        f"block of {VPC}",
        "10.9.0.0/16",
    ),
    "VPC's tenancy": (
        altered("ec2", "describe_vpcs", InstanceTenancy="dedicated"),
        "vpc-shape",
        f"tenancy of {VPC}",
        "dedicated",
    ),
    "no host names": (
        lambda cloud: cloud.change(
            "ec2",
            "describe_vpc_attribute",
            lambda _: {"EnableDnsSupport": {"Value": True}, "EnableDnsHostnames": {"Value": False}},
        ),
        "vpc-dns",
        f"enableDnsHostnames of {VPC}",
        "off",
    ),
    "network ACL": (
        answered(
            "ec2",
            "describe_network_acls",
            NetworkAcls=[
                acl(
                    rule(90, "deny", CidrBlock="10.0.1.0/24", Egress=True)[:1],
                    rule(100, "allow"),
                ),
                acl(rule(100, "allow")) | {"Associations": [{"SubnetId": SUBNETS[1]}]},
            ],
        ),
        "vpc-network-acls",
        f"fabric to 10.0.1.0/24 of {SUBNETS[0]}",
        "acl-0123456789abcdef0 blocks it",
    ),
    "endpoint there": (
        answered(
            "ec2",
            "describe_vpc_endpoints",
            VpcEndpoints=[
                {
                    "ServiceName": "com.amazonaws.us-east-1.sts",
                    "VpcEndpointType": "Interface",
                    "VpcEndpointId": "vpce-1",
                    "PrivateDnsEnabled": True,
                }
            ],
        ),
        "vpc-endpoints",
        "endpoint of sts",
        "vpce-1 is there",
    ),
    "no image parameter": (
        no_parameter("/team"),
        "image-exists",
        GIVEN.nodes.image,
        "no such SSM parameter",
    ),
    "no image": (
        raised("describe_images", "InvalidAMIID.NotFound"),
        "image-exists",
        "ami-0123456789abcdef2",
        "no such image in this Region",
    ),
    "image of arm64": (
        altered("ec2", "describe_images", Architecture="arm64"),
        "image-architecture",
        "architecture of ami-0123456789abcdef2",
        "arm64",
    ),
    "UEFI alone": (
        altered("ec2", "describe_images", BootMode="uefi"),
        "image-boot-mode",
        "boot mode of ami-0123456789abcdef2",
        "uefi",
    ),
    "root device": (
        altered("ec2", "describe_images", RootDeviceName="/dev/sda1"),
        "image-root-device",
        "root device of ami-0123456789abcdef2",
        "/dev/sda1",
    ),
    "root volume": (
        altered(
            "ec2",
            "describe_images",
            BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 500}}],
        ),
        "image-root-device",
        "root device of ami-0123456789abcdef2",
        "500 GiB",
    ),
    "bucket elsewhere": (
        answered("s3", "get_bucket_location", LocationConstraint="EU"),
        "bucket-region",
        f"Region of {BUCKET}",
        "eu-west-1",
    ),
    "no bucket": (
        lambda cloud: cloud.change("s3", "get_bucket_location", error("NoSuchBucket")),
        "bucket-region",
        BUCKET,
        "no such bucket",
    ),
    "key disabled": (
        answered("kms", "describe_key", KeyMetadata={"KeyId": "k", "KeyState": "PendingDeletion"}),
        "bucket-key-policy",
        f"key of {BUCKET}",
        "PendingDeletion",
    ),
    "key gone": (
        lambda cloud: cloud.change("kms", "describe_key", error("NotFoundException")),
        "bucket-key-policy",
        f"key of {BUCKET}",
        f"no such key: {KEY}",
    ),
    "bootstrapped long ago": (
        lambda cloud: cloud.change(
            "ssm",
            "get_parameter",
            lambda g: {"Parameter": {"Value": "5" if "bootstrap" in g["Name"] else IMAGE}},
        ),
        "bootstrap-version",
        f"bootstrap stack of aws://{ACCOUNT}/us-east-1",
        "version 5",
    ),
    "not bootstrapped": (
        no_parameter("bootstrap"),
        "bootstrap-version",
        f"bootstrap stack of aws://{ACCOUNT}/us-east-1",
        "none",
    ),
    "deployer may not": (
        simulating(AssumeRole="implicitDeny"),
        "deployer-permissions",
        "sts:AssumeRole of assumed-role/Deployer/me",
        f"implicitDeny: sts:AssumeRole on {TO_DEPLOY}, sts:AssumeRole on {TO_PUBLISH}",
    ),
    "CloudFormation may not": (
        simulating(CreateFileSystem="explicitDeny"),
        "cloudformation-permissions",
        f"permissions of cdk-hnb659fds-cfn-exec-role-{ACCOUNT}-us-east-1",
        (
            "explicitDeny: fsx:CreateFileSystem on "
            f"arn:aws:fsx:us-east-1:{ACCOUNT}:file-system/fs-0123456789abcdef0"
        ),
    ),
}
