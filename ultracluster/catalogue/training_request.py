"""What SageMaker's CreateTrainingJob asks across fields, over a request in the API's own names.

The service's model (enumerations, patterns, lengths) says none of this. Where nothing else is named
the source is the API's own documentation as botocore 1.43.106 carries it, read 2026-11-24: the
descriptions of CreateTrainingJob, ResourceConfig, StoppingCondition, Channel and the types in them.

The same rules judge a request before it is sent, one that somebody else wrote, and what the
emulated SageMaker is asked.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from ultracluster.catalogue.training_channels import (
    channel_problems,
    file_systems,
    s3_locations,
)
from ultracluster.catalogue.training_resources import Request, resource_problems
from ultracluster.catalogue.values import items, number, part, text
from ultracluster.spec.problem import MISSING, Problem, choices

DAY: Final = 86_400
MOST_SECONDS: Final = 28 * DAY
"""StoppingCondition, MaxRuntimeInSeconds: 28 days, all attempts together."""


OF_DISCLOSURE: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
ACCESS_KEY: Final = re.compile(r"(?<![A-Za-z0-9])(AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])")
"""Of a user and of a session (IAM User Guide, unique identifiers)."""
EXPRESS: Final = "--x-s3"
"""How the names of S3 Express One Zone's buckets end."""
PROFILING_MILLISECONDS: Final = (100, 200, 500, 1000, 5000, 60000)


def problems(request: Request) -> Iterator[Problem]:
    """Yield what cannot be in a request, beyond what the service's model says of single fields."""
    for rule in (
        resource_problems,
        _times,
        _algorithm,
        _network,
        channel_problems,
        _paths,
        _metrics,
        _tags,
        _environment,
        _profiler,
    ):
        yield from rule(request)


def _times(request: Request) -> Iterator[Problem]:
    condition = part(request, "StoppingCondition")
    run = number(part(condition, "MaxRuntimeInSeconds"))
    wait = number(part(condition, "MaxWaitTimeInSeconds"))
    spot = part(request, "EnableManagedSpotTraining") is True
    if run is not None and run > MOST_SECONDS:
        fix = f"a job runs for 28 days at most, all attempts together; write {MOST_SECONDS} or less"
        yield Problem("StoppingCondition.MaxRuntimeInSeconds", run, fix)
    if spot and wait is None:
        fix = "spot capacity is waited for; write how long, MaxRuntimeInSeconds or more"
        yield Problem("StoppingCondition.MaxWaitTimeInSeconds", MISSING, fix)
    if wait is not None and not spot and part(request, "RetryStrategy") is None:
        fix = "it is for spot capacity and retries; remove it, or write MaxPendingTimeInSeconds"
        yield Problem("StoppingCondition.MaxWaitTimeInSeconds", wait, fix)
    # What is not written is a day (StoppingCondition, MaxRuntimeInSeconds).
    if wait is not None and wait < (DAY if run is None else run):
        fix = f"it is the time to wait and to run; write MaxRuntimeInSeconds, {run or DAY}, or more"
        yield Problem("StoppingCondition.MaxWaitTimeInSeconds", wait, fix)


def _algorithm(request: Request) -> Iterator[Problem]:
    algorithm = part(request, "AlgorithmSpecification")
    image, name = part(algorithm, "TrainingImage"), part(algorithm, "AlgorithmName")
    if part(request, "ServerlessJobConfig") is not None:
        return
    if image and name:
        fix = "it cannot stand beside TrainingImage; remove one"
        yield Problem("AlgorithmSpecification.AlgorithmName", name, fix)
    if not image and not name:
        fix = "a job needs an image to run; write its URI"
        yield Problem("AlgorithmSpecification.TrainingImage", MISSING, fix)
    config = part(algorithm, "TrainingImageConfig")
    mode = part(config, "TrainingRepositoryAccessMode")
    if mode == "Vpc" and part(request, "VpcConfig") is None:
        fix = "a private registry is reached through a VPC; write VpcConfig"
        yield Problem("AlgorithmSpecification.TrainingImageConfig", mode, fix)
    if mode == "Platform" and part(config, "TrainingRepositoryAuthConfig") is not None:
        where = "AlgorithmSpecification.TrainingImageConfig.TrainingRepositoryAuthConfig"
        fix = "only a private registry asks for credentials; write Vpc, or remove it"
        yield Problem(where, mode, fix)


def _network(request: Request) -> Iterator[Problem]:
    config = part(request, "VpcConfig")
    for name, prefix in (("Subnets", "subnet-"), ("SecurityGroupIds", "sg-")):
        listed = [text(entry) for entry in items(part(config, name))]
        for entry, count in Counter(listed).items():
            if count > 1:
                yield Problem(
                    f"VpcConfig.{name}", entry, f"it is there {count} times; write it once"
                )
            if entry and not re.fullmatch(rf"{prefix}[0-9a-f]{{8,17}}", entry):
                fix = f"write an id, {prefix} and 8 to 17 hexadecimal digits"
                yield Problem(f"VpcConfig.{name}", entry, fix)
    if config is None and next(file_systems(request), None) is not None:
        fix = "a file system is reached through its VPC only; write Subnets and SecurityGroupIds"
        yield Problem("VpcConfig", MISSING, fix)


def _paths(request: Request) -> Iterator[Problem]:
    for where, uri in s3_locations(request):
        if uri.startswith("s3://") and not _is_bucket(uri.split("/")[2]):
            fix = "a bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens"
            yield Problem(where, uri, fix)
    output, key = part(request, "OutputDataConfig"), "OutputDataConfig.KmsKeyId"
    if EXPRESS in text(part(output, "S3OutputPath")) and part(output, "KmsKeyId"):
        fix = "S3 Express One Zone takes no key of KMS for a job's output; remove it"
        yield Problem(key, part(output, "KmsKeyId"), fix)
    local = part(request, "CheckpointConfig", "LocalPath")
    if isinstance(local, str) and not local.startswith("/"):
        fix = "it is a path in the container; write an absolute one, such as /opt/ml/checkpoints"
        yield Problem("CheckpointConfig.LocalPath", local, fix)


def _is_bucket(name: str) -> bool:
    # An access point's ARN or alias stands in a bucket's place, too.
    return name.startswith("arn:") or (
        re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name) is not None and ".." not in name
    )


def _metrics(request: Request) -> Iterator[Problem]:
    definitions = items(part(request, "AlgorithmSpecification", "MetricDefinitions"))
    for index, definition in enumerate(definitions):
        where = f"AlgorithmSpecification.MetricDefinitions[{index}].Regex"
        pattern = text(part(definition, "Regex"))
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            yield Problem(where, pattern, f"it is no regular expression ({error}); mend it")
            continue
        if pattern and not groups:
            fix = "the value is what its first group matches; write a group, as in loss (\\S+)"
            yield Problem(where, pattern, fix)
    names = Counter(text(part(definition, "Name")) for definition in definitions)
    for name, count in names.items():
        if name and count > 1:
            fix = f"{count} metrics have that name; give each a name of its own"
            yield Problem("AlgorithmSpecification.MetricDefinitions", name, fix)


def _tags(request: Request) -> Iterator[Problem]:
    keys = [text(part(tag, "Key")) for tag in items(part(request, "Tags"))]
    for key, count in Counter(keys).items():
        if count > 1:
            yield Problem("Tags", key, f"{count} tags have that key; keep one")
        if key.lower().startswith("aws:"):
            yield Problem("Tags", key, "keys that begin with aws: are AWS's own; write another")


def _environment(request: Request) -> Iterator[Problem]:
    for map_name in ("Environment", "HyperParameters"):
        given = part(request, map_name)
        for name, value in given.items() if isinstance(given, Mapping) else ():
            if name in OF_DISCLOSURE or ACCESS_KEY.search(text(value)):
                fix = "whoever may describe the job reads it, and the job has a role; remove it"
                yield Problem(f"{map_name}.{name}", "a secret", fix)
    environment = part(request, "Environment")
    for name in environment if isinstance(environment, Mapping) else ():
        if str(name).startswith("RDMAV_"):
            # awsome-distributed-ai efa-cheatsheet, 2026-07-23.
            fix = "it breaks the registration of memory with EFA; remove it"
            yield Problem(f"Environment.{name}", environment[name], fix)


def _profiler(request: Request) -> Iterator[Problem]:
    interval = part(request, "ProfilerConfig", "ProfilingIntervalInMilliseconds")
    if interval is not None and interval not in PROFILING_MILLISECONDS:
        fix = f"write {choices([str(each) for each in PROFILING_MILLISECONDS])}"
        yield Problem("ProfilerConfig.ProfilingIntervalInMilliseconds", interval, fix)
