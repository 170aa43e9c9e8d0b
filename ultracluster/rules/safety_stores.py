"""SAFETY rules about data and images that vanish by themselves."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.model.model import Model
from ultracluster.model.storage import holds_data, kept_at_deletion
from ultracluster.rules.rule import Fault
from ultracluster.rules.sagemaker_clusters import SERVICE
from ultracluster.rules.subjects import of
from ultracluster.templates.resolved import ResolvedResource
from ultracluster.templates.resolved_values import flag, items, links, number, part, text, written
from ultracluster.templates.texts import document

ASSOCIATION: Final = "AWS::FSx::DataRepositoryAssociation"
SHORT: Final = 90
"""Days below which an expiry of what jobs write is worth a question."""
FEW: Final = 5
"""Images below which a job of last week may have none."""


def _linked_paths(model: Model, bucket: ResolvedResource) -> list[str]:
    """Return the prefixes of a bucket that file systems are linked to."""
    stated = (a.properties.get("DataRepositoryPath") for a in model.of(ASSOCIATION))
    mine = [path for path in stated if any(link.key == bucket.place.key for link in links(path))]
    return [written(path).rpartition("\x00/")[2] for path in mine]


def _is_written(model: Model, bucket: ResolvedResource) -> bool:
    """Whether jobs or nodes may write to a bucket."""
    for role in model.roles:
        services = {service for service, _ in role.trusted()}
        if SERVICE not in services and role.key not in model.roles_of_nodes:
            continue
        for statement in role.statements:
            if statement.names("s3:PutObject") and statement.allows():
                named = {link.key for link in links(statement.resources())}
                if bucket.place.key in named:
                    return True
    return False


def _expiring(bucket: ResolvedResource) -> Iterator[tuple[str, int]]:
    """Yield prefix and days of the rules that delete objects which are current."""
    for rule in items(part(bucket.properties, "LifecycleConfiguration", "Rules")):
        days = number(part(rule, "ExpirationInDays"))
        if text(part(rule, "Status")) == "Enabled" and days and not part(rule, "TagFilters"):
            yield text(part(rule, "Prefix")) or text(part(rule, "Filter", "Prefix")) or "", days


@of("AWS::S3::Bucket").warning(
    "SAFETY-22",
    what="Datasets, checkpoints or results expire.",
    why="S3 deletes them for good after these days, and where the file system imports deletions "
    "it deletes them there as well, in the middle of a run that lasts longer.",
    source="S3 user guide, lifecycle; FSx guide, automatic import; read 2026-11-27",
    fix="remove ExpirationInDays, or write the Prefix of what may go",
    check="aws s3api get-bucket-lifecycle-configuration --bucket <bucket>",
)
def data_stays(model: Model, bucket: ResolvedResource) -> Iterator[Fault]:
    for prefix, days in _expiring(bucket):
        paths = _linked_paths(model, bucket)
        hit = [path for path in paths if path.startswith(prefix) or prefix.startswith(path)]
        of_jobs = not prefix and days <= SHORT and _is_written(model, bucket)
        if hit or of_jobs:
            what = f"/{hit[0]}" if hit else "what jobs write"
            yield Fault(f"{what} expires after {days} days")


def _kept_beside(model: Model) -> str | None:
    """Return something of the templates that holds data and is kept, None where nothing is."""
    kept = (r.place.logical_id for r in model.resources if holds_data(r) and kept_at_deletion(r))
    return next(kept, None)


def _expired_images(repository: ResolvedResource) -> Iterator[str]:
    policy = document(part(repository.properties, "LifecyclePolicy", "LifecyclePolicyText"))
    stated: Any = policy.get("rules") if isinstance(policy, Mapping) else None
    for rule in stated if isinstance(stated, list) else []:
        if part(rule, "selection", "tagStatus") != "any":
            continue
        count = number(part(rule, "selection", "countNumber")) or 0
        if part(rule, "selection", "countType") == "sinceImagePushed":
            yield f"every image goes {count} days after it was pushed"
        elif count < FEW:
            yield f"all but {count} images go"


@of("AWS::ECR::Repository").warning(
    "SAFETY-23",
    what="Images of jobs can be deleted or overwritten.",
    why="A job that is restarted after weeks pulls nothing, or something else than it was tested "
    "with.",
    source="ECR user guide, lifecycle policies and tag mutability; CloudFormation reference, "
    "EmptyOnDelete; read 2026-11-27",
    fix="write ImageTagMutability: IMMUTABLE, expire untagged images alone, and keep the "
    "repository as the data is kept",
    check="aws ecr get-lifecycle-policy --repository-name <repository>; "
    "aws ecr describe-repositories --repository-names <repository>",
)
def images_stay(model: Model, repository: ResolvedResource) -> Iterator[Fault]:
    mutability = text(repository.properties.get("ImageTagMutability")) or "MUTABLE"
    if mutability == "MUTABLE":
        yield Fault("ImageTagMutability is MUTABLE: a tag can be pushed again")
    beside, kept = _kept_beside(model), kept_at_deletion(repository)
    if beside and flag(repository.properties.get("EmptyOnDelete")):
        yield Fault(f"EmptyOnDelete deletes its images, while {beside} is kept")
    elif beside and not kept:
        yield Fault(f"it is deleted with its stack, while {beside} is kept")
    for said in _expired_images(repository):
        yield Fault(said)
