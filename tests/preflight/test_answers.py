"""Each thing that an account can lack is found, by the check that is for it and no other."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from constructs_lib.spec.environment import EnvironmentSpec
from constructs_lib.spec.nodes import CapacityBlockSpec, CapacityReservationSpec, NodesSpec
from operations.preflight.finding import Verdict
from operations.preflight.preflight import CHECKS, NAMES, preflight
from tests.preflight.account import (
    ACCOUNT,
    BUCKET,
    GIVEN,
    IMAGE,
    KEY,
    MADE,
    NOW,
    RESERVATION,
    ROLE,
    SUBNETS,
    TAG,
    VPC,
    Answering,
    acl,
    always,
    error,
    file_system,
    reservation,
    rule,
    simulated,
    subnet,
    table,
)

Change = Callable[[Answering], object]


def fails(cloud: Answering, spec: EnvironmentSpec = GIVEN) -> list[tuple[str, str, str]]:
    """Return check, subject and what was found of everything that fails."""
    found = preflight(spec, cloud, NOW)
    return [(c.name, f.subject, f.found) for c, f in found.having(Verdict.FAIL)]


def skips(cloud: Answering, spec: EnvironmentSpec = GIVEN) -> dict[str, str]:
    """Return what was skipped, and why."""
    found = preflight(spec, cloud, NOW)
    return {check.name: finding.found for check, finding in found.having(Verdict.SKIP)}


def block(**changes: object) -> dict[str, object]:
    """Return the reservation as a Capacity Block of a day."""
    return reservation(
        ReservationType="capacity-block",
        StartDate=NOW - timedelta(hours=12),
        EndDate=NOW + timedelta(hours=12),
        **changes,
    )


IN_A_BLOCK = GIVEN.model_copy(
    update={
        "nodes": NodesSpec(
            instance_type="p4d.24xlarge",
            count=4,
            placement_group=False,
            capacity_block=CapacityBlockSpec(capacity_reservation_id=RESERVATION),
        )
    }
)


@pytest.mark.parametrize("spec", [GIVEN, MADE, IN_A_BLOCK], ids=["given", "made", "block"])
def test_an_account_that_has_everything_passes(spec: EnvironmentSpec):
    """False alarms are defects like misses."""
    cloud = Answering()
    if spec is IN_A_BLOCK:
        cloud.alter("ec2", "describe_capacity_reservations", **block())

    found = preflight(spec, cloud, NOW)

    assert fails(cloud, spec) == []
    assert found.exit_status == 0
    assert [result.check.name for result in found.results] == list(NAMES)
    assert all(result.findings for result in found.results)


def test_each_check_passes_somewhere():
    """A check that is always skipped looks at nothing."""
    passing = {
        check.name
        for spec in (GIVEN, MADE)
        for check, _ in preflight(spec, Answering(), NOW).having(Verdict.PASS)
    }

    assert set(NAMES) - passing == set()


def raised(operation: str, code: str) -> Change:
    """Return a change after which an EC2 call is refused."""
    return lambda cloud: cloud.change("ec2", operation, error(code))


def altered(service: str, operation: str, **members: object) -> Change:
    """Return a change of the first row of an answer."""
    return lambda cloud: cloud.alter(service, operation, **members)


def answered(service: str, operation: str, **members: object) -> Change:
    """Return a change of a whole answer."""
    return lambda cloud: cloud.change(service, operation, always(**members))


def simulating(**decisions: Any) -> Change:
    """Return a change of what the simulator decides."""
    return lambda cloud: cloud.change(
        "iam", "simulate_principal_policy", partial(simulated, **decisions)
    )


def no_parameter(part: str) -> Change:
    """Return a change that takes a parameter away."""

    def change(cloud: Answering) -> None:
        before = cloud.answers["ssm", "get_parameter"]
        gone = error("ParameterNotFound")
        cloud.change("ssm", "get_parameter", lambda g: (gone if part in g["Name"] else before)(g))

    return change


ROUTE = "describe_route_tables"
BOOTSTRAP_ROLE = f"arn:aws:iam::{ACCOUNT}:role/cdk-hnb659fds-deploy-role-{ACCOUNT}-us-east-1"
RESERVED = "describe_capacity_reservations"

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
        "no such reservation here",
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
        "no such subnet here",
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
    "no VPC": (answered("ec2", "describe_vpcs", Vpcs=[]), "vpc-shape", VPC, "no such VPC here"),
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
        no_parameter("/aws/service"),
        "image-exists",
        GIVEN.nodes.image,
        "no such SSM parameter",
    ),
    "no image": (
        raised("describe_images", "InvalidAMIID.NotFound"),
        "image-exists",
        "ami-0123456789abcdef0",
        "no such image here",
    ),
    "image of arm64": (
        altered("ec2", "describe_images", Architecture="arm64"),
        "image-architecture",
        "architecture of ami-0123456789abcdef0",
        "arm64",
    ),
    "UEFI alone": (
        altered("ec2", "describe_images", BootMode="uefi"),
        "image-boot-mode",
        "boot mode of ami-0123456789abcdef0",
        "uefi",
    ),
    "root device": (
        altered("ec2", "describe_images", RootDeviceName="/dev/sda1"),
        "image-root-device",
        "root device of ami-0123456789abcdef0",
        "/dev/sda1",
    ),
    "root volume": (
        altered(
            "ec2",
            "describe_images",
            BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 500}}],
        ),
        "image-root-device",
        "root device of ami-0123456789abcdef0",
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
        f"sts:AssumeRole on {BOOTSTRAP_ROLE}",
        "implicitDeny",
    ),
    "CloudFormation may not": (
        simulating(CreateFileSystem="explicitDeny"),
        "cloudformation-permissions",
        f"fsx:CreateFileSystem on arn:aws:fsx:us-east-1:{ACCOUNT}:file-system/fs-0123456789abcdef0",
        "explicitDeny",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_is_one_line(fault: str):
    """It is named by the check that is for it; nothing else fails on its account."""
    change, check, subject, found = FAULTS[fault]
    cloud = Answering()
    change(cloud)

    lines = fails(cloud)

    assert (check, subject, found) in lines
    assert {line[0] for line in lines} == {check}
    # A role that may not deploy is refused two roles of the bootstrap stack.
    assert len(lines) == (2 if fault == "deployer may not" else 1)


def test_every_failure_says_how_to_mend_and_see_it():
    """A reader has the next step before them, and can check the claim."""
    for change, *_ in FAULTS.values():
        cloud = Answering()
        change(cloud)
        for check, finding in preflight(GIVEN, cloud, NOW).having(Verdict.FAIL):
            assert finding.fix, check.name
            assert finding.wanted, check.name
            assert finding.question is not None, check.name


@pytest.mark.parametrize(
    ("route", "found"),
    [
        ({"GatewayId": "igw-1", "State": "active"}, "the internet gateway igw-1"),
        ({"NatGatewayId": "nat-1", "State": "blackhole"}, "a black hole: what it leads to is gone"),
    ],
)
def test_a_default_route_that_leads_nowhere_is_found(route, found):
    """Nodes have private addresses: an internet gateway does not answer them."""
    cloud = Answering()
    routes = table({"DestinationCidrBlock": "0.0.0.0/0", **route})
    cloud.change("ec2", ROUTE, always(RouteTables=[routes]))

    assert fails(cloud) == [("vpc-routes", f"default route of {name}", found) for name in SUBNETS]


def test_a_closed_subnet_needs_an_endpoint_of_every_service():
    """Without a NAT gateway each service that has no endpoint is out of reach."""
    cloud = Answering()
    local = {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"}
    cloud.change("ec2", ROUTE, always(RouteTables=[table(local)]))
    services = [*MADE.network.interface_endpoints, "s3"]
    endpoints = [
        {
            "ServiceName": f"com.amazonaws.us-east-1.{name}",
            "VpcEndpointType": "Gateway" if name == "s3" else "Interface",
            "RouteTableIds": ["rtb-0123456789abcdef0"],
            "VpcEndpointId": f"vpce-{name}",
        }
        for name in services
        if name != "sts"  # which the environment adds
    ]
    cloud.change("ec2", "describe_vpc_endpoints", always(VpcEndpoints=endpoints))
    assert fails(cloud) == []

    cloud.change("ec2", "describe_vpc_endpoints", always(VpcEndpoints=endpoints[1:]))
    assert {line[0] for line in fails(cloud)} == {"vpc-routes"}
    assert all("no endpoint of ec2" in line[2] for line in fails(cloud))


def test_a_block_that_has_not_begun_is_in_time():
    """What is deployed today waits for it: nodes start at zero."""
    cloud = Answering()
    later = {"State": "scheduled", "AvailableInstanceCount": 0}
    begins = {"StartDate": NOW + timedelta(days=1), "EndDate": NOW + timedelta(days=2)}
    cloud.alter("ec2", RESERVED, **(block() | later | begins))

    assert fails(cloud, IN_A_BLOCK) == []

    cloud.alter("ec2", RESERVED, State="payment-failed")
    assert [line[:2] for line in fails(cloud, IN_A_BLOCK)] == [
        ("capacity-reservation", f"state of {RESERVATION}")
    ]


def test_a_reservation_for_a_block_is_found():
    """The launch template names one or the other market; the wrong one is refused at launch."""
    assert fails(Answering(), IN_A_BLOCK) == [
        ("capacity-reservation", f"kind of {RESERVATION}", "an on-demand reservation")
    ]


def test_nodes_of_the_environment_do_not_take_places_from_it():
    """A preflight of what is deployed already must not complain of its own nodes."""
    cloud = Answering()
    cloud.alter("ec2", RESERVED, AvailableInstanceCount=0)
    node = {"InstanceType": "p4d.24xlarge", "CapacityReservationId": RESERVATION, "Tags": [TAG]}
    cloud.change("ec2", "describe_instances", always(Reservations=[{"Instances": [node] * 4}]))
    cloud.quotas["L-417A185B"] = 4 * 96

    assert fails(cloud) == []


def key_policy(statement: str) -> Change:
    """Return a change of the policy of the bucket's key."""
    return answered("kms", "get_key_policy", Policy=f'{{"Statement": [{statement}]}}')


ROOT = f'{{"AWS": "arn:aws:iam::{ACCOUNT}:root"}}'
ALLOW = '"Effect": "Allow", "Action": "kms:*", "Resource": "*"'


@pytest.mark.parametrize(
    ("statement", "verdict"),
    [
        (f'{{{ALLOW}, "Principal": "*"}}', Verdict.PASS),
        (f'{{{ALLOW}, "Principal": {ROOT}}}', Verdict.FAIL),
        (f'{{{ALLOW}, "Principal": {{"AWS": "{ROLE[:-1]}old"}}}}', Verdict.FAIL),
        (
            (
                f'{{{ALLOW}, "Principal": "*", '
                '"Condition": {"StringEquals": {"kms:CallerAccount": "999999999999"}}}'
            ),
            Verdict.FAIL,
        ),
        (
            (
                f'{{{ALLOW}, "Principal": "*", '
                '"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}'
            ),
            Verdict.SKIP,
        ),
        (
            (
                f'{{{ALLOW}, "Principal": "*"}}, '
                '{"Effect": "Deny", "Action": "kms:Decrypt", "Principal": "*", "Resource": "*"}'
            ),
            Verdict.FAIL,
        ),
        (
            '{"Effect": "Allow", "Action": "kms:Decrypt", "Principal": "*", "Resource": "*"}',
            Verdict.FAIL,
        ),
        (f'{{{ALLOW}, "Principal": "*"}}, {{{ALLOW}, "NotPrincipal": "*"}}', Verdict.PASS),
    ],
)
def test_a_key_admits_the_role_that_fsx_will_make(statement: str, verdict: Verdict):
    """The role does not exist yet, so that it is admitted by pattern; a condition may be open."""
    cloud = Answering()
    key_policy(statement)(cloud)

    (result,) = preflight(GIVEN, cloud, NOW, only=["bucket-key-policy"]).results
    assert [finding.verdict for finding in result.findings] == [verdict]


def test_names_are_unique_and_said_what_they_are():
    """Names are what users write after --only and what programs read."""
    assert len(set(NAMES)) == len(NAMES)
    assert all(check.what for check in CHECKS)


def test_a_missing_service_role_is_made_at_its_first_use():
    """It is a fault only where CloudFormation may not have it made."""
    cloud = Answering()
    deployer = cloud.answers["iam", "get_role"]
    gone = error("NoSuchEntity")
    cloud.change(
        "iam", "get_role", lambda g: (deployer if g["RoleName"] == "Deployer" else gone)(g)
    )
    assert fails(cloud) == []

    simulating(CreateServiceLinkedRole="implicitDeny")(cloud)
    assert [line[:2] for line in fails(cloud)] == [
        ("service-linked-roles", "AWSServiceRoleForAutoScaling"),
        ("service-linked-roles", "AWSServiceRoleForAmazonFSx"),
    ]


def test_an_open_condition_is_no_refusal():
    """The simulator does not know the values that only the call has."""
    cloud = Answering()
    cloud.change(
        "iam",
        "simulate_principal_policy",
        lambda given: {
            "EvaluationResults": [
                row | {"MissingContextValues": ["aws:RequestTag/team"]}
                for row in simulated(given, CreateRole="implicitDeny")["EvaluationResults"]
            ]
        },
    )

    assert fails(cloud) == []
    assert "aws:RequestTag/team" in skips(cloud)["cloudformation-permissions"]


def test_persistent_2_is_skipped_where_nothing_tells():
    """No API says where it is sold; guessing would be worse than saying so."""
    cloud = Answering()
    scratch = {"LustreConfiguration": {"DeploymentType": "SCRATCH_2"}}
    cloud.change("fsx", "describe_file_systems", always(FileSystems=[file_system(**scratch)]))

    assert "no API says" in skips(cloud)["lustre-persistent-2"]


def test_a_reservation_of_the_stack_is_no_reservation_of_others():
    """`capacity_reservation=CapacityReservationSpec()` is looked for by its group alone."""
    spec = MADE.model_copy(
        update={
            "nodes": NodesSpec(
                instance_type="p4d.24xlarge",
                count=4,
                capacity_reservation=CapacityReservationSpec(),
            )
        }
    )
    cloud = Answering()
    cloud.quotas["L-417A185B"] = 4 * 96
    assert [line[0] for line in fails(cloud, spec)] == ["quota-vcpus"]

    group = f"arn:aws:ec2:us-east-1:{ACCOUNT}:placement-group/made-Cluster-PlacementGroup-1"
    cloud.alter("ec2", RESERVED, PlacementGroupArn=group)
    assert fails(cloud, spec) == []
