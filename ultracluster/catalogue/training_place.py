"""Rules over a training request and the environment that it runs in.

Sources: SageMaker Developer Guide, train-vpc (2023: five addresses for each instance with EFA; a
file system is reached from its own zone only), FSx for Lustre User Guide (DirectoryPath begins with
the mount name).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from ultracluster.catalogue import instances
from ultracluster.catalogue.training_request import ADDRESSES_WITH_EFA, TrainingRequest
from ultracluster.catalogue.values import text
from ultracluster.problem import Problem, choices

ADDRESSES_WITHOUT: Final = 2


@dataclass(frozen=True)
class OfferedSubnet:
    """A subnet as EC2 describes it."""

    zone_id: str
    free_addresses: int


@dataclass(frozen=True)
class OfferedFileSystem:
    """A Lustre file system as FSx describes it."""

    zone_id: str | None
    mount_name: str


@dataclass(frozen=True)
class Place:
    """What an environment offers a job; what is empty or None is not known, and not checked."""

    region: str
    name: str = ""
    """The environment's."""
    zone_id: str | None = None
    instance_type: str | None = None
    """EC2's name of the type that the environment is made for."""
    most_instances: int | None = None
    """Most instances that the environment's jobs use at a time."""
    role_arn: str | None = None
    bucket: str | None = None
    subnets: Mapping[str, OfferedSubnet | None] = field(default_factory=dict)
    """The environment's subnets; None where EC2 was not asked."""
    security_groups: tuple[str, ...] = ()
    file_systems: Mapping[str, OfferedFileSystem] = field(default_factory=dict)
    image_repository: str | None = None
    image_tags: frozenset[str] | None = None
    """Tags in that repository; None where ECR was not asked."""


def place_problems(request: TrainingRequest, place: Place) -> Iterator[Problem]:
    for rule in (_instances, _addresses, _network, file_system_problems, _role, _buckets, _image):
        yield from rule(request, place)


def _instances(request: TrainingRequest, place: Place) -> Iterator[Problem]:
    for where, name in request.type_names:
        kind = name.removeprefix("ml.")
        if kind not in instances.names():
            continue
        zones = instances.find(kind).zones(place.region)
        if zones == ():
            yield Problem(
                where, name, f"{kind} is not offered in {place.region}; write another type"
            )
        elif zones and place.zone_id and place.zone_id not in zones:
            fix = f"{kind} is not offered in {place.zone_id}, the environment's zone; it is in"
            yield Problem(where, name, f"{fix} {choices(zones)}")
        elif place.instance_type and kind != place.instance_type:
            fix = f"{place.name} is made for ml.{place.instance_type}; write that"
            yield Problem(where, name, fix)
    count, most = request.instance_count, place.most_instances
    if most is not None and count > most:
        fix = f"the environment's jobs use {most:,} at a time (sagemaker.instances); write {most}"
        yield Problem("ResourceConfig.InstanceCount", count, fix if most else f"{fix}, or raise it")


def _addresses(request: TrainingRequest, place: Place) -> Iterator[Problem]:
    named = [text(entry) for entry in request.subnets]
    known = [place.subnets.get(name) for name in named]
    found = [subnet for subnet in known if subnet is not None]
    if not named or len(found) != len(named):
        return
    each = ADDRESSES_WITH_EFA if request.efa_type else ADDRESSES_WITHOUT
    count, free = request.instance_count, sum(subnet.free_addresses for subnet in found)
    if count * each > free:
        fix = f"SageMaker takes {each} addresses for each, {count * each:,} in all, and the "
        fix += f"subnets have {free:,} free; write {free // each} or fewer, or stop other jobs"
        yield Problem("ResourceConfig.InstanceCount", count, fix)


def _network(request: TrainingRequest, place: Place) -> Iterator[Problem]:
    for name, listed, known in (
        ("Subnets", request.subnets, tuple(place.subnets)),
        ("SecurityGroupIds", request.security_groups, place.security_groups),
    ):
        for entry in listed if known else ():
            if entry not in known:
                fix = f"it is not of this environment; write {choices(known)}"
                yield Problem(f"VpcConfig.{name}", entry, fix)
    groups = request.security_groups
    missing = [group for group in place.security_groups if group not in groups]
    if groups and missing:
        fix = "EFA needs the group that names itself, and Lustre the nodes'; write all of them"
        yield Problem("VpcConfig.SecurityGroupIds", f"without {', '.join(missing)}", fix)
    for entry in request.subnets:
        subnet = place.subnets.get(text(entry))
        if subnet and place.zone_id and subnet.zone_id != place.zone_id:
            fix = f"it is in {subnet.zone_id}, and EFA does not leave {place.zone_id}; remove it"
            yield Problem("VpcConfig.Subnets", entry, fix)


def file_system_problems(request: TrainingRequest, place: Place) -> Iterator[Problem]:
    named = (place.subnets.get(text(name)) for name in request.subnets)
    zones = {subnet.zone_id for subnet in named if subnet is not None}
    for channel in request.file_systems:
        where = f"{channel.where}.DataSource.FileSystemDataSource"
        identifier = channel.file_system_id
        system = place.file_systems.get(identifier)
        if system is None:
            if place.file_systems:
                fix = f"it is not of this environment; write {choices(tuple(place.file_systems))}"
                yield Problem(f"{where}.FileSystemId", identifier, fix)
            continue
        path = channel.directory
        if path.strip("/").partition("/")[0] != system.mount_name:
            fix = f"the path begins with the mount name; write /{system.mount_name}/<directory>"
            yield Problem(f"{where}.DirectoryPath", path, fix)
        if zones and system.zone_id and zones != {system.zone_id}:
            fix = f"it is in {system.zone_id} and the job in {', '.join(sorted(zones))}: SageMaker "
            fix += "mounts it from its own zone only; write subnets of that zone"
            yield Problem(f"{where}.FileSystemId", identifier, fix)


def _role(request: TrainingRequest, place: Place) -> Iterator[Problem]:
    if place.role_arn and request.role != place.role_arn:
        fix = f"the environment's launcher may pass only one role; write {place.role_arn}"
        yield Problem("RoleArn", request.role, fix)


def _buckets(request: TrainingRequest, place: Place) -> Iterator[Problem]:
    for where, uri in request.s3_locations:
        named = uri.removeprefix("s3://").partition("/")[0]
        if place.bucket and uri.startswith("s3://") and named != place.bucket:
            fix = "the execution role reaches the environment's bucket alone, which is in the "
            yield Problem(where, uri, f"{fix}job's Region; write s3://{place.bucket}/...")


def _image(request: TrainingRequest, place: Place) -> Iterator[Problem]:
    image = text(request.image)
    repository, _, tag = image.rpartition(":")
    if "@" in image or place.image_tags is None or repository != place.image_repository:
        return
    if tag not in place.image_tags:
        have = choices(sorted(place.image_tags)) if place.image_tags else "no image at all"
        fix = f"the repository has {have}; push the image, or write another tag"
        yield Problem("AlgorithmSpecification.TrainingImage", image, fix)
