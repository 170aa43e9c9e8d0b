"""The command `ultracluster deliver`."""

import argparse
import os
from pathlib import Path
from typing import Final

from rich.console import Console

from ultracluster.aws import Account, caller_of
from ultracluster.command_line import (
    EXTRAS,
    STANDARD_OUTPUT,
    add_environment,
    add_format,
    need,
    print_json,
    print_result,
    progress,
    say,
    write_output,
)
from ultracluster.deliver.plan import Plan, described, execute, prepare, read, refusals
from ultracluster.drift import drift
from ultracluster.environments import find
from ultracluster.exit_status import ALL_WELL, SOME_FAIL, CommandError, UsageError
from ultracluster.rehearse.cdk import Cdk
from ultracluster.synthesis import Synthesis

PLAN: Final = Path("delivery.json")
PUBLISH: Final = ("publish-assets", "--unstable=publish-assets")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    steps = parser.add_subparsers(dest="step", metavar="STEP", required=True)
    prepares = steps.add_parser("prepare", help="create change sets without executing them")
    add_environment(prepares)
    prepares.add_argument(
        "--output",
        type=Path,
        default=PLAN,
        help=f"file of the plan ({PLAN}), beside which its pages are written (.html, .md); - for "
        "standard output, without pages",
    )
    executes = steps.add_parser("execute", help="execute the change sets of an approved plan")
    executes.add_argument("plan", type=Path, help="the plan file that `prepare` wrote")
    executes.add_argument("--approved", metavar="MARK", help="mark of the plan, shown on its page")
    drifts = steps.add_parser("drift", help="show what differs from what CloudFormation deployed")
    add_environment(drifts)
    for each in (prepares, executes, drifts):
        add_format(each)


def run(arguments: argparse.Namespace, console: Console) -> int:
    step = {"prepare": _prepare, "execute": _execute, "drift": _drift}[arguments.step]
    return step(arguments, console)


def _prepare(arguments: argparse.Namespace, console: Console) -> int:
    spec, path = find(arguments.environment)
    shown = str(arguments.output) != STANDARD_OUTPUT
    if arguments.output.suffix in (".html", ".md"):
        name = arguments.output.with_suffix(".json")
        raise UsageError(f"--output {arguments.output}: its page is written there; write {name}")
    need(EXTRAS["review"])
    # Imported here: without the extra package it cannot be.
    from ultracluster.deliver.page import page_of  # noqa: PLC0415

    cloud = Account(spec.region, account=spec.account)
    with Synthesis(spec, path) as synthesis:
        with progress(f"synthesizing {spec.name}"):
            caller, stage = caller_of(cloud, spec.region), synthesis.stage()
        if synthesis.refused:
            words = f"{spec.name}: a gate refuses its templates; see `npx cdk synth`"
            document = {"environment": spec.name, "problems": [words]}
            print_result(console, document, words, as_json=arguments.json)
            return SOME_FAIL
        with progress("publishing assets and preparing change sets"):
            own = {key: value for key, value in os.environ.items() if key.startswith("AWS_")}
            Cdk(own).run([*PUBLISH, "--app", str(stage)])
            plan = prepare(cloud, caller, spec.name, spec.region, stage)
        with progress("comparing what was prepared with what is deployed"):
            pages = page_of(spec, stage, cloud, plan) if shown else {}
    write_output(arguments.output, plan.text, "--output")
    for ending, text in pages.items():
        write_output(arguments.output.with_suffix(ending), text, "--output")
    if shown and arguments.json:
        file = str(arguments.output)
        print_json(plan.model_dump() | {"mark": plan.mark, "problems": plan.problems, "file": file})
    elif shown:
        _show(plan, console)
        say(console, *(str(arguments.output.with_suffix(each)) for each in pages))
    return SOME_FAIL if plan.problems else ALL_WELL


def _show(plan: Plan, console: Console) -> None:
    where = f"account {plan.account}, {plan.region}"
    say(console, f"{plan.environment} in {where}: plan {plan.mark}")
    for stack in plan.stacks:
        if not stack.problem:
            say(console, f"{stack.name}: {len(stack.changes) or 'no'} changes")
        for each in stack.changes:
            replaces = {"True": ", replaced", "Conditional": ", perhaps replaced"}
            words = f"{each.action} {each.logical_id} ({each.resource_type})"
            say(console, f"  {words}{replaces.get(each.replacement, '')}")
    say(console, *(f"cannot be prepared: {words}" for words in plan.problems))
    say(console, *(f"has drifted already: {drifted}" for drifted in plan.drifted))


def _execute(arguments: argparse.Namespace, console: Console) -> int:
    plan = read(arguments.plan)
    cloud = Account(plan.region)
    said: list[str] = []
    with progress("comparing the plan with the account"):
        refused = list(refusals(cloud, caller_of(cloud, plan.region), plan, arguments.approved))
    executed = False
    if not refused:
        with progress("executing change sets"):
            executed = execute(cloud, plan, said.append)
    lines = [*(f"refused: {each}" for each in refused), *said]
    if refused:
        again = f"ultracluster deliver prepare {plan.environment}"
        lines.append(f"Nothing was executed. Prepare it anew, and have it approved: {again}")
    document = {"environment": plan.environment, "refused": refused, "stacks": said}
    print_result(console, document | {"executed": executed}, *lines, as_json=arguments.json)
    return ALL_WELL if executed else SOME_FAIL


def _drift(arguments: argparse.Namespace, console: Console) -> int:
    spec, _ = find(arguments.environment)
    cloud = Account(spec.region, account=spec.account)
    with progress("asking CloudFormation for drift"):
        there = [name for name in spec.stack_names if described(cloud, name)]
        if not there:
            fix = f"deploy it: npx cdk deploy '{spec.name}/*'"
            raise CommandError(f"{spec.name}: none of its stacks is in {spec.region}; {fix}")
        found = [str(each) for name in there for each in drift(cloud, name)]
    words = f"{spec.name}: {len(found) or 'no'} differences in {len(there)} stacks"
    document = {"environment": spec.name, "stacks": there, "drifted": found}
    print_result(console, document, *found, words, as_json=arguments.json)
    return SOME_FAIL if found else ALL_WELL
