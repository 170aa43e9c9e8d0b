"""Resource types that nothing emulates: checked against the registry, stored, and reported.

CloudFormation's view of such a resource is real (identifiers, attributes, replacement, rollback);
the service's own API does not show it: `Report.schema_only` names it. Attributes that no service
has computed have the right form and mean nothing.

A type that only other Regions have fails when it is created, with its name. AWS refuses the whole
template instead ("Unrecognized resource types"), as the emulator does for a type of no Region.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ultracluster.emulator.ledger import Ledger, Record, Scope
from ultracluster.emulator.provisioning import Order, Resource, hexadecimal
from ultracluster.registry import schemas
from ultracluster.registry.schemas import Schema

VERSIONED: Final = {
    "AWS::ImageBuilder::Component": "/{}/1",
    "AWS::ImageBuilder::ImageRecipe": "/{}",
}
"""Types whose ARN ends with their version: others name them by it (EC2 Image Builder user guide,
semantic versioning, read 2026-11-27)."""


def completed(
    schema: Schema, order: Order, physical_id: str, known: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the attributes with every read-only one present."""
    attributes = dict(known)
    for name in schema.read_only:
        # A member of a property that the template does not give has no value on AWS either.
        if name in attributes or ("." in name and name.split(".")[0] not in order.properties):
            continue
        if schema.primary_identifier == (name,):
            attributes[name] = physical_id
        else:
            attributes[name] = plausible(schema, name, order, physical_id)
    return attributes


def plausible(schema: Schema, name: str, order: Order, physical_id: str) -> Any:
    """Return a value of the right form for an attribute."""
    leaf = name.rsplit(".", 1)[-1]
    kind = str(schema.node(name).get("type", "string"))
    if kind != "string":
        return {"integer": 0, "number": 0, "boolean": False, "array": [], "object": {}}.get(kind)
    if re.search(r"A(rn|RN)$", leaf):
        return arn(order.type_name, order.scope, physical_id)
    if re.search(r"(Time|Date|Timestamp|At|On)$", leaf):
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if leaf in ("Status", "State"):
        return next(iter(_settled(schema, name)), "ACTIVE")
    if leaf.endswith("Id"):
        return physical_id
    return f"{leaf.lower()}-{physical_id.rsplit('/', maxsplit=1)[-1]}"


def _settled(schema: Schema, name: str) -> list[str]:
    values = schema.node(name).get("enum", ())
    wanted = ("ACTIVE", "InService", "AVAILABLE", "active", "available", "Active", "Available")
    return [value for value in wanted if value in values]


def arn(type_name: str, scope: Scope, physical_id: str) -> str:
    """Return an ARN for a resource; the physical id itself where it is one already."""
    if physical_id.startswith("arn:"):
        return physical_id
    _, service, resource = type_name.split("::")
    kind = re.sub(r"(?<!^)(?=[A-Z])", "-", resource).lower()
    return scope.arn(service.lower(), f"{kind}/{physical_id}")


class SchemaOnly:
    """A provisioner for any type that the registry knows."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def create(self, order: Order) -> Resource:
        schema = schemas.schema(order.type_name, order.scope.region)
        if schema is None:
            raise ValueError(
                f"Resource type {order.type_name} is not available in {order.scope.region}"
            )
        physical_id = _physical_id(schema, order)
        attributes = completed(schema, order, physical_id, {})
        record = Record(
            order.type_name, physical_id, order.scope, dict(order.properties), attributes
        )
        self._ledger.keep(record)
        return Resource(physical_id, attributes)

    def update(self, physical_id: str, order: Order) -> Resource:
        record = self._ledger.find(order.scope, order.type_name, physical_id)
        if record is None:
            return self.create(order)
        record.properties = dict(order.properties)
        return Resource(physical_id, record.attributes)

    def delete(self, physical_id: str, order: Order) -> None:
        self._ledger.forget(order.scope, order.type_name, physical_id)


def _physical_id(schema: Schema, order: Order) -> str:
    parts = [_part(schema, name, order) for name in schema.primary_identifier]
    return "|".join(parts) or order.generated_name


def _part(schema: Schema, name: str, order: Order) -> str:
    if name in order.properties:
        return str(order.properties[name])
    if name.lower().endswith("arn"):
        named = schema.custom_name and order.properties.get(schema.custom_name)
        ending = VERSIONED.get(order.type_name, "").format(order.properties.get("Version"))
        return arn(order.type_name, order.scope, f"{named or order.generated_name}{ending}")
    if name.endswith("Id"):
        return f"{order.type_name.split('::')[-1].lower()}-{hexadecimal()}"
    return order.generated_name
