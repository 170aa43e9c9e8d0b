"""The interface of resource types to CloudFormation, and the store of their resources."""

import secrets
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

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


LEDGER: Final = Ledger()


def tags_of(properties: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return tags as the services' APIs list them, whichever shape the template used."""
    tags = properties.get("Tags") or []
    if isinstance(tags, Mapping):
        return [{"Key": str(key), "Value": str(value)} for key, value in tags.items()]
    return [{"Key": str(tag["Key"]), "Value": str(tag.get("Value", ""))} for tag in tags]


DEPENDENCY_VIOLATION = "DependencyViolation"


@dataclass(frozen=True)
class Order:
    """One request of CloudFormation about one resource of a stack."""

    type_name: str
    scope: Scope
    stack_name: str
    logical_id: str
    properties: Mapping[str, Any]
    generated_name: str = ""
    """The name that CloudFormation gives a resource whose template names none."""
    previous: Mapping[str, Any] = field(default_factory=dict)
    """What the properties were, where a resource is changed."""


@dataclass(frozen=True)
class Resource:
    """What CloudFormation learns about a resource: `Ref` and `Fn::GetAtt`."""

    physical_id: str
    attributes: dict[str, Any] = field(default_factory=dict)


class Provisioner(Protocol):
    """How one resource type is created, changed and removed."""

    def create(self, order: Order) -> Resource:
        """Create the resource, or raise `ServiceError`."""
        ...

    def update(self, physical_id: str, order: Order) -> Resource:
        """Change it in place; a change of a create-only property never gets here."""
        ...

    def delete(self, physical_id: str, order: Order) -> None:
        """Remove it; one that is already gone is no error."""
        ...


class ServiceError(ValueError):
    """A refusal by an emulated service; CloudFormation shows its text as the reason.

    Functions named `require…` raise it, in the service's own words.
    """

    def __init__(self, service: str, code: str, message: str) -> None:
        self.service = service
        self.code = code
        self.message = message
        super().__init__(message)

    def __str__(self) -> str:
        """Return the reason as CloudFormation words it in a stack event."""
        return (
            f'Resource handler returned message: "{self.message} (Service: {self.service}, '
            f'Status Code: 400, Request ID: {uuid.uuid4()}, Error Code: {self.code})" '
            f"(RequestToken: {uuid.uuid4()}, HandlerErrorCode: {_handler_code(self.code)})"
        )


ec2_refusal: Final = partial(ServiceError, "Ec2")
fsx_refusal: Final = partial(ServiceError, "Fsx")
pcs_refusal: Final = partial(ServiceError, "Pcs")


def _handler_code(code: str) -> str:
    if "NotFound" in code or "Unknown" in code:
        return "NotFound"
    if "Duplicate" in code or "AlreadyExists" in code:
        return "AlreadyExists"
    return "InvalidRequest"


def hexadecimal(length: int = 17) -> str:
    """Return a random lower-case hexadecimal id, as most AWS resources have."""
    return secrets.token_hex(length)[:length]


def tag_specifications(properties: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return a template's tags in the form that EC2's create calls take."""
    tags = tags_of(properties)
    return [{"ResourceType": kind, "Tags": tags}] if tags else []
