"""What each verb of `ultracluster train` does."""

import argparse
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from ultracluster.aws import Account
from ultracluster.catalogue.training_advice import advice
from ultracluster.catalogue.training_place import Place
from ultracluster.catalogue.training_request import parsed
from ultracluster.environments import UsageError, find
from ultracluster.spec.problem import Problem
from ultracluster.train.check import request_problems
from ultracluster.train.deployed import read, survey
from ultracluster.train.display import (
    as_json,
    job_view,
    jobs_table,
    line,
    recipe_table,
    row,
)
from ultracluster.train.following import Following, left_running
from ultracluster.train.jobs import Jobs, NoSuchJobError
from ultracluster.train.recipe_files import find_recipe, registered
from ultracluster.train.request_file import read as read_request
from ultracluster.train.submission import Prepared, prepare

Verb = Callable[[argparse.Namespace, Console], int]


def jobs_of(arguments: argparse.Namespace, environment: str) -> Jobs:
    """Return the jobs of a deployed environment; all else is read from the account."""
    if arguments.region:
        name, region = environment, arguments.region
    else:
        spec, _ = find(environment)
        name, region = spec.name, spec.region
    cloud = Account(region)
    return Jobs(cloud, read(cloud, name, region))


def recipes(arguments: argparse.Namespace, console: Console) -> int:
    """Show recipes, and what each takes."""
    found = [find_recipe(name) for name in arguments.recipe] or list(registered())
    if not found:
        raise UsageError("no folder recipes with Python files is here; name the file of a recipe")
    if arguments.json:
        as_json(console, [each.model_dump() for each in found])
        return 0
    table = Table()
    for name in ("recipe", "parameters", "nodes", "partition", "engine", "state per accelerator"):
        table.add_column(name, justify="left" if name in ("recipe", "engine") else "right")
    for each in found:
        table.add_row(
            each.name,
            f"{each.model.parameters / 1e9:,.2f} B",
            f"{each.nodes:,} x {each.instance_type}",
            f"{each.partition_size:,} of {each.cluster.world:,}",
            each.engine.kind,
            f"{16 * each.model.parameters / each.partition_size / 1e9:,.1f} GB",
        )
    console.print(table)
    return 0


def check(arguments: argparse.Namespace, console: Console) -> int:
    """Judge a request that somebody wrote."""
    request = read_request(arguments.request)
    place, unknown = None, []
    if arguments.environment:
        jobs = jobs_of(arguments, arguments.environment)
        surveyed = survey(jobs.cloud, jobs.deployed)
        place, unknown = surveyed.place, surveyed.unknown
    elif arguments.region:
        place = Place(region=arguments.region)
    found = request_problems(request, place)
    hints = list(advice(parsed(request))) if isinstance(request, Mapping) else []
    if arguments.json:
        document = {"problems": [row(p) for p in found], "advice": [row(p) for p in hints]}
        as_json(console, {**document, "unknown": unknown, "exit_status": 1 if found else 0})
    else:
        _say(console, found, hints, unknown)
        if not found:
            line(console, f"{arguments.request}: nothing is wrong with it that can be told here.")
    return 1 if found else 0


def submit(arguments: argparse.Namespace, console: Console) -> int:
    """Send a recipe to an environment."""
    recipe = find_recipe(arguments.recipe)
    if arguments.image:
        recipe = recipe.model_copy(update={"image": arguments.image})
    jobs = jobs_of(arguments, arguments.environment)
    now = datetime.now(UTC)
    prepared = prepare(recipe, jobs, now, run=arguments.run_name, name=arguments.name)
    name = str(prepared.request["TrainingJobName"])
    if not arguments.json:
        console.print(recipe_table(recipe, prepared.request))
        _say(console, prepared.problems, prepared.advice, prepared.unknown)
    if arguments.dry_run or prepared.problems:
        return _not_sent(arguments, console, prepared)
    start = jobs.start if arguments.unattended else jobs.submit
    arn = start(prepared.request)
    if not arguments.json:
        line(console, f"{'unattended run' if arguments.unattended else 'started'}: {arn}")
    ended = None
    if arguments.wait:
        try:
            ended = _wait(jobs, console, name, arguments)
        except KeyboardInterrupt:
            return left_running(console, jobs.deployed.name, name)
    if arguments.json:
        as_json(console, {"name": name, "arn": arn, "request": prepared.request, "ended": ended})
    elif ended is None:
        line(console, f"  ultracluster train status {arguments.environment} {name}")
    return 0 if ended is None else _status_of(ended)


def _not_sent(arguments: argparse.Namespace, console: Console, prepared: Prepared) -> int:
    document = {
        "request": prepared.request,
        "problems": [row(problem) for problem in prepared.problems],
        "advice": [row(problem) for problem in prepared.advice],
        "unknown": prepared.unknown,
    }
    if arguments.json:
        as_json(console, document)
    elif arguments.dry_run:
        as_json(console, prepared.request)
    if prepared.problems and not arguments.json:
        count = len(prepared.problems)
        line(console, f"{count} problem{'s' if count > 1 else ''}; nothing was sent.")
    return 1 if prepared.problems else 0


def _wait(jobs: Jobs, console: Console, name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    following = Following(jobs, console)
    if arguments.unattended:
        return following.until_execution_over(name, quiet=arguments.json)
    return following.until_over(name, quiet=arguments.json)


def _status_of(ended: Mapping[str, Any]) -> int:
    """Return the exit status of a job, or of an unattended run, that has ended."""
    good = ended.get("TrainingJobStatus") == "Completed" or ended.get("status") == "SUCCEEDED"
    return 0 if good else 1


def status(arguments: argparse.Namespace, console: Console) -> int:
    """Show where a job is, or an unattended run whose job has not begun."""
    jobs = jobs_of(arguments, arguments.environment)
    name = arguments.job or jobs.newest()
    try:
        job = jobs.describe(name)
    except NoSuchJobError:
        execution = jobs.execution(name)
        if execution is None:
            raise
        if arguments.wait:
            try:
                execution = Following(jobs, console).until_execution_over(
                    name, quiet=arguments.json
                )
            except KeyboardInterrupt:
                return left_running(console, jobs.deployed.name, name)
        return _execution(arguments, console, execution)
    if arguments.wait:
        try:
            job = Following(jobs, console).until_over(name, quiet=arguments.json)
        except KeyboardInterrupt:
            return left_running(console, jobs.deployed.name, name)
    if arguments.json:
        as_json(console, {k: v for k, v in job.items() if k != "ResponseMetadata"})
    elif not (arguments.wait and console.is_terminal):
        console.print(job_view(job, datetime.now(UTC)))
    return 1 if job["TrainingJobStatus"] == "Failed" else 0


def _execution(
    arguments: argparse.Namespace, console: Console, execution: Mapping[str, Any]
) -> int:
    if arguments.json:
        as_json(console, {k: v for k, v in execution.items() if k != "ResponseMetadata"})
    else:
        words = f"{execution['name']}  unattended: {execution['status']}"
        line(console, words)
        for part in ("error", "cause"):
            if execution.get(part):
                line(console, f"  {part}: {execution[part]}")
    return 1 if execution["status"] in ("FAILED", "TIMED_OUT") else 0


def logs(arguments: argparse.Namespace, console: Console) -> int:
    """Print what all hosts of a job write."""
    if arguments.minutes is not None and arguments.minutes <= 0:
        raise UsageError(f"--minutes {arguments.minutes:g}: write more than 0")
    jobs = jobs_of(arguments, arguments.environment)
    name = arguments.job or jobs.newest()
    jobs.describe(name)
    since = None
    if arguments.minutes is not None:
        since = datetime.now(UTC) - timedelta(minutes=arguments.minutes)
    try:
        count = Following(jobs, console).logs(name, follow=arguments.follow, since=since)
    except KeyboardInterrupt:
        return left_running(console, jobs.deployed.name, name)
    if not count:
        line(console, f"{name}: nothing has been written; hosts write when the program starts.")
    return 0


def stop(arguments: argparse.Namespace, console: Console) -> int:
    """Stop a job, and the unattended run that would start it again."""
    jobs = jobs_of(arguments, arguments.environment)
    name = arguments.job or jobs.newest()
    stopped = []
    execution = jobs.execution(name)
    if execution is not None and execution["status"] == "RUNNING":
        jobs.stop_execution(execution)
        stopped.append(str(execution["executionArn"]))
    else:
        jobs.stop(name)
        stopped.append(name)
    if arguments.json:
        as_json(console, {"stopped": stopped})
    else:
        line(console, f"{stopped[0]} is being stopped; its program has 120 s for a checkpoint.")
    return 0


def list_jobs(arguments: argparse.Namespace, console: Console) -> int:
    """List the environment's jobs."""
    jobs = jobs_of(arguments, arguments.environment)
    rows = jobs.rows(everything=arguments.all)
    if arguments.json:
        as_json(console, rows)
        return 0
    if not rows:
        line(console, f"{jobs.deployed.name}: no training jobs.")
        return 0
    console.print(jobs_table(rows, datetime.now(UTC)))
    return 0


def _say(
    console: Console,
    problems: Iterable[Problem],
    hints: Iterable[Problem],
    unknown: Iterable[str],
) -> None:
    faults = Console(stderr=True, soft_wrap=True, highlight=False)
    for problem in problems:
        faults.print(f"ERROR {problem}", markup=False)
    for hint in hints:
        faults.print(f"WARNING {hint}", markup=False)
    for reason in unknown:
        line(console, f"  {reason}", style="yellow")


CARRIED_OUT: Final[Mapping[str, Verb]] = {
    "recipes": recipes,
    "check": check,
    "submit": submit,
    "status": status,
    "logs": logs,
    "stop": stop,
    "list": list_jobs,
}
