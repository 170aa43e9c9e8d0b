"""What each command of `ultracluster train` does, for SageMaker's jobs and for Slurm's."""

import argparse
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rich.console import Console

from ultracluster.aws import Account
from ultracluster.catalogue.training_place import Place
from ultracluster.catalogue.training_request import parsed
from ultracluster.catalogue.training_rules import advice
from ultracluster.command_line import print_json, print_result, progress, say
from ultracluster.environments import find
from ultracluster.exit_status import ALL_WELL, SOME_FAIL, UsageError
from ultracluster.problem import Problem
from ultracluster.train import display
from ultracluster.train.deployed import read, survey
from ultracluster.train.jobs import Jobs, Run
from ultracluster.train.recipe_files import find_recipe, registered, request_problems
from ultracluster.train.recipe_files import read as read_request
from ultracluster.train.slurm_jobs import LoginNode, SlurmJobs
from ultracluster.train.submission import Prepared, prepare, run_problems

Action = Callable[[argparse.Namespace, Console], int]
MOST_MINUTES: Final = 365 * 24 * 60
SAGEMAKER_ALONE: Final = ("image", "name", "unattended")


def jobs_of(arguments: argparse.Namespace, environment: str) -> Jobs:
    """Return the jobs of a deployed environment; all else is read from the account."""
    if arguments.region:
        name, region, account = environment, arguments.region, None
    else:
        spec, _ = find(environment)
        name, region, account = spec.name, spec.region, spec.account
    with progress("asking AWS"):
        cloud = Account(region, account=account)
        return Jobs(cloud, read(cloud, name, region))


def slurm_jobs(arguments: argparse.Namespace) -> SlurmJobs:
    """Return the Slurm jobs of a deployed environment."""
    found = jobs_of(arguments, arguments.environment)
    deployed = found.deployed
    if "slurm-queue" not in deployed.values:
        raise UsageError(f"{deployed.name}: the environment has no Slurm; leave --slurm out")
    node = LoginNode(found.cloud, deployed.name, deployed.region, arguments.user)
    return SlurmJobs(node, deployed, arguments.mount.rstrip("/"))


def recipes(arguments: argparse.Namespace, console: Console) -> int:
    found = [find_recipe(name) for name in arguments.recipe] or list(registered())
    if not found:
        raise UsageError("no folder recipes with Python files is here; name the file of a recipe")
    if arguments.json:
        print_json([each.model_dump() for each in found])
    else:
        console.print(display.recipes_table(found))
    return ALL_WELL


def check(arguments: argparse.Namespace, console: Console) -> int:
    request = read_request(arguments.request)
    place = Place(region=arguments.region) if arguments.region else None
    unknown: list[str] = []
    if arguments.environment:
        jobs = jobs_of(arguments, arguments.environment)
        with progress("asking AWS"):
            place, unknown = survey(jobs.cloud, jobs.deployed)
    hints = list(advice(parsed(request))) if isinstance(request, Mapping) else []
    judged = Prepared(request, request_problems(request, place), hints, unknown)
    status = SOME_FAIL if judged.problems else ALL_WELL
    if arguments.json:
        print_json({**_verdict(judged), "exit_status": status})
        return status
    _say(console, judged)
    if not judged.problems:
        say(console, f"{arguments.request}: no problem was found.")
    return status


def submit(arguments: argparse.Namespace, console: Console) -> int:
    recipe = find_recipe(arguments.recipe)
    if arguments.image:
        recipe = recipe.model_copy(update={"image": arguments.image})
    jobs = jobs_of(arguments, arguments.environment)
    now = datetime.now(UTC)
    with progress("asking AWS"):
        prepared = prepare(recipe, jobs, now, run=arguments.run_name, name=arguments.name)
    name = str(prepared.request["TrainingJobName"])
    if not arguments.json:
        console.print(display.recipe_table(recipe, prepared.request))
        _say(console, prepared)
    if arguments.dry_run or prepared.problems:
        return _not_sent(arguments, console, prepared)
    start = jobs.start if arguments.unattended else jobs.submit
    arn = start(prepared.request)
    if not arguments.json:
        say(console, f"{'unattended run' if arguments.unattended else 'started'}: {arn}")
    run = jobs.unattended if arguments.unattended else jobs.run
    document = {"name": name, "arn": arn, "request": prepared.request}
    return _sent(arguments, console, name, run, document, then="status")


def submit_to_slurm(arguments: argparse.Namespace, console: Console) -> int:
    for option in SAGEMAKER_ALONE:
        if getattr(arguments, option):
            raise UsageError(f"--{option} is for SageMaker jobs; leave it out with --slurm")
    recipe, jobs = find_recipe(arguments.recipe), slurm_jobs(arguments)
    called = arguments.run_name or recipe.name
    problems = [*run_problems(called, jobs.deployed.name), *jobs.problems(recipe)]
    if not problems and arguments.dry_run:
        words = jobs.command(recipe, called)
        print_result(console, {"arguments": words}, *words, as_json=arguments.json)
        return ALL_WELL
    sent = problems or jobs.submit(recipe, called)
    if not isinstance(sent, int):
        problems = [sent] if isinstance(sent, Problem) else sent
        for problem in problems:
            display.say_problem(problem)
        if arguments.json:
            print_json({"problems": [display.row(problem) for problem in problems]})
        return SOME_FAIL
    if not arguments.json:
        say(console, f"Slurm job {sent}: {recipe.nodes:,} x {recipe.instance_type}")
    return _sent(arguments, console, str(sent), jobs.run, {"job": str(sent)}, then="logs")


def _sent(
    arguments: argparse.Namespace,
    console: Console,
    name: str,
    run_of: Callable[[str], Run],
    document: Mapping[str, Any],
    *,
    then: str,
) -> int:
    """Follow what was sent, if that was asked for; return how it ended."""
    run = ended = None
    if arguments.wait:
        with display.display_of(arguments.environment, name):
            run = run_of(name)
            ended = display.until_over(run, console, quiet=arguments.json)
    if arguments.json:
        print_json({**document, "ended": ended})
    elif ended is None:
        say(console, f"  ultracluster train {then} {arguments.environment} {name}")
    well = run is None or ended is None or ended[run.kind.state] == run.kind.well
    return ALL_WELL if well else SOME_FAIL


def _not_sent(arguments: argparse.Namespace, console: Console, prepared: Prepared) -> int:
    if arguments.json:
        print_json({"request": prepared.request, **_verdict(prepared)})
    elif arguments.dry_run:
        print_json(prepared.request)
    if not prepared.problems:
        return ALL_WELL
    if not arguments.json:
        count = len(prepared.problems)
        say(console, f"{count} problem{'s' if count > 1 else ''}; nothing was sent.")
    return SOME_FAIL


def _those(arguments: argparse.Namespace) -> Jobs | SlurmJobs:
    """Return the jobs that are meant: SageMaker's, or those of the environment's Slurm."""
    return slurm_jobs(arguments) if arguments.slurm else jobs_of(arguments, arguments.environment)


def status(arguments: argparse.Namespace, console: Console) -> int:
    """Show where a job is, or an unattended run whose job has not begun."""
    jobs = _those(arguments)
    name = arguments.job or jobs.newest()
    with display.display_of(jobs.deployed.name, name):
        run = jobs.run(name)
        waits = arguments.wait
        found = display.until_over(run, console, quiet=arguments.json) if waits else next(run.looks)
    if arguments.json:
        print_json({k: v for k, v in found.items() if k != "ResponseMetadata"})
    elif not (arguments.wait and display.is_live(run, console)):
        display.show(run, found, console)
    return SOME_FAIL if run.kind.has_failed(found) else ALL_WELL


def logs(arguments: argparse.Namespace, console: Console) -> int:
    since, jobs = _since(arguments), _those(arguments)
    name, written = arguments.job or jobs.newest(), 0
    # Without --follow nobody asks for a job of Slurm's: it may be forgotten, and its file is there.
    run = jobs.run(name) if arguments.follow or not arguments.slurm else None
    if isinstance(jobs, Jobs):
        printed = display.lines_of(jobs, name, console, since)
    else:
        printed = display.output_of(jobs, name, console)

    def look() -> bool:
        nonlocal written
        # Asked before anything is read: what is written after the end is still printed.
        over = not arguments.follow or run is None or run.kind.is_over(next(run.looks))
        written += printed()
        return over

    with display.display_of(jobs.deployed.name, name):
        display.followed(look, bool)
    if not written:
        say(console, f"{name}: nothing has been written; a job writes when its program starts.")
    return ALL_WELL


def _since(arguments: argparse.Namespace) -> datetime | None:
    """Return from when on lines are asked for."""
    if arguments.minutes is None:
        return None
    if arguments.slurm:
        raise UsageError("--minutes: Slurm's output has no times; leave it out")
    if not 0 < arguments.minutes <= MOST_MINUTES:
        fix = f"write more than 0, at most {MOST_MINUTES:,}, a year"
        raise UsageError(f"--minutes {arguments.minutes:g}: {fix}")
    return datetime.now(UTC) - timedelta(minutes=arguments.minutes)


def stop(arguments: argparse.Namespace, console: Console) -> int:
    jobs = _those(arguments)
    stopped = jobs.stop(arguments.job or jobs.newest())
    words = f"{stopped} {jobs.stopped}."
    print_result(console, {"stopped": [stopped]}, words, as_json=arguments.json)
    return ALL_WELL


def list_jobs(arguments: argparse.Namespace, console: Console) -> int:
    jobs = _those(arguments)
    with progress("asking AWS"):
        rows = jobs.rows(everything=arguments.all)
    if rows and not arguments.json:
        table = display.slurm_table if arguments.slurm else display.jobs_table
        console.print(table(rows))
    else:
        words = f"{jobs.deployed.name}: {jobs.none}."
        print_result(console, rows, words, as_json=arguments.json)
    return ALL_WELL


def _verdict(judged: Prepared) -> dict[str, Any]:
    return {
        "problems": [display.row(problem) for problem in judged.problems],
        "advice": [display.row(problem) for problem in judged.advice],
        "unknown": judged.unknown,
    }


def _say(console: Console, judged: Prepared) -> None:
    for problem in judged.problems:
        display.say_problem(problem)
    for hint in judged.advice:
        display.say_problem(hint, "WARNING")
    for reason in judged.unknown:
        say(console, f"  {reason}", style="yellow")


ACTIONS: Final[Mapping[str, Action]] = {
    "recipes": recipes,
    "check": check,
    "submit": lambda given, console: (submit_to_slurm if given.slurm else submit)(given, console),
    "status": status,
    "logs": logs,
    "stop": stop,
    "list": list_jobs,
}
