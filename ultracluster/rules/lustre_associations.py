"""LUSTRE rules about what a file system is linked to."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from ultracluster.catalogue import lustre_associations as associations
from ultracluster.model.model import Model
from ultracluster.model.storage import Associations, FileSystem, plain
from ultracluster.problem import Problem
from ultracluster.rules.lustre_file_systems import FSX_GUIDE
from ultracluster.rules.rule import About, Fault
from ultracluster.rules.subjects import file_systems
from ultracluster.templates.resolved import Link, ResolvedResource, Text, Unknown
from ultracluster.templates.resolved_values import (
    UndeterminedError,
    items,
    links,
    part,
    settled,
    shown,
    text,
    texts,
)
from ultracluster.templates.scope import mapping

ASSOCIATIONS: Final = (
    "aws fsx describe-data-repository-associations --filters Name=file-system-id,Values=<id>"
)
linked: Final = replace(file_systems, source=f"aws-cdk#34649; {FSX_GUIDE}", check=ASSOCIATIONS)
anywhere: Final = About[Associations](
    lambda model: model.associations, source=linked.source, check=ASSOCIATIONS
)
EXPORTED: Final = ("NEW", "CHANGED")
WRITTEN: Final = re.compile(r"(?i)checkpoint|ckpt|output|result")
"""Paths that jobs write to, by their names."""
PATHS: Final = ("FileSystemPath", "DataRepositoryPath")


def _comparable(value: Any) -> Any:
    """Return a path as a text that equals another one where the paths are equal."""
    if isinstance(value, Text):
        pieces = [_comparable(piece) for piece in value.parts]
        return "".join(pieces) if all(isinstance(piece, str) for piece in pieces) else value
    if isinstance(value, Link):
        return f"<{value.logical_id}>"
    if isinstance(value, Unknown) and value.symbol is not None:
        return f"<{value.symbol}>"
    return value


def _stated(entries: Sequence[ResolvedResource]) -> list[dict[str, Any]]:
    # References are written so that equal ones are equal.
    return [
        plain(entry.properties) | {path: _comparable(entry.properties.get(path)) for path in PATHS}
        for entry in entries
    ]


def _faults(problems: Iterable[Problem], code: str) -> Iterator[Fault]:
    """Yield the catalogue's problems of associations that have a code."""
    for problem in problems:
        reference = str(problem.got).startswith("<") and code == associations.ASSOCIATION_PATH
        if problem.code == code and not reference:
            got = shown(problem.got) if problem.got else "an empty text"
            yield Fault(f"{problem.field}: got {got}", fix=problem.fix)


def _association_faults(_model: Model, system: FileSystem, code: str) -> Iterator[Fault]:
    stated = _stated(system.associations)
    yield from _faults(associations.association_problems(system.plain(), stated), code)


def _path_faults(_model: Model, linked: Associations, code: str) -> Iterator[Fault]:
    yield from _faults(associations.path_problems(_stated(linked.resources)), code)


@linked.fatal(
    "LUSTRE-20",
    what="A file system has automatic backups and data repository associations.",
    why="FSx takes one or the other: the association fails, after the file system has been made.",
    source=f"aws-cdk#34649, #21288; {FSX_GUIDE}",
    fix="write AutomaticBackupRetentionDays 0",
)
def no_backups_with_associations(model: Model, system: FileSystem) -> Iterator[Fault]:
    yield from _association_faults(model, system, associations.ASSOCIATION_WITH_BACKUPS)
    if system.associations:
        text(system.configuration("AutomaticBackupRetentionDays"))


few_associations = anywhere.fatal(
    "LUSTRE-21",
    what="A file system has more data repository associations than it takes.",
    why="FSx takes 8 for each file system.",
    fix="merge prefixes until there are 8 associations",
)(partial(_path_faults, code=associations.TOO_MANY_ASSOCIATIONS))


@anywhere.fatal(
    "LUSTRE-22",
    what="A path of a data repository association is none, or overlaps that of another.",
    why="FSx links paths of the file system with prefixes of a bucket, s3://bucket/prefix, and "
    "neither may lie inside those of another association; the association fails.",
    source=f"terraform-provider-aws#22656; {FSX_GUIDE}",
    fix="give each association a FileSystemPath and a DataRepositoryPath of its own",
)
def associations_apart(model: Model, linked: Associations) -> Iterator[Fault]:
    yield from _path_faults(model, linked, associations.ASSOCIATIONS_OVERLAP)
    for entry in linked.resources:
        for path in PATHS:
            if settled(entry.properties.get(path)) == "" and _is_default(model, entry, path):
                raise UndeterminedError(f"{path} is empty by default, whoever deploys it says it")
    yield from _path_faults(model, linked, associations.ASSOCIATION_PATH)


def _is_default(model: Model, entry: ResolvedResource, path: str) -> bool:
    """Whether a value comes of a parameter, so that an empty one stands for none."""
    template = model.variant.templates[entry.place.stack]
    whole = mapping(template.body["Resources"].get(entry.place.logical_id))
    return isinstance(mapping(whole.get("Properties")).get(path), dict)


@linked.fatal(
    "LUSTRE-23",
    what="A data repository association is on a file system that takes none.",
    why="SCRATCH_1, Intelligent-Tiering and Lustre before 2.12 take none, nor does one with import "
    "and export paths of its own; where no version is written it is 2.10, but for PERSISTENT_2.",
    fix="write SCRATCH_2 or a PERSISTENT type and FileSystemTypeVersion 2.15, without ImportPath",
)
def associations_where_taken(model: Model, system: FileSystem) -> Iterator[Fault]:
    yield from _association_faults(model, system, associations.ASSOCIATION_NOT_TAKEN)
    if not system.associations:
        return
    deployment = text(system.configuration("DeploymentType")) or "SCRATCH_1"
    version = text(system.properties.get("FileSystemTypeVersion"))
    if version is None and deployment not in ("SCRATCH_1", "PERSISTENT_2"):
        if not system.from_backup():
            yield Fault(
                f"no FileSystemTypeVersion, which is 2.10 for {deployment}",
                fix="write FileSystemTypeVersion 2.15",
            )
    elif version == "2.10":
        yield Fault(f"FileSystemTypeVersion is {version}", fix="write FileSystemTypeVersion 2.15")
    for name in ("ImportPath", "ExportPath", "AutoImportPolicy"):
        # On PERSISTENT_2 such a path is wrong by itself (LUSTRE-6).
        if system.configuration(name) is not None and deployment != "PERSISTENT_2":
            yield Fault(f"{name} beside an association", fix=f"remove {name}")


def _exports(association: ResolvedResource) -> list[str]:
    return texts(part(association.properties, "S3", "AutoExportPolicy", "Events"))


@linked.warning(
    "LUSTRE-28",
    what="What jobs write to a file system is not exported.",
    why="Checkpoints stay on the file system alone and go with it: without AutoExportPolicy of NEW "
    "and CHANGED nothing reaches the bucket unless somebody asks for it.",
    source=f"FSx guide, automatic export, read 2026-11-27; {FSX_GUIDE}",
    fix="write S3: {AutoExportPolicy: {Events: [NEW, CHANGED, DELETED]}} for the association",
)
def checkpoints_exported(_model: Model, system: FileSystem) -> Iterator[Fault]:
    for each in system.associations:
        path = text(each.properties.get("FileSystemPath")) or ""
        missing = [event for event in EXPORTED if event not in _exports(each)]
        if missing and WRITTEN.search(path):
            yield Fault(f"{path} exports no {' and no '.join(missing)} files", place=each.place)


@linked.warning(
    "LUSTRE-29",
    what="Several data repository associations of a file system are made at once.",
    why="FSx makes one at a time: the others wait, time out now and then, and the stack is rolled "
    "back with the file system.",
    source="aws-parallelcluster pull request 6649, read 2026-11-26",
    fix="write DependsOn with the logical id of the association before it",
)
def associations_in_turn(model: Model, system: FileSystem) -> Iterator[Fault]:
    made: list[ResolvedResource] = []
    for each in sorted(system.associations, key=lambda a: len(model.dependencies(a.place.key))):
        waited = model.dependencies(each.place.key)
        others = [other.place.logical_id for other in made if other.place.key not in waited]
        if others and each.place.stack == system.place.stack:
            yield Fault(f"it does not wait for {', '.join(others)}", place=each.place)
        made.append(each)


@linked.warning(
    "LUSTRE-30",
    what="Old versions of what a file system exports are kept for ever.",
    why="Every checkpoint that is written over or deleted stays in the bucket as a version, and is "
    "billed: in months that is many times the file system.",
    source="S3 user guide, lifecycle of versions, read 2026-11-27; cost sheets of this project",
    fix="write NoncurrentVersionExpiration into the bucket's LifecycleConfiguration",
    check="aws s3api get-bucket-lifecycle-configuration --bucket <bucket>",
)
def versions_that_go(model: Model, system: FileSystem) -> Iterator[Fault]:
    for each in system.associations:
        named = [model.at(to.key) for to in links(each.properties.get("DataRepositoryPath"))]
        for bucket in (b for b in named if b and b.resource_type == "AWS::S3::Bucket"):
            versions = text(part(bucket.properties, "VersioningConfiguration", "Status"))
            rules = items(part(bucket.properties, "LifecycleConfiguration", "Rules"))
            going = [r for r in rules if part(r, "NoncurrentVersionExpiration")]
            if _exports(each) and versions == "Enabled" and not going:
                yield Fault(f"{bucket.place.logical_id} has versions and no end for them")
