"""An environment with a pipeline for its nodes' image, deployed to the emulated AWS."""

from pathlib import Path

import app
from tests.rehearse.conftest import Deployed, Deployer
from tests.repository import ENVIRONMENTS
from ultracluster.aws import Account
from ultracluster.emulator.process import Emulator
from ultracluster.image.command import comparison
from ultracluster.prove.proof import Evidence, prove
from ultracluster.prove.proofs import PROOFS
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.node_groups import image_parameter
from ultracluster.spec.node_image import NodeImageSpec

STAGING = next(spec for spec in ENVIRONMENTS if spec.name == "staging")


def with_image(**changes: object) -> EnvironmentSpec:
    image = NodeImageSpec(**changes)  # type: ignore[arg-type]
    return STAGING.model_copy(update={"node_image": image})


def templates(spec: EnvironmentSpec, folder: Path) -> Path:
    """Synthesize through all gates."""
    app.build((spec,), outdir=str(folder)).synth()
    return folder


def test_another_lock_is_another_recipe_and_no_other_node(emulator: Emulator, tmp_path: Path):
    """Every proof of a rehearsal, after the pipeline was made and after it changed."""
    first, second = with_image(), with_image(program="ultracluster-training==0.2.0")
    deployer = Deployer(emulator, templates(first, tmp_path / "first"), accounts=820)
    deployed = deployer.deploy(first)
    assert "staging-Image" in [stack.name for stack in deployed.stacks]
    assert failures(deployed) == []

    changed = Deployer(emulator, templates(second, tmp_path / "second")).update(deployed, second)

    assert [s.name for s in changed.stacks if s not in deployed.stacks] == ["staging-Image"]
    assert failures(changed) == []
    assert_the_command_reads_what_a_build_writes(changed.cloud, second)


def failures(deployed: Deployed) -> list[str]:
    """Return what any proof finds wrong."""
    evidence = Evidence(deployed.spec, deployed.deployment, deployed.cloud)
    found = prove(PROOFS, evidence)
    return [str(check) for checks in found.values() for check in checks if not check.ok]


def assert_the_command_reads_what_a_build_writes(cloud: Account, spec: EnvironmentSpec) -> None:
    """The end of a build: an image, and its id in the pipeline's parameter."""
    made = cloud.ask("ec2", "register_image", Name="staging-nodes-1", Architecture="x86_64")
    parameter = image_parameter(spec)
    assert parameter is not None
    cloud.ask("ssm", "put_parameter", Name=parameter, Value=made["ImageId"], Type="String")

    assert comparison(spec, cloud, "nodes").today == made["ImageId"]
