"""Quotas of SageMaker training: instances of the type, of one job, and of all jobs together."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from operations.preflight.finding import Check, Finding, Situation, skipped
from operations.preflight.question import question
from operations.preflight.quotas import Demand, Quota, judged

JOBS: Final = question("sagemaker", "list_training_jobs", StatusEquals="InProgress", MaxResults=100)
Usage = Callable[[Situation], int]
NONE_ASKED: Final = "the environment asks for no SageMaker instances"


def _of_type(situation: Situation) -> Iterator[Finding]:
    name = situation.spec.nodes.instance.sagemaker_training_type or ""
    quota = Quota("sagemaker", f"{name} for training job usage")
    yield from _judged(situation, quota, lambda s: in_use(s)[name])


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


def in_use(situation: Situation) -> Counter[str]:
    """Return how many instances of each type the jobs in progress have."""
    names = [row["TrainingJobName"] for row in situation.ask(JOBS)["TrainingJobSummaries"]]
    counts: Counter[str] = Counter()
    for job in situation.inquiry.together(
        [question("sagemaker", "describe_training_job", TrainingJobName=name) for name in names]
    ):
        resources = job["ResourceConfig"]
        for group in resources.get("InstanceGroups") or [resources]:
            counts[group["InstanceType"]] += int(group["InstanceCount"])
    return counts


CHECKS: Final = (
    Check("quota-training-instances", "SageMaker training instances of the type", _of_type),
    Check("quota-training-job-instances", "SageMaker instances of one job", _of_a_job),
    Check("quota-training-instances-in-all", "SageMaker instances of all jobs", _of_all_jobs),
)
