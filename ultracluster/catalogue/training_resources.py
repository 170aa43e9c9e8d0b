"""Rules over the instances of a training request: types, counts, disks, warm pools.

Source: the descriptions of ResourceConfig and the types in it as botocore 1.43.106 carries them,
read 2026-11-24, where nothing else is named.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from ultracluster.catalogue import instances
from ultracluster.catalogue.training_codes import VOLUME_KEY
from ultracluster.catalogue.training_request import TrainingRequest
from ultracluster.catalogue.values import number, part, table
from ultracluster.problem import MISSING, Problem

LOCAL_NVME: Final = frozenset(table("training")["local_nvme"])
"""Families whose storage is local NVMe, for types that the catalogue does not hold."""
READ_ONLY: Final = ("SelectedInstanceType", "SelectedInstanceCount")
WAYS: Final = ("InstanceType", "InstanceGroups", "InstancePreferences")


def resource_problems(request: TrainingRequest) -> Iterator[Problem]:
    """Yield what cannot be in a request's ResourceConfig, and beside it."""
    for rule in (_resources, _counts, _volume, _warm_pool):
        yield from rule(request)


def has_local_nvme(name: str) -> bool | None:
    """Whether an instance type's storage is local NVMe; None where that is not known."""
    kind = name.removeprefix("ml.")
    if kind in instances.names():
        size = instances.find(kind).local_nvme_gb
        return None if size is None else size > 0
    return kind.partition(".")[0] in LOCAL_NVME


def _resources(request: TrainingRequest) -> Iterator[Problem]:
    if request.serverless is not None:
        return
    config = request.resource_config
    if not isinstance(config, Mapping):
        fix = "a job needs instances; write InstanceType, InstanceCount and VolumeSizeInGB"
        yield Problem("ResourceConfig", MISSING if config is None else config, fix)
        return
    for name in READ_ONLY:
        if (given := part(config, name)) is not None:
            fix = "SageMaker tells it after the start and takes it in no request; remove it"
            yield Problem(f"ResourceConfig.{name}", given, fix)
    ways = [name for name in WAYS if part(config, name)]
    if not ways:
        fix = 'write InstanceType, for example "ml.p4d.24xlarge"'
        yield Problem("ResourceConfig.InstanceType", MISSING, fix)
    for name in ways[1:]:
        fix = f"{ways[0]} says which instances already; keep one of the two"
        yield Problem(f"ResourceConfig.{name}", part(config, name), fix)


def _counts(request: TrainingRequest) -> Iterator[Problem]:
    whole = request.configured.count
    if request.groups and whole is not None:
        fix = "each instance group has its own; remove it"
        yield Problem("ResourceConfig.InstanceCount", whole, fix)
    if whole is None and request.configured.instance_type:
        fix = "write how many instances, 1 or more"
        yield Problem("ResourceConfig.InstanceCount", MISSING, fix)
    for each in request.listed:
        if isinstance(each.count, int) and each.count < 1:
            fix = "a job has at least one instance; write 1 or more"
            yield Problem(f"{each.where}.InstanceCount", each.count, fix)


def _volume(request: TrainingRequest) -> Iterator[Problem]:
    key, size = request.volume_key, request.volume_size
    names = [name for _, name in request.type_names]
    local = [name for name in names if has_local_nvme(name)]
    on_ebs = [name for name in names if has_local_nvme(name) is False]
    if key is not None and local:
        fix = (
            f"{local[0]} keeps its volume on local NVMe, which the hardware encrypts; "
            "remove VolumeKmsKeyId"
        )
        yield Problem("ResourceConfig.VolumeKmsKeyId", key, fix, code=VOLUME_KEY)
    if on_ebs and not local and (size is None or size == 0):
        fix = f"{on_ebs[0]} has no disk of its own; write how large its volume is, 1 or more"
        yield Problem("ResourceConfig.VolumeSizeInGB", MISSING if size is None else size, fix)


def _warm_pool(request: TrainingRequest) -> Iterator[Problem]:
    kept = number(request.kept_alive)
    if kept and request.spot:
        # SageMaker Developer Guide, "SageMaker managed warm pools" (read through issue texts,
        # 2026-11): a spot instance goes back when its job ends.
        fix = "spot instances are not kept after their job; write 0, or use no spot capacity"
        yield Problem("ResourceConfig.KeepAlivePeriodInSeconds", kept, fix)
