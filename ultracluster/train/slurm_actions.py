"""What the commands of `ultracluster train` do for Slurm jobs."""

import argparse
import codecs
from collections.abc import Mapping
from functools import partial
from typing import Final

from rich.console import Console

from ultracluster.command_line import print_json, say
from ultracluster.exit_status import ALL_WELL, SOME_FAIL, UsageError
from ultracluster.problem import Problem
from ultracluster.tables import Column, Rows
from ultracluster.train.actions import Action, jobs_of
from ultracluster.train.display import (
    display_of,
    followed,
    followed_in_lines,
    row,
    say_problem,
    told,
)
from ultracluster.train.recipe_files import find_recipe
from ultracluster.train.slurm_jobs import BLOCK, OVER, Job, LoginNode, SlurmJobs
from ultracluster.train.submission import run_problems

SAGEMAKER_ALONE: Final = ("image", "name", "unattended")
SHOWN: Final = ("JobId", "JobName", "JobState", "Reason", "ExitCode", "NumNodes", "NodeList")
FAILING: Final = OVER - {"COMPLETED", "CANCELLED"}


def slurm_jobs(arguments: argparse.Namespace) -> SlurmJobs:
    """Return the Slurm jobs of a deployed environment."""
    found = jobs_of(arguments, arguments.environment)
    deployed = found.deployed
    if "slurm-queue" not in deployed.values:
        raise UsageError(f"{deployed.name}: it has no Slurm; leave --slurm out")
    node = LoginNode(found.cloud, deployed.name, deployed.region, arguments.user)
    return SlurmJobs(node, deployed, arguments.mount.rstrip("/"))


def submit(arguments: argparse.Namespace, console: Console) -> int:
    for option in SAGEMAKER_ALONE:
        if getattr(arguments, option):
            raise UsageError(f"--{option} is of SageMaker's jobs; leave it out with --slurm")
    recipe, jobs = find_recipe(arguments.recipe), slurm_jobs(arguments)
    run = arguments.run_name or recipe.name
    problems = [*run_problems(run, jobs.deployed.name), *jobs.problems(recipe)]
    if problems:
        return _refused(arguments, problems)
    if arguments.dry_run:
        words = jobs.command(recipe, run)
        told(console, {"arguments": words}, "\n".join(words), as_json=arguments.json)
        return ALL_WELL
    sent = jobs.submit(recipe, run)
    if isinstance(sent, Problem):
        return _refused(arguments, [sent])
    number = str(sent)
    if not arguments.json:
        say(console, f"Slurm job {number}: {recipe.nodes:,} x {recipe.instance_type}")
    ended = None
    if arguments.wait:
        with display_of(console, jobs.deployed.name, number):
            ended = _until_over(jobs, console, number, quiet=arguments.json)
    if arguments.json:
        print_json({"job": number, "ended": ended})
    elif ended is None:
        say(console, f"  ultracluster train logs {arguments.environment} {number}")
    return SOME_FAIL if ended is not None and ended["JobState"] != "COMPLETED" else ALL_WELL


def _refused(arguments: argparse.Namespace, problems: list[Problem]) -> int:
    for problem in problems:
        say_problem(problem)
    if arguments.json:
        print_json({"problems": [row(problem) for problem in problems]})
    return SOME_FAIL


def _until_over(jobs: SlurmJobs, console: Console, number: str, *, quiet: bool) -> Job:
    """Print a line for each change until a job has ended, and return it as it was then."""
    look = partial(jobs.describe, number)
    return followed_in_lines(console, number, look, _words, _is_over, quiet=quiet)


def _is_over(job: Mapping[str, str]) -> bool:
    return job["JobState"] in OVER


def _words(job: Mapping[str, str]) -> str:
    reason = job.get("Reason", "None")
    return job["JobState"] + ("" if reason in ("None", "") else f" ({reason})")


def status(arguments: argparse.Namespace, console: Console) -> int:
    jobs = slurm_jobs(arguments)
    number = arguments.job or jobs.newest()
    if arguments.wait:
        with display_of(console, jobs.deployed.name, number):
            job = _until_over(jobs, console, number, quiet=arguments.json)
    else:
        job = jobs.describe(number)
    if arguments.json:
        print_json(job)
    elif not arguments.wait:
        for name in SHOWN:
            if job.get(name) not in (None, "", "None", "(null)"):
                say(console, f"{name:<10} {job[name]}")
    return SOME_FAIL if job["JobState"] in FAILING else ALL_WELL


def logs(arguments: argparse.Namespace, console: Console) -> int:
    """Print a job's output; also of one that Slurm has forgotten, as its file is still there."""
    if arguments.minutes is not None:
        raise UsageError("--minutes: Slurm's output has no times; leave it out")
    jobs = slurm_jobs(arguments)
    number = arguments.job or jobs.newest()
    offset = 0
    text = codecs.getincrementaldecoder("utf-8")("replace")

    def look() -> bool:
        nonlocal offset
        # Asked before the output is read: what is written after the end is still printed.
        over = not arguments.follow or _is_over(jobs.describe(number))
        while block := jobs.output(number, offset):
            offset += len(block)
            console.out(text.decode(block), end="")
            if len(block) < BLOCK:
                break
        return over

    with display_of(console, jobs.deployed.name, number):
        followed(look, bool)
    if not offset:
        say(console, f"{number}: nothing has been written.")
    return ALL_WELL


def stop(arguments: argparse.Namespace, console: Console) -> int:
    jobs = slurm_jobs(arguments)
    number = arguments.job or jobs.newest()
    jobs.cancel(number)
    words = f"{number} is cancelled; its last whole checkpoint stays."
    told(console, {"stopped": [number]}, words, as_json=arguments.json)
    return ALL_WELL


def list_jobs(arguments: argparse.Namespace, console: Console) -> int:
    jobs = slurm_jobs(arguments)
    rows = jobs.rows(everything=arguments.all)
    if arguments.json or not rows:
        told(console, rows, f"{jobs.deployed.name}: no Slurm jobs.", as_json=arguments.json)
        return ALL_WELL
    names = ("JobId", "JobName", "JobState", "NumNodes", "UserId")
    table = Rows([Column(name) for name in names])
    for each in rows:
        table.add(*(each[name] for name in names))
    console.print(table)
    return ALL_WELL


ACTIONS: Final[Mapping[str, Action]] = {
    "submit": submit,
    "status": status,
    "logs": logs,
    "stop": stop,
    "list": list_jobs,
}
