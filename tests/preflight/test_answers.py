"""Each thing that an account can lack is found, by the check that is for it and no other."""

from datetime import timedelta

import pytest

from environments.dev import DEV
from environments.staging import STAGING
from environments.ultracluster import ULTRACLUSTER
from tests.preflight.account import Answering, always, error, file_system, simulated, table
from tests.preflight.changes import block, simulating
from tests.preflight.faults import FAULTS, RESERVED
from tests.preflight.jobs import WARM
from tests.preflight.specs import (
    ACCOUNT,
    GIVEN,
    MADE,
    NOW,
    QUEUED,
    RESERVATION,
    SUBNETS,
    TAG,
)
from ultracluster.audit.report import Report
from ultracluster.preflight.finding import Verdict
from ultracluster.preflight.preflight import CHECKS, NAMES, preflight
from ultracluster.rules.engine import RULES
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.nodes import CapacityBlockSpec, CapacityReservationSpec, NodesSpec


def fails(cloud: Answering, spec: EnvironmentSpec = GIVEN) -> list[tuple[str, str, str]]:
    """Return check, subject and what was found of everything that fails."""
    found = preflight(spec, cloud, NOW)
    return [(c.name, f.subject, f.found) for c, f in found.having(Verdict.FAIL)]


def skips(cloud: Answering, spec: EnvironmentSpec = GIVEN) -> dict[str, str]:
    """Return what was skipped, and why."""
    found = preflight(spec, cloud, NOW)
    return {check.name: finding.found for check, finding in found.having(Verdict.SKIP)}


IN_A_BLOCK = GIVEN.model_copy(
    update={
        "nodes": NodesSpec(
            instance_type="p4d.24xlarge",
            count=4,
            image="/team/nodes:3",
            placement_group=False,
            capacity_block=CapacityBlockSpec(capacity_reservation_id=RESERVATION),
        )
    }
)


@pytest.mark.parametrize(
    "spec", [GIVEN, MADE, IN_A_BLOCK, QUEUED], ids=["given", "made", "block", "queued"]
)
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


@pytest.mark.parametrize("spec", [DEV, STAGING, ULTRACLUSTER], ids=lambda spec: spec.name)
def test_the_environments_of_the_repository_fit_into_an_account_with_room(spec: EnvironmentSpec):
    """512 nodes ask for no more than what the account, made for use1-az6, is told to grant.

    Nobody reads their addresses, which is for whoever takes one of them to change.
    """
    assert [check for check, *_ in fails(Answering(), spec)] == [
        "notify-addresses" for _ in spec.budget.notify
    ]


def test_each_check_passes_somewhere():
    """A check that is always skipped looks at nothing."""
    clean = Report(RULES, (), "error")
    passing = {
        check.name
        for spec in (GIVEN, MADE, QUEUED, STAGING)
        for check, _ in preflight(
            spec, Answering(), NOW, templates=lambda: clean, recipes=[WARM]
        ).having(Verdict.PASS)
    }

    assert set(NAMES) - passing == set()


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_is_one_line(fault: str):
    """It is named by the check that is for it; nothing else fails on its account.

    A reader has the next step before them, and can check the claim.
    """
    change, check, subject, found = FAULTS[fault]
    cloud = Answering()
    change(cloud)

    found_all = preflight(GIVEN, cloud, NOW)
    ((failed, line),) = found_all.having(Verdict.FAIL)

    said = [{each.verdict for each in result.findings} for result in found_all.results]
    # No check is silent, and none that fails says beside it that all is well.
    assert all(said)
    assert not any({Verdict.FAIL, Verdict.PASS} <= each for each in said)
    assert (failed.name, line.subject, line.found) == (check, subject, found)
    assert line.fix
    assert line.wanted
    assert line.question is not None


@pytest.mark.parametrize(
    ("route", "found"),
    [
        ({"GatewayId": "igw-1", "State": "active"}, "the internet gateway igw-1"),
        (
            {"NatGatewayId": "nat-1", "State": "blackhole"},
            "a blackhole route: its target no longer exists",
        ),
    ],
)
def test_a_default_route_that_leads_nowhere_is_found(route, found):
    """Nodes have private addresses: an internet gateway does not answer them."""
    cloud = Answering()
    routes = table({"DestinationCidrBlock": "0.0.0.0/0", **route})
    cloud.change("ec2", "describe_route_tables", always(RouteTables=[routes]))

    assert fails(cloud) == [("vpc-routes", f"default route of {name}", found) for name in SUBNETS]


def test_a_closed_subnet_needs_an_endpoint_of_every_service():
    """Without a NAT gateway each service that has no endpoint is out of reach."""
    cloud = Answering()
    local = {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"}
    cloud.change("ec2", "describe_route_tables", always(RouteTables=[table(local)]))
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
    passing = preflight(GIVEN, cloud, NOW).having(Verdict.PASS)
    assert "cloudformation-permissions" not in {check.name for check, _ in passing}


def test_persistent_2_is_skipped_where_nothing_tells():
    """No API says where it is sold; guessing would be worse than saying so."""
    cloud = Answering()
    scratch = {"LustreConfiguration": {"DeploymentType": "SCRATCH_2"}}
    cloud.change("fsx", "describe_file_systems", always(FileSystems=[file_system(**scratch)]))

    assert "no API tells" in skips(cloud)["lustre-persistent-2"]


def test_a_reservation_of_the_stack_is_no_reservation_of_others():
    """`capacity_reservation=CapacityReservationSpec()` is looked for by its group alone."""
    spec = MADE.model_copy(
        update={
            "nodes": NodesSpec(
                instance_type="p4d.24xlarge",
                count=4,
                image="/team/nodes:3",
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
