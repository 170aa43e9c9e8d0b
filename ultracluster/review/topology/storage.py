"""File systems, and what holds data outside of a VPC."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.catalogue.lustre import server_addresses
from ultracluster.catalogue.prices import Item
from ultracluster.model.model import Model
from ultracluster.model.storage import FileSystem as Lustre
from ultracluster.model.storage import kept_at_deletion
from ultracluster.review.naming import Names, short
from ultracluster.review.resolved import NotKnown, key_at, or_none, read
from ultracluster.review.tables import DRAWN
from ultracluster.templates.resolved import Place, ResolvedResource
from ultracluster.templates.resolved_values import (
    OWN,
    Key,
    items,
    key,
    keys,
    links,
    number,
    text,
    written,
)

BUCKET: Final = "AWS::S3::Bucket"


@dataclass(frozen=True)
class Association:
    """A directory of Lustre that stands for a prefix of a bucket."""

    path: str
    target: str
    bucket: Key | None
    imports: str
    exports: str
    place: Place | None = None
    """None where it is written in the file system itself."""


@dataclass(frozen=True)
class FileSystem:
    """A file system with interfaces in a subnet."""

    name: str
    place: Place
    kind: str
    """`Lustre PERSISTENT_2`, `EFS`, ..."""
    subnets: Sequence[Key] | NotKnown
    groups: Sequence[Key] | NotKnown
    notes: Sequence[str]
    servers: int | NotKnown
    """Addresses that its servers take of each subnet."""
    gib: int | NotKnown | None = None
    """None where it grows by itself."""
    gigabytes_per_second: float | NotKnown | None = None
    """None where nobody says."""
    associations: Sequence[Association] = ()
    assumed: bool = True
    """Whether that number is an assumption."""
    sold_as: Item | None = None
    """A GB-month of it; None where its price is not of this project."""


@dataclass(frozen=True)
class Store:
    """What lies outside of a VPC and holds something: a bucket, a registry, a key."""

    name: str
    kind: str
    key: Key
    note: str


def read_all_file_systems(model: Model, names: Names) -> list[FileSystem]:
    """Return the file systems of a variant, of any kind."""
    lustres = {system.place for system in model.file_systems}
    others = [r for r in model.of("AWS::FSx::FileSystem") if r.place not in lustres]
    return [
        *(_lustre(model, system, names) for system in model.file_systems),
        *map(_other, others),
        *(_efs(model, resource) for resource in model.of("AWS::EFS::FileSystem")),
    ]


def _lustre(model: Model, system: Lustre, names: Names) -> FileSystem:
    storage, gib = read(system.storage_type), read(system.gibibytes)
    notes = [storage] if isinstance(storage, str) and storage != "SSD" else []
    if read(system.over_efa) is True:
        notes.append("servers speak EFA")
    servers: int | NotKnown = NotKnown("its capacity is not known")
    return FileSystem(
        name=short(system.place),
        place=system.place,
        kind=f"Lustre {or_none(read(system.deployment_type)) or 'of a type that is not known'}",
        gib=gib,
        gigabytes_per_second=read(system.throughput),
        subnets=read(lambda: [system.subnet()]),
        groups=read(lambda: keys(system.groups())),
        associations=tuple(_associations(model, system, names)),
        notes=(*notes, _kept(system.resource)),
        servers=server_addresses(gib) if isinstance(gib, int) else servers,
        sold_as=or_none(read(system.sold_as)),
    )


def _associations(model: Model, system: Lustre, names: Names) -> Iterator[Association]:
    for resource in system.associations:
        own = resource.properties
        target = own.get("DataRepositoryPath")
        yield Association(
            path=or_none(read(text, own, "FileSystemPath")) or "a path that is not known",
            target=_target(target, names),
            bucket=_bucket(model, target),
            imports=_events(own, "AutoImportPolicy"),
            exports=_events(own, "AutoExportPolicy"),
            place=resource.place,
        )
    ways = ("ImportPath", "at creation", ""), ("ExportPath", "", "by command")
    for name, imports, exports in ways:
        target = read(system.configuration, name)
        if target is not None:
            said = "not known" if isinstance(target, NotKnown) else _target(target, names)
            yield Association("/", said, _bucket(model, target), imports, exports)


def _events(properties: Any, policy: str) -> str:
    found = read(items, properties, "S3", policy, "Events")
    if isinstance(found, NotKnown):
        return "not known"
    return ", ".join(written(event).lower() for event in found)


def _target(value: Any, names: Names) -> str:
    said = ""
    for piece in getattr(value, "parts", (value,)):
        own = read(key, piece)
        name = "not known" if isinstance(own, NotKnown) or own[0] == "?" else names.key(own)
        said += piece if isinstance(piece, str) else f"<{name}>"
    return said.replace("s3://", "", 1)


def _bucket(model: Model, target: Any) -> Key | None:
    for link in links(target):
        found = model.at(link.key)
        own = link.attribute in OWN or link.attribute == "BucketName"
        if own and found is not None and found.resource_type == BUCKET:
            return found.place.key
    return None


def _other(resource: ResolvedResource) -> FileSystem:
    own = resource.properties
    kind = or_none(read(text, own, "FileSystemType"))
    return FileSystem(
        name=short(resource.place),
        place=resource.place,
        kind=DRAWN["fsx"].get(kind, f"FSx {kind}") if kind else "FSx, of a type that is not known",
        gib=read(number, own, "StorageCapacity"),
        subnets=read(keys, own, "SubnetIds"),
        groups=read(keys, own, "SecurityGroupIds"),
        notes=(_kept(resource),),
        servers=NotKnown("FSx decides it"),
    )


def _efs(model: Model, resource: ResolvedResource) -> FileSystem:
    every = (target.properties for target in model.of("AWS::EFS::MountTarget"))
    targets = [own for own in every if read(key, own, "FileSystemId") == resource.place.key]
    subnets = [subnet for own in targets if (subnet := key_at(own, "SubnetId"))]
    groups = [
        group for own in targets for group in or_none(read(keys, own, "SecurityGroups")) or ()
    ]
    return FileSystem(
        name=short(resource.place),
        place=resource.place,
        kind="EFS",
        subnets=subnets or NotKnown("no mount target of it is in the given templates"),
        groups=list(dict.fromkeys(groups)),
        notes=(_kept(resource),),
        servers=1,
        assumed=False,
    )


def _kept(resource: ResolvedResource) -> str:
    kept = read(kept_at_deletion, resource)
    if isinstance(kept, NotKnown):
        return "whether it outlives the stack is not known"
    return "outlives the stack" if kept else "deleted with the stack"


def read_stores(model: Model) -> list[Store]:
    return [
        Store(short(resource.place), kind, resource.place.key, _kept(resource))
        for resource_type, kind in DRAWN["stores"].items()
        for resource in model.of(resource_type)
    ]
