"""The command `ultracluster retry`."""

import argparse
import shlex
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ultracluster.command_line import add_environment, add_format, print_json
from ultracluster.environments import find
from ultracluster.exit_status import ALL_WELL, SOME_FAIL

if TYPE_CHECKING:
    from ultracluster.retry.failed_stacks import FailedStack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_environment(parser)
    add_format(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Say what each stack needs, and lift the protection of those that were never created."""
    # Imported here: the command line imports this module, and boto3 takes its time.
    from ultracluster.aws import Account, caller_of  # noqa: PLC0415
    from ultracluster.retry.failed_stacks import lift, stacks  # noqa: PLC0415

    spec, _ = find(arguments.environment)
    cloud = Account(spec.region)
    caller = caller_of(cloud, spec.region)
    found = list(stacks(cloud, spec.stack_names))
    for stack in found:
        if stack.lifts:
            lift(cloud, stack)
    open_ones = [stack for stack in found if stack.to_type]
    deploy = "" if open_ones else f"npx cdk deploy {shlex.quote(f'{spec.name}/*')}"
    if arguments.json:
        rows = [_row(stack) for stack in found]
        print_json({"environment": spec.name, "stacks": rows, "next": deploy})
        return SOME_FAIL if open_ones else ALL_WELL
    say = console.out
    say(f"{spec.name} in {caller.place}", highlight=False)
    for stack in found:
        for line in _lines(stack):
            say(line, highlight=False)
    if not found:
        say("No stack of it is left from a deployment that failed.", highlight=False)
    if deploy:
        say(f"Now: {deploy}", highlight=False)
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


def _row(stack: "FailedStack") -> dict[str, Any]:
    return {
        "name": stack.name,
        "status": stack.status,
        "meaning": stack.meaning,
        "held": stack.held,
        "lifted": stack.lifts,
        "type": stack.to_type,
    }
