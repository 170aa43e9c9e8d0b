"""Rules over the input channels of a SageMaker training request.

Source: the descriptions of Channel, S3DataSource and FileSystemDataSource as botocore 1.43.106
carries them, read 2026-11-24, and the FSx for Lustre guide for the mount name.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.catalogue.values import document, items, part, text
from ultracluster.spec.problem import Problem, choices

SOURCES: Final = ("S3DataSource", "FileSystemDataSource", "DatasetSource")
LUSTRE: Final = "FSxLustre"
FILE: Final = "File"
MOUNTED: Final = "/opt/ml/input/data/"
"""Where SageMaker shows a container its channels (Developer Guide, training storage folders)."""
READ: Final = ("data.path", "data.validation_path")
WRITTEN: Final = ("checkpoint.path", "run.path")
"""Settings of our own training program that are paths."""


def file_systems(request: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the place and the source of every channel that is a file system."""
    for index, channel in enumerate(items(part(request, "InputDataConfig"))):
        source = part(channel, "DataSource", "FileSystemDataSource")
        if isinstance(source, Mapping):
            yield f"InputDataConfig[{index}].DataSource.FileSystemDataSource", source


def s3_locations(request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every field of a request that names a place in S3, with what it names."""
    for path in (
        ("OutputDataConfig", "S3OutputPath"),
        ("CheckpointConfig", "S3Uri"),
        ("TensorBoardOutputConfig", "S3OutputPath"),
        ("DebugHookConfig", "S3OutputPath"),
        ("ProfilerConfig", "S3OutputPath"),
    ):
        yield ".".join(path), text(part(request, *path))
    for index, channel in enumerate(items(part(request, "InputDataConfig"))):
        uri = part(channel, "DataSource", "S3DataSource", "S3Uri")
        yield f"InputDataConfig[{index}].DataSource.S3DataSource.S3Uri", text(uri)
    source = part(request, "HyperParameters", "sagemaker_submit_directory")
    yield "HyperParameters.sagemaker_submit_directory", text(document(source) or source)


def channel_problems(request: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what cannot be in a request's channels."""
    channels = items(part(request, "InputDataConfig"))
    for name, count in Counter(text(part(c, "ChannelName")) for c in channels).items():
        if name and count > 1:
            fix = f"{count} channels have that name; give each a name of its own"
            yield Problem("InputDataConfig", name, fix)
    for index, channel in enumerate(channels):
        mode = part(channel, "InputMode") or part(
            request, "AlgorithmSpecification", "TrainingInputMode"
        )
        where = f"InputDataConfig[{index}]"
        yield from _source(channel, where)
        yield from _mode(channel, mode, where)
        yield from _groups(request, channel, where)
    for where, source in file_systems(request):
        yield from _file_system(source, where)


def _source(channel: object, where: str) -> Iterator[Problem]:
    source = part(channel, "DataSource")
    if not isinstance(source, Mapping):
        return
    given = [name for name in SOURCES if source.get(name) is not None]
    if len(given) != 1:
        got = ", ".join(given) or "nothing"
        fix = "a channel has one source; write S3DataSource or FileSystemDataSource"
        yield Problem(f"{where}.DataSource", got, fix)


def _mode(channel: object, mode: object, where: str) -> Iterator[Problem]:
    if part(channel, "DataSource", "FileSystemDataSource") is not None:
        if mode in ("Pipe", "FastFile"):
            fix = "a file system is mounted, not streamed; write File"
            yield Problem(f"{where}.InputMode", mode, fix)
        if part(channel, "ShuffleConfig") is not None:
            fix = "it shuffles keys of S3; remove it"
            yield Problem(f"{where}.ShuffleConfig", "ShuffleConfig", fix)
    for name in ("CompressionType", "RecordWrapperType"):
        value = part(channel, name)
        if mode == FILE and value not in (None, "None"):
            yield Problem(f"{where}.{name}", value, "it is for Pipe mode; remove it, or write Pipe")
    s3 = part(channel, "DataSource", "S3DataSource")
    manifest = part(s3, "S3DataType") == "AugmentedManifestFile"
    if manifest and mode != "Pipe":
        fix = "an augmented manifest is read in Pipe mode only; write Pipe"
        yield Problem(f"{where}.InputMode", mode, fix)
    if part(s3, "AttributeNames") and not manifest:
        fix = "attributes are named for an AugmentedManifestFile only; remove them"
        yield Problem(
            f"{where}.DataSource.S3DataSource.AttributeNames", part(s3, "AttributeNames"), fix
        )


def _groups(request: Mapping[str, Any], channel: object, where: str) -> Iterator[Problem]:
    groups = items(part(request, "ResourceConfig", "InstanceGroups"))
    known = {text(part(group, "InstanceGroupName")) for group in groups}
    for name in items(part(channel, "DataSource", "S3DataSource", "InstanceGroupNames")):
        if name not in known:
            have = ", ".join(sorted(known)) or "none"
            fix = f"there is no such instance group; there are: {have}"
            yield Problem(f"{where}.DataSource.S3DataSource.InstanceGroupNames", name, fix)


def _file_system(source: Mapping[str, Any], where: str) -> Iterator[Problem]:
    path = text(source.get("DirectoryPath"))
    lustre = source.get("FileSystemType") == LUSTRE
    if not path.startswith("/") or (lustre and path.strip("/") == ""):
        example = "/<mount name>/<directory>" if lustre else "/<directory>"
        yield Problem(f"{where}.DirectoryPath", path, f"write the full path, {example}")
    elif re.search(r"(^|/)\.\.?(/|$)|//", path):
        yield Problem(
            f"{where}.DirectoryPath", path, "write the path without ., .. and empty parts"
        )
    identifier = text(source.get("FileSystemId"))
    if lustre and not re.fullmatch(r"fs-[0-9a-f]{17}", identifier):
        fix = "FSx's ids are fs- and 17 hexadecimal digits; look it up with DescribeFileSystems"
        yield Problem(f"{where}.FileSystemId", identifier, fix)


def path_problems(
    where: str, settings: Mapping[str, Any], request: Mapping[str, Any], nodes: int
) -> Iterator[Problem]:
    """Yield paths of our own program that its job's channels do not have, or cannot keep.

    Args:
        where: the place of the settings.
        settings: values by part.name.
        request: the request that holds them.
        nodes: instances of the job.
    """
    channels = {
        text(part(channel, "ChannelName")): text(
            part(channel, "DataSource", "FileSystemDataSource", "FileSystemAccessMode")
        )
        for channel in items(part(request, "InputDataConfig"))
    }
    for name in (*READ, *WRITTEN):
        path = text(settings.get(name))
        channel = path.removeprefix(MOUNTED).partition("/")[0]
        if not path.startswith(MOUNTED):
            if name == "checkpoint.path" and path.startswith("/") and nodes > 1:
                fix = "all nodes write a checkpoint together; write a folder of a rw file system's"
                yield Problem(f"{where}.{name}", path, f"{fix} channel, {MOUNTED}<channel>/...")
        elif channel not in channels:
            have = f"write {choices(sorted(channels))}" if channels else "the job has no channels"
            yield Problem(f"{where}.{name}", path, f"there is no channel {channel}; {have}")
        elif name in WRITTEN and channels[channel] != "rw":
            fix = f"channel {channel} is for reading; write one whose FileSystemAccessMode is rw"
            yield Problem(f"{where}.{name}", path, fix)
