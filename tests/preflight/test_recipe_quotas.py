"""Warm pools and long runs: asked for where a recipe takes them, and not otherwise."""

import json
from pathlib import Path
from typing import Any

from tests.preflight.account import Answering, always
from tests.preflight.jobs import COLD, DAY, POOLS, WARM
from tests.preflight.one import empty, in_use
from tests.preflight.specs import MADE, NOW
from ultracluster.preflight.finding import Verdict
from ultracluster.preflight.preflight import preflight

GOLDEN = Path(__file__).parents[2] / "golden"


def finding(check: str, cloud: Answering, *recipes: Any) -> Any:
    """Return the one finding of a check, with recipes."""
    (result,) = preflight(MADE, cloud, NOW, only=[check], recipes=recipes).results
    (found,) = result.findings
    return found


def test_the_last_instance_is_enough_and_one_less_is_not():
    """The quota is 0 in a new account, and a job waits for it without a word."""
    cloud = empty()
    cloud.quotas[POOLS] = 2
    assert finding("quota-training-warm-pools", cloud, WARM, COLD).verdict is Verdict.PASS

    cloud.quotas[POOLS] = 1
    found = finding("quota-training-warm-pools", cloud, WARM, COLD)
    assert found.verdict is Verdict.FAIL
    assert f"--quota-code {POOLS} --desired-value 2 " in found.fix_command


def test_a_run_longer_than_the_account_allows_is_a_fail():
    """28 days are the API's limit; an account has 5 until somebody asks for more."""
    month = WARM.limits.model_copy(update={"max_runtime_seconds": 28 * DAY})
    long = WARM.model_copy(update={"limits": month})
    cloud = empty()
    cloud.quotas["L-00000003"] = 5 * DAY

    found = finding("quota-training-run-time", cloud, long, COLD)
    assert found.verdict is Verdict.FAIL
    assert f"--quota-code L-00000003 --desired-value {28 * DAY} " in found.fix_command
    assert "--recipe" in finding("quota-training-run-time", cloud).found

    cloud.quotas["L-00000003"] = 28 * DAY
    assert finding("quota-training-run-time", cloud, long, COLD).verdict is Verdict.PASS


def test_nothing_is_asked_for_that_no_recipe_takes():
    """An environment names no recipes: a quota of 0 is no fault of it."""
    cloud = empty()
    cloud.quotas[POOLS] = 0

    assert "--recipe" in finding("quota-training-warm-pools", cloud).found
    said = finding("quota-training-warm-pools", cloud, COLD).found
    assert f"is in no recipe of {COLD.name}" in said


def test_spot_jobs_of_others_leave_the_quota_of_the_type_alone():
    """They have one of their own, and count among all instances."""
    cloud = empty()
    names = [{"TrainingJobName": name} for name in ("spot", "other")]
    cloud.change("sagemaker", "list_training_jobs", always(TrainingJobSummaries=names))
    cloud.change(
        "sagemaker",
        "describe_training_job",
        lambda given: {
            "EnableManagedSpotTraining": given["TrainingJobName"] == "spot",
            "ResourceConfig": {
                "InstanceType": "ml.p4d.24xlarge",
                "InstanceCount": 5 if given["TrainingJobName"] == "spot" else 7,
            },
        },
    )

    assert in_use(finding("quota-training-instances", cloud)) == 7
    assert in_use(finding("quota-training-instances-in-all", cloud)) == 12


def test_pools_in_use_are_those_that_wait_and_those_taken_over():
    """A pool that was let go takes no quota; one that both lists name counts once."""
    cloud = empty()
    of_status = {"Available": ["a", "b"], "InUse": ["b", "c"]}
    cloud.change(
        "sagemaker",
        "list_training_jobs",
        lambda given: {
            "TrainingJobSummaries": [
                {"TrainingJobName": name} for name in of_status[given["WarmPoolStatusEquals"]]
            ]
        },
    )

    assert in_use(finding("quota-training-warm-pools", cloud, WARM)) == 3 * 3


def test_a_type_whose_quota_is_not_listed_is_skipped():
    """SageMaker's quotas are found by name; none of that name says nothing."""
    cloud = empty()
    del cloud.quotas["L-00000001"]

    assert finding("quota-training-warm-pools", cloud, WARM).verdict is Verdict.SKIP


def test_no_environment_launches_spot_instances():
    """EC2's quota of Spot vCPU is therefore asked of nobody."""
    texts = [path.read_text() for path in GOLDEN.rglob("*.json")]
    assert len(texts) > 2

    for text in texts:
        resources = json.loads(text).get("Resources", {}).values()
        stated = json.dumps([resource.get("Properties") for resource in resources])
        for words in ('"MarketType": "spot"', '"SPOT"', "SpotPrice", "MixedInstancesPolicy"):
            assert words not in stated
