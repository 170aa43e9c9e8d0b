"""LUSTRE rules about a file system itself: what FSx sells, and what only creation can choose."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from ultracluster.catalogue import lustre
from ultracluster.model.model import Model
from ultracluster.model.storage import FileSystem
from ultracluster.problem import MISSING
from ultracluster.rules.rule import Fault, Judge
from ultracluster.rules.subjects import file_systems
from ultracluster.templates.resolved import Link, Text
from ultracluster.templates.resolved_values import UndeterminedError, begins, settled, shown, text

FSX_GUIDE: Final = "FSx for Lustre User Guide and botocore 1.44.5, read 2026-11-23"
of_fsx: Final = replace(file_systems, source=FSX_GUIDE)
DESCRIBE: Final = "aws fsx describe-file-systems --file-system-ids <id>"
SERVICE_KEY: Final = "aws/fsx"
"""Alias of the key that scratch file systems are encrypted with in any case."""
FROM_BACKUP: Final = ("StorageCapacity", "LustreConfiguration.PerUnitStorageThroughput")


def _about(*fields: str) -> Judge[FileSystem]:
    """Return a judge that yields the catalogue's problems of some fields."""

    def judge(_model: Model, system: FileSystem) -> Iterator[Fault]:
        for problem in lustre.problems(system.plain()):
            if not any(_within(problem.field, name) for name in fields):
                continue
            if problem.field == "KmsKeyId" and str(problem.got).endswith(SERVICE_KEY):
                continue
            if problem.got is MISSING and system.from_backup() and problem.field in FROM_BACKUP:
                continue
            yield Fault(f"{problem.field}: got {shown(problem.got)}", fix=problem.fix)
        for name in fields:
            whole, _, inner = name.partition(".")
            value = system.properties.get(whole) if not inner else system.configuration(inner)
            # A reference is as good as a value for a subnet or a key.
            if not isinstance(value, Link | Text | list | dict):
                text(value)

    return judge


def _within(field: str, name: str) -> bool:
    return field == name or field.startswith(f"{name}.")


capacity_that_is_sold = of_fsx.fatal(
    "LUSTRE-1",
    what="FSx does not sell this capacity of a Lustre file system.",
    why="FSx takes 1200, 2400 or steps that depend on the kind; cfn-lint 1.58 passes 1300 and the "
    "create fails.",
    source=f"cfn-lint 1.58.0 run on 2026-11-23; {FSX_GUIDE}",
    fix="write StorageCapacity 1200 or a multiple of 2400",
    check=f"{DESCRIBE} --query 'FileSystems[].StorageCapacity'",
)(_about("StorageCapacity"))

throughput_that_is_sold = of_fsx.fatal(
    "LUSTRE-2",
    what="FSx does not sell this throughput of a Lustre file system.",
    why="PERSISTENT_2 SSD has 125, 250, 500 and 1000 MB/s per TiB, other kinds have others; "
    "cfn-lint 1.58 passes 300 and the create fails.",
    source=f"cfn-lint 1.58.0 run on 2026-11-23; {FSX_GUIDE}",
    fix="write PerUnitStorageThroughput 125, 250, 500 or 1000",
    check=f"{DESCRIBE} --query 'FileSystems[].LustreConfiguration.PerUnitStorageThroughput'",
)(_about("LustreConfiguration.PerUnitStorageThroughput"))

storage_of_the_deployment_type = of_fsx.fatal(
    "LUSTRE-3",
    what="A deployment type does not exist, or does not take the storage type.",
    why="HDD goes with PERSISTENT_1 and INTELLIGENT_TIERING with PERSISTENT_2 only; the create "
    "fails.",
    fix="write DeploymentType PERSISTENT_2 with StorageType SSD",
    check=f"{DESCRIBE} --query 'FileSystems[].[StorageType,LustreConfiguration.DeploymentType]'",
)(_about("LustreConfiguration.DeploymentType", "StorageType"))

allowed_metadata_configuration = of_fsx.fatal(
    "LUSTRE-4",
    what="The file system does not take this metadata configuration.",
    why="Only PERSISTENT_2 has one, Iops come in steps, and AUTOMATIC takes none; the create "
    "fails.",
    source=f"aws-parallelcluster#7616; {FSX_GUIDE}",
    fix="write MetadataConfiguration: {Mode: AUTOMATIC}, or USER_PROVISIONED with Iops 1500",
    check=f"{DESCRIBE} --query 'FileSystems[].LustreConfiguration.MetadataConfiguration'",
)(_about("LustreConfiguration.MetadataConfiguration"))

options_of_the_storage_type = of_fsx.fatal(
    "LUSTRE-5",
    what="An option belongs to another storage type, or is missing for this one.",
    why="DriveCacheType goes with HDD, ThroughputCapacity and DataReadCacheConfiguration with "
    "INTELLIGENT_TIERING; the create fails.",
    fix="remove the option, or write the storage type that it belongs to",
    check=f"{DESCRIBE} --query 'FileSystems[].LustreConfiguration'",
)(
    _about(
        "LustreConfiguration.DriveCacheType",
        "LustreConfiguration.ThroughputCapacity",
        "LustreConfiguration.DataReadCacheConfiguration",
    )
)

associations_on_persistent_2 = of_fsx.fatal(
    "LUSTRE-6",
    what="A PERSISTENT_2 file system has an import or export path.",
    why="Paths of the file system itself are of older deployment types; PERSISTENT_2 takes data "
    "repository associations, and the create fails.",
    source=f"aws-cdk#34649; terraform-provider-aws#22656; {FSX_GUIDE}",
    fix="write AWS::FSx::DataRepositoryAssociation with DataRepositoryPath instead",
    check="aws fsx describe-data-repository-associations --filters Name=file-system-id,Values=<id>",
)(
    _about(
        "LustreConfiguration.ImportPath",
        "LustreConfiguration.ExportPath",
        "LustreConfiguration.AutoImportPolicy",
        "LustreConfiguration.ImportedFileChunkSize",
    )
)

efa_where_possible = of_fsx.fatal(
    "LUSTRE-7",
    what="EFA is enabled on a file system that cannot have it.",
    why="It needs PERSISTENT_2, Lustre 2.15 and a metadata configuration, and can be chosen only "
    "at creation; the create fails.",
    source=f"aws-parallelcluster#7616; {FSX_GUIDE}",
    fix="write DeploymentType PERSISTENT_2 and FileSystemTypeVersion 2.15, or remove EfaEnabled",
    check=f"{DESCRIBE} --query 'FileSystems[].LustreConfiguration.EfaEnabled'",
)(_about("LustreConfiguration.EfaEnabled"))

allowed_lustre_version = of_fsx.fatal(
    "LUSTRE-25",
    what="The file system does not take this version of Lustre.",
    why="PERSISTENT_2 takes 2.12 or 2.15, and with a metadata configuration or EFA 2.15 only; the "
    "create fails.",
    source="botocore 1.44.5 fsx model, FileSystemTypeVersion, read 2026-11-24",
    fix='write FileSystemTypeVersion "2.15"',
    check=f"{DESCRIBE} --query 'FileSystems[].FileSystemTypeVersion'",
)(_about("FileSystemTypeVersion"))

allowed_backups = of_fsx.fatal(
    "LUSTRE-8",
    what="Backups are of a scratch file system, or kept for a time that FSx does not offer.",
    why="Scratch has no backups, and retention is 0 to 90 days; the create fails.",
    fix="write AutomaticBackupRetentionDays 0 to 90, with a PERSISTENT type",
    check=f"{DESCRIBE} --query 'FileSystems[].LustreConfiguration.AutomaticBackupRetentionDays'",
)(_about("LustreConfiguration.AutomaticBackupRetentionDays"))

no_key_on_scratch = of_fsx.error(
    "LUSTRE-9",
    what="A scratch file system is given a KMS key.",
    why="Scratch is encrypted with a key of the service: the one that is written is refused, or "
    "not used.",
    source=f"aws-parallelcluster FSx validators; {FSX_GUIDE}",
    fix="remove KmsKeyId, or write a PERSISTENT type",
    check=f"{DESCRIBE} --query 'FileSystems[].KmsKeyId'",
)(_about("KmsKeyId"))

allowed_maintenance = of_fsx.fatal(
    "LUSTRE-27",
    what="The weekly maintenance of a file system begins at a time that there is not.",
    why="It is d:HH:MM, d from 1 (Monday) to 7; the create fails for day 0 and for anything else.",
    source="botocore 1.44.5 fsx model, WeeklyTime, read 2026-11-27",
    fix='write WeeklyMaintenanceStartTime "7:03:00"',
    check=f"{DESCRIBE} --query 'FileSystems[].LustreConfiguration.WeeklyMaintenanceStartTime'",
)(_about("LustreConfiguration.WeeklyMaintenanceStartTime"))

one_subnet = of_fsx.fatal(
    "LUSTRE-10",
    what="A Lustre file system is given several subnets.",
    why="It lives in exactly one; the create fails.",
    fix="write one subnet, in the zone of the nodes",
    check=f"{DESCRIBE} --query 'FileSystems[].SubnetIds'",
)(_about("SubnetIds"))


@of_fsx.fatal(
    "LUSTRE-11",
    what="The log group of a file system has a name that FSx does not write to.",
    why="FSx writes only to log groups that begin with /aws/fsx/; the create fails.",
    source=f"aws-parallelcluster FSx validators; {FSX_GUIDE}",
    fix="write LogGroupName /aws/fsx/<name>",
    check=f"{DESCRIBE} --query 'FileSystems[].LustreConfiguration.LogConfiguration'",
)
def log_group_of_fsx(model: Model, system: FileSystem) -> Iterator[Fault]:
    if text(system.configuration("LogConfiguration", "Level")) == "DISABLED":
        return
    name = _log_group_name(model, system.configuration("LogConfiguration", "Destination"))
    if name is not None and not begins(name, lustre.LOG_GROUP_PREFIX):
        yield Fault(f"LogConfiguration.Destination is log group {shown(name)}")


def _log_group_name(model: Model, destination: Any) -> Any:
    """Return the name of a log group as it is written, None where it is no log group."""
    stated = settled(destination)
    if stated is None or (isinstance(stated, str) and ":log-group:" not in stated):
        # Nothing, or a stream of Firehose.
        return None
    pieces = stated.parts if isinstance(stated, Text) else (stated,)
    for index, piece in enumerate(pieces):
        if isinstance(piece, str) and ":log-group:" in piece:
            name = (piece.partition(":log-group:")[2], *pieces[index + 1 :])
            if name[0]:
                return Text(name) if len(name) > 1 else name[0]
    group = model.found(stated, "AWS::Logs::LogGroup")
    if group is None:
        raise UndeterminedError(f"{shown(stated)} is known only once it is deployed")
    # CloudFormation makes a name of stack and logical id where none is written.
    return group.properties.get("LogGroupName", f"{group.place.stack}-{group.place.logical_id}")


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
        text(system.configuration("DeploymentType")) == "PERSISTENT_2"
        and text(system.properties.get("StorageType")) in (None, "SSD")
        and system.configuration("MetadataConfiguration") is None
        and not system.from_backup()
        and not system.over_efa()  # there it is an error (LUSTRE-4)
    ):
        yield Fault("PERSISTENT_2 without MetadataConfiguration")
