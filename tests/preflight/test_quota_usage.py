"""What an account uses of a quota beside the environment."""

import pytest

from tests.preflight.account import Answering, always, file_system
from tests.preflight.one import P_VCPUS, empty, finding, in_use
from tests.preflight.specs import ACCOUNT, GIVEN, MADE, TAG, VPC
from ultracluster.preflight.finding import Verdict
from ultracluster.preflight.preflight import NAMES
from ultracluster.spec.lustre import LustreSpec


def test_vcpus_in_use_are_running_and_reserved_ones():
    """Spot, blocks, other families, other accounts and the environment's own do not count."""
    cloud = empty()
    p4d, own = {"InstanceType": "p4d.24xlarge"}, [{"Key": TAG["Key"], "Value": "made"}]
    instances = [
        p4d,
        {"InstanceType": "p3.16xlarge"},
        {"InstanceType": "m7i.xlarge"},
        p4d | {"InstanceLifecycle": "spot"},
        p4d | {"InstanceLifecycle": "capacity-block"},
        p4d | {"Tags": own},
    ]
    unused = {**p4d, "AvailableInstanceCount": 2, "OwnerId": ACCOUNT, "CapacityReservationId": "a"}
    reservations = [
        unused,
        unused | {"OwnerId": "999999999999"},
        unused | {"ReservationType": "capacity-block"},
        unused | {"PlacementGroupArn": "arn:aws:ec2:::placement-group/made-Cluster-Group-1"},
    ]
    cloud.change("ec2", "describe_instances", always(Reservations=[{"Instances": instances}]))
    cloud.change("ec2", "describe_capacity_reservations", always(CapacityReservations=reservations))

    assert in_use(finding("quota-vcpus", cloud)) == 96 + 64 + 2 * 96


def test_nodes_of_an_existing_reservation_count_once():
    """Its unused places are in the account's usage already."""
    cloud = Answering()
    cloud.quotas[P_VCPUS] = 4 * 96

    found = finding("quota-vcpus", cloud, GIVEN)
    assert (found.verdict, in_use(found)) == (Verdict.PASS, 4 * 96)
    cloud.alter("ec2", "describe_capacity_reservations", AvailableInstanceCount=3)
    assert finding("quota-vcpus", cloud, GIVEN).found.endswith("in use 288, to come 96")


def test_what_the_environment_has_already_does_not_count_twice():
    """A preflight before an update passes in a quota that is just enough."""
    cloud = empty()
    own = [{"Key": TAG["Key"], "Value": "made"}]
    cloud.change("ec2", "describe_vpcs", always(Vpcs=[{"VpcId": VPC, "Tags": own}]))
    cloud.change(
        "ec2",
        "describe_network_interfaces",
        always(NetworkInterfaces=[{"VpcId": VPC}, {"VpcId": "vpc-other"}]),
    )
    cloud.change("ec2", "describe_addresses", always(Addresses=[{"Tags": own}, {}]))
    cloud.change("fsx", "describe_file_systems", always(FileSystems=[file_system(Tags=own)]))

    used = {
        check: in_use(finding(check, cloud))
        for check in NAMES
        if check.startswith("quota-") and not {"training", "slurm", "login"} & {*check.split("-")}
    }
    assert used == {
        "quota-vcpus": 0,
        "quota-network-interfaces": 1,
        "quota-vpcs": 0,
        "quota-elastic-ips": 1,
        "quota-file-systems": 0,
        "quota-file-system-capacity": 0,
    }


@pytest.mark.parametrize(
    ("storage", "counting"),
    [
        (LustreSpec(deployment_type="SCRATCH_2", capacity_gib=1200, keep_data=False), 1),
        (
            LustreSpec(
                deployment_type="PERSISTENT_1",
                capacity_gib=1200,
                per_unit_storage_throughput=50,
                keep_data=False,
            ),
            1,
        ),
        (MADE.storage, 2),
    ],
    ids=["scratch", "persistent 1", "persistent 2"],
)
def test_file_systems_count_by_type(storage: LustreSpec, counting: int):
    """Each deployment type has quotas of its own; what is being deleted is gone."""
    cloud = empty()
    types = ["SCRATCH_1", "PERSISTENT_1", "PERSISTENT_2", "PERSISTENT_2"]
    systems = [file_system(LustreConfiguration={"DeploymentType": each}) for each in types]
    systems.append(
        file_system(Lifecycle="DELETING", LustreConfiguration=systems[0]["LustreConfiguration"])
    )
    systems.append(file_system(LustreConfiguration=None))
    cloud.change("fsx", "describe_file_systems", always(FileSystems=systems))
    spec = MADE.model_copy(update={"storage": storage})

    assert in_use(finding("quota-file-systems", cloud, spec)) == counting
    capacity = finding("quota-file-system-capacity", cloud, spec).found
    assert f"in use {counting * 1200:,}," in capacity


def test_training_instances_in_use_are_those_of_jobs_in_progress():
    """Jobs with groups of instances count by group."""
    cloud = empty()
    names = [{"TrainingJobName": name} for name in ("one", "two", "three")]
    cloud.change("sagemaker", "list_training_jobs", always(TrainingJobSummaries=names))
    groups = [
        {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 1},
        {"InstanceType": "ml.p5.48xlarge", "InstanceCount": 5},
    ]
    cloud.change(
        "sagemaker",
        "describe_training_job",
        lambda given: {
            "ResourceConfig": {"InstanceGroups": groups}
            if given["TrainingJobName"] == "one"
            else {"InstanceType": "ml.p4d.24xlarge", "InstanceCount": 3}
        },
    )

    assert in_use(finding("quota-training-instances", cloud)) == 7
    assert in_use(finding("quota-training-instances-in-all", cloud)) == 12
    assert in_use(finding("quota-training-job-instances", cloud)) == 0
