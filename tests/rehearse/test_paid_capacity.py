"""A creation that fails leaves no paid capacity, wherever it fails (emulated AWS)."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from environments.ultracluster import ULTRACLUSTER
from tests.rehearse.conftest import Deployed, Deployer
from ultracluster.emulator.process import Emulator
from ultracluster.prove.deployment import StackTemplate
from ultracluster.rehearse.direct import settled, template_of
from ultracluster.rehearse.paid_capacity import PaidCapacity, paid_capacity

ON_THE_RESERVATION = (
    "AWS::EC2::LaunchTemplate",
    "AWS::PCS::ComputeNodeGroup",
    "AWS::PCS::Queue",
    "AWS::SSM::Parameter",
    "AWS::CloudWatch::Alarm",
)
"""Types of what names the reservation, directly or by what it is launched with."""


class Campaign:
    """The ultracluster environment, whose paid stack is created again and again with a fault."""

    def __init__(self, assembly: Path, directory: Path) -> None:
        self._faults = directory / "faults.json"
        self._emulator = Emulator(faults=self._faults).__enter__()
        self._deployed: Deployed = Deployer(self._emulator, assembly, accounts=700).deploy(
            ULTRACLUSTER, but="Cluster"
        )
        (self.stack,) = (s for s in self._deployed.stacks if s.construct_id == "Cluster")

    def fail(self, logical_id: str) -> tuple[str, list[PaidCapacity]]:
        """Create the stack with a fault at one resource; return its status and what was paid."""
        rule = {"logical_id": f"^{logical_id}$", "message": "no"}
        self._faults.write_text(json.dumps([rule]))
        cloud = self._deployed.cloud
        answer = cloud.ask(
            "cloudformation",
            "create_stack",
            StackName=self.stack.name,
            **template_of(cloud, self.stack.name, self.stack.template, ULTRACLUSTER.region),
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        status = settled(cloud, self.stack.name)
        paid = list(paid_capacity(cloud, self.stack.name))
        cloud.ask("cloudformation", "delete_stack", StackName=self.stack.name)
        settled(cloud, answer["StackId"])
        return status, paid

    def active(self) -> list[str]:
        """Return the reservations that are charged now."""
        answer = self._deployed.cloud.ask("ec2", "describe_capacity_reservations")
        rows = answer["CapacityReservations"]
        return [row["CapacityReservationId"] for row in rows if row["State"] == "active"]

    def stop(self) -> None:
        self._emulator.stop()


@pytest.fixture(scope="module")
def campaign(assembly: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    """Return the campaign, with an emulated AWS of its own."""
    running = Campaign(assembly, tmp_path_factory.mktemp("campaign"))
    yield running
    running.stop()


def resources(stack: StackTemplate) -> dict[str, str]:
    """Return the type of each resource that CloudFormation makes of the stack."""
    types = {name: each["Type"] for name, each in stack.template["Resources"].items()}
    return {name: kind for name, kind in types.items() if kind != "AWS::CDK::Metadata"}


def judged(campaign: Campaign, logical_id: str, kind: str) -> list[PaidCapacity]:
    """Create the stack with a fault at one resource, and assert that nothing is paid for then."""
    status, paid = campaign.fail(logical_id)
    assert (logical_id, status) == (logical_id, "ROLLBACK_COMPLETE")
    assert campaign.active() == []
    if kind not in ON_THE_RESERVATION:
        assert (logical_id, paid) == (logical_id, [])
    return paid


def test_a_creation_that_fails_leaves_no_paid_capacity(campaign: Campaign):
    """One resource of each type of the paid stack; `make campaign` has every one."""
    types = resources(campaign.stack)
    sample = {kind: logical_id for logical_id, kind in reversed(types.items())}

    for kind, logical_id in sample.items():
        judged(campaign, logical_id, kind)


def test_what_is_paid_for_is_counted(campaign: Campaign):
    """The queue is the last: node-minutes are instances times the time until they were given up."""
    types = resources(campaign.stack)
    (queue,) = (name for name, kind in types.items() if kind == "AWS::PCS::Queue")

    (paid,) = judged(campaign, queue, "AWS::PCS::Queue")

    assert not paid.active
    assert paid.instances == ULTRACLUSTER.nodes.total
    assert paid.node_minutes == pytest.approx(paid.instances * paid.seconds / 60)
    assert paid.seconds > 0
    assert {types[name] for name in paid.later} <= set(ON_THE_RESERVATION)
    assert "billed node-minutes, then given up" in str(paid)
