"""The environments of this repository: their size, and what they say of nobody."""

import json
import re
import subprocess
import sys
from ipaddress import ip_network
from itertools import combinations
from pathlib import Path

import pytest

from environments.dev import DEV
from environments.staging import STAGING
from environments.ultracluster import ULTRACLUSTER
from tests.repository import ENVIRONMENTS
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.network import NetworkSpec

ROOT = Path(__file__).parents[2]
SOURCES = ("constructs_lib", "environments", "stacks", "ultracluster", "training", "facts")
THREE = (DEV, STAGING, ULTRACLUSTER)
EXAMPLE_ACCOUNT = "123456789012"
"""The account of AWS's own documentation, which the emulator answers for."""


def test_the_environments_of_the_folder_are_found():
    """An environment that is not found would be deployed by nobody."""
    assert set(THREE) <= set(ENVIRONMENTS)


@pytest.mark.parametrize(
    ("environment", "count", "gpus"), [(DEV, 2, 16), (STAGING, 16, 128), (ULTRACLUSTER, 512, 4096)]
)
def test_nodes_and_gpus_are_the_promised_ones(environment: EnvironmentSpec, count, gpus):
    """P4d everywhere, so that what is tried in the small runs in the large."""
    nodes = environment.nodes

    assert (nodes.instance_type, nodes.count, nodes.accelerators) == ("p4d.24xlarge", count, gpus)
    assert nodes.instance.network_cards.gbps == 400


@pytest.mark.parametrize(
    ("environment", "used", "free"),
    [(DEV, 26, 225), (STAGING, 172, 847), (ULTRACLUSTER, 4723, 3464)],
)
def test_addresses_fit_the_subnet_with_room(environment: EnvironmentSpec, used, free):
    """512 nodes of four, SageMaker on all of them, file system, endpoints and Slurm in a /19."""
    assert sum(environment.address_demand().values()) == used
    assert environment.network.training_addresses - used == free


def test_the_ultracluster_uses_a_slash_19():
    """A /20 has 4,091 addresses: nodes with an address on each card, as PCS has it, do not fit."""
    assert ULTRACLUSTER.network.training_subnet_cidrs == ("10.2.0.0/19",)
    assert ULTRACLUSTER.address_demand() == {
        "nodes": 2064,
        "SageMaker": 2560,
        "file system": 86,
        "endpoints": 11,
        "Slurm": 2,
    }


@pytest.mark.parametrize(("environment", "size"), [(STAGING, "SMALL"), (ULTRACLUSTER, "LARGE")])
def test_slurm_holds_nodes_and_login_nodes(environment: EnvironmentSpec, size: str):
    """512 nodes would fill a MEDIUM cluster, and leave no place to log in."""
    assert environment.slurm is not None
    assert environment.slurm.cluster_size(environment.nodes.total) == size


def test_dev_is_without_slurm():
    """Two nodes for engineers are started by hand; a controller costs as much while they sleep."""
    assert DEV.slurm is None


def test_dev_keeps_nothing_and_the_others_keep_data():
    """The two mistakes that cost most: paying for dev's leftovers, losing a run's checkpoints."""
    assert (DEV.storage.deployment_type, DEV.storage.keep_data) == ("SCRATCH_2", False)
    for environment in (STAGING, ULTRACLUSTER):
        assert environment.storage.deployment_type == "PERSISTENT_2"
        assert environment.storage.keep_data
        assert environment.storage.data_repositories
        assert environment.termination_protection
    assert not DEV.termination_protection


def test_only_the_ultracluster_reserves_capacity_and_does_so_in_its_group():
    """eksctl#7949: capacity reserved outside the placement group is not found from inside."""
    reserving = [e for e in THREE if e.nodes.makes_reservation]
    assert reserving == [ULTRACLUSTER]
    assert ULTRACLUSTER.nodes.placement_group
    assert all(e.nodes.capacity_block is None for e in THREE)


def test_vpcs_do_not_overlap():
    """They can be peered with one another or with the same office network."""
    networks = [
        ip_network(e.network.cidr) for e in ENVIRONMENTS if isinstance(e.network, NetworkSpec)
    ]
    assert len(networks) >= 3
    assert [pair for pair in combinations(networks, 2) if pair[0].overlaps(pair[1])] == []


def test_a_checkpoint_is_written_as_fast_as_the_comments_promise():
    """98.4 TiB at 98.4 GB/s: 14 TB in 143 seconds."""
    storage = ULTRACLUSTER.storage

    assert storage.tebibytes == pytest.approx(98.4, abs=0.05)
    assert storage.throughput_gbps == pytest.approx(98.4, abs=0.05)
    assert 14_000 / storage.throughput_gbps == pytest.approx(143, abs=1)


def test_no_python_of_ours_names_an_account():
    """The account is whoever deploys; a number in the code would send a stack to a stranger."""
    files = [ROOT / "app.py", *(p for name in SOURCES for p in (ROOT / name).rglob("*.py"))]
    assert len(files) > 50

    named = {
        (path.relative_to(ROOT).parts[:2], number)
        for path in files
        for number in re.findall(r"(?<![\d.])\d{12}(?![\d.])", path.read_text())
    }
    assert named <= {(("ultracluster", "emulator"), EXAMPLE_ACCOUNT)}


def test_reading_the_environments_starts_no_node():
    """`check`, completion and other people's scripts read them in a fraction of a second."""
    code = """
import json, sys
import ultracluster.environments
ultracluster.environments.registered()
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    imported = set(json.loads(run.stdout))

    assert {"ultracluster", "pydantic"} <= imported
    assert not imported & {"aws_cdk", "jsii", "constructs", "cdk_nag", "boto3", "torch"}
