"""An environment on a Capacity Block, and the next block in its place (docs/operate)."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.rehearse.conftest import Deployed
from tests.rehearse.test_growth import STAGING, deployer, failures
from ultracluster.aws import Cloud
from ultracluster.emulator.process import Emulator
from ultracluster.spec.budget import PriceSpec
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.nodes import CapacityBlockSpec


def on_block(reservation_id: str) -> EnvironmentSpec:
    """Return staging on a block."""
    nodes = STAGING.nodes.model_copy(
        update={
            "placement_group": False,
            "capacity_block": CapacityBlockSpec(capacity_reservation_id=reservation_id),
        }
    )
    paid = PriceSpec(item="ec2/p4d.24xlarge/capacity-block", usd=11.8, source="assumed")
    budget = STAGING.budget.model_copy(update={"prices": (*STAGING.budget.prices, paid)})
    return STAGING.model_copy(update={"nodes": nodes, "budget": budget})


class WithoutMarket:
    """An account whose launch templates launch on demand."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def ask(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        answer = self._cloud.ask(service, operation, **parameters)
        for row in answer.get("LaunchTemplateVersions", ()):
            row["LaunchTemplateData"].pop("InstanceMarketOptions", None)
        return answer


def physical_ids(deployed: Deployed) -> dict[str, str | None]:
    """Return the physical id of every resource, by stack and logical id."""
    return {
        f"{resource.stack}/{resource.logical_id}": resource.physical_id
        for resource in deployed.deployment.resources
    }


def changed(first: Deployed, second: Deployed) -> set[tuple[str, str]]:
    """Return stack and logical id, and the type, of what two deployments say differently."""
    return {
        (f"{after.name}/{logical_id}", resource["Type"])
        for before, after in zip(first.stacks, second.stacks, strict=True)
        for logical_id, resource in after.template["Resources"].items()
        if resource != before.template["Resources"].get(logical_id)
    }


def test_the_next_block_touches_the_nodes_alone(emulator: Emulator, tmp_path: Path):
    """Cluster, login nodes, queue and data stay when Monday's block is followed by another."""
    monday, thursday = on_block("cr-0123456789abcdef0"), on_block("cr-0fedcba9876543210")

    first = deployer(emulator, monday, tmp_path / "monday", 910).deploy(monday)
    assert failures(first) == []
    wish = failures(replace(first, spec=thursday))
    assert any("Capacity Block of the nodes should be cr-0fedcba9876543210" in e for e in wish)
    on_demand = failures(replace(first, cloud=WithoutMarket(first.cloud)))  # type: ignore[arg-type]
    assert any("market type should be capacity-block" in each for each in on_demand)
    before = physical_ids(first)

    second = deployer(emulator, thursday, tmp_path / "thursday").update(first, thursday)
    assert failures(second) == []
    assert physical_ids(second) == before
    ((_, kind),) = changed(first, second)
    assert kind == "AWS::EC2::LaunchTemplate"
