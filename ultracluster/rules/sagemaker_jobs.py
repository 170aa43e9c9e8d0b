"""SAGEMAKER rules about training jobs and what a request for one holds."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ultracluster.catalogue.training_request import (
    ADDRESSES_WITH_EFA,
    ENCRYPTED,
    NO_CHECKPOINTS,
    NO_VPC,
    OUT_OF_RANGE,
    TOO_MANY_IN_VPC,
    VARIABLE,
    VOLUME_KEY,
    WAIT_BELOW_RUN,
)
from ultracluster.model.jobs import TrainingJob, efa_type
from ultracluster.model.model import Model
from ultracluster.model.storage import FileSystem
from ultracluster.problem import Problem
from ultracluster.rules.lustre_access import zones_apart
from ultracluster.rules.rule import Fault, Judge, jobs
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import Link, Text
from ultracluster.templates.resolved_values import Key, UndeterminedError

MODEL: Final = "botocore 1.44.5 sagemaker model, CreateTrainingJob, read 2026-11-23"
VPC_GUIDE: Final = "SageMaker developer guide, train-vpc, read 2026-11-23"
DESCRIBE: Final = "aws sagemaker describe-training-job --training-job-name <job>"


@jobs.fatal(
    "SAGEMAKER-4",
    what="The subnets of a job have fewer addresses than its instances take.",
    why="SageMaker takes 5 addresses for each instance with EFA, so that 500 need 2,500; the job "
    "fails after it has waited for capacity.",
    source=f"{VPC_GUIDE}; awsome-distributed-ai#1122",
    fix="write subnets of /20 or larger in the zone of the file system",
    check="aws ec2 describe-subnets --subnet-ids <subnets> "
    "--query 'Subnets[].AvailableIpAddressCount'",
)
def job_with_addresses(model: Model, job: TrainingJob) -> Iterator[Fault]:
    subnets = job.subnets()
    if not subnets or efa_type(job) is None:
        return
    need = job.count() * ADDRESSES_WITH_EFA
    have = sum(model.networks.subnet(name).addresses() for name in subnets)
    if need > have:
        yield Fault(f"{job.count()} instances take {need} addresses of {have}")


def _file_systems(model: Model) -> dict[Key, FileSystem]:
    return {system.key: system for system in model.file_systems}


@jobs.error(
    "SAGEMAKER-7",
    what="A job has no subnet in the zone of its file system.",
    why="SageMaker mounts a file system from a subnet of its zone only; the job is refused.",
    source=f"{VPC_GUIDE}; read 2026-11-23",
    fix="write the subnet of the file system into VpcConfig.Subnets",
    check="aws fsx describe-file-systems --query 'FileSystems[].SubnetIds'",
)
def file_system_in_the_zone(model: Model, job: TrainingJob) -> Iterator[Fault]:
    for channel, source in job.file_systems():
        name = read.part(source, "FileSystemId")
        systems = model.cached(_file_systems)
        keys = read.keys(name) if systems else []
        system = next((systems[key] for key in keys if key in systems), None)
        subnets = job.subnets()
        if not subnets:
            return
        if system is None:
            raise UndeterminedError(f"file system {read.shown(name)} is not in the given templates")
        if apart := zones_apart(model, system, subnets):
            yield Fault(f"channel {channel} is in {apart[0]}, the job in {apart[1]}")


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
    from ultracluster.catalogue.training_rules import advice  # noqa: PLC0415

    return advice(job.parsed)


def _fault(problem: Problem) -> Fault:
    return Fault(f"{problem.field}: got {read.shown(problem.got)}", fix=problem.fix)


def _judge(codes: Iterable[str], fields: Iterable[str]) -> Judge[TrainingJob]:
    """Return a judge that yields the catalogue's problems of some codes.

    Args:
        codes: what they are about.
        fields: what must be known to tell.
    """

    def judge(_model: Model, job: TrainingJob) -> Iterator[Fault]:
        for field in fields:
            read.settled(job.request, *field.split("."))
        for entry in job.resources():
            read.settled(entry, "InstanceType")
        for problem in (*_refused(job), *_advice(job)):
            if problem.code in codes:
                yield _fault(problem)

    return judge


def _others(job: TrainingJob, problems: Iterable[Problem]) -> Iterator[Fault]:
    """Yield the problems that no other rule looks for."""
    # Of a request that a transform makes not even this is known.
    read.settled(job.at("ResourceConfig"))
    if unknown := read.unknown_within(job.request):
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


def _path_without_mount_name(model: Model, job: TrainingJob) -> Iterator[Fault]:
    # The mount name itself is known after creation only.
    for channel, source in job.file_systems():
        stated = read.part(source, "DirectoryPath")
        known = read.beginning(stated)
        # `fsx` is the mount name of SCRATCH_1 alone; elsewhere it is where nodes mount it.
        named = read.keys(source, "FileSystemId")
        systems = model.cached(_file_systems)
        own = [systems[key].deployment_type() for key in named if key in systems]
        of_nodes = own not in ([], ["SCRATCH_1"]) and known.startswith("/fsx/")
        if stated is None or (known and not known.startswith("/")) or of_nodes:
            yield Fault(
                f"channel {channel}: DirectoryPath is {read.shown(stated or 'nothing')}",
                fix="write DirectoryPath /${FileSystem.LustreMountName}/<directory>",
            )


def without_prefix(entry: Any) -> Iterator[Fault]:
    """Yield a fault where the instance type of a group of instances does not begin with ml."""
    name = read.text(entry, "InstanceType")
    if name and name[:3] != "ml.":
        yield Fault(f"InstanceType is {name}", fix=f"write ml.{name}")


request_that_is_taken = jobs.fatal(
    "SAGEMAKER-1",
    what="A training request has values that SageMaker never accepts.",
    why="VpcConfig has up to 16 subnets and 5 security groups, a Lustre file system is reached "
    "through it alone and by a path /<mount name>/..., types begin with ml., instances with local "
    "NVMe take no key, and a job runs 28 days at most with its 30 retries; anything else is "
    "refused.",
    source=f"{MODEL}; {VPC_GUIDE}; SageMaker API reference, ResourceConfig and "
    "FileSystemDataSource",
    fix="write what the finding says",
    check=f"{DESCRIBE} --query '[VpcConfig,ResourceConfig,StoppingCondition,RetryStrategy]'",
)(
    lambda _model, job: (fault for e in job.resources() for fault in without_prefix(e)),
    _path_without_mount_name,
    _judge({TOO_MANY_IN_VPC}, ("VpcConfig.Subnets", "VpcConfig.SecurityGroupIds")),
    _judge({VOLUME_KEY}, ("ResourceConfig.VolumeKmsKeyId",)),
    _judge({NO_VPC}, ("VpcConfig", "InputDataConfig")),
    _judge(
        {OUT_OF_RANGE},
        (
            "StoppingCondition.MaxRuntimeInSeconds",
            "ResourceConfig.KeepAlivePeriodInSeconds",
            "RetryStrategy.MaximumRetryAttempts",
        ),
    ),
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


@jobs.error(
    "SAGEMAKER-20",
    what="A training request has values that SageMaker refuses, or that make the job fail.",
    why="Fields that are right one by one may not go together: the request is refused, or the job "
    "fails after it has waited for capacity.",
    source="CreateTrainingJob of botocore 1.43.106; SageMaker developer guide; read 2026-11-24",
    fix="write what the finding says",
    check="ultracluster train check <request.json>",
)
def sound_request(model: Model, job: TrainingJob) -> Iterator[Fault]:
    region = model.variant.region
    yield from _others(job, _refused(job, region if isinstance(region, str) else None))


deliberate_request = jobs.warning(
    "SAGEMAKER-10",
    what="A training request has values that SageMaker accepts and that are probably mistakes.",
    why="They cost money, disclose a secret, or do nothing; a job on spot capacity without "
    "checkpoints begins anew after each interruption.",
    source=f"SageMaker developer guide, managed spot training; training facts c.1, c.3 and c.5; "
    f"{MODEL}",
    fix="write what the finding says",
    check="ultracluster train check <request.json>",
)(
    _judge(
        {NO_CHECKPOINTS, WAIT_BELOW_RUN},
        (
            "EnableManagedSpotTraining",
            "StoppingCondition.MaxRuntimeInSeconds",
            "StoppingCondition.MaxWaitTimeInSeconds",
        ),
    ),
    lambda _model, job: _others(job, _advice(job)),
)
