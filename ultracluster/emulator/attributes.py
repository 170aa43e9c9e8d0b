"""Plausible values for attributes that no service has computed.

Used for schema-only types, whose `Fn::GetAtt` must answer something, and to fill in attributes
that an emulated service leaves out. They have the right form and mean nothing.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ultracluster.emulator.ledger import Scope
from ultracluster.emulator.provisioning import Order
from ultracluster.emulator.schemas import Schema


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
