"""Which metadata configurations a Lustre file system takes, over CloudFormation's properties."""

from collections.abc import Iterator, Mapping
from typing import Any

from ultracluster.catalogue.lustre_data import METADATA, texts
from ultracluster.catalogue.values import written_number
from ultracluster.spec.problem import MISSING, Problem, choices


def metadata_problems(
    deployment: str, storage: object, configuration: Mapping[str, Any]
) -> Iterator[Problem]:
    """Yield what cannot be in a metadata configuration, or why one is needed."""
    metadata = configuration.get("MetadataConfiguration")
    if not isinstance(metadata, Mapping):
        if storage == "INTELLIGENT_TIERING" and deployment == "PERSISTENT_2":
            yield Problem(
                METADATA, MISSING, "INTELLIGENT_TIERING needs USER_PROVISIONED IOPS; write 6000"
            )
        return
    if deployment != "PERSISTENT_2":
        yield Problem(METADATA, dict(metadata), "only PERSISTENT_2 takes it; remove it")
        return
    mode, iops = metadata.get("Mode"), written_number(metadata.get("Iops"))
    tiering = storage == "INTELLIGENT_TIERING"
    if mode == "AUTOMATIC" and tiering:
        yield Problem(
            f"{METADATA}.Mode", mode, "INTELLIGENT_TIERING takes USER_PROVISIONED with 6000 Iops"
        )
    elif mode == "AUTOMATIC" and iops is not None:
        yield Problem(f"{METADATA}.Iops", iops, "AUTOMATIC chooses it; remove it")
    elif mode == "USER_PROVISIONED":
        yield from _iops(iops, tiering=tiering)


def _iops(iops: object, *, tiering: bool) -> Iterator[Problem]:
    allowed = (6000, 12000) if tiering else (1500, 3000, 6000, *range(12000, 192001, 12000))
    if iops is None:
        yield Problem(f"{METADATA}.Iops", MISSING, f"USER_PROVISIONED needs it; write {allowed[0]}")
    elif isinstance(iops, int) and iops not in allowed:
        nearest = min(allowed, key=lambda value: (abs(value - iops), value))
        words = (
            choices(texts(allowed)) if tiering else "1500, 3000, 6000 or 12000 to 192000 by 12000"
        )
        yield Problem(f"{METADATA}.Iops", iops, f"it is {words}; write {nearest}")
