"""Where modelled resources are kept: one shelf per account and Region."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple


class Scope(NamedTuple):
    """The account and Region that a request addresses."""

    account: str
    region: str

    def arn(self, service: str, resource: str) -> str:
        partition = partition_of(self.region)
        return f"arn:{partition}:{service}:{self.region}:{self.account}:{resource}"


def partition_of(region: str) -> str:
    """Return the partition that a Region belongs to (AWS General Reference, ARN format)."""
    for prefix, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov")):
        if region.startswith(prefix):
            return partition
    return "aws"


@dataclass
class Record:
    """One resource as the emulated service holds it."""

    type_name: str
    physical_id: str
    scope: Scope
    properties: dict[str, Any]
    attributes: dict[str, Any] = field(default_factory=dict)
    """What `Fn::GetAtt` answers."""
    state: dict[str, Any] = field(default_factory=dict)
    """What the service knows beyond its properties."""
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


class Ledger:
    """All modelled resources of all accounts and Regions."""

    def __init__(self) -> None:
        self._records: dict[tuple[Scope, str, str], Record] = {}

    def keep(self, record: Record) -> Record:
        self._records[record.scope, record.type_name, record.physical_id] = record
        return record

    def find(self, scope: Scope, type_name: str, physical_id: str) -> Record | None:
        return self._records.get((scope, type_name, physical_id))

    def forget(self, scope: Scope, type_name: str, physical_id: str) -> Record | None:
        return self._records.pop((scope, type_name, physical_id), None)

    def of_type(self, scope: Scope, type_name: str) -> Iterator[Record]:
        """Yield the records of one type in an account and Region, oldest first."""
        for (where, kind, _), record in list(self._records.items()):
            if where == scope and kind == type_name:
                yield record


def tags_of(properties: Mapping[str, Any], name: str = "Tags") -> list[dict[str, str]]:
    """Return tags as the services' APIs list them, whichever shape the template used."""
    tags = properties.get(name) or []
    if isinstance(tags, Mapping):
        return [{"Key": str(key), "Value": str(value)} for key, value in tags.items()]
    return [{"Key": str(tag["Key"]), "Value": str(tag.get("Value", ""))} for tag in tags]
