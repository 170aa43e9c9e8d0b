"""A recipe made into a request, judged, and sent."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from constructs_lib.catalogue.training_advice import advice
from constructs_lib.spec.problem import Problem
from constructs_lib.spec.recipe import RecipeSpec
from operations.training.check import request_problems
from operations.training.deployed import Deployed, survey
from operations.training.jobs import Jobs
from operations.training.request import build, is_of_run, job_name


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
    """Return the request of a recipe in an environment, with everything that is wrong with it.

    Args:
        recipe: what is to run.
        jobs: the environment's jobs.
        now: the time that the job is named by.
        run: the name that checkpoints are found by; None takes the recipe's.
        name: the job's; None makes one of environment, run and time.
    """
    deployed = jobs.deployed
    called = run or recipe.name
    request = build(recipe, deployed, name=name or job_name(deployed.name, called, now), run=called)
    surveyed = survey(jobs.cloud, deployed)
    found = request_problems(request, surveyed.place)
    found += _already_running(jobs, deployed, called)
    return Prepared(request, found, list(advice(request)), surveyed.unknown)


def _already_running(jobs: Jobs, deployed: Deployed, run: str) -> list[Problem]:
    """Two jobs of one run would write into the same checkpoints."""
    return [
        Problem("--run", run, f"{name} is running it, and writes its checkpoints; write another")
        for row in jobs.rows(status="InProgress")
        if is_of_run(name := str(row["TrainingJobName"]), deployed.name, run)
    ]
