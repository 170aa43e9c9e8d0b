"""What each command of `ultracluster train` does."""

import argparse
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rich.console import Console

from ultracluster.aws import Account
from ultracluster.catalogue.training_place import Place
from ultracluster.catalogue.training_request import parsed
from ultracluster.catalogue.training_rules import advice
from ultracluster.command_line import print_json, say
from ultracluster.environments import find
from ultracluster.exit_status import ALL_WELL, SOME_FAIL, UsageError
from ultracluster.train import display
from ultracluster.train.deployed import read, survey
from ultracluster.train.jobs import Jobs, NoSuchJobError
from ultracluster.train.recipe_files import find_recipe, registered, request_problems
from ultracluster.train.recipe_files import read as read_request
from ultracluster.train.submission import Prepared, prepare

Action = Callable[[argparse.Namespace, Console], int]
MOST_MINUTES: Final = 365 * 24 * 60


def jobs_of(arguments: argparse.Namespace, environment: str) -> Jobs:
    """Return the jobs of a deployed environment; all else is read from the account."""
    if arguments.region:
        name, region, account = environment, arguments.region, None
    else:
        spec, _ = find(environment)
        name, region, account = spec.name, spec.region, spec.account
    cloud = Account(region, account=account)
    return Jobs(cloud, read(cloud, name, region))


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
        place, unknown = survey(jobs.cloud, jobs.deployed)
    hints = list(advice(parsed(request))) if isinstance(request, Mapping) else []
    judged = Prepared(request, request_problems(request, place), hints, unknown)
    status = SOME_FAIL if judged.problems else ALL_WELL
    if arguments.json:
        print_json({**_verdict(judged), "exit_status": status})
        return status
    _say(console, judged)
    if not judged.problems:
        say(console, f"{arguments.request}: nothing is wrong with it that can be told here.")
    return status


def submit(arguments: argparse.Namespace, console: Console) -> int:
    recipe = find_recipe(arguments.recipe)
    if arguments.image:
        recipe = recipe.model_copy(update={"image": arguments.image})
    jobs = jobs_of(arguments, arguments.environment)
    now = datetime.now(UTC)
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
    ended = None
    if arguments.wait:
        following = display.Following(jobs, console)
        wait = following.until_execution_over if arguments.unattended else following.until_over
        with display.display_of(console, jobs.deployed.name, name):
            ended = wait(name, quiet=arguments.json)
    if arguments.json:
        document = {"name": name, "arn": arn, "request": prepared.request, "ended": ended}
        print_json(document)
    elif ended is None:
        say(console, f"  ultracluster train status {arguments.environment} {name}")
    if ended is None or ended.get("TrainingJobStatus") == "Completed":
        return ALL_WELL
    return ALL_WELL if ended.get("status") == "SUCCEEDED" else SOME_FAIL


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


def status(arguments: argparse.Namespace, console: Console) -> int:
    """Show where a job is, or an unattended run whose job has not begun."""
    jobs = jobs_of(arguments, arguments.environment)
    name = arguments.job or jobs.newest()
    following = display.Following(jobs, console)
    with display.display_of(console, jobs.deployed.name, name):
        try:
            job = jobs.describe(name)
        except NoSuchJobError:
            execution = jobs.execution(name)
            if execution is None:
                raise
            if arguments.wait:
                execution = following.until_execution_over(name, quiet=arguments.json)
            return _execution(arguments, console, execution)
        if arguments.wait:
            job = following.until_over(name, quiet=arguments.json)
    if arguments.json:
        _answer(job)
    elif not (arguments.wait and console.is_terminal):
        console.print(display.job_view(job, datetime.now(UTC)))
    return SOME_FAIL if job["TrainingJobStatus"] == "Failed" else ALL_WELL


def _execution(
    arguments: argparse.Namespace, console: Console, execution: Mapping[str, Any]
) -> int:
    if arguments.json:
        _answer(execution)
    else:
        say(console, f"{execution['name']}  unattended: {execution['status']}")
        for part in ("error", "cause"):
            if execution.get(part):
                say(console, f"  {part}: {execution[part]}")
    return SOME_FAIL if execution["status"] in ("FAILED", "TIMED_OUT") else ALL_WELL


def _answer(answer: Mapping[str, Any]) -> None:
    print_json({k: v for k, v in answer.items() if k != "ResponseMetadata"})


def logs(arguments: argparse.Namespace, console: Console) -> int:
    if arguments.minutes is not None and not 0 < arguments.minutes <= MOST_MINUTES:
        fix = f"write more than 0, at most {MOST_MINUTES:,}, a year"
        raise UsageError(f"--minutes {arguments.minutes:g}: {fix}")
    jobs = jobs_of(arguments, arguments.environment)
    name = arguments.job or jobs.newest()
    jobs.describe(name)
    since = None
    if arguments.minutes is not None:
        since = datetime.now(UTC) - timedelta(minutes=arguments.minutes)
    with display.display_of(console, jobs.deployed.name, name):
        count = display.Following(jobs, console).logs(name, follow=arguments.follow, since=since)
    if not count:
        say(console, f"{name}: nothing has been written; hosts write when the program starts.")
    return ALL_WELL


def stop(arguments: argparse.Namespace, console: Console) -> int:
    jobs = jobs_of(arguments, arguments.environment)
    stopped = name = arguments.job or jobs.newest()
    execution = jobs.execution(name)
    if execution is not None and execution["status"] == "RUNNING":
        jobs.stop_execution(execution)
        stopped = str(execution["executionArn"])
    else:
        try:
            jobs.stop(name)
        except NoSuchJobError as error:
            if execution is None:
                raise
            ended = f"{name}: its unattended run has ended ({execution['status']})"
            raise NoSuchJobError(f"{ended}; there is nothing to stop") from error
    words = f"{stopped} is being stopped; its program has 120 s for a checkpoint."
    display.told(console, {"stopped": [stopped]}, words, as_json=arguments.json)
    return ALL_WELL


def list_jobs(arguments: argparse.Namespace, console: Console) -> int:
    jobs = jobs_of(arguments, arguments.environment)
    rows = jobs.rows(everything=arguments.all)
    if rows and not arguments.json:
        console.print(display.jobs_table(rows, datetime.now(UTC)))
    else:
        display.told(
            console, rows, f"{jobs.deployed.name}: no training jobs.", as_json=arguments.json
        )
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
    "submit": submit,
    "status": status,
    "logs": logs,
    "stop": stop,
    "list": list_jobs,
}
