"""What is just good enough, and what looks like a fault and is none."""

from datetime import timedelta
from typing import Any

import pytest

from tests.preflight.account import (
    Answering,
    acl,
    always,
    error,
    file_system,
    reservation,
    rule,
    simulated,
    table,
)
from tests.preflight.changes import Change, altered, answered
from tests.preflight.one import P_VCPUS, empty, finding, in_use
from tests.preflight.specs import ACCOUNT, BUCKET, GIVEN, KEY, MADE, NOW, TAG
from ultracluster.preflight.capacity import LAST_MINUTES
from ultracluster.preflight.finding import Verdict
from ultracluster.preflight.preflight import preflight
from ultracluster.spec.environment import EnvironmentSpec, SageMakerSpec
from ultracluster.spec.lustre import DataRepositorySpec, LustreSpec
from ultracluster.spec.network import NetworkSpec
from ultracluster.spec.nodes import CapacityReservationSpec, NodesSpec


def failing(cloud: Answering, spec: EnvironmentSpec = GIVEN) -> list[str]:
    """Return the names of the checks that fail."""
    return [check.name for check, _ in preflight(spec, cloud, NOW).having(Verdict.FAIL)]


def test_a_reservation_larger_than_the_cluster_adds_nothing():
    """Its other places are somebody else's usage, and no credit of ours."""
    cloud = Answering()
    larger = {"TotalInstanceCount": 10, "AvailableInstanceCount": 10}
    cloud.alter("ec2", "describe_capacity_reservations", **larger)

    assert finding("quota-vcpus", cloud, GIVEN).found == "limit 1,000,000, in use 960, to come 0"


def endpoint(service: str, **changes: Any) -> dict[str, Any]:
    """Return an interface endpoint with private DNS."""
    return {
        "ServiceName": f"com.amazonaws.us-east-1.{service}",
        "VpcEndpointType": "Interface",
        "VpcEndpointId": f"vpce-{service}",
        "PrivateDnsEnabled": True,
        **changes,
    }


def mapped(gib: int) -> dict[str, Any]:
    """Return what makes an image one of so many GiB."""
    return {"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": gib}}]}


RESERVED, IMAGES = "describe_capacity_reservations", "describe_images"
VOLUME = GIVEN.nodes.root_volume_gib
INSIDE = acl(rule(100, "allow", CidrBlock="10.0.0.0/16"))
EDGES: dict[str, tuple[Change, list[str]]] = {
    "it ends just late enough": (
        altered("ec2", RESERVED, EndDate=NOW + LAST_MINUTES + timedelta(seconds=1)),
        [],
    ),
    "it ends too early": (
        altered("ec2", RESERVED, EndDate=NOW + LAST_MINUTES),
        ["capacity-reservation"],
    ),
    "an image that fits": (altered("ec2", IMAGES, **mapped(VOLUME)), []),
    "an image that does not": (altered("ec2", IMAGES, **mapped(VOLUME + 1)), ["image-root-device"]),
    "a boot mode of the type": (
        altered("ec2", IMAGES, BootMode=GIVEN.nodes.instance.boot_modes[0]),
        [],
    ),
    "no boot mode": (altered("ec2", IMAGES, BootMode=None), []),
    "a type that is offered, and is another": (
        answered(
            "ec2",
            "describe_instance_type_offerings",
            InstanceTypeOfferings=[{"InstanceType": "p5.48xlarge", "Location": "use1-az6"}],
        ),
        ["zone-offering"],
    ),
    "no network ACL that is shown": (answered("ec2", "describe_network_acls", NetworkAcls=[]), []),
    "an endpoint whose names are not private": (
        answered(
            "ec2", "describe_vpc_endpoints", VpcEndpoints=[endpoint("sts", PrivateDnsEnabled=False)]
        ),
        [],
    ),
    # AWS is outside of the VPC, and a NAT gateway leads there: nobody can tell which part counts.
    "rules for the VPC alone": (answered("ec2", "describe_network_acls", NetworkAcls=[INSIDE]), []),
}


@pytest.mark.parametrize("name", EDGES)
def test_what_is_at_its_limit_is_good_and_what_is_beyond_is_not(name: str):
    change, wrong = EDGES[name]
    cloud = Answering()
    change(cloud)

    found = preflight(GIVEN, cloud, NOW)

    assert [check.name for check, _ in found.having(Verdict.FAIL)] == wrong
    by_name = {result.check.name: {f.verdict for f in result.findings} for result in found.results}
    if name == "rules for the VPC alone":
        assert by_name["vpc-network-acls"] == {Verdict.SKIP}


def test_traffic_within_a_subnet_crosses_no_network_acl():
    """A rule that speaks of the subnet's own addresses alone keeps nothing apart."""
    (first, *_) = GIVEN.network.training_subnets
    network = GIVEN.network.model_copy(update={"training_subnets": (first,)})
    cloud = Answering()
    rules = acl(rule(90, "deny", CidrBlock=first.cidr), rule(100, "allow"))
    cloud.change("ec2", "describe_network_acls", always(NetworkAcls=[rules]))
    cloud.change(
        "ec2",
        "describe_subnets",
        always(Subnets=Answering().ask("ec2", "describe_subnets")["Subnets"][:1]),
    )

    spec = GIVEN.model_copy(update={"network": network})
    found = preflight(spec, cloud, NOW, only=["vpc-network-acls"])
    assert found.having(Verdict.FAIL) == []


def test_a_bucket_that_the_environment_makes_is_not_asked_for():
    """It is not there yet."""
    own = DataRepositorySpec(file_system_path="/out", prefix="out/")
    repositories = (*GIVEN.storage.data_repositories, own)
    storage = GIVEN.storage.model_copy(update={"data_repositories": repositories})
    cloud = Answering()

    assert failing(cloud, GIVEN.model_copy(update={"storage": storage})) == []
    asked = [each.parameters for each in cloud.calls if each.service == "s3"]
    assert {given["Bucket"] for given in asked} == {BUCKET}


NOTHING_OF = "the environment uses an existing VPC"
BARE = MADE.model_copy(
    update={
        "sagemaker": SageMakerSpec(instances=0),
        "storage": LustreSpec(deployment_type="SCRATCH_2", capacity_gib=1200, keep_data=False),
    }
)
"""It asks for no SageMaker, no Slurm, and no file system that stays."""
ALONE = GIVEN.model_copy(
    update={
        "nodes": NodesSpec(
            instance_type="g5.8xlarge",
            count=1,
            image="/team/nodes:3",
            interface_layout="address-per-card",
        ),
        "network": GIVEN.network.model_copy(update={"interface_endpoints": ()}),
    }
)
"""Nodes of one interface, in a VPC that is there and gets no endpoint."""
CLOSED = MADE.model_copy(update={"network": NetworkSpec(public_subnet_cidr=None)})
RESERVING = MADE.model_copy(
    update={
        "nodes": MADE.nodes.model_copy(update={"capacity_reservation": CapacityReservationSpec()})
    }
)
NO_SAGEMAKER = "the environment asks for no SageMaker instances"
SKIPPED: tuple[tuple[EnvironmentSpec, str, str], ...] = (
    (BARE, "quota-training-instances", NO_SAGEMAKER),
    (BARE, "quota-training-job-instances", NO_SAGEMAKER),
    (BARE, "quota-training-instances-in-all", NO_SAGEMAKER),
    (BARE, "lustre-persistent-2", "the file system is SCRATCH_2"),
    (BARE, "quota-login-vcpus", "the environment has none"),
    (BARE, "login-offering", "the environment has none"),
    (BARE, "login-image", "the environment has no login nodes"),
    (BARE, "slurm-region", "the environment has no Slurm"),
    (BARE, "bucket-region", "the file system is not linked to an existing bucket"),
    (BARE, "vpc-shape", "the environment makes its own VPC and subnets"),
    (ALONE, "subnet-public-addresses", "g5.8xlarge has one interface here"),
    (ALONE, "vpc-endpoints", "the environment adds none to an existing VPC"),
    (ALONE, "endpoint-services", "the environment adds no interface endpoint"),
    (ALONE, "quota-vpcs", NOTHING_OF),
    (ALONE, "quota-elastic-ips", NOTHING_OF),
    (BARE, "capacity-reservation", "the nodes are launched on demand; no API shows free capacity"),
    (
        RESERVING,
        "capacity-reservation",
        "the reservation is created with the cluster, if there is capacity",
    ),
    (CLOSED, "quota-elastic-ips", "the environment's network has no NAT gateway"),
)


@pytest.mark.parametrize(("spec", "check", "why"), SKIPPED)
def test_what_an_environment_does_not_need_is_skipped_with_the_reason(
    spec: EnvironmentSpec, check: str, why: str
):
    """A check that says nothing looks like one that found nothing wrong."""
    found = finding(check, Answering(), spec)

    assert (found.verdict, found.found) == (Verdict.SKIP, why)
    assert not found.unanswered


@pytest.mark.parametrize("spec", [BARE, ALONE, CLOSED], ids=["bare", "alone", "closed"])
def test_no_check_is_silent(spec: EnvironmentSpec):
    assert all(result.findings for result in preflight(spec, Answering(), NOW).results)


def test_a_key_of_aws_needs_no_policy():
    """It is S3's own, and its policy is not looked at."""
    cloud = Answering()
    aws = {"KeyId": "key", "KeyManager": "AWS", "KeyState": "Enabled"}
    cloud.change("kms", "describe_key", always(KeyMetadata=aws))

    assert "S3's own" in finding("bucket-key-policy", cloud, GIVEN).found
    assert "get_key_policy" not in {each.operation for each in cloud.calls}


@pytest.mark.parametrize(
    ("service", "operation", "check", "action"),
    [
        ("ec2", "describe_vpc_attribute", "vpc-dns", "ec2:DescribeVpcAttribute"),
        ("ec2", RESERVED, "capacity-reservation", "ec2:DescribeCapacityReservations"),
        ("s3", "get_bucket_location", "bucket-region", "s3:GetBucketLocation"),
        ("s3", "get_bucket_encryption", "bucket-key-policy", "s3:GetEncryptionConfiguration"),
        ("kms", "describe_key", "bucket-key-policy", "kms:DescribeKey"),
    ],
)
def test_what_may_not_be_asked_is_not_taken_for_absent(
    service: str, operation: str, check: str, action: str
):
    """A fault that is none would be mended in vain, and one that is there would be missed."""
    cloud = Answering()
    cloud.change(service, operation, error("AccessDenied"))

    found = finding(check, cloud, GIVEN)
    assert (found.verdict, found.missing_action) == (Verdict.SKIP, action)


def test_a_key_of_another_account_shows_its_policy_there_alone():
    cloud = Answering()
    key = KEY.replace(ACCOUNT, "999999999999")
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
    answer = always(ServerSideEncryptionConfiguration=rules)
    cloud.change("s3", "get_bucket_encryption", answer)

    found = finding("bucket-key-policy", cloud, GIVEN)
    assert (found.verdict, "account 999999999999" in found.found) == (Verdict.SKIP, True)


def test_what_needs_nothing_more_fits_into_a_quota_that_is_used_up():
    """The named reservation holds all nodes already, whatever has become of the quota since."""
    cloud = Answering()
    cloud.quotas[P_VCPUS] = 1

    found = finding("quota-vcpus", cloud, GIVEN)
    assert (found.verdict, "to come 0" in found.found) == (Verdict.PASS, True)


def test_a_vpc_that_is_not_there_has_no_names():
    """What is said of it is that it is looked at elsewhere."""
    cloud = Answering()
    cloud.change("ec2", "describe_vpc_attribute", error("InvalidVpcID.NotFound"))

    found = finding("vpc-dns", cloud, GIVEN)
    assert (found.verdict, found.found) == (Verdict.SKIP, "no such VPC; see vpc-shape")


def test_a_subnet_without_a_route_table_has_no_way_out():
    """The VPC's main one may be deleted; a gateway endpoint serves no table then."""
    cloud = Answering()
    alone = {**table(), "Associations": [{"SubnetId": "subnet-another"}]}
    cloud.change("ec2", "describe_route_tables", always(RouteTables=[alone]))
    s3 = endpoint("s3", VpcEndpointType="Gateway", RouteTableIds=["rtb-0123456789abcdef0"])
    cloud.change("ec2", "describe_vpc_endpoints", always(VpcEndpoints=[s3]))

    found = preflight(GIVEN, cloud, NOW)
    wrong = [each for check, each in found.having(Verdict.FAIL) if check.name == "vpc-routes"]
    assert len(wrong) == len(GIVEN.network.training_subnets)
    assert all("no endpoint of s3" in each.found for each in wrong)
    # Rules for the VPC alone are enough for it.
    cloud.change("ec2", "describe_network_acls", always(NetworkAcls=[INSIDE]))
    assert finding("vpc-network-acls", cloud, GIVEN).verdict is Verdict.PASS


def test_an_interface_of_a_gateway_counts_where_there_is_one():
    with_one, without = (
        finding("quota-network-interfaces", Answering(), spec).found for spec in (MADE, CLOSED)
    )
    assert (to_come(with_one) - to_come(without)) == 1


def to_come(found: str) -> int:
    return int(found.rpartition("to come ")[2].replace(",", ""))


def test_places_of_another_reservation_are_not_the_nodes_own():
    """They count as used, and those of the named one are taken."""
    cloud = Answering()
    another = reservation(CapacityReservationId="cr-another")
    rows = [reservation(AvailableInstanceCount=0), another]
    cloud.change("ec2", "describe_capacity_reservations", always(CapacityReservations=rows))

    assert finding("quota-vcpus", cloud, GIVEN).found == "limit 1,000,000, in use 384, to come 384"


def test_an_endpoint_of_the_environment_itself_is_none_too_many():
    """A preflight of what is deployed already finds its own endpoints there."""
    cloud = Answering()
    cloud.change(
        "ec2", "describe_vpc_endpoints", always(VpcEndpoints=[endpoint("sts", Tags=[TAG])])
    )

    assert failing(cloud) == []


def test_a_gateway_endpoint_serves_the_tables_that_it_names():
    """S3 by the route table of another subnet is out of reach."""
    cloud = Answering()
    local = {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"}
    cloud.change("ec2", "describe_route_tables", always(RouteTables=[table(local)]))
    others = [endpoint(name) for name in MADE.network.interface_endpoints if name != "sts"]
    s3 = endpoint("s3", VpcEndpointType="Gateway", RouteTableIds=["rtb-another"])
    cloud.change("ec2", "describe_vpc_endpoints", always(VpcEndpoints=[*others, s3]))

    found = preflight(GIVEN, cloud, NOW).having(Verdict.FAIL)
    assert {(check.name, each.found) for check, each in found} == {
        ("vpc-routes", "no default route, and no endpoint of s3")
    }


@pytest.mark.parametrize(("imports", "fails"), [((), []), (("NEW",), ["bucket-region"])])
def test_only_automatic_import_needs_the_bucket_s_region(imports: Any, fails: list[str]):
    """FSx exports to a bucket of any Region."""
    repository = DataRepositorySpec(
        file_system_path="/data", prefix="data/", bucket_name=BUCKET, auto_import=imports
    )
    storage = GIVEN.storage.model_copy(update={"data_repositories": (repository,)})
    cloud = Answering()
    cloud.change("s3", "get_bucket_location", always(LocationConstraint="eu-west-1"))

    assert failing(cloud, GIVEN.model_copy(update={"storage": storage})) == fails


def test_the_oldest_bootstrap_stack_that_works_passes():
    """It is not asked to be newer than the templates ask."""
    cloud = empty()
    cloud.change("ssm", "get_parameter", always(Parameter={"Value": "6"}))

    assert finding("bootstrap-version", cloud).verdict is Verdict.PASS


def test_an_explicit_denial_is_none_of_an_open_condition():
    """It denies whatever else the simulator does not know."""
    cloud = Answering()
    cloud.change(
        "iam",
        "simulate_principal_policy",
        lambda given: {
            "EvaluationResults": [
                row | {"MissingContextValues": ["aws:RequestTag/team"]}
                for row in simulated(given, CreateRole="explicitDeny")["EvaluationResults"]
            ]
        },
    )

    assert failing(cloud) == ["cloudformation-permissions"]


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        (
            {"OrganizationsDecisionDetail": {"AllowedByOrganizations": False}},
            "by a service control policy",
        ),
        (
            {"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False}},
            "by the permissions boundary",
        ),
    ],
)
def test_whoever_denies_is_named(detail: dict[str, Any], words: str):
    """Who has to be asked differs."""
    cloud = Answering()
    cloud.change(
        "iam",
        "simulate_principal_policy",
        lambda given: {
            "EvaluationResults": [
                row | detail
                for row in simulated(given, CreateFileSystem="implicitDeny")["EvaluationResults"]
            ]
        },
    )

    ((_, found),) = preflight(GIVEN, cloud, NOW).having(Verdict.FAIL)
    assert found.found.startswith(f"implicitDeny {words}: fsx:CreateFileSystem on arn:aws:fsx:")


def test_capacity_on_hdd_is_no_capacity_on_ssd():
    """The two have quotas of their own; the number of file systems has one."""
    cloud = empty()
    persistent = {"LustreConfiguration": {"DeploymentType": "PERSISTENT_1"}}
    systems = [
        file_system(**persistent),
        file_system(**persistent, StorageType="HDD", StorageCapacity=6000),
    ]
    cloud.change("fsx", "describe_file_systems", always(FileSystems=systems))
    ssd = LustreSpec(
        deployment_type="PERSISTENT_1",
        capacity_gib=1200,
        per_unit_storage_throughput=50,
        keep_data=False,
    )
    hdd = LustreSpec(
        deployment_type="PERSISTENT_1",
        storage_type="HDD",
        drive_cache_type="NONE",
        capacity_gib=6000,
        per_unit_storage_throughput=12,
        keep_data=False,
    )
    on_ssd, on_hdd = (MADE.model_copy(update={"storage": storage}) for storage in (ssd, hdd))

    assert in_use(finding("quota-file-systems", cloud, on_ssd)) == 2
    assert in_use(finding("quota-file-system-capacity", cloud, on_ssd)) == 1200
    row = {"QuotaCode": "L-736F3D6F", "QuotaName": "", "Value": 6000.0}
    cloud.change("service-quotas", "list_service_quotas", always(Quotas=[row]))
    # The quota of HDD is one file system's: what others have does not matter.
    assert finding("quota-file-system-capacity", cloud, on_hdd).verdict is Verdict.PASS
