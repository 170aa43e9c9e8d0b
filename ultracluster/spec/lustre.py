"""The shared file system of an environment, and the S3 data it is linked to."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from ultracluster.catalogue import lustre
from ultracluster.catalogue.lustre_associations import ASSOCIATION_PATH, association_problems
from ultracluster.catalogue.values import table
from ultracluster.problem import MISSING, Problem
from ultracluster.spec.base import Spec, TextFormat, rule

GIB_PER_TIB: Final = 1024

NONCURRENT_DAYS: Final = 3
"""Days; long enough for a weekend without staff."""

Event = Literal["NEW", "CHANGED", "DELETED"]
EVERY_EVENT: Final[tuple[Event, ...]] = ("NEW", "CHANGED", "DELETED")

BUCKET_NAME: Final = TextFormat(
    r"(?!.*\.\.|[0-9]+(\.[0-9]+){3}$)[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]",
    "a bucket name has 3 to 63 lower-case letters, digits, hyphens and single dots; write it "
    "without s3:// and prefix",
)

INVALID: Final = object()
"""The value of a field whose type has a problem already."""

FIELDS: Final = {
    "StorageCapacity": "capacity_gib",
    "StorageType": "storage_type",
    "KmsKeyId": "customer_key",
    "LustreConfiguration.DeploymentType": "deployment_type",
    "LustreConfiguration.PerUnitStorageThroughput": "per_unit_storage_throughput",
    "LustreConfiguration.ThroughputCapacity": "throughput_capacity_mbps",
    "LustreConfiguration.DriveCacheType": "drive_cache_type",
    "LustreConfiguration.DataReadCacheConfiguration": "data_read_cache",
    "LustreConfiguration.MetadataConfiguration": "metadata_iops",
    "LustreConfiguration.MetadataConfiguration.Mode": "metadata_iops",
    "LustreConfiguration.MetadataConfiguration.Iops": "metadata_iops",
    "LustreConfiguration.AutomaticBackupRetentionDays": "automatic_backup_retention_days",
    "LustreConfiguration.EfaEnabled": "efa_enabled",
    "LustreConfiguration.WeeklyMaintenanceStartTime": "weekly_maintenance_start_time",
    "FileSystemTypeVersion": "deployment_type",
    "DataRepositoryAssociations": "data_repositories",
    "FileSystemPath": "data_repositories",
    "DataRepositoryPath": "data_repositories",
}
"""The field of the spec for each CloudFormation property that a rule may name."""


S3: Final = "s3://"


class DataRepositorySpec(Spec):
    """A data repository association: links a directory of the file system to an S3 prefix."""

    file_system_path: str
    """Directory of the file system, for example `/data`."""

    prefix: str
    """Prefix in the bucket, without a leading slash, for example `datasets/`."""

    bucket_name: Annotated[str | None, BUCKET_NAME] = None
    """An existing bucket of the same Region; None uses the environment's own data bucket."""

    auto_import: tuple[Event, ...] = EVERY_EVENT
    """Changes in the bucket that FSx imports into the file system."""

    auto_export: tuple[Event, ...] = EVERY_EVENT
    """Changes in the file system that FSx exports to the bucket."""

    @rule
    def _path_is_a_directory(self) -> Iterator[Problem]:
        if not re.fullmatch(r"/[^\0\x85\u2028\u2029\r\n]{0,4095}", self.file_system_path):
            fix = "write a path that begins with a slash, such as /data"
            yield self.problem_of("file_system_path", fix)
        elif {".", ".."} & set(self.file_system_path.split("/")):
            clean = posixpath.normpath(self.file_system_path)
            fix = f'the path contains . or ..; write "{clean}"'
            yield self.problem_of("file_system_path", fix)

    @rule
    def _prefix_is_valid(self) -> Iterator[Problem]:
        if self.prefix.startswith(("/", "s3:")):
            clean = re.sub(r"^(s3://[^/]*)?/*", "", self.prefix)
            fix = f'write only the prefix, without bucket and leading slash: "{clean}"'
            yield self.problem_of("prefix", fix)

    @rule
    def _events_are_listed_once(self) -> Iterator[Problem]:
        for field in ("auto_import", "auto_export"):
            events = getattr(self, field)
            if len(set(events)) != len(events):
                yield Problem(field, events, "an event is listed twice; remove one")


class LustreSpec(Spec):
    """An Amazon FSx for Lustre file system."""

    deployment_type: Literal["SCRATCH_1", "SCRATCH_2", "PERSISTENT_1", "PERSISTENT_2"]
    """SCRATCH_2 for data that may be lost, PERSISTENT_2 for data that may not."""

    capacity_gib: Annotated[int, Field(gt=0)] | None = None
    """Storage capacity; 1200, 2400 or a multiple of 2400 on SSD, None for Intelligent-Tiering."""

    per_unit_storage_throughput: Annotated[int, Field(gt=0)] | None = None
    """Throughput of a PERSISTENT file system in MB/s per TiB of capacity."""

    storage_type: Literal["SSD", "HDD", "INTELLIGENT_TIERING"] = "SSD"
    """Storage type of the file system."""

    throughput_capacity_mbps: Annotated[int, Field(gt=0)] | None = None
    """Throughput of an Intelligent-Tiering file system in MB/s, a multiple of 4000."""

    drive_cache_type: Literal["NONE", "READ"] | None = None
    """SSD cache in front of HDD."""

    data_read_cache: Literal["NO_CACHE", "PROPORTIONAL_TO_THROUGHPUT_CAPACITY"] | None = None
    """SSD read cache of an Intelligent-Tiering file system."""

    data_compression_type: Literal["NONE", "LZ4"] = "LZ4"
    """Compression of data that is written."""

    metadata_iops: Annotated[int, Field(gt=0)] | Literal["AUTOMATIC"] | None = None
    """Metadata IOPS of PERSISTENT_2; they can be raised later, but not added later."""

    efa_enabled: bool = False
    """Whether clients reach the file system over EFA. P4d and P4de cannot."""

    automatic_backup_retention_days: int = 0
    """Days for which daily backups are kept; not with data repositories."""

    weekly_maintenance_start_time: str = "7:03:00"
    """Day (1 = Monday) and time in UTC, `d:HH:MM`."""

    customer_key: bool = False
    """Whether the data is encrypted with a KMS key of the environment; PERSISTENT types only."""

    data_repositories: tuple[DataRepositorySpec, ...] = ()
    """Directories that are linked to S3 (data repository associations), at most 8."""

    exported_gb_per_day: Annotated[int, Field(ge=0, le=10**7)] | None = None
    """GB per day that jobs write into exported directories: size of a checkpoint times checkpoints
    a day. None takes the file system's capacity once a day. Only the cost sheet uses it."""

    noncurrent_days: Annotated[int, Field(ge=1, le=365)] = NONCURRENT_DAYS
    """Days for which the data bucket keeps noncurrent versions, which exports create whenever a
    checkpoint is overwritten or deleted. Each is charged like an object."""

    checkpoint_stripes: Annotated[int, Field(ge=-1, le=2000)] | None = None
    """Stripe count of files below /fsx/checkpoints: over how many OSTs a file is spread, -1 for
    all. None keeps the file system's default layout. 2,000 is Lustre's most (Lustre manual, lfs
    setstripe)."""

    keep_data: bool
    """Whether file system, bucket and key are kept when the stack is deleted."""

    @property
    def tebibytes(self) -> float | None:
        """Capacity in TiB; None for Intelligent-Tiering, which grows by itself."""
        return None if self.capacity_gib is None else self.capacity_gib / GIB_PER_TIB

    @property
    def throughput_gbps(self) -> float:
        """Baseline throughput in GB/s."""
        if self.throughput_capacity_mbps is not None:
            return self.throughput_capacity_mbps / 1000
        tier = self.per_unit_storage_throughput
        if tier is None:
            tier = table("lustre")["deployment_types"]["SCRATCH_2"]["baseline_mbps_per_tib"]
        return tier * (self.tebibytes or 0) / 1000

    def properties(self) -> dict[str, Any]:
        """Return the properties of `AWS::FSx::FileSystem`, without references to other resources.

        An invalid field has the value `INVALID`, which rules skip: other fields are still checked.
        """
        deployment = self._sound("deployment_type")
        backups = self._sound("automatic_backup_retention_days")
        cache = self._sound("data_read_cache")
        tiering = self._sound("storage_type") == "INTELLIGENT_TIERING"
        persistent = str(deployment).startswith("PERSISTENT")
        configuration = {
            "DeploymentType": deployment,
            "PerUnitStorageThroughput": self._sound("per_unit_storage_throughput"),
            "ThroughputCapacity": self._sound("throughput_capacity_mbps"),
            "DriveCacheType": self._sound("drive_cache_type"),
            "DataReadCacheConfiguration": {"SizingMode": cache} if cache else None,
            "DataCompressionType": None if tiering else self._sound("data_compression_type"),
            "MetadataConfiguration": self._metadata(),
            "EfaEnabled": self._sound("efa_enabled") or None,
            "AutomaticBackupRetentionDays": backups if persistent or backups else None,
            "WeeklyMaintenanceStartTime": self._sound("weekly_maintenance_start_time"),
        }
        return _stated(
            {
                "FileSystemType": "LUSTRE",
                "FileSystemTypeVersion": "2.15",
                "StorageType": self._sound("storage_type"),
                "StorageCapacity": self._sound("capacity_gib"),
                "LustreConfiguration": _stated(configuration),
            }
        )

    def _sound(self, field: str) -> Any:
        return vars(self).get(field, INVALID)

    def _metadata(self) -> Any:
        iops = self._sound("metadata_iops")
        if iops is None or iops is INVALID:
            return iops
        if iops == "AUTOMATIC":
            return {"Mode": "AUTOMATIC"}
        return {"Mode": "USER_PROVISIONED", "Iops": iops}

    @rule
    def _fsx_sells_it(self) -> Iterator[Problem]:
        asked = self.properties()
        if self._sound("customer_key") is True:
            asked["KmsKeyId"] = True
        for problem in lustre.problems(asked):
            field = FIELDS[problem.field]
            if self._sound(field) is INVALID:
                continue  # its type has a problem already
            got = MISSING if problem.got is MISSING else getattr(self, field)
            yield Problem(field, got, _in_our_words(problem.fix))

    @rule
    def _fsx_links_it(self) -> Iterator[Problem]:
        associations = [_association(entry) for entry in self.data_repositories]
        for problem in association_problems(self.properties(), associations):
            field, got = FIELDS[problem.field], problem.got
            # An invalid path is a problem of the entry itself.
            if problem.code != ASSOCIATION_PATH and self._sound(field) is not INVALID:
                got = got.removeprefix(S3) if isinstance(got, str) else got
                yield Problem(field, got, _in_our_words(problem.fix.replace(S3, "")))


def _stated(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in properties.items() if value is not None}


def _association(entry: DataRepositorySpec) -> dict[str, Any]:
    """Return the properties of an association, without its invalid fields."""
    known = vars(entry)
    asked = {"FileSystemPath": known["file_system_path"]} if "file_system_path" in known else {}
    if "bucket_name" in known and "prefix" in known:
        bucket = entry.bucket_name or "data bucket"
        asked["DataRepositoryPath"] = f"{S3}{bucket}/{entry.prefix}"
    return asked


def _in_our_words(fix: str) -> str:
    """Replace names of CloudFormation properties in a rule's text by the spec's field names."""
    fix = fix.replace("write Mode AUTOMATIC", 'write metadata_iops="AUTOMATIC"')
    for path, field in FIELDS.items():
        fix = re.sub(rf"\b{path.rpartition('.')[2]}\b", field, fix)
    return fix
