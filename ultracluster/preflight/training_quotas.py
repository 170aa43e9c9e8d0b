"""Quotas of SageMaker training: instances of the type, of one job, and of all jobs together.

Spot capacity and warm pools have quotas of their own; they are asked for where a recipe is named
that takes either.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ultracluster.preflight.finding import Check, Finding, Situation, skipped
from ultracluster.preflight.inquiry import Answer
from ultracluster.preflight.question import question
from ultracluster.preflight.quotas import Demand, Quota, judged
from ultracluster.spec.recipe import RecipeSpec

JOBS: Final = question("sagemaker", "list_training_jobs", StatusEquals="InProgress", MaxResults=100)
Usage = Callable[[Situation], int]
NONE_ASKED: Final = "the environment asks for no SageMaker instances"
WARM: Final = ("Available", "InUse")
"""A pool that waits, and one that a job has taken over (CreateTrainingJob, botocore 1.43.106)."""


def _of_type(situation: Situation) -> Iterator[Finding]:
    name = situation.spec.nodes.instance.sagemaker_training_type or ""
    quota = Quota("sagemaker", f"{name} for training job usage")
    yield from _judged(situation, quota, lambda s: in_use(s, spot=False)[name])


def _of_spot(situation: Situation) -> Iterator[Finding]:
    recipes = [each for each in situation.recipes if each.spot]
    names = {each.instance.sagemaker_training_type or "" for each in recipes}
    if not recipes:
        yield skipped("spot training", _no_recipe(situation, "spot=True"))
    for name in sorted(names):
        quota = Quota("sagemaker", f"{name} for spot training job usage")
        yield from judged(_of_recipes(quota, name, recipes, _spot_of(name)), situation)


def _spot_of(name: str) -> Usage:
    return lambda situation: in_use(situation, spot=True)[name]


def _of_pools(situation: Situation) -> Iterator[Finding]:
    recipes = [each for each in situation.recipes if each.warm_pool_seconds]
    names = {each.instance.sagemaker_training_type or "" for each in recipes}
    if not recipes:
        yield skipped("warm pools", _no_recipe(situation, "warm_pool_seconds"))
    for name in sorted(names):
        quota = Quota("sagemaker", f"{name} for training warm pool usage")
        yield from judged(_of_recipes(quota, name, recipes, _pooled_of(name)), situation)


def _pooled_of(name: str) -> Usage:
    return lambda situation: _instances(situation, _warm_jobs(situation))[name]


def _of_recipes(quota: Quota, name: str, recipes: Sequence[RecipeSpec], usage: Usage) -> Demand:
    own = [each for each in recipes if each.instance.sagemaker_training_type == name]
    words = " + ".join(f"{each.nodes:,} of {each.name}" for each in own)
    return Demand(quota, sum(each.nodes for each in own), words, usage)


def _no_recipe(situation: Situation, what: str) -> str:
    if situation.recipes:
        names = ", ".join(each.name for each in situation.recipes)
        return f"{what} is in no recipe of {names}"
    return "no recipe was named; --recipe NAME asks for what its job takes"


def _of_a_job(situation: Situation) -> Iterator[Finding]:
    quota = Quota("sagemaker", "Maximum number of instances per training job")
    yield from _judged(situation, quota, lambda _: 0, "in one job")


def _of_all_jobs(situation: Situation) -> Iterator[Finding]:
    quota = Quota("sagemaker", "Number of instances across all training jobs")
    yield from _judged(situation, quota, lambda s: sum(in_use(s).values()))


def _judged(situation: Situation, quota: Quota, usage: Usage, how: str = "") -> Iterator[Finding]:
    count = situation.spec.sagemaker.instances
    if not count:
        yield skipped(quota.name, NONE_ASKED)
        return
    name = situation.spec.nodes.instance.sagemaker_training_type
    words = " ".join(filter(None, (f"{count:,} x {name}", how)))
    yield from judged(Demand(quota, count, words, usage), situation)


def in_use(situation: Situation, *, spot: bool | None = None) -> Counter[str]:
    """Return how many instances of each type the jobs in progress have.

    Args:
        situation: the account.
        spot: jobs on spot capacity alone, or all others; None takes both.
    """
    return _instances(situation, situation.ask(JOBS)["TrainingJobSummaries"], spot=spot)


def _warm_jobs(situation: Situation) -> list[Answer]:
    rows: dict[str, Answer] = {}
    for status in WARM:
        asked = question(
            "sagemaker", "list_training_jobs", WarmPoolStatusEquals=status, MaxResults=100
        )
        for row in situation.ask(asked)["TrainingJobSummaries"]:
            rows[row["TrainingJobName"]] = row
    return list(rows.values())


def _instances(
    situation: Situation, rows: Sequence[Answer], *, spot: bool | None = None
) -> Counter[str]:
    names = [row["TrainingJobName"] for row in rows]
    counts: Counter[str] = Counter()
    for job in situation.inquiry.together(
        [question("sagemaker", "describe_training_job", TrainingJobName=name) for name in names]
    ):
        if spot is not None and bool(job.get("EnableManagedSpotTraining")) != spot:
            continue
        resources = job["ResourceConfig"]
        for group in resources.get("InstanceGroups") or [resources]:
            counts[group["InstanceType"]] += int(group["InstanceCount"])
    return counts


CHECKS: Final = (
    Check("quota-training-instances", "SageMaker training instances of the type", _of_type),
    Check("quota-training-spot-instances", "SageMaker spot instances of recipes", _of_spot),
    Check("quota-training-warm-pools", "SageMaker warm pools of recipes", _of_pools),
    Check("quota-training-job-instances", "SageMaker instances of one job", _of_a_job),
    Check("quota-training-instances-in-all", "SageMaker instances of all jobs", _of_all_jobs),
)
