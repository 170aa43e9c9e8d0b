"""SAGEMAKER rules about what is written in a training request; the catalogue judges all of it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ultracluster.catalogue.training_request import (
    ENCRYPTED,
    NO_CHECKPOINTS,
    NO_VPC,
    OUT_OF_RANGE,
    TOO_MANY_IN_VPC,
    VARIABLE,
    VOLUME_KEY,
    WAIT_BELOW_RUN,
)
from ultracluster.model.jobs import TrainingJob
from ultracluster.model.model import Model
from ultracluster.problem import Problem
from ultracluster.rules.rule import Fault, Judge
from ultracluster.rules.sagemaker_jobs import DESCRIBE, MODEL, VPC_GUIDE
from ultracluster.rules.subjects import jobs
from ultracluster.templates.resolved import Link, Text
from ultracluster.templates.resolved_values import (
    UndeterminedError,
    part,
    settled,
    shown,
    unknown_within,
)

OF_OTHER_RULES: Final = frozenset(
    {TOO_MANY_IN_VPC, VOLUME_KEY, NO_VPC, OUT_OF_RANGE, WAIT_BELOW_RUN, ENCRYPTED, NO_CHECKPOINTS}
    | {VARIABLE}
)
"""Codes that a rule of its own looks for; VARIABLE is of the FABRIC rules about environments."""


def _refused(job: TrainingJob, region: str | None = None) -> Iterator[Problem]:
    # Loaded for templates with a job alone: most have none.
    from ultracluster.catalogue.training_rules import alone  # noqa: PLC0415

    return alone(job.parsed, region)


def _advice(job: TrainingJob) -> Iterator[Problem]:
    from ultracluster.catalogue.training_advice import advice  # noqa: PLC0415

    return advice(job.parsed)


def _fault(problem: Problem) -> Fault:
    return Fault(f"{problem.field}: got {shown(problem.got)}", fix=problem.fix)


def _judge(codes: Iterable[str], fields: Iterable[str]) -> Judge[TrainingJob]:
    """Return a judge that yields the catalogue's problems of some codes.

    Args:
        codes: what they are about.
        fields: what must be known to tell.
    """

    def judge(_model: Model, job: TrainingJob) -> Iterator[Fault]:
        for field in fields:
            settled(part(job.request, *field.split(".")))
        for entry in job.resources():
            settled(part(entry, "InstanceType"))
        for problem in (*_refused(job), *_advice(job)):
            if problem.code in codes:
                yield _fault(problem)

    return judge


def _others(job: TrainingJob, problems: Iterable[Problem]) -> Iterator[Fault]:
    """Yield the problems that no other rule looks for.

    Raises:
        UndeterminedError: where anything of the request is not known: problems span fields.
    """
    # Of a request that a transform makes not even this is known.
    settled(job.at("ResourceConfig"))
    if unknown := unknown_within(job.request):
        raise UndeterminedError(unknown.because)
    for problem in problems:
        if problem.code not in OF_OTHER_RULES and not _is_reference(job.request, problem.field):
            yield _fault(problem)


def _is_reference(request: Any, field: str) -> bool:
    """Whether a value refers to a resource, which is as good as any id."""
    for name in re.findall(r"[^.\[\]]+", field):
        if isinstance(request, Mapping):
            request = request.get(name)
        elif isinstance(request, list) and name.isdecimal() and int(name) < len(request):
            request = request[int(name)]
    values = request if isinstance(request, list) else [request]
    return any(isinstance(value, Link | Text) for value in values)


sized_vpc_config = jobs.fatal(
    "SAGEMAKER-1",
    what="A training job names more subnets or security groups than SageMaker takes.",
    why="VpcConfig takes 16 subnets and 5 security groups; the job is refused.",
    source=MODEL,
    fix="keep 16 Subnets and 5 SecurityGroupIds",
    check=f"{DESCRIBE} --query VpcConfig",
)(_judge({TOO_MANY_IN_VPC}, ("VpcConfig.Subnets", "VpcConfig.SecurityGroupIds")))

no_key_for_local_disks = jobs.fatal(
    "SAGEMAKER-2",
    what="A key is given for volumes of an instance type with local NVMe.",
    why="Local disks are encrypted by the hardware and take no key: SageMaker refuses "
    "VolumeKmsKeyId on ml.p4d and its like.",
    source="SageMaker API reference, ResourceConfig; aws-cdk issues; read 2026-11-23",
    fix="remove VolumeKmsKeyId",
    check=f"{DESCRIBE} --query ResourceConfig.VolumeKmsKeyId",
)(_judge({VOLUME_KEY}, ("ResourceConfig.VolumeKmsKeyId",)))

vpc_for_file_systems = jobs.fatal(
    "SAGEMAKER-5",
    what="A job reads a Lustre file system without being in a VPC.",
    why="The file system is reached through the VPC only; the job is refused.",
    source=f"{VPC_GUIDE}; SageMaker API reference, FileSystemDataSource",
    fix="write VpcConfig with the subnet and a client group of the file system",
    check=f"{DESCRIBE} --query '[VpcConfig,InputDataConfig]'",
)(_judge({NO_VPC}, ("VpcConfig", "InputDataConfig")))

times_in_range = jobs.fatal(
    "SAGEMAKER-8",
    what="A time or a number of attempts of a job is outside of what SageMaker takes.",
    why="A job runs 28 days at most with all its retries, is retried 1 to 30 times, and its "
    "instances are kept for 21,600 s; anything else is refused at the start of the job.",
    source=MODEL,
    fix="write MaxRuntimeInSeconds up to 2419200, KeepAlivePeriodInSeconds up to 21600, "
    "MaximumRetryAttempts 1 to 30",
    check=f"{DESCRIBE} --query '[StoppingCondition,ResourceConfig,RetryStrategy]'",
)(
    _judge(
        {OUT_OF_RANGE},
        (
            "StoppingCondition.MaxRuntimeInSeconds",
            "ResourceConfig.KeepAlivePeriodInSeconds",
            "RetryStrategy.MaximumRetryAttempts",
        ),
    )
)

unencrypted_fabric = jobs.warning(
    "SAGEMAKER-9",
    what="Traffic between containers is encrypted on instances with EFA.",
    why="It asks for IPsec between hosts, which slows distributed training and costs more, while "
    "EFA's traffic does not pass through the kernel that would encrypt it.",
    source="SageMaker developer guide, train-encrypt; training facts c.5; read 2026-11-23",
    fix="write EnableInterContainerTrafficEncryption: false, or excuse it with what demands it",
    check=f"{DESCRIBE} --query EnableInterContainerTrafficEncryption",
)(_judge({ENCRYPTED}, ("EnableInterContainerTrafficEncryption",)))

checkpoints_on_spot = jobs.warning(
    "SAGEMAKER-10",
    what="A job on spot capacity has no checkpoints, or waits for less than it runs.",
    why="SageMaker starts an interrupted job from nothing, and refuses a MaxWaitTimeInSeconds "
    "below MaxRuntimeInSeconds.",
    source=f"SageMaker developer guide, managed spot training; {MODEL}",
    fix="write CheckpointConfig.S3Uri, and MaxWaitTimeInSeconds of MaxRuntimeInSeconds or more",
    check=f"{DESCRIBE} --query '[EnableManagedSpotTraining,CheckpointConfig,StoppingCondition]'",
)(
    _judge(
        {NO_CHECKPOINTS, WAIT_BELOW_RUN},
        (
            "EnableManagedSpotTraining",
            "StoppingCondition.MaxRuntimeInSeconds",
            "StoppingCondition.MaxWaitTimeInSeconds",
        ),
    )
)


@jobs.error(
    "SAGEMAKER-20",
    what="A training request holds values that SageMaker refuses, or that end the job.",
    why="Fields that are right one by one may not go together: the request is refused, or the job "
    "fails after it has waited for capacity.",
    source="CreateTrainingJob of botocore 1.43.106; SageMaker developer guide; read 2026-11-24",
    fix="write what the finding says",
    check="ultracluster train check <request.json>",
)
def sound_request(model: Model, job: TrainingJob) -> Iterator[Fault]:
    region = model.variant.region
    yield from _others(job, _refused(job, region if isinstance(region, str) else None))


@jobs.warning(
    "SAGEMAKER-21",
    what="A training request holds values that SageMaker takes and hardly anybody means.",
    why="They cost money, disclose a secret, or do nothing.",
    source="SageMaker developer guide, managed spot training; training facts c.1, c.3 and c.5",
    fix="write what the finding says",
    check="ultracluster train check <request.json>",
)
def deliberate_request(_model: Model, job: TrainingJob) -> Iterator[Fault]:
    yield from _others(job, _advice(job))
