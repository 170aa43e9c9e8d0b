"""What Slurm takes of an account: PCS in the Region, its quota, a name, login nodes, images."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.preflight.account import Answering, always, error, image, subnet
from tests.preflight.changes import simulating
from tests.preflight.one import P_VCPUS, empty, finding, in_use
from tests.preflight.specs import ACCOUNT, GIVEN, MADE, NOW, QUEUED, SUBNETS
from tests.repository import ENVIRONMENTS
from ultracluster.aws import Caller
from ultracluster.preflight.finding import Situation, Verdict
from ultracluster.preflight.inquiry import Inquiry
from ultracluster.preflight.permissions import needed
from ultracluster.preflight.preflight import preflight
from ultracluster.spec.budget import PriceSpec
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.node_image import NodeImageSpec
from ultracluster.spec.nodes import CapacityBlockSpec, CapacityReservationSpec
from ultracluster.spec.slurm import AcceleratedGroupSpec, CpuGroupSpec, QueueSpec, SlurmSpec

OF_SLURM = {"quota-slurm-clusters": ("L-00000002", 1), "quota-login-vcpus": ("L-1216C47A", 2 * 4)}
"""The quota of each check, and what the environment `queued` adds to it."""
SLURM_CHECKS = (
    "slurm-region",
    "slurm-cluster",
    "quota-slurm-clusters",
    "quota-login-vcpus",
    "login-offering",
    "login-image",
    "image-pcs-ready",
)
NAME = "queued-small"
GOLDEN = Path(__file__).parents[2] / "golden"


def fails(cloud: Answering, spec: EnvironmentSpec = QUEUED) -> list[tuple[str, str, str]]:
    """Return check, subject and what was found of everything that fails."""
    found = preflight(spec, cloud, NOW)
    return [(c.name, f.subject, f.found) for c, f in found.having(Verdict.FAIL)]


def with_slurm(**changes: Any) -> EnvironmentSpec:
    """Return the environment with another Slurm."""
    slurm = SlurmSpec(**{"login_nodes": 2, **changes})
    item, prices = f"ec2/{slurm.login_instance_type}/on-demand", QUEUED.budget.prices
    if item not in {price.item for price in prices}:
        prices = (*prices, PriceSpec(item=item, usd=1, source="a test"))
    budget = QUEUED.budget.model_copy(update={"prices": prices})
    return QUEUED.model_copy(update={"slurm": slurm, "budget": budget})


def cluster(name: str = NAME, **changes: Any) -> dict[str, Any]:
    """Return a cluster as ListClusters shows it."""
    arn = f"arn:aws:pcs:us-east-1:{ACCOUNT}:cluster/pcs_0123456789"
    return {"name": name, "id": "pcs_0123456789", "arn": arn, "status": "ACTIVE", **changes}


@pytest.mark.parametrize("check", OF_SLURM)
def test_the_last_unit_is_enough_and_one_less_is_not(check: str):
    """Usage, demand and limit meet exactly; the increase is for exactly what is missing."""
    code, demand = OF_SLURM[check]
    cloud = empty()
    cloud.quotas[code] = demand
    assert finding(check, cloud, QUEUED).verdict is Verdict.PASS

    cloud.quotas[code] = demand - 1
    found = finding(check, cloud, QUEUED)
    assert found.verdict is Verdict.FAIL
    assert f"--quota-code {code} --desired-value {demand} " in found.fix_command
    assert [line[0] for line in fails(cloud)] == [check]


def test_a_quota_of_another_name_is_a_skip():
    """PCS's code was found nowhere, so that its name decides; guessing would be worse."""
    cloud = empty()
    del cloud.quotas["L-00000002"]
    assert finding("quota-slurm-clusters", cloud, QUEUED).verdict is Verdict.SKIP

    cloud.change("service-quotas", "list_service_quotas", error("NoSuchResourceException"))
    found = finding("quota-slurm-clusters", cloud, QUEUED)
    assert (found.verdict, found.unanswered) == (Verdict.SKIP, False)
    assert "lists no such quota of pcs" in found.found


def test_the_environment_s_own_cluster_counts_once():
    """A preflight before an update passes in a quota that is just enough."""
    cloud = empty()
    cloud.quotas["L-00000002"] = 2
    cloud.change("pcs", "list_clusters", always(clusters=[cluster(), cluster("other")]))
    cloud.change(
        "pcs", "list_tags_for_resource", always(tags={"ultracluster:environment": "queued"})
    )

    assert fails(cloud) == []
    assert in_use(finding("quota-slurm-clusters", cloud, QUEUED)) == 1


def test_a_cluster_of_another_size_stays_while_its_successor_is_made():
    """An environment that grows past a size class has two clusters for a while."""
    cloud = empty()
    cloud.quotas["L-00000002"] = 1
    cloud.change("pcs", "list_clusters", always(clusters=[cluster("queued-large")]))
    cloud.change(
        "pcs", "list_tags_for_resource", always(tags={"ultracluster:environment": "queued"})
    )

    found = finding("quota-slurm-clusters", cloud, QUEUED)

    assert (found.verdict, in_use(found)) == (Verdict.FAIL, 1)


def test_slurm_asks_nothing_where_there_is_none():
    """An environment without it has no use for PCS."""
    cloud = Answering()
    found = preflight(MADE, cloud, NOW)

    skipped = {check.name for check, _ in found.having(Verdict.SKIP)}
    assert set(SLURM_CHECKS) <= skipped
    assert {call.service for call in cloud.calls} & {"pcs"} == set()


def test_the_name_is_the_one_that_templates_give():
    """The two rooms share no code: a name that differed would be free for ever."""
    for spec in (each for each in ENVIRONMENTS if each.slurm is not None):
        templates = (GOLDEN / spec.name).glob("*Cluster*.json")
        names = [
            resource["Properties"]["Name"]
            for path in templates
            for resource in json.loads(path.read_text())["Resources"].values()
            if resource["Type"] == "AWS::PCS::Cluster"
        ]
        assert names == [finding("slurm-cluster", empty(), spec).subject]


FAULTS: dict[str, tuple[Callable[[Answering], object], str, str, str]] = {
    "Region": (
        lambda cloud: cloud.change(
            "ssm", "get_parameters_by_path", always(Parameters=[{"Value": "eu-west-1"}])
        ),
        "slurm-region",
        "AWS PCS in us-east-1",
        "not there",
    ),
    "name": (
        lambda cloud: cloud.change("pcs", "list_clusters", always(clusters=[cluster()])),
        "slurm-cluster",
        NAME,
        "pcs_0123456789 has the name",
    ),
    "one at a time": (
        lambda cloud: cloud.change(
            "pcs", "list_clusters", always(clusters=[cluster("other", status="CREATING")])
        ),
        "slurm-cluster",
        "clusters being created",
        "other",
    ),
    "login type": (
        lambda cloud: cloud.change(
            "ec2",
            "describe_instance_type_offerings",
            lambda given: {
                "InstanceTypeOfferings": [
                    {
                        "InstanceType": given["Filters"][0]["Values"][0],
                        "Location": "use1-az6"
                        if given["Filters"][0]["Values"] == ["p4d.24xlarge"]
                        else "use1-az2",
                    }
                ]
            },
        ),
        "login-offering",
        "m6i.xlarge in use1-az6",
        "offered in use1-az2 to this account",
    ),
    "permission": (
        simulating(CreateComputeNodeGroup="implicitDeny"),
        "cloudformation-permissions",
        f"permissions of cdk-hnb659fds-cfn-exec-role-{ACCOUNT}-us-east-1",
        (
            "implicitDeny: pcs:CreateComputeNodeGroup on "
            f"arn:aws:pcs:us-east-1:{ACCOUNT}:cluster/pcs_0123456789/computenodegroup/*"
        ),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault_is_one_line(fault: str):
    """It is named by the check that is for it; nothing else fails on its account."""
    change, *line = FAULTS[fault]
    cloud = Answering()
    change(cloud)

    assert fails(cloud) == [tuple(line)]


def test_every_failure_says_how_to_mend_and_see_it():
    """A reader has the next step before them, and can check the claim."""
    for change, *_ in FAULTS.values():
        cloud = Answering()
        change(cloud)
        for check, found in preflight(QUEUED, cloud, NOW).having(Verdict.FAIL):
            assert found.fix, check.name
            assert found.question is not None, check.name


def test_a_region_list_that_is_empty_says_nothing():
    """What AWS does not publish is not taken for a no."""
    cloud = empty()
    cloud.change("ssm", "get_parameters_by_path", always(Parameters=[]))

    assert finding("slurm-region", cloud, QUEUED).verdict is Verdict.SKIP


def test_login_nodes_of_the_nodes_own_family_share_their_quota():
    """A quota that holds either and not both is too low."""
    spec = with_slurm(login_instance_type="p3.2xlarge")
    cloud = empty()
    cloud.quotas[P_VCPUS] = 4 * 96 + 2 * 8
    assert fails(cloud, spec) == []
    assert "see quota-vcpus" in finding("quota-login-vcpus", cloud, spec).found

    cloud.quotas[P_VCPUS] -= 1
    found = finding("quota-vcpus", cloud, spec)
    assert (found.verdict, "2 x p3.2xlarge of 8 vCPU" in found.wanted) == (Verdict.FAIL, True)


def test_login_nodes_run_on_demand_beside_a_capacity_block():
    """What was bought beforehand is nodes alone."""
    block = CapacityBlockSpec(capacity_reservation_id="cr-0123456789abcdef0")
    nodes = QUEUED.nodes.model_copy(update={"capacity_block": block, "placement_group": False})
    spec = with_slurm(login_instance_type="p3.2xlarge").model_copy(update={"nodes": nodes})
    cloud = empty()
    cloud.quotas[P_VCPUS] = 2 * 8 - 1

    assert finding("quota-login-vcpus", cloud, spec).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("answer", "name"),
    [(error("InvalidInstanceType"), "m6i.xlarge"), (always(InstanceTypes=[]), "q9.large")],
)
def test_a_login_type_that_nobody_knows_is_said_to_be_so(answer: Any, name: str):
    """login-offering fails it; a count of vCPUs would be invented."""
    cloud = empty()
    cloud.change("ec2", "describe_instance_types", answer)

    found = finding("quota-login-vcpus", cloud, with_slurm(login_instance_type=name))
    assert found.verdict is Verdict.SKIP


def test_a_type_that_may_not_be_asked_about_is_not_taken_for_none():
    """What its vCPUs are is unknown then."""
    cloud = empty()
    cloud.change("ec2", "describe_instance_types", error("UnauthorizedOperation"))

    found = finding("quota-login-vcpus", cloud, with_slurm(login_instance_type="c7i.8xlarge"))

    assert (found.verdict, found.missing_action) == (Verdict.SKIP, "ec2:DescribeInstanceTypes")


def test_interfaces_of_controller_and_login_nodes_count():
    """Each takes one, beside four for every node."""
    cloud = empty()
    parts = QUEUED.address_demand()
    assert parts["Slurm"] == 1 + 2
    wanted = sum(parts.values()) + 1  # the NAT gateway's
    cloud.quotas["L-DF5E4CA3"] = wanted - 1

    found = finding("quota-network-interfaces", cloud, QUEUED)
    assert found.wanted.startswith(f"{wanted} more (")
    assert "3 Slurm" in found.wanted


def test_the_first_subnet_has_room_for_controller_and_login_nodes():
    """They are put there, whatever the others have."""
    spec = QUEUED.model_copy(update={"network": GIVEN.network})
    parts = spec.address_demand()
    needed_there = parts["file system"] + parts["endpoints"] + parts["Slurm"]

    def with_free(count: int) -> Answering:
        cloud = Answering()
        rows = [subnet(0, AvailableIpAddressCount=count), subnet(1)]
        cloud.change("ec2", "describe_subnets", always(Subnets=rows))
        return cloud

    assert fails(with_free(needed_there), spec) == []
    assert fails(with_free(needed_there - 1), spec) == [
        ("subnet-addresses", f"free addresses of {SUBNETS[0]}", f"{needed_there - 1} free")
    ]


def test_pcs_has_a_service_linked_role_and_auto_scaling_is_not_asked_for():
    """Nothing of an environment with Slurm is launched by Auto Scaling."""
    cloud = Answering()
    deployer, gone = cloud.answers["iam", "get_role"], error("NoSuchEntity")
    cloud.change(
        "iam", "get_role", lambda g: (deployer if g["RoleName"] == "Deployer" else gone)(g)
    )
    simulating(CreateServiceLinkedRole="implicitDeny")(cloud)

    assert [line[1] for line in fails(cloud)] == [
        "AWSServiceRoleForPCS",
        "AWSServiceRoleForAmazonFSx",
    ]


BUILDING = QUEUED.model_copy(update={"node_image": NodeImageSpec()})


@pytest.mark.parametrize(
    ("spec", "there", "missing"),
    [
        (QUEUED, "pcs:CreateCluster", "autoscaling:"),
        (MADE, "autoscaling:", "pcs:"),
        (QUEUED, "pcs:", "imagebuilder:"),
        (BUILDING, "imagebuilder:CreateImagePipeline", "autoscaling:"),
    ],
    ids=["queued", "made", "not building", "building"],
)
def test_permissions_are_those_of_what_launches_nodes(
    spec: EnvironmentSpec, there: str, missing: str
):
    """A deployer is not asked for what is never called."""
    caller = Caller(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/me")
    situation = Situation(spec, Inquiry(Answering()), caller, NOW)
    actions = [action for actions in needed(situation).values() for action in actions]

    assert any(action.startswith(there) for action in actions)
    assert not any(action.startswith(missing) for action in actions)


def test_login_nodes_of_another_architecture_need_an_image_of_it():
    """An instance does not boot an image of another."""
    cloud = empty()
    graviton = with_slurm(login_instance_type="m7g.xlarge", login_image="ami-0123456789abcdef9")
    found = finding("login-image", cloud, graviton)
    assert (found.verdict, found.found) == (Verdict.FAIL, "x86_64")

    arm = always(Images=[image(Architecture="arm64")])
    cloud.change("ec2", "describe_images", arm)
    assert finding("login-image", cloud, graviton).verdict is Verdict.PASS

    cloud.change("ec2", "describe_images", error("InvalidAMIID.NotFound"))
    assert "slurm.login_image" in finding("login-image", cloud, graviton).fix
    # The nodes' own image is missing once, not twice.
    assert finding("login-image", cloud, QUEUED).verdict is Verdict.SKIP


def test_an_image_of_one_s_own_is_not_said_to_have_slurm():
    """No API says what is on it; AWS's own is known by its parameter or its owner."""
    cloud = empty()
    own = QUEUED.model_copy(
        update={"nodes": QUEUED.nodes.model_copy(update={"image": "ami-0123456789abcdef9"})}
    )
    assert finding("image-pcs-ready", cloud, QUEUED).verdict is Verdict.PASS
    found = finding("image-pcs-ready", cloud, own)
    assert (found.verdict, "never becomes idle" in found.fix) == (Verdict.SKIP, True)

    amazons = image(ImageOwnerAlias="amazon", Name="Deep Learning AMI (PCS-ready) Ubuntu 24.04")
    cloud.change("ec2", "describe_images", always(Images=[amazons]))
    assert finding("image-pcs-ready", cloud, own).verdict is Verdict.PASS


GROUP: dict[str, Any] = {
    "name": "h100",
    "instance_type": "p5.48xlarge",
    "count": 2,
    "image": QUEUED.nodes.image,
    "root_device_name": QUEUED.nodes.root_device_name,
}


def with_groups(**changes: Any) -> EnvironmentSpec:
    """Return the environment with an accelerated group and a CPU group beside its nodes."""
    return with_slurm(
        node_groups=(
            AcceleratedGroupSpec(**(GROUP | changes)),
            CpuGroupSpec(name="cpu", instance_type="m6i.xlarge", count=4),
        ),
        queues=(QueueSpec(node_groups=("nodes", "h100", "cpu")),),
    )


@pytest.mark.parametrize(
    ("check", "code", "demand"),
    [
        ("quota-vcpus", P_VCPUS, 4 * 96 + 2 * 192),
        ("quota-login-vcpus", "L-1216C47A", (2 + 4) * 4),
        # Cards of p4d and p5, login and CPU nodes, jobs, file system, endpoints, controller, NAT.
        ("quota-network-interfaces", "L-DF5E4CA3", 4 * 4 + 2 * 32 + 2 + 4 + 20 + 4 + 11 + 1 + 1),
    ],
)
def test_every_group_counts_against_its_quota(check: str, code: str, demand: int):
    """A queue whose nodes cannot start holds its jobs for ever."""
    cloud, spec = empty(), with_groups()
    cloud.quotas[code] = demand
    assert finding(check, cloud, spec).verdict is Verdict.PASS

    cloud.quotas[code] = demand - 1
    assert finding(check, cloud, spec).verdict is Verdict.FAIL


def test_a_group_on_a_reservation_that_is_not_there_fails_in_its_own_field():
    """What is written wrongly is the group, and not the environment's nodes."""
    reserved = CapacityReservationSpec(capacity_reservation_id="cr-0fedcba9876543210")
    spec = with_groups(capacity_reservation=reserved, placement_group=False)
    cloud = empty()
    cloud.change(
        "ec2", "describe_capacity_reservations", error("InvalidCapacityReservationId.NotFound")
    )

    found = [f for c, f in preflight(spec, cloud, NOW).having(Verdict.FAIL)]

    assert [f.subject for f in found] == ["cr-0fedcba9876543210, slurm.node_groups[0]"]


def test_a_group_whose_type_the_account_has_not_in_the_zone_fails():
    """Its jobs would wait for capacity that can never come."""
    cloud = empty()
    before = cloud.answers["ec2", "describe_instance_type_offerings"]

    def offered(parameters):
        rows = before(parameters)["InstanceTypeOfferings"]
        return {"InstanceTypeOfferings": [r for r in rows if r["InstanceType"] != "p5.48xlarge"]}

    cloud.change("ec2", "describe_instance_type_offerings", offered)

    found = [f for c, f in preflight(with_groups(), cloud, NOW).having(Verdict.FAIL)]

    assert [f.subject for f in found] == ["p5.48xlarge in use1-az6, slurm.node_groups[0]"]
    assert "slurm.node_groups[0].instance_type" in found[0].fix
