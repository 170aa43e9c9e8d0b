"""What is just good enough, and what looks like a fault and is none."""

from typing import Any

import pytest

from tests.preflight.account import Answering, always, file_system, simulated, table
from tests.preflight.one import empty, finding, in_use
from tests.preflight.specs import BUCKET, GIVEN, MADE, NOW, TAG
from ultracluster.preflight.finding import Verdict
from ultracluster.preflight.preflight import preflight
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.lustre import DataRepositorySpec, LustreSpec


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
