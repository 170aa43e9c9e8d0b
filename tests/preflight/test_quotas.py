"""Quotas: what an environment adds, what is in use beside it, and the increase to ask for."""

import pytest

from tests.preflight.account import always, error, file_system
from tests.preflight.one import P_VCPUS, empty, finding, in_use
from tests.preflight.specs import MADE, NOW
from tests.preflight.test_slurm import OF_SLURM
from ultracluster.emulator.quotas import QUOTAS
from ultracluster.preflight.finding import Verdict
from ultracluster.preflight.preflight import NAMES, preflight
from ultracluster.spec.environment import SageMakerSpec
from ultracluster.spec.lustre import LustreSpec
from ultracluster.spec.network import NetworkSpec
from ultracluster.spec.nodes import CapacityBlockSpec, CapacityReservationSpec, NodesSpec

CHECK_OF = {
    "L-DF5E4CA3": ("quota-network-interfaces", 4 * 5 + 4 * 5 + 4 + 11 + 1),
    "L-F678F1CE": ("quota-vpcs", 1),
    "L-0263D0A3": ("quota-elastic-ips", 1),
    "L-FD6F2F22": ("quota-file-systems", 1),
    "L-8F1B9C74": ("quota-file-system-capacity", 2400),
    "L-09B4A649": ("quota-training-instances", 4),
    "L-622CFD70": ("quota-training-job-instances", 4),
    "L-00C91CB5": ("quota-training-instances-in-all", 4),
    P_VCPUS: ("quota-vcpus", 4 * 96),
}
"""The check of each quota, and what the environment `made` adds to it."""


@pytest.mark.parametrize("code", CHECK_OF)
def test_the_last_unit_is_enough_and_one_less_is_not(code: str):
    """Usage, demand and limit meet exactly; the increase is for exactly what is missing."""
    check, demand = CHECK_OF[code]
    cloud = empty()

    cloud.quotas[code] = demand
    assert finding(check, cloud).verdict is Verdict.PASS

    cloud.quotas[code] = demand - 1
    found = finding(check, cloud)
    assert found.verdict is Verdict.FAIL
    assert found.found == f"limit {demand - 1:,}, in use 0"
    assert found.wanted.startswith(f"{demand:,} more (")
    service = next(quota.service for quota in QUOTAS if quota.code == code)
    assert found.fix_command == (
        f"aws service-quotas request-service-quota-increase --service-code {service} "
        f"--quota-code {code} --desired-value {demand} --region us-east-1"
    )
    only = [c.name for c, _ in preflight(MADE, cloud, NOW).having(Verdict.FAIL)]
    assert only == [check]


def test_every_quota_check_is_held():
    """A quota check that no row above provokes could be wrong by a factor."""
    held = {check for check, _ in CHECK_OF.values()} | set(OF_SLURM) | {"quota-training-warm-pools"}
    held |= {"quota-training-run-time"}  # of recipes too, in seconds
    assert held == {name for name in NAMES if name.startswith("quota-")}


def test_a_reservation_counts_from_the_moment_it_is_made():
    """512 P4d take 49,152 vCPU before a node has started."""
    nodes = NodesSpec(
        instance_type="p4d.24xlarge",
        count=512,
        image="/team/nodes:3",
        capacity_reservation=CapacityReservationSpec(),
    )
    network = NetworkSpec(training_subnet_cidrs=("10.0.0.0/20",))
    spec = MADE.model_copy(update={"nodes": nodes, "network": network})
    cloud = empty()
    cloud.quotas[P_VCPUS] = 48_000

    found = finding("quota-vcpus", cloud, spec)
    assert "--desired-value 49152" in found.fix_command
    assert "from the moment they are reserved" in found.wanted


def test_a_block_needs_no_on_demand_quota():
    """It was bought beforehand."""
    nodes = NodesSpec(
        instance_type="p5.48xlarge",
        count=8,
        image="/team/nodes:3",
        placement_group=False,
        capacity_block=CapacityBlockSpec(capacity_reservation_id="cr-0123456789abcdef0"),
    )
    spec = MADE.model_copy(update={"nodes": nodes})

    assert finding("quota-vcpus", empty(), spec).verdict is Verdict.SKIP


def test_g_instances_have_a_quota_of_their_own():
    """They do not fit into the quota of P instances."""
    spec = MADE.model_copy(
        update={"nodes": NodesSpec(instance_type="g6e.48xlarge", count=1, image="/team/nodes:3")}
    )
    cloud = empty()
    cloud.quotas["L-DB2E81BA"] = 0

    assert "--quota-code L-DB2E81BA" in finding("quota-vcpus", cloud, spec).fix_command


def test_trainium_is_looked_for_by_name():
    """Its code was not found in any source, so that only the name can tell."""
    nodes = NodesSpec(instance_type="trn1.32xlarge", count=1, image="ami-0123456789abcdef0")
    spec = MADE.model_copy(update={"nodes": nodes, "availability_zone_id": "use1-az4"})
    cloud = empty()
    assert finding("quota-vcpus", cloud, spec).verdict is Verdict.SKIP

    row = {"QuotaCode": "L-1", "QuotaName": "Running On-Demand Trn instances", "Value": 0.0}
    cloud.change("service-quotas", "list_service_quotas", always(Quotas=[row]))
    assert "--desired-value 128" in finding("quota-vcpus", cloud, spec).fix_command


def test_interfaces_follow_the_layout():
    """500 P4d fit into the default of 5,000; as many P5 take 33 each and do not."""
    cloud = empty()
    cloud.quotas["L-DF5E4CA3"] = 5000
    network = NetworkSpec(training_subnet_cidrs=("10.0.0.0/20",))
    changes = {"network": network, "sagemaker": SageMakerSpec(instances=0)}
    small, large = (
        MADE.model_copy(
            update=changes
            | {"nodes": NodesSpec(instance_type=name, count=500, image="/team/nodes:3")}
        )
        for name in ("p4d.24xlarge", "p5.48xlarge")
    )

    assert finding("quota-network-interfaces", cloud, small).verdict is Verdict.PASS
    found = finding("quota-network-interfaces", cloud, large)
    assert found.verdict is Verdict.FAIL
    assert "16,500 nodes" in found.wanted
    assert "33 a node" in found.wanted


def test_intelligent_tiering_is_counted_by_throughput():
    """It has no capacity."""
    storage = LustreSpec(
        deployment_type="PERSISTENT_2",
        storage_type="INTELLIGENT_TIERING",
        throughput_capacity_mbps=4000,
        metadata_iops=6000,
        data_read_cache="NO_CACHE",
        keep_data=True,
    )
    cloud = empty()
    lustre = {"DeploymentType": "PERSISTENT_2", "ThroughputCapacity": 4000}
    there = file_system(StorageType="INTELLIGENT_TIERING", LustreConfiguration=lustre)
    cloud.change("fsx", "describe_file_systems", always(FileSystems=[there]))
    row = {"QuotaCode": "L-0CD18A5D", "QuotaName": "", "Value": 7999.0, "Adjustable": True}
    cloud.change("service-quotas", "list_service_quotas", always(Quotas=[row]))
    found = finding(
        "quota-file-system-capacity", cloud, MADE.model_copy(update={"storage": storage})
    )

    assert found.subject == "Lustre Persistent Intelligent-Tiering throughput capacity"
    # As much is in use already, and as much again does not fit.
    assert (in_use(found), found.verdict) == (4000, Verdict.FAIL)


def test_sagemaker_quotas_are_found_by_name_alone():
    """A code is not trusted: there are hundreds of quotas of one form."""
    cloud = empty()
    row = {"Value": 1.0, "Adjustable": True}
    quotas = [
        row | {"QuotaCode": "L-09B4A649", "QuotaName": "ml.p5.48xlarge for training job usage"},
        row | {"QuotaCode": "L-FFFFFFFF", "QuotaName": "ml.p4d.24xlarge for Training Job usage"},
    ]
    cloud.change("service-quotas", "list_service_quotas", always(Quotas=quotas))

    assert "--quota-code L-FFFFFFFF" in finding("quota-training-instances", cloud).fix_command


def test_a_quota_that_was_never_applied_has_its_default():
    """ListServiceQuotas leaves it out; the list of defaults does not."""
    cloud = empty()
    del cloud.quotas[P_VCPUS]
    default = {"QuotaCode": P_VCPUS, "QuotaName": "Running On-Demand P instances", "Value": 64.0}
    cloud.change("service-quotas", "list_aws_default_service_quotas", always(Quotas=[default]))

    assert finding("quota-vcpus", cloud).found == "limit 64, in use 0"


def test_a_quota_that_nobody_lists_is_skipped():
    """It is said, and neither passes nor fails."""
    cloud = empty()
    del cloud.quotas[P_VCPUS]

    assert finding("quota-vcpus", cloud).verdict is Verdict.SKIP


def test_a_quota_that_cannot_be_raised_is_not_asked_for():
    """The command would be refused."""
    cloud = empty()
    row = {"QuotaCode": P_VCPUS, "QuotaName": "", "Value": 0.0, "Adjustable": False}
    cloud.change("service-quotas", "list_service_quotas", always(Quotas=[row]))

    found = finding("quota-vcpus", cloud)
    assert (found.verdict, found.fix_command) == (Verdict.FAIL, "")
    assert "cannot be raised" in found.fix


def test_too_little_fails_although_the_usage_is_hidden():
    """What is in use could only make it worse."""
    cloud = empty()
    cloud.change("ec2", "describe_instances", error("UnauthorizedOperation"))
    cloud.quotas[P_VCPUS] = 4 * 96 - 1
    assert finding("quota-vcpus", cloud).verdict is Verdict.FAIL

    cloud.quotas[P_VCPUS] = 4 * 96
    found = finding("quota-vcpus", cloud)
    assert (found.verdict, found.missing_action) == (Verdict.SKIP, "ec2:DescribeInstances")
