"""Training jobs in a rehearsal: submitted directly and unattended, and compared with AWS's answer.

Nothing is trained. What is shown is that a recipe and a deployed environment make a request that
every rule takes, that the API takes it as it is, and that the job is found again.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from ultracluster.catalogue.training_request import SYNC_MEMBERS
from ultracluster.prove.proof import Check, Evidence, equal
from ultracluster.rehearse.direct import MOST_SECONDS, SOON
from ultracluster.spec.engines import TorchrunEngine
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.limits import CheckpointSpec, LimitsSpec
from ultracluster.spec.model import DataSpec, ModelSpec
from ultracluster.spec.recipe import NVIDIA, RecipeSpec
from ultracluster.train.deployed import read
from ultracluster.train.jobs import EXECUTION, TRAINING, Jobs
from ultracluster.train.submission import prepare
from ultracluster.waiting import until

TAG: Final = "rehearsal"
NOT_DESCRIBED: Final = ("Tags",)

Answer = dict[str, Any]


def rehearsal_recipe(spec: EnvironmentSpec) -> RecipeSpec | None:
    """Return a job that takes all SageMaker instances of an environment.

    None where it asks for none, or for a type that no engine here trains on.
    """
    instance, nodes = spec.nodes.instance, spec.sagemaker.instances
    gpus = instance.accelerator.count
    trains = instance.accelerator.manufacturer == NVIDIA and gpus
    if not nodes or not trains or instance.sagemaker_training_type is None:
        return None
    return RecipeSpec(
        name="rehearsal",
        model=ModelSpec(layers=2, width=256, heads=4),
        data=DataSpec(global_batch=nodes * gpus),
        steps=10,
        nodes=nodes,
        instance_type=spec.nodes.instance_type,
        partition_size=gpus,
        engine=TorchrunEngine(base="smoke"),
        checkpoint=CheckpointSpec(every_steps=5),
        limits=LimitsSpec(max_runtime_seconds=3600, max_pending_seconds=3600),
        image=TAG,
    )


def training_jobs(recipe: RecipeSpec, evidence: Evidence) -> Iterator[Check]:
    """Submit a recipe directly and unattended; what AWS describes is what was requested."""
    cloud, spec = evidence.cloud, evidence.spec
    jobs = Jobs(cloud, read(cloud, spec.name, spec.region))
    repository = jobs.deployed["image-repository-uri"].partition("/")[2]
    # Nothing is run, so that a manifest alone is enough of an image.
    image = {"imageManifest": '{"schemaVersion":2}', "imageTag": TAG}
    cloud.ask("ecr", "put_image", repositoryName=repository, **image)
    try:
        yield from _direct(recipe, jobs)
        yield from _unattended(recipe, jobs)
    finally:
        images = {"repositoryName": repository, "imageIds": [{"imageTag": TAG}]}
        cloud.ask("ecr", "batch_delete_image", **images)


def _direct(recipe: RecipeSpec, jobs: Jobs) -> Iterator[Check]:
    prepared = prepare(recipe, jobs, datetime.now(UTC), run="direct")
    yield equal("problems of the request", [], [str(problem) for problem in prepared.problems])
    yield equal("checks that were left out", [], prepared.unknown)
    name = str(prepared.request["TrainingJobName"])
    arn = jobs.submit(prepared.request)
    described = jobs.describe(name)
    yield equal("ARN of the job", arn, described["TrainingJobArn"])
    yield from _same(prepared.request, described)
    listed = [row["TrainingJobName"] for row in jobs.rows()]
    yield Check("the job among those of the environment", name, listed, ok=name in listed)
    again = prepare(recipe, jobs, datetime.now(UTC), run="direct")
    fields = [problem.field for problem in again.problems]
    yield equal("what refuses a second job of the same run", ["--run"], fields)
    ended = until(lambda: jobs.describe(name), TRAINING.is_over, MOST_SECONDS, SOON)
    yield equal("how the job ended", "Completed", ended["TrainingJobStatus"])


def _unattended(recipe: RecipeSpec, jobs: Jobs) -> Iterator[Check]:
    prepared = prepare(recipe, jobs, datetime.now(UTC), run="unattended")
    yield equal("problems of the second request", [], [str(each) for each in prepared.problems])
    name = str(prepared.request["TrainingJobName"])
    jobs.start(prepared.request)
    execution = until(
        lambda: jobs.execution(name) or {},
        lambda found: found.get("status") in EXECUTION.over,
        MOST_SECONDS,
        SOON,
    )
    yield equal("how the unattended run ended", "SUCCEEDED", execution.get("status"))
    passed_on = {key: value for key, value in prepared.request.items() if key in SYNC_MEMBERS}
    yield from _same(passed_on, jobs.describe(name))


def _same(request: dict[str, Any], described: dict[str, Any]) -> Iterator[Check]:
    for name, wanted in request.items():
        if name not in NOT_DESCRIBED:
            yield equal(f"{name} of the job", wanted, described.get(name))
