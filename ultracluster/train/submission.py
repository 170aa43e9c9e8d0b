"""A recipe made into a request, judged, and sent."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ultracluster.catalogue.training_advice import advice
from ultracluster.catalogue.training_request import parsed
from ultracluster.problem import Problem
from ultracluster.spec.environment import LONGEST_NAME
from ultracluster.spec.recipe import RecipeSpec
from ultracluster.train.deployed import Deployed, survey
from ultracluster.train.jobs import Jobs
from ultracluster.train.request import LONGEST_BASE, build, is_of_run, job_name
from ultracluster.train.request_file import request_problems

RUN: Final = re.compile(r"[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*")


@dataclass
class Prepared:
    """A request that is ready to be sent, or what is wrong with it."""

    request: dict[str, Any]
    problems: list[Problem]
    advice: list[Problem] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """What could not be checked, and why."""


def prepare(
    recipe: RecipeSpec,
    jobs: Jobs,
    now: datetime,
    *,
    run: str | None = None,
    name: str | None = None,
) -> Prepared:
    """Return the request of a recipe in an environment, with everything that is wrong with it."""
    deployed = jobs.deployed
    called = run or recipe.name
    request = build(recipe, deployed, name=name or job_name(deployed.name, called, now), run=called)
    # What is wrong with its name is wrong with job, tags and paths, too: it is said once.
    if unfit := list(run_problems(called, deployed.name)):
        return Prepared(request, unfit)
    if name is not None and not name.startswith(f"{deployed.name}-"):
        fix = "its roles start and follow jobs of this environment's name alone"
        return Prepared(
            request, [Problem("--name", name, f'{fix}; write "{deployed.name}-{name}"')]
        )
    surveyed = survey(jobs.cloud, deployed)
    found = request_problems(request, surveyed.place)
    found += _already_running(jobs, deployed, called)
    return Prepared(request, found, list(advice(parsed(request))), surveyed.unknown)


def run_problems(run: str, environment: str) -> Iterator[Problem]:
    """Yield why nothing can be named after a run."""
    # What is longer is cut in the names of jobs, where two runs would then be one.
    longest = max(LONGEST_NAME, LONGEST_BASE - len(environment) - 1)
    if RUN.fullmatch(run) and len(run) <= longest:
        return
    clean = re.sub(r"[^a-zA-Z0-9]+", "-", run).strip("-")[:longest].rstrip("-") or "run"
    fix = f"a run's name has letters, digits and single hyphens, {longest} at most"
    yield Problem("--run", run, f'{fix}; write "{clean}"')


def _already_running(jobs: Jobs, deployed: Deployed, run: str) -> list[Problem]:
    """Two jobs of one run would write into the same checkpoints."""
    return [
        Problem("--run", run, f"{name} is running it, and writes its checkpoints; write another")
        for row in jobs.rows(status="InProgress")
        if is_of_run(name := str(row["TrainingJobName"]), deployed.name, run)
    ]
