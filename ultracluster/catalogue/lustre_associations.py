"""Which data repository associations FSx accepts, as rules over CloudFormation properties."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ultracluster.catalogue.values import table, written_number
from ultracluster.problem import Problem

# Codes of the problems here.
ASSOCIATION_NOT_TAKEN: Final = "association-not-taken"
"""The file system takes no data repository association at all."""
ASSOCIATION_WITH_BACKUPS: Final = "association-backups"
"""Automatic backups and an association together."""
TOO_MANY_ASSOCIATIONS: Final = "association-count"
ASSOCIATION_PATH: Final = "association-path"
"""A path that is none."""
ASSOCIATIONS_OVERLAP: Final = "association-overlap"
"""A path of one association lies in that of another."""


PATHS: Final = (
    ("FileSystemPath", re.compile(r"/"), "write a path that begins with /, for example /data"),
    (
        "DataRepositoryPath",
        re.compile(r"s3://[^/.][^/]+"),
        "write a bucket of S3, and a prefix where one is wanted: s3://bucket/prefix/",
    ),
)
"""How paths begin (FSx for Lustre User Guide, linking a file system to a bucket, read
2026-11-23)."""


def association_problems(
    file_system: Mapping[str, Any], associations: Sequence[Mapping[str, Any]]
) -> Iterator[Problem]:
    """Yield what FSx would refuse in the data repository associations of one file system.

    Both are properties, of the `AWS::FSx::FileSystem` and of its associations.
    """
    if not associations:
        return
    yield from path_problems(associations)
    kinds = table("lustre")["deployment_types"]
    configuration: Mapping[str, Any] = file_system.get("LustreConfiguration") or {}
    deployment = configuration.get("DeploymentType", "SCRATCH_1")
    days = written_number(configuration.get("AutomaticBackupRetentionDays"))
    kind = kinds.get(deployment, {}) if isinstance(deployment, str) else {}
    if not kind.get("dra", True):
        field = "LustreConfiguration.DeploymentType"
        fix = "it takes no data repository association; write SCRATCH_2 or a PERSISTENT type"
        yield Problem(field, deployment, fix, code=ASSOCIATION_NOT_TAKEN)
    if file_system.get("StorageType") == "INTELLIGENT_TIERING":
        fix = "it takes no data repository association; write SSD"
        yield Problem("StorageType", "INTELLIGENT_TIERING", fix, code=ASSOCIATION_NOT_TAKEN)
    if isinstance(days, int) and days > 0 and kind.get("backups", True):
        field = "LustreConfiguration.AutomaticBackupRetentionDays"
        fix = "a file system with data repository associations has no automatic backups; write 0"
        yield Problem(field, days, fix, code=ASSOCIATION_WITH_BACKUPS)


def path_problems(associations: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    """Yield what FSx would refuse in associations of one file system, whatever it is."""
    most = table("lustre")["dra"]["max_per_filesystem"]
    if len(associations) > most:
        fix, count = f"a file system takes at most {most}; remove some", len(associations)
        yield Problem("DataRepositoryAssociations", count, fix, code=TOO_MANY_ASSOCIATIONS)
    for name, pattern, fix in PATHS:
        for entry in associations:
            path = entry.get(name)
            if name in entry and isinstance(path, str | None) and not pattern.match(path or ""):
                yield Problem(name, path, fix, code=ASSOCIATION_PATH)
    for name, _, _ in PATHS:
        yield from overlap_problems(name, [entry.get(name) for entry in associations])


def overlap_problems(field: str, paths: Sequence[object]) -> Iterator[Problem]:
    """Yield a problem for each path that equals or lies inside another."""
    # By a path the first that equals it, and by each path around those the first inside.
    first: dict[str, tuple[int, str]] = {}
    inside: dict[str, tuple[int, str]] = {}
    for here in enumerate(path for path in paths if isinstance(path, str)):
        path = here[1]
        inner = path.rstrip("/") + "/"
        around = [inner[: end + 1] for end, sign in enumerate(inner) if sign == "/"]
        found = [first[outer] for outer in around if outer in first]
        found += [inside[inner]] if inner in inside else []
        if found:
            fix = f"overlaps {min(found)[1]}; give each association a path of its own"
            yield Problem(field, path, fix, code=ASSOCIATIONS_OVERLAP)
        first.setdefault(inner, here)
        for outer in around:
            inside.setdefault(outer, here)
