"""Lustre file systems, their data repository associations, and other resources that hold data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from ultracluster.catalogue.prices import Item, lustre_storage
from ultracluster.catalogue.values import table
from ultracluster.model.resource import ModelResource
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import Place, ResolvedResource, Text
from ultracluster.templates.resolved_values import Key, UndeterminedError
from ultracluster.templates.scope import mapping

STATEFUL: Final = {
    "AWS::FSx::FileSystem": "file system",
    "AWS::S3::Bucket": "bucket",
    "AWS::EFS::FileSystem": "file system",
    "AWS::KMS::Key": "key",
    "AWS::DynamoDB::Table": "table",
    "AWS::RDS::DBInstance": "database",
    "AWS::RDS::DBCluster": "database",
}
KEPT: Final = ("Retain", "RetainExceptOnCreate")
GIB_PER_TIB: Final = 1024
BOOLEANS: Final = ("EfaEnabled", "CopyTagsToBackups")


@dataclass(frozen=True)
class FileSystem(ModelResource):
    """A Lustre file system with its data repository associations."""

    associations: tuple[ResolvedResource, ...]

    def configuration(self, *path: str) -> Any:
        """Return a value of its `LustreConfiguration`."""
        return read.part(self.properties, "LustreConfiguration", *path)

    def plain(self) -> Mapping[str, Any]:
        """Return its properties for the rules of the catalogue, made once."""
        stated = read.settled(self.properties, "LustreConfiguration")
        if stated is not None and not isinstance(stated, Mapping):
            raise UndeterminedError(f"LustreConfiguration {read.shown(stated)} is no configuration")
        read.text(self.configuration("DeploymentType"))
        read.text(self.properties, "StorageType")
        return self._plain

    @cached_property
    def _plain(self) -> Mapping[str, Any]:
        made = plain(self.properties)
        assert isinstance(made, dict)  # noqa: S101  (a mapping stays one)
        configuration = made.get("LustreConfiguration") or {}
        for name in BOOLEANS:
            if configuration.get(name) in ("true", "false"):
                configuration[name] = configuration[name] == "true"
        return made

    def deployment_type(self) -> str:
        """Return its deployment type; FSx takes SCRATCH_1 where none is written."""
        return read.text(self.configuration("DeploymentType")) or "SCRATCH_1"

    def storage_type(self) -> str:
        """Return its storage type; FSx takes SSD where none is written."""
        return read.text(self.properties, "StorageType") or "SSD"

    def gibibytes(self) -> int | None:
        """Return its capacity in GiB, None where it grows by itself."""
        gib = read.number(self.properties, "StorageCapacity")
        if gib is None and self.from_backup():
            raise UndeterminedError("it is restored from a backup")
        if gib is None and self.storage_type() != "INTELLIGENT_TIERING":
            raise UndeterminedError("no capacity is written for it")
        return gib

    def tier(self) -> int | None:
        """Return the MB/s bought for every TiB, None where they are not bought so."""
        return read.number(self.configuration("PerUnitStorageThroughput"))

    def throughput(self) -> float | None:
        """Return its GB/s, None where nobody says."""
        bought = read.number(self.configuration("ThroughputCapacity"))
        if bought is not None:
            return bought / 1000
        gib, tier = self.gibibytes(), self.tier()
        if tier is None:
            of_type = table("lustre")["deployment_types"].get(self.deployment_type(), {})
            tier = of_type.get("baseline_mbps_per_tib")
        return None if gib is None or tier is None else tier * gib / GIB_PER_TIB / 1000

    def sold_as(self) -> Item:
        """Return what a GB-month of it is sold as."""
        return lustre_storage(self.deployment_type(), self.storage_type(), self.tier())

    def from_backup(self) -> bool:
        """Whether it is restored from a backup, which says how large and fast it is."""
        return self.properties.get("BackupId") is not None

    def over_efa(self) -> bool:
        """Whether its servers speak EFA."""
        return read.text(self.configuration("EfaEnabled")) == "true"

    def groups(self) -> list[Any]:
        """Return its security groups.

        Raises:
            UndeterminedError: where it has the default one of its VPC.
        """
        stated = read.items(self.properties, "SecurityGroupIds")
        if not stated:
            raise UndeterminedError("it has the default security group of its VPC")
        return stated

    def subnet(self) -> Key:
        """Return its subnet."""
        stated = read.items(self.properties, "SubnetIds")
        if not stated:
            raise UndeterminedError("no subnet is written for it")
        return read.key(stated[0])


@dataclass(frozen=True)
class Associations:
    """What one Lustre file system is linked to."""

    place: Place
    """Of the file system, or of the first association where the templates have none."""
    resources: tuple[ResolvedResource, ...]


def plain(value: Any) -> Any:
    """Return a value whose texts are plain, for functions that know no `Text`."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, Text) and all(isinstance(piece, str) for piece in value.parts):
        return "".join(str(piece) for piece in value.parts)
    return {} if isinstance(value, Mapping) else value


def read_file_systems(resources: Sequence[ResolvedResource]) -> tuple[FileSystem, ...]:
    associations = _associations(resources)
    return tuple(
        FileSystem(r, tuple(associations.get(r.place.key, ())))
        for r in resources
        if r.resource_type == "AWS::FSx::FileSystem"
        and (
            "LustreConfiguration" in r.properties or r.properties.get("FileSystemType") == "LUSTRE"
        )
    )


def read_associated(
    resources: Sequence[ResolvedResource], known: Sequence[FileSystem]
) -> Iterator[Associations]:
    """Yield the associations of each file system, also of one that is in no given template."""
    places: dict[Key, Place] = {system.key: system.place for system in known}
    for owner, found in _associations(resources).items():
        yield Associations(places.get(owner, found[0].place), tuple(found))


def _associations(resources: Sequence[ResolvedResource]) -> dict[Key, list[ResolvedResource]]:
    found: dict[Key, list[ResolvedResource]] = {}
    for resource in resources:
        if resource.resource_type == "AWS::FSx::DataRepositoryAssociation":
            try:
                owner = read.key(resource.properties, "FileSystemId")
            except UndeterminedError:
                # Whatever it is of, nothing else is known to be of the same.
                owner = resource.place.key
            found.setdefault(owner, []).append(resource)
    return found


def holds_data(resource: ResolvedResource) -> bool:
    """Whether a resource holds data that its deletion would lose."""
    if resource.resource_type not in STATEFUL:
        return False
    configuration = mapping(resource.properties.get("LustreConfiguration"))
    return not read.written(configuration.get("DeploymentType")).startswith("SCRATCH")


def kept_at_deletion(resource: ResolvedResource) -> bool:
    """Whether it outlives its stack."""
    return read.settled(resource.deletion_policy) in (*KEPT, "Snapshot")


def kept_at_replacement(resource: ResolvedResource) -> bool:
    """Whether it outlives an update that replaces it."""
    return read.settled(resource.update_replace_policy) in (*KEPT, "Snapshot")


def lost_when_replaced(resource: ResolvedResource) -> bool:
    """Whether a replacement would take its data along; S3 deletes no bucket that has objects."""
    return resource.resource_type != "AWS::S3::Bucket"


def keys_of(resource: ResolvedResource) -> Iterator[Any]:
    """Yield the KMS keys that a resource with data is encrypted with."""
    yield resource.properties.get("KmsKeyId")
    yield read.part(resource.properties, "SSESpecification", "KMSMasterKeyId")
    rules = read.part(resource.properties, "BucketEncryption", "ServerSideEncryptionConfiguration")
    for rule in rules if isinstance(rules, list) else []:
        yield read.part(rule, "ServerSideEncryptionByDefault", "KMSMasterKeyID")
