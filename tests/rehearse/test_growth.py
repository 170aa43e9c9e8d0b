"""A Slurm environment that grows from 16 to 64 to 512 nodes, past both of PCS's size classes."""

import json
from pathlib import Path

import pytest

import app
from tests.rehearse.conftest import Deployed, Deployer, UpdateFailedError
from tests.repository import ENVIRONMENTS
from ultracluster.catalogue.slurm import SIZES
from ultracluster.emulator.process import Emulator
from ultracluster.prove.proof import Evidence, prove
from ultracluster.prove.proofs import PROOFS
from ultracluster.spec.budget import BudgetSpec, PriceSpec
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.network import NetworkSpec

QUEUES = ["train", "debug", "prepare"]
STAGING = next(spec for spec in ENVIRONMENTS if spec.name == "staging")


def grown(count: int, *subnets: str) -> EnvironmentSpec:
    """Return staging with more nodes, and subnets that have addresses for them."""
    network = NetworkSpec(
        cidr="10.1.0.0/16",
        training_subnet_cidrs=("10.1.0.0/22", *subnets),
        public_subnet_cidr="10.1.240.0/28",
    )
    nodes = STAGING.nodes.model_copy(update={"count": count})
    # What it costs is not the subject here.
    budget = BudgetSpec(
        ceiling_usd_per_day=1_000_000,
        price_region="us-west-2",
        prices=tuple(
            PriceSpec(item=f"pcs/{size}/{part}", usd=1, source="assumed")
            for size in SIZES
            for part in ("controller", "node")
        ),
    )
    return STAGING.model_copy(update={"nodes": nodes, "network": network, "budget": budget})


def deployer(
    emulator: Emulator, spec: EnvironmentSpec, directory: Path, accounts: int = 900
) -> Deployer:
    """Return what deploys one environment, synthesized into a directory of its own.

    The account that it deploys to comes after `accounts`; each file here has its own.
    """
    assembly = directory / str(spec.nodes.count)
    app.build([spec], outdir=str(assembly)).synth()
    return Deployer(emulator, assembly, accounts)


def failures(deployed: Deployed) -> list[str]:
    """Return what the proofs of a rehearsal say against an environment."""
    evidence = Evidence(deployed.spec, deployed.deployment, deployed.cloud)
    results = prove(PROOFS, evidence)
    return [str(check) for checks in results.values() for check in checks if not check.ok]


def clusters(deployed: Deployed) -> dict[str, list[str]]:
    """Return the names of the Slurm clusters, with the names of their queues."""
    ask = deployed.cloud.ask
    return {
        cluster["name"]: [
            queue["name"]
            for queue in ask("pcs", "list_queues", clusterIdentifier=cluster["id"])["queues"]
        ]
        for cluster in ask("pcs", "list_clusters")["clusters"]
    }


def test_an_environment_grows_past_the_size_classes(emulator: Emulator, tmp_path: Path):
    """PCS cannot resize a controller: a second cluster is made before the first one goes."""
    small, medium, large = grown(16), grown(64), grown(512, "10.1.16.0/20")

    deployed = deployer(emulator, small, tmp_path).deploy(small)
    assert failures(deployed) == []
    # What users write after --partition stays.
    assert clusters(deployed) == {"staging-small": QUEUES}

    deployed = deployer(emulator, medium, tmp_path).update(deployed, medium)
    assert failures(deployed) == []
    assert clusters(deployed) == {"staging-medium": QUEUES}

    deployed = deployer(emulator, large, tmp_path).update(deployed, large)
    assert failures(deployed) == []
    assert clusters(deployed) == {"staging-large": QUEUES}


def test_a_growth_that_fails_leaves_the_cluster_that_was(tmp_path: Path):
    """Nobody trains on less than before because the larger cluster could not be made."""
    faults = tmp_path / "faults.json"
    with Emulator(faults=faults) as emulator:
        small, medium = grown(16), grown(64)
        deployed = deployer(emulator, small, tmp_path).deploy(small)
        faults.write_text(json.dumps([{"type": "AWS::PCS::Queue", "message": "No capacity"}]))

        with pytest.raises(UpdateFailedError, match=r"UPDATE_ROLLBACK_COMPLETE.*No capacity"):
            deployer(emulator, medium, tmp_path).update(deployed, medium)

        assert clusters(deployed) == {"staging-small": QUEUES}
