"""What things are called, and how much of them there is."""

from typing import Any, Final

from ultracluster.review.naming import noun, short
from ultracluster.templates.reading import UndeterminedError, number, part, shown, text
from ultracluster.templates.resolved import ResolvedResource

GIB_IN_TIB: Final = 1024
LONGEST: Final = 160


def named(resource: ResolvedResource) -> str:
    """Return a resource as a sentence calls it: `the file system Lustre`."""
    return f"the {noun(resource.resource_type)} {short(resource.place)}"


def tebibytes(gib: float) -> str:
    """Return a size in GiB as a reader takes it in: `98.4 TiB`."""
    if gib < GIB_IN_TIB:
        return f"{gib:,.0f} GiB"
    if gib < GIB_IN_TIB**2:
        return f"{gib / GIB_IN_TIB:,.1f} TiB"
    return f"{gib / GIB_IN_TIB**2:,.1f} PiB"


def count(value: Any) -> int | None:
    """Return a resolved value as a whole number, None where it is none or is not known."""
    try:
        return number(value)
    except UndeterminedError:
        return None


def known_text(value: Any) -> str | None:
    """Return a resolved value as text, None where it is none or is not known."""
    try:
        return text(value)
    except UndeterminedError:
        return None


def known_part(value: Any, *path: str) -> Any:
    """Return what lies below a resolved mapping, None where that is not known."""
    try:
        return part(value, *path)
    except UndeterminedError:
        return None


def quoted(value: Any) -> str:
    """Return a resolved value as a sentence quotes it."""
    if value is None:
        return "nothing"
    written = shown(value)
    return written if len(written) <= LONGEST else f"{written[: LONGEST - 3]}..."


def holdings(resource: ResolvedResource) -> str:
    """Return what is gone with a resource: `98.4 TiB`, `every object in it`."""
    properties = resource.properties
    kind = resource.resource_type
    if kind in ("AWS::FSx::FileSystem", "AWS::FSx::FileCache"):
        gib = count(properties.get("StorageCapacity"))
        return tebibytes(gib) if gib else "all files"
    if kind == "AWS::Logs::LogGroup":
        days = count(properties.get("RetentionInDays"))
        return f"up to {days:,} days of logs" if days else "all logs"
    sizes = {
        "AWS::EC2::Volume": "Size",
        "AWS::RDS::DBInstance": "AllocatedStorage",
        "AWS::RDS::DBCluster": "AllocatedStorage",
    }
    if kind in sizes:
        gib = count(properties.get(sizes[kind]))
        return tebibytes(gib) if gib else "everything in it"
    return {
        "AWS::S3::Bucket": "every object in it",
        "AWS::ECR::Repository": "every image in it",
        "AWS::KMS::Key": "all that is encrypted under it",
        "AWS::DynamoDB::Table": "every item in it",
        "AWS::DynamoDB::GlobalTable": "every item in it",
        "AWS::EFS::FileSystem": "all files",
        "AWS::SecretsManager::Secret": "the secret",
    }.get(kind, "everything in it")
