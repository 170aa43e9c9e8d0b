"""The stacks of an environment after a deployment that failed, and what each needs now.

CDK's CLI protects a stack before it executes the change set that creates it, and deletes a stack
whose creation was rolled back before it creates it anew (aws-cdk 2.1148.1, `deployStack` and
`changeSetDeployment`): the protection of an empty stack then stops every further deployment.
"""

import tomllib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ultracluster.aws import Cloud

NEVER_CREATED: Final = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
"""Statuses of a stack whose creation failed (AWS CloudFormation user guide, "Stack status codes",
read 2026-11-27): nothing but deletion is possible, and no data was ever in it."""
GONE: Final = ("DELETE_COMPLETE", "DELETE_SKIPPED")
SAYINGS: Final[dict[str, dict[str, str]]] = tomllib.loads(
    Path(__file__).with_name("statuses.toml").read_text()
)


@dataclass(frozen=True)
class FailedStack:
    """A stack that the next deployment meets."""

    name: str
    status: str
    protected: bool
    held: tuple[str, ...]
    """Logical ids of what it still has."""

    @property
    def lifts(self) -> bool:
        """Whether its protection guards nothing, and must go before it can be replaced."""
        return self.protected and self.status in NEVER_CREATED

    @property
    def meaning(self) -> str:
        return self._saying["means"]

    @property
    def to_type(self) -> str:
        """What to do next; empty where the next deployment does it."""
        return self._saying["type"].format(stack=self.name)

    @property
    def _saying(self) -> dict[str, str]:
        return SAYINGS.get(self.status) or SAYINGS["OTHER"]


def stacks(cloud: Cloud, names: Collection[str]) -> Iterator[FailedStack]:
    """Yield those stacks of the names given that are not as a deployment leaves them.

    Raises:
        CloudError: where AWS refuses or does not answer.
    """
    for row in cloud.ask("cloudformation", "describe_stacks")["Stacks"]:
        if row["StackName"] in names and row["StackStatus"] not in SAYINGS["WELL"]["statuses"]:
            yield _failed(cloud, row)


def lift(cloud: Cloud, stack: FailedStack) -> None:
    """Take the protection from a stack that was never created; `cdk deploy` then replaces it.

    It protects the new one again before it creates anything.

    Raises:
        ValueError: for any other stack: its protection guards something.
    """
    if stack.status not in NEVER_CREATED:
        raise ValueError(f"{stack.name} is {stack.status}: its protection guards what it holds")
    cloud.ask(
        "cloudformation",
        "update_termination_protection",
        StackName=stack.name,
        EnableTerminationProtection=False,
    )


def _failed(cloud: Cloud, row: dict[str, Any]) -> FailedStack:
    listed = cloud.ask("cloudformation", "list_stack_resources", StackName=row["StackId"])
    return FailedStack(
        name=str(row["StackName"]),
        status=str(row["StackStatus"]),
        protected=bool(row.get("EnableTerminationProtection")),
        held=tuple(
            str(each["LogicalResourceId"])
            for each in listed["StackResourceSummaries"]
            if each["ResourceStatus"] not in GONE and each.get("PhysicalResourceId")
        ),
    )
