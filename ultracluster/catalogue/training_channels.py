"""Rules over the input channels of a training request.

Source: the descriptions of Channel, S3DataSource and FileSystemDataSource as botocore 1.43.106
carries them, read 2026-11-24, and the FSx for Lustre guide for the mount name.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.catalogue.training_request import Channel, TrainingRequest
from ultracluster.catalogue.values import text
from ultracluster.problem import Problem, choices, repeated

DIRECTORY: Final = "training-directory"
"""Code: the directory of a file system is no full path."""

LUSTRE: Final = "FSxLustre"
MOUNTED: Final = "/opt/ml/input/data/"
"""Where SageMaker shows a container its channels (Developer Guide, training storage folders)."""
READ: Final = ("data.path", "data.validation_path")
WRITTEN: Final = ("checkpoint.path", "run.path")
"""Settings of our own training program that are paths."""


def channel_problems(request: TrainingRequest) -> Iterator[Problem]:
    names = (("InputDataConfig", channel.name or None) for channel in request.channels)
    yield from repeated(names, "2 channels have that name; give each a name of its own")
    for channel in request.channels:
        if isinstance(channel.source, Mapping) and len(channel.sources) != 1:
            got = ", ".join(channel.sources) or "nothing"
            fix = "a channel has one source; write S3DataSource or FileSystemDataSource"
            yield Problem(f"{channel.where}.DataSource", got, fix)
    for channel in request.file_systems:
        mode = channel.own_mode or request.input_mode
        if mode in ("Pipe", "FastFile"):
            fix = "a file system is mounted, not streamed; write File"
            yield Problem(f"{channel.where}.InputMode", mode, fix)
        yield from _file_system(channel)


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
