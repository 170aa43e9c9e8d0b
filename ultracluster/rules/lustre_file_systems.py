"""LUSTRE rules about a file system itself and what it is linked to: what FSx takes and keeps."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from ultracluster.catalogue import lustre
from ultracluster.catalogue import lustre_associations as associations
from ultracluster.model.model import Model
from ultracluster.model.storage import Associations, FileSystem, plain
from ultracluster.problem import MISSING, Problem
from ultracluster.rules.rule import About, Fault, Judge, file_systems
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import Link, ResolvedResource, Text, Unknown
from ultracluster.templates.resolved_values import UndeterminedError
from ultracluster.templates.scope import mapping

FSX_GUIDE: Final = "FSx for Lustre User Guide and botocore 1.44.5, read 2026-11-23"
DESCRIBE: Final = "aws fsx describe-file-systems --file-system-ids <id>"
LINKED: Final = f"aws-cdk#34649; {FSX_GUIDE}"
ASSOCIATIONS: Final = (
    "aws fsx describe-data-repository-associations --filters Name=file-system-id,Values=<id>"
)
of_fsx: Final = replace(file_systems, source=FSX_GUIDE)
linked: Final = replace(file_systems, source=LINKED, check=ASSOCIATIONS)
SERVICE_KEY: Final = "aws/fsx"
"""Alias of the key that scratch file systems are encrypted with in any case."""
FROM_BACKUP: Final = ("StorageCapacity", "LustreConfiguration.PerUnitStorageThroughput")
REFUSED: Final = (
    *("StorageCapacity", "StorageType", "SubnetIds", "FileSystemTypeVersion"),
    *(
        f"LustreConfiguration.{name}"
        for name in (
            *("DeploymentType", "PerUnitStorageThroughput", "ThroughputCapacity", "EfaEnabled"),
            *("MetadataConfiguration", "DriveCacheType", "DataReadCacheConfiguration"),
            *("ImportPath", "ExportPath", "AutoImportPolicy", "ImportedFileChunkSize"),
            *("AutomaticBackupRetentionDays", *lustre.TIMES),
        )
    ),
)
"""Properties for which FSx refuses a file system, as the catalogue judges them."""
EXPORTED: Final = ("NEW", "CHANGED")
WRITTEN: Final = re.compile(r"(?i)checkpoint|ckpt|output|result")
"""Paths that jobs write to, by their names."""
PATHS: Final = ("FileSystemPath", "DataRepositoryPath")


def _problems(system: FileSystem) -> list[Problem]:
    return list(lustre.problems(system.plain()))


def _about(name: str) -> Judge[FileSystem]:
    """Return a judge that yields the catalogue's problems of a field."""

    def judge(model: Model, system: FileSystem) -> Iterator[Fault]:
        for problem in model.once("of FSx", system.resource, lambda: _problems(system)):
            if problem.field != name and not problem.field.startswith(f"{name}."):
                continue
            if problem.field == "KmsKeyId" and str(problem.got).endswith(SERVICE_KEY):
                continue
            if problem.got is MISSING and system.from_backup() and problem.field in FROM_BACKUP:
                continue
            yield Fault(f"{problem.field}: got {read.shown(problem.got)}", fix=problem.fix)
        value = read.part(system.properties, *name.split("."))
        # A reference is as good as a value for a subnet or a key.
        if not isinstance(value, Link | Text | list | dict):
            read.text(value)

    return judge


def _log_group_of_fsx(model: Model, system: FileSystem) -> Iterator[Fault]:
    if read.text(system.configuration("LogConfiguration", "Level")) == "DISABLED":
        return
    name = _log_group_name(model, system.configuration("LogConfiguration", "Destination"))
    if name is not None and not read.begins(name, lustre.LOG_GROUP_PREFIX):
        yield Fault(f"LogConfiguration.Destination is log group {read.shown(name)}")


def _log_group_name(model: Model, destination: Any) -> Any:
    """Return the name of a log group as it is written, None where it is no log group."""
    stated = read.settled(destination)
    if stated is None or (isinstance(stated, str) and ":log-group:" not in stated):
        # Nothing, or a stream of Firehose.
        return None
    pieces = stated.parts if isinstance(stated, Text) else (stated,)
    for index, piece in enumerate(pieces):
        if isinstance(piece, str) and ":log-group:" in piece:
            name = (piece.partition(":log-group:")[2], *pieces[index + 1 :])
            if name[0]:
                return Text(name) if len(name) > 1 else name[0]
    group = model.find(stated, "AWS::Logs::LogGroup")
    if group is None:
        raise UndeterminedError(f"{read.shown(stated)} is known only once it is deployed")
    # CloudFormation makes a name of stack and logical id where none is written.
    return group.properties.get("LogGroupName", f"{group.place.stack}-{group.place.logical_id}")


created_as_written = of_fsx.fatal(
    "LUSTRE-1",
    what="FSx refuses a Lustre file system with these properties.",
    why="Capacity and throughput come in steps of the kind, options belong to deployment and "
    "storage types, and EFA, metadata and the version of Lustre can be chosen only at creation: "
    "the create fails, and cfn-lint 1.58 passes most of it (StorageCapacity 1300).",
    source=f"cfn-lint 1.58.0 run on 2026-11-23; aws-parallelcluster#7616 and its FSx validators; "
    f"aws-cdk#34649; terraform-provider-aws#22656; {FSX_GUIDE}",
    fix="write what the message names, for example StorageCapacity 1200 or a multiple of 2400, "
    "and a log group /aws/fsx/<name>",
    check=f"{DESCRIBE} --query 'FileSystems[].[StorageCapacity,LustreConfiguration]'",
)(*map(_about, REFUSED), _log_group_of_fsx)

no_key_on_scratch = of_fsx.error(
    "LUSTRE-9",
    what="A scratch file system is given a KMS key.",
    why="Scratch is encrypted with a key of the service: the one that is written is refused, or "
    "not used.",
    source=f"aws-parallelcluster FSx validators; {FSX_GUIDE}",
    fix="remove KmsKeyId, or write a PERSISTENT type",
    check=f"{DESCRIBE} --query 'FileSystems[].KmsKeyId'",
)(_about("KmsKeyId"))


@of_fsx.info(
    "LUSTRE-12",
    what="A PERSISTENT_2 SSD file system is made without a metadata configuration.",
    why="Metadata IOPS and EFA can be had only with one; a file system that was made "
    "without it has to be made anew, and its data moved.",
    source=f"aws-parallelcluster#7616; {FSX_GUIDE}",
    fix="write MetadataConfiguration: {Mode: AUTOMATIC} and FileSystemTypeVersion 2.15",
    check=f"{DESCRIBE} --query 'FileSystems[].LustreConfiguration.MetadataConfiguration'",
)
def metadata_configuration_chosen(_model: Model, system: FileSystem) -> Iterator[Fault]:
    if (
        read.text(system.configuration("DeploymentType")) == "PERSISTENT_2"
        and read.text(system.properties, "StorageType") in (None, "SSD")
        and system.configuration("MetadataConfiguration") is None
        and not system.from_backup()
        and not system.over_efa()  # there it is an error (LUSTRE-1)
    ):
        yield Fault("PERSISTENT_2 without MetadataConfiguration")


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
            got = read.shown(problem.got) if problem.got else "an empty text"
            yield Fault(f"{problem.field}: got {got}", fix=problem.fix)


def _association_faults(_model: Model, system: FileSystem, code: str) -> Iterator[Fault]:
    stated = _stated(system.associations)
    yield from _faults(associations.association_problems(system.plain(), stated), code)


def _backups_beside(model: Model, system: FileSystem) -> Iterator[Fault]:
    yield from _association_faults(model, system, associations.ASSOCIATION_WITH_BACKUPS)
    if system.associations:
        read.text(system.configuration("AutomaticBackupRetentionDays"))


def _not_taken(model: Model, system: FileSystem) -> Iterator[Fault]:
    yield from _association_faults(model, system, associations.ASSOCIATION_NOT_TAKEN)
    if not system.associations:
        return
    deployment = read.text(system.configuration("DeploymentType")) or "SCRATCH_1"
    version = read.text(system.properties, "FileSystemTypeVersion")
    if version is None and deployment not in ("SCRATCH_1", "PERSISTENT_2"):
        if not system.from_backup():
            yield Fault(
                f"no FileSystemTypeVersion, which is 2.10 for {deployment}",
                fix="write FileSystemTypeVersion 2.15",
            )
    elif version == "2.10":
        yield Fault(f"FileSystemTypeVersion is {version}", fix="write FileSystemTypeVersion 2.15")
    for name in ("ImportPath", "ExportPath", "AutoImportPolicy"):
        # On PERSISTENT_2 such a path is wrong by itself (LUSTRE-1).
        if system.configuration(name) is not None and deployment != "PERSISTENT_2":
            yield Fault(f"{name} beside an association", fix=f"remove {name}")


associations_where_taken = linked.fatal(
    "LUSTRE-20",
    what="A data repository association is on a file system that does not support any.",
    why="A file system with automatic backups takes none, nor do SCRATCH_1, Intelligent-Tiering "
    "and Lustre before 2.12 (where no version is written it is 2.10, but for PERSISTENT_2), nor "
    "one with import and export paths of its own.",
    source=f"aws-cdk#34649, #21288; {FSX_GUIDE}",
    fix="write AutomaticBackupRetentionDays 0, SCRATCH_2 or a PERSISTENT type and "
    "FileSystemTypeVersion 2.15, without ImportPath",
)(_backups_beside, _not_taken)


@About[Associations](lambda model: model.associations, source=LINKED, check=ASSOCIATIONS).fatal(
    "LUSTRE-21",
    what="There are too many data repository associations, or their paths are invalid or overlap.",
    why="FSx takes 8 for each file system, which link paths of it with prefixes of a bucket, "
    "s3://bucket/prefix, and neither may lie inside those of another one; the association fails.",
    source=f"terraform-provider-aws#22656; {FSX_GUIDE}",
    fix="give each association a FileSystemPath and a DataRepositoryPath of its own, and merge "
    "prefixes until there are 8",
)
def associations_apart(model: Model, linked: Associations) -> Iterator[Fault]:
    stated = list(associations.path_problems(_stated(linked.resources)))
    yield from _faults(stated, associations.TOO_MANY_ASSOCIATIONS)
    yield from _faults(stated, associations.ASSOCIATIONS_OVERLAP)
    for entry in linked.resources:
        for path in PATHS:
            if read.settled(entry.properties, path) == "" and _is_default(model, entry, path):
                raise UndeterminedError(f"{path} is empty by default, whoever deploys it says it")
    yield from _faults(stated, associations.ASSOCIATION_PATH)


def _is_default(model: Model, entry: ResolvedResource, path: str) -> bool:
    """Whether a value comes of a parameter, so that an empty one stands for none."""
    template = model.variant.templates[entry.place.stack]
    whole = mapping(template.body["Resources"].get(entry.place.logical_id))
    return isinstance(mapping(whole.get("Properties")).get(path), dict)


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
        path = read.text(each.properties, "FileSystemPath") or ""
        exported = read.texts(each.properties, "S3", "AutoExportPolicy", "Events")
        missing = [event for event in EXPORTED if event not in exported]
        if missing and WRITTEN.search(path):
            yield Fault(f"{path} exports no {' and no '.join(missing)} files", place=each.place)
