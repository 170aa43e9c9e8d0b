"""Another image, and another version of Slurm, for an environment that runs (docs/operate)."""

from pathlib import Path

from tests.rehearse.conftest import Deployed
from tests.rehearse.test_capacity_block import changed, physical_ids
from tests.rehearse.test_growth import STAGING, deployer, failures
from ultracluster.emulator.process import Emulator
from ultracluster.run_command import login_node
from ultracluster.spec.environment import EnvironmentSpec

OTHER_IMAGE = "ami-0fedcba9876543210"


def with_version(spec: EnvironmentSpec, version: str) -> EnvironmentSpec:
    """Return an environment with another version of Slurm."""
    assert spec.slurm is not None
    slurm = spec.slurm.model_copy(update={"version": version})
    return spec.model_copy(update={"slurm": slurm})


def test_an_upgrade_replaces_nodes_and_nothing_else(emulator: Emulator, tmp_path: Path):
    """Jobs, records, data and addresses of what runs must survive both upgrades."""
    nodes = STAGING.nodes.model_copy(update={"image": OTHER_IMAGE})
    imaged = STAGING.model_copy(update={"nodes": nodes})
    upgraded = with_version(imaged, "26.05")

    first = deployer(emulator, STAGING, tmp_path / "first", 920).deploy(STAGING)
    before, login = physical_ids(first), login_node(first.cloud, STAGING.name)

    second = deployer(emulator, imaged, tmp_path / "image").update(first, imaged)
    assert failures(second) == []
    assert physical_ids(second) == before
    assert {kind for _, kind in changed(first, second)} == {"AWS::EC2::LaunchTemplate"}
    # The image of login nodes is pinned by itself: sessions on them survive another one of nodes.
    assert login == login_node(second.cloud, STAGING.name)

    third = deployer(emulator, upgraded, tmp_path / "version").update(second, upgraded)
    assert failures(third) == []
    assert physical_ids(third) == before
    assert "AWS::PCS::Cluster" in {kind for _, kind in changed(second, third)}
    assert scheduler(third) == {"type": "SLURM", "version": "26.05"}
    # What login nodes boot with names the version: PCS replaces them, with all sessions.
    assert login_node(third.cloud, STAGING.name) not in (None, login)


def scheduler(deployed: Deployed) -> object:
    """Return the scheduler of the environment's cluster, as PCS answers."""
    ask = deployed.cloud.ask
    (cluster,) = ask("pcs", "list_clusters")["clusters"]
    return ask("pcs", "get_cluster", clusterIdentifier=cluster["id"])["cluster"]["scheduler"]
