"""Where modelled resources are kept: one shelf per account and Region."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from ultracluster.partitions import partition


class Scope(NamedTuple):
    """The account and Region that a request addresses."""

    account: str
    region: str

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{partition(self.region)}:{service}:{self.region}:{self.account}:{resource}"


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
