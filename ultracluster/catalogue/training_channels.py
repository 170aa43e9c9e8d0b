"""Rules over the input channels of a training request.

Source: the descriptions of Channel, S3DataSource and FileSystemDataSource as botocore 1.43.106
carries them, read 2026-11-24, and the FSx for Lustre guide for the mount name.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.catalogue.training_request import Channel, TrainingRequest
from ultracluster.catalogue.values import text
from ultracluster.problem import Problem, choices

DIRECTORY: Final = "training-directory"
"""Code: the directory of a file system is no full path."""

LUSTRE: Final = "FSxLustre"
FILE: Final = "File"
MOUNTED: Final = "/opt/ml/input/data/"
"""Where SageMaker shows a container its channels (Developer Guide, training storage folders)."""
READ: Final = ("data.path", "data.validation_path")
WRITTEN: Final = ("checkpoint.path", "run.path")
"""Settings of our own training program that are paths."""


def channel_problems(request: TrainingRequest) -> Iterator[Problem]:
    for name, count in Counter(channel.name for channel in request.channels).items():
        if name and count > 1:
            fix = f"{count} channels have that name; give each a name of its own"
            yield Problem("InputDataConfig", name, fix)
    for channel in request.channels:
        if isinstance(channel.source, Mapping) and len(channel.sources) != 1:
            got = ", ".join(channel.sources) or "nothing"
            fix = "a channel has one source; write S3DataSource or FileSystemDataSource"
            yield Problem(f"{channel.where}.DataSource", got, fix)
        yield from _mode(channel, channel.own_mode or request.input_mode)
        yield from _groups(request, channel)
    for channel in request.file_systems:
        yield from _file_system(channel)


def _mode(channel: Channel, mode: object) -> Iterator[Problem]:
    where = channel.where
    if channel.file_system is not None:
        if mode in ("Pipe", "FastFile"):
            fix = "a file system is mounted, not streamed; write File"
            yield Problem(f"{where}.InputMode", mode, fix)
        if channel.shuffle is not None:
            fix = "it shuffles keys of S3; remove it"
            yield Problem(f"{where}.ShuffleConfig", "ShuffleConfig", fix)
    for name, value in (
        ("CompressionType", channel.compression),
        ("RecordWrapperType", channel.record_wrapper),
    ):
        if mode == FILE and value not in (None, "None"):
            yield Problem(f"{where}.{name}", value, "it is for Pipe mode; remove it, or write Pipe")
    manifest = channel.s3_kind == "AugmentedManifestFile"
    if manifest and mode != "Pipe":
        fix = "an augmented manifest is read in Pipe mode only; write Pipe"
        yield Problem(f"{where}.InputMode", mode, fix)
    if channel.attributes and not manifest:
        fix = "attributes are named for an AugmentedManifestFile only; remove them"
        field = f"{where}.DataSource.S3DataSource.AttributeNames"
        yield Problem(field, channel.attributes, fix)


def _groups(request: TrainingRequest, channel: Channel) -> Iterator[Problem]:
    known = {group.group_name for group in request.groups}
    for name in channel.group_names:
        if name not in known:
            have = ", ".join(sorted(known)) or "none"
            fix = f"there is no such instance group; there are: {have}"
            field = f"{channel.where}.DataSource.S3DataSource.InstanceGroupNames"
            yield Problem(field, name, fix)


def _file_system(channel: Channel) -> Iterator[Problem]:
    where = f"{channel.where}.DataSource.FileSystemDataSource"
    field, path, lustre = (
        f"{where}.DirectoryPath",
        channel.directory,
        channel.file_system_kind == LUSTRE,
    )
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
    """Yield paths of our own program that its job's channels do not have, or cannot keep.

    Args:
        where: the place of the settings.
        settings: values by part.name.
        request: the request that holds them.
    """
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
            fix = f"channel {channel} is for reading; write one whose FileSystemAccessMode is rw"
            yield Problem(f"{where}.{name}", path, fix)
