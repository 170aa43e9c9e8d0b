"""Creates a CreateTrainingJob request from a recipe, checks it and sends it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.catalogue.training_request import parsed
from ultracluster.catalogue.training_rules import FABRIC, advice
from ultracluster.problem import Problem
from ultracluster.spec.environment import LONGEST_NAME
from ultracluster.spec.recipe import CHANNEL, LOCAL_CHECKPOINTS, RecipeSpec
from ultracluster.train.deployed import Deployed, survey
from ultracluster.train.jobs import Jobs
from ultracluster.train.recipe_files import request_problems

LONGEST_BASE: Final = 47
"""Of the 63 characters of a job's name 12 are the time, and 3 what a repeated attempt adds."""
NUMBER: Final = r"([-+]?(?:[0-9.]+(?:e[-+]?[0-9]+)?|nan|inf))"
METRICS: Final[Mapping[str, str]] = {
    "train:loss": rf"step +\d+  loss +{NUMBER}",
    "train:gradient_norm": rf"  norm +{NUMBER}",
    "train:learning_rate": rf"  lr {NUMBER}",
    "train:mfu_percent": rf"  mfu +{NUMBER}%",
    "train:memory_gib": rf" {NUMBER} GiB",
    "train:step_seconds": rf" GiB +{NUMBER} s",
    "train:step": rf"step +{NUMBER}  loss",
    "train:skipped": r"SKIPPED ([0-9]+) in a row",
    "validation:loss": rf"held-out loss {NUMBER}",
}
"""What the training program prints for people (training/metrics.py). Tokens per second are printed
with separators, which no number has: tokens of a batch over train:step_seconds is the same."""


def base_name(environment: str, run: str) -> str:
    return f"{environment}-{run}"[:LONGEST_BASE].rstrip("-")


def job_name(environment: str, run: str, now: datetime) -> str:
    """Return a name that no other job has: SageMaker never forgets one."""
    return f"{base_name(environment, run)}-{now:%y%m%d%H%M%S}"


def is_of_run(name: str, environment: str, run: str) -> bool:
    """Whether a job of that name belongs to a run."""
    base = re.escape(base_name(environment, run))
    return re.fullmatch(rf"{base}-\d{{12}}(-\d+)?", name) is not None


def build(recipe: RecipeSpec, deployed: Deployed, *, name: str, run: str) -> dict[str, Any]:
    """Return the request of a job; a run is the name that checkpoints are found by."""
    bucket, limits, entrypoint = deployed["data-bucket"], recipe.limits, recipe.engine.entrypoint
    image = recipe.image  # a whole URI, or a tag of the environment's repository
    if "/" not in image:
        image = f"{deployed['image-repository-uri']}:{image}"
    stopping = {
        "MaxRuntimeInSeconds": limits.max_runtime_seconds,
        "MaxPendingTimeInSeconds": limits.max_pending_seconds,
    }
    warm = recipe.warm_pool_seconds
    # Our entry point then fails the job in seconds where EFA is missing: no silent TCP.
    own = {FABRIC: "efa"} if entrypoint and recipe.nodes > 1 else {}
    tags = {
        ENVIRONMENT_TAG: deployed.name,
        "ultracluster:recipe": recipe.name,
        "ultracluster:run": run,
        **dict(recipe.tags),
    }
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {
            "TrainingImage": image,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": n, "Regex": regex} for n, regex in METRICS.items()],
            **({"ContainerEntrypoint": list(entrypoint)} if entrypoint else {}),
        },
        "HyperParameters": recipe.hyperparameters(run),
        **placed(deployed),
        "ResourceConfig": {
            "InstanceType": recipe.instance.sagemaker_training_type,
            "InstanceCount": recipe.nodes,
            # Of no effect where the disk is local NVMe; every client that is known sends it.
            "VolumeSizeInGB": recipe.volume_gib,
            **({"KeepAlivePeriodInSeconds": warm} if warm else {}),
        },
        "StoppingCondition": {n: value for n, value in stopping.items() if value is not None},
        "CheckpointConfig": {
            "S3Uri": f"s3://{bucket}/jobs/{run}",
            "LocalPath": LOCAL_CHECKPOINTS,
        },
        "RetryStrategy": {"MaximumRetryAttempts": recipe.retry_attempts},
        "InfraCheckConfig": {"EnableInfraCheck": recipe.infra_check},
        "Environment": {**own, **dict(recipe.environment)},
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        # IPsec between hosts slows distributed training, and EFA's traffic, which bypasses the
        # kernel, is not what it encrypts; the fabric's only peers are its own members.
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": False,
        "EnableNetworkIsolation": False,
    }


def placed(deployed: Deployed) -> dict[str, Any]:
    """Return the members of a request that any job of an environment has: role, data, network."""
    file_system = {
        "FileSystemId": deployed["file-system-id"],
        "FileSystemType": "FSxLustre",
        # All of it, to be read and written: data and checkpoints are folders of it.
        "FileSystemAccessMode": "rw",
        "DirectoryPath": f"/{deployed['lustre-mount-name']}",
    }
    channel = {"ChannelName": CHANNEL, "InputMode": "File"}
    return {
        "RoleArn": deployed["execution-role-arn"],
        "InputDataConfig": [
            {**channel, "DataSource": {"FileSystemDataSource": file_system}},
        ],
        "OutputDataConfig": {
            "S3OutputPath": f"s3://{deployed['data-bucket']}/output",
            "KmsKeyId": deployed["data-key-arn"],
            # A model's weights do not become smaller by it, and a node waits for it.
            "CompressionType": "NONE",
        },
        "VpcConfig": {
            "SecurityGroupIds": list(deployed.listed("security-group-ids")),
            "Subnets": list(deployed.listed("subnet-ids")),
        },
    }


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
        fix = f'{fix}; write "{deployed.name}-{name}"'
        return Prepared(request, [Problem("--name", name, fix)])
    place, unknown = survey(jobs.cloud, deployed)
    found = request_problems(request, place)
    # Two jobs of one run would write into the same checkpoints.
    for row in jobs.rows(status="InProgress"):
        if is_of_run(other := str(row["TrainingJobName"]), deployed.name, called):
            fix = f"{other} is running it, and writes its checkpoints; write another"
            found.append(Problem("--run", called, fix))
    return Prepared(request, found, list(advice(parsed(request))), unknown)


def run_problems(run: str, environment: str) -> Iterator[Problem]:
    """Yield why nothing can be named after a run."""
    # What is longer is cut in the names of jobs, where two runs would then be one.
    longest = max(LONGEST_NAME, LONGEST_BASE - len(environment) - 1)
    if RUN.fullmatch(run) and len(run) <= longest:
        return
    clean = re.sub(r"[^a-zA-Z0-9]+", "-", run).strip("-")[:longest].rstrip("-") or "run"
    fix = f"a run's name has letters, digits and single hyphens, {longest} at most"
    yield Problem("--run", run, f'{fix}; write "{clean}"')
