"""File systems, and what holds data outside of a VPC."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ultracluster.catalogue import lustre
from ultracluster.model.model import Model
from ultracluster.model.storage import FileSystem as Lustre
from ultracluster.model.storage import kept_at_deletion, read_file_systems
from ultracluster.review.naming import Names, short
from ultracluster.review.topology.model import Association, FileSystem, NotKnown, Store, told
from ultracluster.spec.environment import GIB_PER_LUSTRE_INTERFACE, LUSTRE_METADATA_INTERFACES
from ultracluster.templates.reading import (
    OWN,
    Key,
    UndeterminedError,
    items,
    key,
    keys,
    links,
    number,
    part,
    text,
    written,
)
from ultracluster.templates.resolved import ResolvedResource

GIB_PER_TIB: Final = 1024
BUCKET: Final = "AWS::S3::Bucket"
FSX: Final = {
    "ONTAP": "FSx for NetApp ONTAP",
    "OPENZFS": "FSx for OpenZFS",
    "WINDOWS": "FSx for Windows File Server",
}
STORES: Final = {
    BUCKET: "S3 bucket",
    "AWS::ECR::Repository": "ECR repository",
    "AWS::KMS::Key": "KMS key",
    "AWS::DynamoDB::Table": "DynamoDB table",
    "AWS::SecretsManager::Secret": "secret",
}


def read_all_file_systems(model: Model, names: Names) -> Iterator[FileSystem]:
    """Yield the file systems of a variant, of any kind."""
    lustres = read_file_systems(model.resources)
    for file_system in lustres:
        yield _lustre(model, file_system, names)
    known = {file_system.place for file_system in lustres}
    for resource in model.of("AWS::FSx::FileSystem"):
        if resource.place not in known:
            yield _other(resource)
    for resource in model.of("AWS::EFS::FileSystem"):
        yield _efs(model, resource)


def _lustre(model: Model, file_system: Lustre, names: Names) -> FileSystem:
    place, own = file_system.place, file_system.properties
    deployment = told(lambda: text(file_system.configuration("DeploymentType")) or "SCRATCH_1")
    storage = told(lambda: text(own.get("StorageType")) or "SSD")
    gib = told(lambda: _gib(file_system))
    tier = told(lambda: number(file_system.configuration("PerUnitStorageThroughput")))
    kind = deployment if isinstance(deployment, str) else "of a type that is not known"
    notes = [storage] if isinstance(storage, str) and storage != "SSD" else []
    over_efa = told(file_system.over_efa)
    if over_efa is True:
        notes.append("servers speak EFA")
    servers: int | NotKnown = NotKnown("its capacity is not known")
    if isinstance(gib, int):
        servers = -(-gib // GIB_PER_LUSTRE_INTERFACE) + LUSTRE_METADATA_INTERFACES
    return FileSystem(
        name=short(place),
        place=place,
        kind=f"Lustre {kind}",
        tebibytes=gib / GIB_PER_TIB if isinstance(gib, int) else gib,
        gigabytes_per_second=told(lambda: _throughput(file_system)),
        subnets=told(lambda: [file_system.subnet()]),
        groups=told(lambda: keys(file_system.groups())),
        associations=tuple(_associations(model, file_system, names)),
        notes=(*notes, _kept(file_system.resource)),
        servers=servers,
        storage_type=storage if isinstance(storage, str) else "",
        tier=tier if isinstance(tier, int) else None,
    )


def _gib(file_system: Lustre) -> int | None:
    gib = number(file_system.properties.get("StorageCapacity"))
    if gib is None and file_system.from_backup():
        raise UndeterminedError("it is restored from a backup")
    if gib is None and text(file_system.properties.get("StorageType")) != "INTELLIGENT_TIERING":
        raise UndeterminedError("no capacity is written for it")
    return gib


def _throughput(file_system: Lustre) -> float | None:
    """Return GB/s, None where nothing says it."""
    bought = number(file_system.configuration("ThroughputCapacity"))
    if bought is not None:
        return bought / 1000
    gib = _gib(file_system)
    tier = number(file_system.configuration("PerUnitStorageThroughput"))
    if tier is None:
        deployment = text(file_system.configuration("DeploymentType")) or "SCRATCH_1"
        types = lustre.data()["deployment_types"]
        tier = types.get(deployment, {}).get("baseline_mbps_per_tib")
    return None if gib is None or tier is None else tier * gib / GIB_PER_TIB / 1000


def _associations(model: Model, file_system: Lustre, names: Names) -> Iterator[Association]:
    for resource in file_system.associations:
        own = resource.properties
        path = told(lambda o=own: text(o.get("FileSystemPath")))  # type: ignore[misc]
        target = own.get("DataRepositoryPath")
        yield Association(
            path=path if isinstance(path, str) else "a path that is not known",
            target=_target(target, names),
            bucket=_bucket(model, target),
            imports=_events(own, "AutoImportPolicy"),
            exports=_events(own, "AutoExportPolicy"),
            place=resource.place,
        )
    for name, towards in (("ImportPath", True), ("ExportPath", False)):
        target = told(lambda n=name: file_system.configuration(n))  # type: ignore[misc]
        if target is not None:
            yield Association(
                path="/",
                target="not known" if isinstance(target, NotKnown) else _target(target, names),
                bucket=_bucket(model, target),
                imports="at creation" if towards else "",
                exports="" if towards else "by command",
            )


def _events(properties: Mapping[str, Any], policy: str) -> str:
    found = told(lambda: items(part(properties, "S3", policy, "Events")))
    if isinstance(found, NotKnown):
        return "not known"
    return ", ".join(written(event).lower() for event in found)


def _target(value: Any, names: Names) -> str:
    found = "".join(
        piece if isinstance(piece, str) else f"<{_linked(piece, names)}>"
        for piece in getattr(value, "parts", (value,))
    )
    return found.replace("s3://", "", 1)


def _linked(piece: Any, names: Names) -> str:
    own = told(lambda: key(piece))
    return "not known" if isinstance(own, NotKnown) or own[0] == "?" else names.key(own)


def _bucket(model: Model, target: Any) -> Key | None:
    for link in links(target):
        if link.attribute in OWN or link.attribute == "BucketName":
            name = (link.stack, link.logical_id)
            if any((r.place.stack, r.place.logical_id) == name for r in model.of(BUCKET)):
                return name
    return None


def _other(resource: ResolvedResource) -> FileSystem:
    own = resource.properties
    kind = told(lambda: text(own.get("FileSystemType")))
    gib = told(lambda: number(own.get("StorageCapacity")))
    return FileSystem(
        name=short(resource.place),
        place=resource.place,
        kind=FSX.get(kind, f"FSx {kind}")
        if isinstance(kind, str)
        else "FSx, of a type that is not known",
        tebibytes=gib / GIB_PER_TIB if isinstance(gib, int) else gib,
        gigabytes_per_second=None,
        subnets=told(lambda: keys(own.get("SubnetIds"))),
        groups=told(lambda: keys(own.get("SecurityGroupIds"))),
        notes=(_kept(resource),),
        servers=NotKnown("FSx decides it"),
    )


def _efs(model: Model, resource: ResolvedResource) -> FileSystem:
    own = (resource.place.stack, resource.place.logical_id)
    subnets: list[Key] = []
    groups: list[Key] = []
    for target in model.of("AWS::EFS::MountTarget"):
        if told(lambda t=target: key(t.properties.get("FileSystemId"))) == own:  # type: ignore[misc]
            found = told(lambda t=target: key(t.properties.get("SubnetId")))  # type: ignore[misc]
            mine = told(lambda t=target: keys(t.properties.get("SecurityGroups")))  # type: ignore[misc]
            subnets += [] if isinstance(found, NotKnown) else [found]
            groups += [] if isinstance(mine, NotKnown) else mine
    return FileSystem(
        name=short(resource.place),
        place=resource.place,
        kind="EFS",
        tebibytes=None,
        gigabytes_per_second=None,
        subnets=subnets or NotKnown("no mount target of it is in the given templates"),
        groups=list(dict.fromkeys(groups)),
        notes=(_kept(resource),),
        servers=1,
        assumed=False,
    )


def _kept(resource: ResolvedResource) -> str:
    kept = told(lambda: kept_at_deletion(resource))
    if isinstance(kept, NotKnown):
        return "whether it outlives the stack is not known"
    return "outlives the stack" if kept else "deleted with the stack"


def read_stores(model: Model) -> Sequence[Store]:
    """Return what holds something outside of a VPC."""
    return [
        Store(
            short(resource.place),
            kind,
            (resource.place.stack, resource.place.logical_id),
            (_kept(resource),),
        )
        for resource_type, kind in STORES.items()
        for resource in model.of(resource_type)
    ]
