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
from typing import Any, Final

from constructs_lib.catalogue import instances
from constructs_lib.catalogue.training_channels import channel_problems, file_systems
from constructs_lib.catalogue.values import items, number, part, text
from constructs_lib.spec.problem import MISSING, Problem, choices

Request = Mapping[str, Any]

DAY: Final = 86_400
MOST_SECONDS: Final = 28 * DAY
"""StoppingCondition, MaxRuntimeInSeconds: 28 days, all attempts together."""

LOCAL_NVME: Final = frozenset(
    (
        "g4dn",
        "g5",
        "g6",
        "g6e",
        "g7",
        "g7e",
        "gr6",
        "p3dn",
        "p4d",
        "p4de",
        "p5",
        "p5e",
        "p5en",
        "p6-b200",
        "p6-b300",
        "r5d",
        "trn1",
        "trn1n",
        "trn2",
    )
)
"""Families among SageMaker's training types whose storage is local NVMe (DescribeInstanceTypes
dump of moto 5.2.5, InstanceStorageSupported, read 2026-11-24). p6e-gb200 is in no dump."""

OF_DISCLOSURE: Final = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
PROFILING_MILLISECONDS: Final = (100, 200, 500, 1000, 5000, 60000)
READ_ONLY: Final = ("SelectedInstanceType", "SelectedInstanceCount")


def problems(request: Request) -> Iterator[Problem]:
    """Yield what cannot be in a request, beyond what the service's model says of single fields."""
    for rule in (
        _resources,
        _counts,
        _preferences,
        _volume,
        _warm_pool,
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


def instance_type(request: Request) -> str:
    """Return the request's EC2 instance type, empty where it names none or several."""
    return text(part(request, "ResourceConfig", "InstanceType")).removeprefix("ml.")


def instance_count(request: Request) -> int:
    """Return how many instances a request takes; 0 where it does not say."""
    groups = items(part(request, "ResourceConfig", "InstanceGroups"))
    if groups:
        return sum(number(part(group, "InstanceCount")) or 0 for group in groups)
    return number(part(request, "ResourceConfig", "InstanceCount")) or 0


def type_names(request: Request) -> list[tuple[str, str]]:
    """Return every instance type of a request beside the field that names it."""
    config = part(request, "ResourceConfig")
    found = [("ResourceConfig.InstanceType", text(part(config, "InstanceType")))]
    for list_name in ("InstanceGroups", "InstancePreferences"):
        found += [
            (f"ResourceConfig.{list_name}[{index}].InstanceType", text(part(each, "InstanceType")))
            for index, each in enumerate(items(part(config, list_name)))
        ]
    return [(where, name) for where, name in found if name]


def accelerators(request: Request) -> int | None:
    """Return the accelerators of one instance; None where the catalogue does not know them."""
    name = instance_type(request)
    if name not in instances.names():
        return None
    return instances.find(name).accelerator.count or None


def has_local_nvme(name: str) -> bool:
    """Whether an instance type's storage is local NVMe, which is encrypted by hardware."""
    kind = name.removeprefix("ml.")
    if kind in instances.names() and instances.find(kind).local_nvme_gb:
        return True
    return kind.partition(".")[0] in LOCAL_NVME


def _given(value: object) -> object:
    return MISSING if value is None else value


def _resources(request: Request) -> Iterator[Problem]:
    config = part(request, "ResourceConfig")
    if part(request, "ServerlessJobConfig") is not None:
        return
    if not isinstance(config, Mapping):
        fix = "a job needs instances; write InstanceType, InstanceCount and VolumeSizeInGB"
        yield Problem("ResourceConfig", _given(config), fix)
        return
    for name in READ_ONLY:
        if config.get(name) is not None:
            fix = "SageMaker tells it after the start and takes it in no request; remove it"
            yield Problem(f"ResourceConfig.{name}", config[name], fix)
    ways = ("InstanceType", "InstanceGroups", "InstancePreferences")
    given = [name for name in ways if config.get(name)]
    if not given:
        fix = 'write InstanceType, for example "ml.p4d.24xlarge"'
        yield Problem("ResourceConfig.InstanceType", MISSING, fix)
    for name in given[1:]:
        fix = f"{given[0]} says which instances already; keep one of the two"
        yield Problem(f"ResourceConfig.{name}", config[name], fix)
    if config.get("InstanceGroups") and config.get("InstanceCount") is not None:
        fix = "each instance group has its own; remove it"
        yield Problem("ResourceConfig.InstanceCount", config["InstanceCount"], fix)


def _counts(request: Request) -> Iterator[Problem]:
    config = part(request, "ResourceConfig")
    stated = [("ResourceConfig.InstanceCount", part(config, "InstanceCount"))]
    needed = bool(text(part(config, "InstanceType")))
    for list_name in ("InstanceGroups", "InstancePreferences"):
        stated += [
            (f"ResourceConfig.{list_name}[{index}].InstanceCount", part(each, "InstanceCount"))
            for index, each in enumerate(items(part(config, list_name)))
        ]
    for index, (where, count) in enumerate(stated):
        if count is None and index == 0 and needed:
            yield Problem(where, MISSING, "write how many instances, 1 or more")
        elif isinstance(count, int) and count < 1:
            yield Problem(where, count, "a job has at least one instance; write 1 or more")
    names = [text(part(g, "InstanceGroupName")) for g in items(part(config, "InstanceGroups"))]
    for name, count in Counter(names).items():
        if name and count > 1:
            fix = f"{count} groups have that name; give each a name of its own"
            yield Problem("ResourceConfig.InstanceGroups", name, fix)


def _preferences(request: Request) -> Iterator[Problem]:
    config = part(request, "ResourceConfig")
    if part(config, "InstancePreferences") and part(request, "EnableManagedSpotTraining") is True:
        fix = "InstancePreferences take on-demand capacity and training plans only; write false"
        yield Problem("EnableManagedSpotTraining", True, fix)
    if part(config, "InstancePlacementConfig") is None:
        return
    if part(config, "InstancePreferences"):
        fix = "it cannot stand beside InstancePreferences; remove one"
        yield Problem(
            "ResourceConfig.InstancePlacementConfig", config["InstancePlacementConfig"], fix
        )
    for where, name in type_names(request):
        if not name.startswith("ml.p6e"):
            fix = "InstancePlacementConfig is for UltraServers (ml.p6e) alone; remove it"
            yield Problem(where, name, fix)


def _volume(request: Request) -> Iterator[Problem]:
    config = part(request, "ResourceConfig")
    key, size = part(config, "VolumeKmsKeyId"), part(config, "VolumeSizeInGB")
    local = [name for _, name in type_names(request) if has_local_nvme(name)]
    if key is not None and local:
        fix = (
            f"{local[0]} keeps its volume on local NVMe, which the hardware encrypts; "
            "remove VolumeKmsKeyId"
        )
        yield Problem("ResourceConfig.VolumeKmsKeyId", key, fix)
    on_ebs = [name for _, name in type_names(request) if not has_local_nvme(name)]
    if on_ebs and not local and (size is None or size == 0):
        fix = f"{on_ebs[0]} has no disk of its own; write how large its volume is, 1 or more"
        yield Problem("ResourceConfig.VolumeSizeInGB", _given(size), fix)


def _warm_pool(request: Request) -> Iterator[Problem]:
    kept = number(part(request, "ResourceConfig", "KeepAlivePeriodInSeconds"))
    if kept and part(request, "EnableManagedSpotTraining") is True:
        # SageMaker Developer Guide, "SageMaker managed warm pools" (read through issue texts,
        # 2026-11): a spot instance goes back when its job ends.
        fix = "spot instances are not kept after their job; write 0, or use no spot capacity"
        yield Problem("ResourceConfig.KeepAlivePeriodInSeconds", kept, fix)


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
    for path in (
        ("OutputDataConfig", "S3OutputPath"),
        ("CheckpointConfig", "S3Uri"),
        ("TensorBoardOutputConfig", "S3OutputPath"),
        ("DebugHookConfig", "S3OutputPath"),
        ("ProfilerConfig", "S3OutputPath"),
    ):
        uri = text(part(request, *path))
        if uri.startswith("s3://") and not _is_bucket(uri.split("/")[2]):
            fix = "a bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens"
            yield Problem(".".join(path), uri, fix)
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
    environment = part(request, "Environment")
    for name in environment if isinstance(environment, Mapping) else ():
        if name in OF_DISCLOSURE:
            fix = "whoever may describe the job reads it, and the job has a role; remove it"
            yield Problem(f"Environment.{name}", "a secret", fix)
        if str(name).startswith("RDMAV_"):
            # awsome-distributed-ai efa-cheatsheet, 2026-07-23.
            fix = "it breaks the registration of memory with EFA; remove it"
            yield Problem(f"Environment.{name}", environment[name], fix)


def _profiler(request: Request) -> Iterator[Problem]:
    interval = part(request, "ProfilerConfig", "ProfilingIntervalInMilliseconds")
    if interval is not None and interval not in PROFILING_MILLISECONDS:
        fix = f"write {choices([str(each) for each in PROFILING_MILLISECONDS])}"
        yield Problem("ProfilerConfig.ProfilingIntervalInMilliseconds", interval, fix)
