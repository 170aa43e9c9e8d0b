"""Rules over the parts of a training request: instances, disks, input channels, image, places.

Where nothing else is named the source is the descriptions of ResourceConfig, Channel and the types
in them as botocore 1.43.106 carries them, read 2026-11-24. Of images of the model parallel library:
aws/sagemaker-python-sdk a2481266 (2026-08-21), pytorch-smp.json, and the training facts, c.1: the
newest has PyTorch 2.5.1, and version 1 stops at PyTorch 2.0.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.catalogue import instances
from ultracluster.catalogue.training_request import VOLUME_KEY, Channel, TrainingRequest
from ultracluster.catalogue.values import number, part, table, text
from ultracluster.partitions import partition, url_suffix
from ultracluster.problem import MISSING, Problem, choices, repeated

LOCAL_NVME: Final = frozenset(table("training")["local_nvme"])
"""Families whose storage is local NVMe, for types that the catalogue does not hold."""
READ_ONLY: Final = ("SelectedInstanceType", "SelectedInstanceCount")
WAYS: Final = ("InstanceType", "InstanceGroups", "InstancePreferences")

DIRECTORY: Final = "training-directory"
"""Code: the directory of a file system is no full path."""

LUSTRE: Final = "FSxLustre"
MOUNTED: Final = "/opt/ml/input/data/"
"""Where SageMaker shows a container its channels (Developer Guide, training storage folders)."""
READ: Final = ("data.path", "data.validation_path")
WRITTEN: Final = ("checkpoint.path", "run.path")
"""Settings of our own training program that are paths."""

REGISTRY: Final = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr(-fips)?\.(?P<region>[a-z0-9-]+)\.(?P<domain>[a-z0-9.-]+)"
    r"/(?P<repository>[a-z0-9]+([._/-][a-z0-9]+)*)"
    r"(?P<tag>:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?P<digest>@sha256:[0-9a-f]{64})?"
)
IN_ARN: Final = re.compile(r"arn:(?P<partition>aws[a-z-]*):[a-z0-9-]+:(?P<region>[a-z0-9-]+):.*")
IN_ROLE: Final = re.compile(r"arn:(?P<partition>aws[a-z-]*):iam::.*")
SMP: Final = "smdistributed-modelparallel"
SMP_REGIONS: Final = frozenset(table("training")["model_parallel"]["regions"])
NEWEST_PYTORCH: Final[Mapping[int, tuple[int, ...]]] = {1: (2, 0, 1), 2: (2, 5, 1)}
"""By version of the model parallel library."""


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
            fix = "SageMaker shows it only after the start, and refuses it in requests; remove it"
            yield Problem(f"ResourceConfig.{name}", given, fix)
    ways = [name for name in WAYS if part(config, name)]
    if not ways:
        fix = 'write InstanceType, for example "ml.p4d.24xlarge"'
        yield Problem("ResourceConfig.InstanceType", MISSING, fix)
    for name in ways[1:]:
        fix = f"{ways[0]} also says which instances to use; keep one of the two"
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
        fix = f"{local[0]} keeps its volume on local NVMe, which the hardware encrypts; remove "
        fix += "VolumeKmsKeyId"
        yield Problem("ResourceConfig.VolumeKmsKeyId", key, fix, code=VOLUME_KEY)
    if on_ebs and not local and (size is None or size == 0):
        fix = f"{on_ebs[0]} has no local disk; write the size of its volume in GiB, 1 or more"
        yield Problem("ResourceConfig.VolumeSizeInGB", MISSING if size is None else size, fix)


def _warm_pool(request: TrainingRequest) -> Iterator[Problem]:
    kept = number(request.kept_alive)
    if kept and request.spot:
        # SageMaker Developer Guide, "SageMaker managed warm pools" (read through issue texts,
        # 2026-11): a spot instance goes back when its job ends.
        fix = "spot instances cannot be kept after their job; write 0, or use no spot capacity"
        yield Problem("ResourceConfig.KeepAlivePeriodInSeconds", kept, fix)


def channel_problems(request: TrainingRequest) -> Iterator[Problem]:
    names = (("InputDataConfig", channel.name or None) for channel in request.channels)
    yield from repeated(names, "2 channels have that name; give each a name of its own")
    for channel in request.channels:
        if isinstance(channel.source, Mapping) and len(channel.sources) != 1:
            got = ", ".join(channel.sources) or "nothing"
            fix = "a channel needs exactly one source; write S3DataSource or FileSystemDataSource"
            yield Problem(f"{channel.where}.DataSource", got, fix)
    for channel in request.file_systems:
        mode = channel.own_mode or request.input_mode
        if mode in ("Pipe", "FastFile"):
            fix = "a file system is mounted and cannot be streamed; write File"
            yield Problem(f"{channel.where}.InputMode", mode, fix)
        yield from _file_system(channel)


def _file_system(channel: Channel) -> Iterator[Problem]:
    where = f"{channel.where}.DataSource.FileSystemDataSource"
    field, path = f"{where}.DirectoryPath", channel.directory
    lustre = channel.file_system_kind == LUSTRE
    if not path.startswith("/") or (lustre and path.strip("/") == ""):
        example = "/<mount name>/<directory>" if lustre else "/<directory>"
        yield Problem(field, path, f"write the full path, {example}", code=DIRECTORY)
    elif re.search(r"(^|/)\.\.?(/|$)|//", path):
        yield Problem(field, path, "write the path without ., .. and empty parts")
    if lustre and not re.fullmatch(r"fs-[0-9a-f]{17}", channel.file_system_id):
        fix = "FSx's ids are fs- and 17 hexadecimal digits; look it up with DescribeFileSystems"
        yield Problem(f"{where}.FileSystemId", channel.file_system_id, fix)


def path_problems(
    where: str, settings: Mapping[str, Any], request: TrainingRequest
) -> Iterator[Problem]:
    """Yield paths of our own program that its job's channels do not have, or cannot keep."""
    access = {channel.name: channel.access for channel in request.channels}
    for name in (*READ, *WRITTEN):
        path = text(settings.get(name))
        channel = path.removeprefix(MOUNTED).partition("/")[0]
        if not path.startswith(MOUNTED):
            several = request.instance_count > 1
            if name == "checkpoint.path" and path.startswith("/") and several:
                fix = "all nodes write a checkpoint together; write a folder of a rw file system's"
                yield Problem(f"{where}.{name}", path, f"{fix} channel, {MOUNTED}<channel>/...")
        elif channel not in access:
            have = f"write {choices(sorted(access))}" if access else "the job has no channels"
            yield Problem(f"{where}.{name}", path, f"there is no channel {channel}; {have}")
        elif name in WRITTEN and access[channel] != "rw":
            fix = f"channel {channel} is read-only; write one whose FileSystemAccessMode is rw"
            yield Problem(f"{where}.{name}", path, fix)


def image_problems(request: TrainingRequest) -> Iterator[Problem]:
    """Yield why the image of a request cannot be run by SageMaker, or by the engine it names."""
    image, where = text(request.image), "AlgorithmSpecification.TrainingImage"
    if not image or part(request.image_config, "TrainingRepositoryAccessMode") == "Vpc":
        return
    found = REGISTRY.fullmatch(image)
    if found is None:
        fix = (
            "SageMaker pulls from ECR; write ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG, "
            "or TrainingRepositoryAccessMode Vpc for a registry of your own"
        )
        yield Problem(where, image, fix)
        return
    if not found["tag"] and not found["digest"]:
        fix = "without a tag it is latest, which changes with the next push; write a tag or digest"
        yield Problem(where, image, fix)
    # Regions that are isolated have domains of their own, which nobody here has seen.
    domain = None if "-iso" in found["region"] else url_suffix(found["region"])
    if domain and found["domain"] != domain:
        fix = (
            f"registries of {found['region']} are below {domain}; "
            f"write {found['account']}.dkr.ecr.{found['region']}.{domain}/{found['repository']}"
        )
        yield Problem(where, image, fix)
    yield from _of_library(request, found, where)


def _of_library(request: TrainingRequest, found: re.Match[str], where: str) -> Iterator[Problem]:
    library = request.library
    if library is None:
        return
    newest = NEWEST_PYTORCH[library]
    words = ".".join(str(number) for number in newest)
    stated = re.match(r":(\d+)\.(\d+)(?:\.(\d+))?", found["tag"] or "")
    torch = tuple(int(each or 0) for each in stated.groups()) if stated else None
    official = found["repository"] in (SMP, "pytorch-training")
    if library == 2 and found["repository"] == "pytorch-training":  # noqa: PLR2004 - SMP v2
        yield Problem(where, found.string, f"the library is not in that image; write {SMP}:...")
    elif official and torch and torch > newest:
        fix = f"version {library} of the library ends at PyTorch {words}; write such an image"
        yield Problem(where, found.string, fix)
    if found["repository"] == SMP and found["region"] not in SMP_REGIONS:
        fix = f"the library's images are not in {found['region']}; push a copy of one there"
        yield Problem(where, found.string, fix)


def _regions_named(request: TrainingRequest) -> Iterator[tuple[str, str]]:
    """Yield every field of a request that names a Region, with that Region."""
    if found := REGISTRY.fullmatch(text(request.image)):
        yield "AlgorithmSpecification.TrainingImage", found["region"]
    for where, arn in request.arns:
        if named := IN_ARN.fullmatch(arn):
            yield where, named["region"]


def region_problems(request: TrainingRequest, region: str | None) -> Iterator[Problem]:
    """Yield what a request names in another Region than the job's.

    Without a Region it is the first one that the request names.
    """
    home, because = region, ""
    for where, named in _regions_named(request):
        if home is None:
            home, because = named, f" (by {where})"
        if named != home:
            fix = f"the job runs in {home}{because}, and takes it from there only; write {home}"
            yield Problem(where, named, fix)
    role = IN_ROLE.fullmatch(text(request.role))
    if role and home and role["partition"] != partition(home):
        fix = f"{home} is in the partition {partition(home)}; write a role of an account there"
        yield Problem("RoleArn", request.role, fix)
