"""Rules over the instances of a SageMaker training request: types, counts, disks, warm pools.

Source: the descriptions of ResourceConfig and the types in it as botocore 1.43.106 carries them,
read 2026-11-24, where nothing else is named.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.catalogue import instances
from ultracluster.catalogue.values import items, number, part, text
from ultracluster.spec.problem import MISSING, Problem

Request = Mapping[str, Any]

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
READ_ONLY: Final = ("SelectedInstanceType", "SelectedInstanceCount")


def resource_problems(request: Request) -> Iterator[Problem]:
    """Yield what cannot be in a request's ResourceConfig, and beside it."""
    for rule in (_resources, _counts, _preferences, _volume, _warm_pool):
        yield from rule(request)


def instance_type(request: Request) -> str:
    """Return the request's EC2 instance type, empty where it names none or several."""
    named = text(part(request, "ResourceConfig", "InstanceType"))
    groups = items(part(request, "ResourceConfig", "InstanceGroups"))
    kinds = {text(part(group, "InstanceType")) for group in groups}
    if not named and len(kinds) == 1:
        (named,) = kinds
    return named.removeprefix("ml.")


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
    yield from _alternatives(config)
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


def _alternatives(config: object) -> Iterator[Problem]:
    """Yield what cannot be in a list of types, of which SageMaker takes the first that it has."""
    where = "ResourceConfig.InstancePreferences"
    listed = items(part(config, "InstancePreferences"))
    for name, times in Counter(text(part(each, "InstanceType")) for each in listed).items():
        if name and times > 1:
            yield Problem(where, name, f"it is there {times} times; write it once")
    counted = [each for each in listed if part(each, "InstanceCount") is not None]
    whole = part(config, "InstanceCount")
    if counted and whole is not None:
        fix = "the preferences have counts of their own; remove it, or theirs"
        yield Problem("ResourceConfig.InstanceCount", whole, fix)
    elif listed and len(counted) not in (0, len(listed)):
        fix = "write InstanceCount in each of them, or in none and in ResourceConfig"
        yield Problem(where, f"{len(counted)} of {len(listed)} with InstanceCount", fix)
    elif listed and not counted and whole is None:
        fix = "write how many instances, here or in each preference"
        yield Problem("ResourceConfig.InstanceCount", MISSING, fix)
    planned = any(part(each, "TrainingPlanArns") for each in listed)
    if planned and part(config, "TrainingPlanArn") is not None:
        fix = "preferences name plans of their own; remove it, or theirs"
        yield Problem("ResourceConfig.TrainingPlanArn", part(config, "TrainingPlanArn"), fix)


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
