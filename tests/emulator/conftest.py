"""One emulator for all tests of this folder, and a way to deploy small templates to it."""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from ultracluster.emulator.process import Emulator

SETTLED = ("_COMPLETE", "_FAILED")


@dataclass
class Cloud:
    """The emulated AWS as a test sees it, in one account and Region."""

    emulator: Emulator
    faults: Path
    region: str = "us-east-1"
    account: str = "123456789012"
    _clients: dict[str, Any] = field(default_factory=dict)

    def elsewhere(self, *, region: str = "us-east-1", account: str = "123456789012") -> "Cloud":
        """Return the same emulator seen from another account or Region."""
        return Cloud(self.emulator, self.faults, region, account)

    def client(self, service: str) -> Any:
        """Return a boto3 client."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self.emulator.endpoint_url,
                region_name=self.region,
                aws_access_key_id=self.account,
                aws_secret_access_key="emulated",  # noqa: S106 - no secret
                aws_session_token=self.emulator.token,
                config=Config(retries={"max_attempts": 0}),
            )
        return self._clients[service]

    def deploy(
        self, resources: dict[str, Any], *, name: str | None = None, **sections: Any
    ) -> "Stack":
        """Create a stack and wait for it; how it ended is in `Stack.status`."""
        create = {key: sections.pop(key) for key in list(sections) if key in CREATE_ARGUMENTS}
        stack = Stack(self, name or f"t-{uuid.uuid4().hex[:8]}")
        self.client("cloudformation").create_stack(
            StackName=stack.name,
            TemplateBody=json.dumps({"Resources": resources, **sections}),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            **create,
        )
        return stack.settled()

    def set_faults(self, *rules: dict[str, Any]) -> None:
        """Ask for failures from now on."""
        self.faults.write_text(json.dumps(list(rules)))


CREATE_ARGUMENTS = ("EnableTerminationProtection", "OnFailure", "DisableRollback", "Tags")


@dataclass
class Stack:
    """A stack that a test deployed."""

    cloud: Cloud
    name: str

    @property
    def description(self) -> dict[str, Any]:
        """The stack as DescribeStacks shows it."""
        stacks = self.cloud.client("cloudformation").describe_stacks(StackName=self.name)
        return stacks["Stacks"][0]

    @property
    def status(self) -> str:
        """The stack's status."""
        return self.description["StackStatus"]

    @property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs by their keys."""
        return {o["OutputKey"]: o["OutputValue"] for o in self.description.get("Outputs", [])}

    def physical_id(self, logical_id: str) -> str:
        """Return what `Ref` of a resource answers."""
        return self.resources[logical_id]

    @property
    def resources(self) -> dict[str, str]:
        """The physical ids of the resources by their logical ids."""
        rows = self.cloud.client("cloudformation").list_stack_resources(StackName=self.name)
        return {
            row["LogicalResourceId"]: row.get("PhysicalResourceId", "")
            for row in rows["StackResourceSummaries"]
        }

    def reasons(self, status: str = "CREATE_FAILED") -> str:
        """Return the reasons of all events with a status."""
        client = self.cloud.client("cloudformation")
        events = client.describe_stack_events(StackName=self.name)["StackEvents"]
        return "\n".join(
            f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason', '')}"
            for e in events
            if e["ResourceStatus"] == status
        )

    def update(self, resources: dict[str, Any], **sections: Any) -> "Stack":
        """Update the stack and wait for it."""
        self.cloud.client("cloudformation").update_stack(
            StackName=self.name,
            TemplateBody=json.dumps({"Resources": resources, **sections}),
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        return self.settled()

    def delete(self) -> str:
        """Delete the stack, wait, and return how it ended."""
        client = self.cloud.client("cloudformation")
        stack_id = self.description["StackId"]
        client.delete_stack(StackName=self.name)
        return Stack(self.cloud, stack_id).settled().status

    def settled(self) -> "Stack":
        """Wait until no operation is in progress."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            status = self.status
            if status.endswith(SETTLED):
                return self
            time.sleep(0.01)
        raise TimeoutError(f"{self.name} is still {self.status}")


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The emulated AWS in us-east-1."""
    faults = tmp_path_factory.mktemp("faults") / "faults.json"
    with Emulator(faults=faults) as emulator:
        yield Cloud(emulator, faults)


@pytest.fixture
def vpc() -> dict[str, Any]:
    """A VPC with one subnet in the zone that sells P4d in us-east-1."""
    return {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
        "Subnet": {
            "Type": "AWS::EC2::Subnet",
            "Properties": {
                "VpcId": {"Ref": "Vpc"},
                "CidrBlock": "10.0.0.0/20",
                "AvailabilityZoneId": "use1-az6",
            },
        },
    }
