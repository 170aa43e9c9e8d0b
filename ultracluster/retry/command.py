"""The command `ultracluster retry`: stacks after a deployment that failed, and what each needs.

CDK's CLI protects a stack before it executes the change set that creates it, and deletes a stack
whose creation was rolled back before it creates it anew (aws-cdk 2.1148.1, `deployStack` and
`changeSetDeployment`): the protection of an empty stack then stops every further deployment.
"""

import argparse
import shlex
import tomllib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from ultracluster.aws import Account, Cloud, caller_of
from ultracluster.command_line import add_environment, add_format, print_result, progress
from ultracluster.environments import find
from ultracluster.exit_status import ALL_WELL, SOME_FAIL


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_environment(parser)
    add_format(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Say what each stack needs, and lift the protection of those that were never created."""
    spec, _ = find(arguments.environment)
    with progress("asking CloudFormation"):
        cloud = Account(spec.region, account=spec.account)
        caller = caller_of(cloud, spec.region)
        found = list(stacks(cloud, spec.stack_names))
    for stack in found:
        if stack.lifts:
            lift(cloud, stack)
    open_ones = [stack for stack in found if stack.to_type]
    deploy = "" if open_ones else f"npx cdk deploy {shlex.quote(f'{spec.name}/*')}"
    attributes = {name: name for name in ("name", "status", "meaning", "held")}
    attributes |= {"lifted": "lifts", "type": "to_type"}
    rows = [{key: getattr(each, name) for key, name in attributes.items()} for each in found]
    lines = [line for stack in found for line in _lines(stack)]
    lines = lines or ["No stack of it is left from a deployment that failed."]
    lines += [f"Now: {deploy}"] if deploy else []
    document = {"environment": spec.name, "stacks": rows, "next": deploy}
    words = f"{spec.name} in {caller.place}"
    print_result(console, document, words, *lines, as_json=arguments.json)
    return SOME_FAIL if open_ones else ALL_WELL


def _lines(stack: "FailedStack") -> list[str]:
    lines = [f"{stack.name} is {stack.status}: {stack.meaning}."]
    if stack.lifts:
        lines.append("  Its termination protection was lifted; cdk deploy sets it again.")
    if stack.held:
        lines.append(f"  It still has: {', '.join(stack.held)}")
    if stack.to_type:
        lines.append(f"  Type: {stack.to_type}")
    return lines


NEVER_CREATED: Final = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
"""Statuses of a stack whose creation failed (AWS CloudFormation user guide, "Stack status codes",
read 2026-11-27): nothing but deletion is possible, and no data was ever in it."""
GONE: Final = ("DELETE_COMPLETE", "DELETE_SKIPPED")
SAYINGS: Final[dict[str, dict[str, str]]] = tomllib.loads(
    Path(__file__).with_name("statuses.toml").read_text("utf-8")
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
            listed = cloud.ask("cloudformation", "list_stack_resources", StackName=row["StackId"])
            yield FailedStack(
                name=str(row["StackName"]),
                status=str(row["StackStatus"]),
                protected=bool(row.get("EnableTerminationProtection")),
                held=tuple(
                    str(each["LogicalResourceId"])
                    for each in listed["StackResourceSummaries"]
                    if each["ResourceStatus"] not in GONE and each.get("PhysicalResourceId")
                ),
            )


def lift(cloud: Cloud, stack: FailedStack) -> None:
    """Take the protection from a stack that was never created; `cdk deploy` then replaces it.

    It protects the new one again before it creates anything.

    Raises:
        ValueError: for any other stack: its protection guards something.
    """
    if stack.status not in NEVER_CREATED:
        raise ValueError(f"{stack.name} is {stack.status}: its protection guards what it holds")
    unprotect(cloud, stack.name)


def unprotect(cloud: Cloud, name: str) -> None:
    """Take the protection from a stack, whatever it guards, as an operator does by hand."""
    named = {"StackName": name, "EnableTerminationProtection": False}
    cloud.ask("cloudformation", "update_termination_protection", **named)
