"""Rules of SageMaker's CreateTrainingJob that span several fields.

The service's model (enumerations, patterns, lengths) says none of this. Where nothing else is named
the source is the API's own documentation as botocore 1.43.106 carries it, read 2026-11-24: the
descriptions of CreateTrainingJob, ResourceConfig, StoppingCondition, Channel and the types in them.

The same rules judge a request before it is sent, one that somebody else wrote, and what the
emulated SageMaker is asked. What is allowed and hardly ever meant: SageMaker Developer Guide,
train-encrypt and managed spot training; training facts, c.1, c.3 and c.5 (read 2026-11-23).
Variables are judged by the table of nodes and of the audit, `job_environment`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from ultracluster.catalogue import instances, job_environment
from ultracluster.catalogue.training_engines import engine_problems
from ultracluster.catalogue.training_parts import (
    channel_problems,
    image_problems,
    region_problems,
    resource_problems,
)
from ultracluster.catalogue.training_request import (
    ENCRYPTED,
    MODEL_PARALLEL,
    NO_CHECKPOINTS,
    NO_VPC,
    OUT_OF_RANGE,
    TOO_MANY_IN_VPC,
    VARIABLE,
    WAIT_BELOW_RUN,
    TrainingRequest,
)
from ultracluster.catalogue.values import number, part, text
from ultracluster.problem import MISSING, Problem, choices, repeated

DAY: Final = 86_400
MOST_SECONDS: Final = 28 * DAY
"""StoppingCondition, MaxRuntimeInSeconds: 28 days, all attempts together."""
A_JOB: Final = "a job runs for 28 days at most, all attempts together"
RANGES: Final = (
    ("StoppingCondition.MaxRuntimeInSeconds", 1, MOST_SECONDS, A_JOB),
    ("ResourceConfig.KeepAlivePeriodInSeconds", 0, 21_600, "instances are kept six hours at most"),
    ("RetryStrategy.MaximumRetryAttempts", 1, 30, "SageMaker does not accept that many attempts"),
)
MOST_IN_VPC: Final = (("Subnets", 16), ("SecurityGroupIds", 5))

OF_DISCLOSURE: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
ACCESS_KEY: Final = re.compile(r"(?<![A-Za-z0-9])(AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])")
"""Of a user and of a session (IAM User Guide, unique identifiers)."""


def alone(request: TrainingRequest, region: str | None) -> Iterator[Problem]:
    """Yield all problems of a request that do not depend on an environment; see `refused`."""
    yield from refused(request, region)
    yield from image_problems(request)
    yield from variable_problems(request)


def refused(request: TrainingRequest, region: str | None) -> Iterator[Problem]:
    """Yield what SageMaker refuses, or what ends the job, beyond its model's single fields.

    Without a Region the job's is the first one that the request names.
    """
    of_fields = (_ranges, _waiting, _algorithm, _network, channel_problems, _paths, _tags)
    for rule in (resource_problems, *of_fields, _environment, engine_problems):
        yield from rule(request)
    yield from region_problems(request, region)


def _ranges(request: TrainingRequest) -> Iterator[Problem]:
    given = (request.run_seconds, request.kept_alive, request.attempts)
    for stated, (where, least, most, words) in zip(given, RANGES, strict=True):
        value = number(stated)
        if value is not None and not least <= value <= most:
            fix = f"{words}; write {least} to {most}"
            yield Problem(where, value, fix, code=OUT_OF_RANGE)


def _waiting(request: TrainingRequest) -> Iterator[Problem]:
    where = "StoppingCondition.MaxWaitTimeInSeconds"
    run, wait = number(request.run_seconds), number(request.wait_seconds)
    if request.spot and request.wait_seconds is None:
        fix = "spot capacity needs a waiting time; write MaxRuntimeInSeconds or more"
        yield Problem(where, MISSING, fix)
    if wait is not None and not request.spot and request.retry_strategy is None:
        fix = "it is for spot capacity and retries; remove it, or write MaxPendingTimeInSeconds"
        yield Problem(where, wait, fix)
    # What is not written is a day (StoppingCondition, MaxRuntimeInSeconds).
    if wait is not None and wait < (DAY if run is None else run):
        fix = f"it is the time to wait and to run; write MaxRuntimeInSeconds, {run or DAY}, or more"
        yield Problem(where, wait, fix, code=WAIT_BELOW_RUN)


def _algorithm(request: TrainingRequest) -> Iterator[Problem]:
    if request.serverless is not None:
        return
    if request.image and request.algorithm_name:
        fix = "it cannot be given together with TrainingImage; remove one"
        yield Problem("AlgorithmSpecification.AlgorithmName", request.algorithm_name, fix)
    if not request.image and not request.algorithm_name:
        fix = "a job needs an image to run; write its URI"
        yield Problem("AlgorithmSpecification.TrainingImage", MISSING, fix)
    access = part(request.image_config, "TrainingRepositoryAccessMode")
    if access == "Vpc" and request.vpc is None:
        fix = "a private registry is reached through a VPC; write VpcConfig"
        yield Problem("AlgorithmSpecification.TrainingImageConfig", access, fix)


def _network(request: TrainingRequest) -> Iterator[Problem]:
    listed = (request.subnets, request.security_groups)
    for (name, most), entries in zip(MOST_IN_VPC, listed, strict=True):
        where, prefix = f"VpcConfig.{name}", "subnet-" if name == "Subnets" else "sg-"
        if len(entries) > most:
            fix = f"a job takes {most}; keep {most}"
            yield Problem(where, f"{len(entries)} {name}", fix, code=TOO_MANY_IN_VPC)
        ids = [text(entry) for entry in entries if text(entry)]
        yield from repeated(((where, entry) for entry in ids), "it is there already; write it once")
        for entry in ids:
            if not re.fullmatch(rf"{prefix}[0-9a-f]{{8,17}}", entry):
                fix = f"write an id, {prefix} and 8 to 17 hexadecimal digits"
                yield Problem(where, entry, fix)
    if request.vpc is None and request.file_systems:
        fix = "a file system is reached through its VPC only; write Subnets and SecurityGroupIds"
        yield Problem("VpcConfig", MISSING, fix, code=NO_VPC)


def _paths(request: TrainingRequest) -> Iterator[Problem]:
    for where, uri in request.s3_locations:
        if uri.startswith("s3://") and not _is_bucket(uri.split("/")[2]):
            fix = "a bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens"
            yield Problem(where, uri, fix)
    local = request.local_checkpoints
    if isinstance(local, str) and not local.startswith("/"):
        fix = "it is a path in the container; write an absolute one, such as /opt/ml/checkpoints"
        yield Problem("CheckpointConfig.LocalPath", local, fix)


def _is_bucket(name: str) -> bool:
    # An access point's ARN or alias stands in a bucket's place, too.
    return name.startswith("arn:") or (
        re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name) is not None and ".." not in name
    )


def _tags(request: TrainingRequest) -> Iterator[Problem]:
    keys = [text(part(tag, "Key")) for tag in request.tags]
    yield from repeated((("Tags", key) for key in keys), "another tag has that key; keep one")
    for key in keys:
        if key.lower().startswith("aws:"):
            yield Problem("Tags", key, "keys that begin with aws: are AWS's own; write another")


def _environment(request: TrainingRequest) -> Iterator[Problem]:
    both = (("Environment", request.environment), ("HyperParameters", request.hyperparameters))
    for map_name, given in both:
        for name, value in given.items():
            if name in OF_DISCLOSURE or ACCESS_KEY.search(text(value)):
                fix = (
                    "everybody who may describe the job can read it; remove it, the job has a role"
                )
                yield Problem(f"{map_name}.{name}", "a secret", fix)
    for name, value in request.environment.items():
        for row, _ in job_environment.rows(str(name), text(value), None):
            if row.standing == "verbs":
                fix = f"{row.why}; {row.fix}"
                yield Problem(f"Environment.{name}", value, fix, code=VARIABLE)


SECRET: Final = re.compile(r"(TOKEN|SECRET|PASSWORD|API_KEY)$")
FABRIC: Final = "ULTRACLUSTER_FABRIC"
"""What `training.launch` asks for."""
FABRICS: Final = ("auto", "efa", "none")
OF_OTHER_RULES: Final = ("needed", "verbs")
"""Standings of variables that are judged elsewhere: what is missing, and what breaks a job."""


def advice(request: TrainingRequest) -> Iterator[Problem]:
    """Yield advice: what SageMaker accepts and the user should know."""
    if request.library == 1:
        fix = "version 1 of the library is archived and ends at PyTorch 2.0; use another engine"
        yield Problem(f"HyperParameters.{MODEL_PARALLEL}", "sharded data parallelism, v1", fix)
    kind = request.efa_type
    several = kind is not None and kind.network_cards.count > 1 and request.instance_count != 1
    if request.encrypted and several:
        fix = (
            "IPsec between hosts slows distributed training and needs UDP 500 and protocol 50 in "
            "the group; EFA's traffic passes the kernel by; write false unless a rule demands it"
        )
        yield Problem("EnableInterContainerTrafficEncryption", True, fix, code=ENCRYPTED)
    if request.spot and request.training_plan is not None:
        fix = "a training plan is capacity that is paid for; write false"
        yield Problem("EnableManagedSpotTraining", True, fix)
    if request.spot and request.checkpoint is None:
        fix = "an interrupted job starts from nothing; write CheckpointConfig"
        yield Problem("CheckpointConfig", MISSING, fix, code=NO_CHECKPOINTS)
    yield from variable_advice(request)
    for name, value in request.environment.items():
        if SECRET.search(str(name)) and value:
            fix = "everybody who may describe the job can read it; use Secrets Manager instead"
            yield Problem(f"Environment.{name}", "a secret, by its name", fix)


def over_efa(environment: Mapping[str, object], instance_type: str, nodes: int) -> bool:
    """Whether a job runs over EFA: on several nodes of a type that has it, unless it says no."""
    known = instance_type.removeprefix("ml.") in instances.names()
    return known and nodes > 1 and environment.get(FABRIC) != "none"


def ending_problems(
    where: str, environment: Mapping[str, object], instance_type: str, nodes: int
) -> Iterator[Problem]:
    """Yield variables that a job over EFA does not survive, or survives with wrong results."""
    if over_efa(environment, instance_type, nodes):
        values = {name: text(value) for name, value in environment.items()}
        for name, row in job_environment.ends(values, None, [instance_type]):
            fix = f"{row.why}; {row.fix}"
            yield Problem(f"{where}.{name}", environment[name], fix, code=VARIABLE)


def variable_problems(request: TrainingRequest) -> Iterator[Problem]:
    """Yield variables with which a job does not run as its request says."""
    kinds = [name for _, name in request.type_names]
    kind = kinds[0] if len(set(kinds)) == 1 else ""
    yield from ending_problems("Environment", request.environment, kind, request.instance_count)
    asked = request.environment.get(FABRIC)
    if asked is None:
        return
    where = f"Environment.{FABRIC}"
    if asked not in FABRICS:
        yield Problem(where, asked, f"there is no such choice; write {choices(FABRICS)}")
    elif asked == "efa" and kind and kind.removeprefix("ml.") not in instances.names():
        fix = f"it has no EFA, which {where} asks for; write none there, or a type that has it"
        yield Problem(request.type_names[0][0], kind, fix)


def variable_advice(request: TrainingRequest) -> Iterator[Problem]:
    """Yield variables that a job survives, and that are hardly ever meant."""
    wrong = {problem.field for problem in variable_problems(request)}
    for name, value in request.environment.items():
        field = f"Environment.{name}"
        for row, held in job_environment.rows(str(name), text(value), None):
            if held and row.standing not in OF_OTHER_RULES and field not in wrong:
                yield Problem(field, value, f"{row.why}; {row.fix}", code=VARIABLE)
