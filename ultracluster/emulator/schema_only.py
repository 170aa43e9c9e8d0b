"""Resource types that nothing emulates: checked against the registry, stored, and reported.

CloudFormation's view of such a resource is real (identifiers, attributes, replacement, rollback);
the service's own API does not show it: `Report.schema_only` names it. Attributes that no service
has computed have the right form and mean nothing.

A type that only other Regions have fails when it is created, with its name. AWS refuses the whole
template instead ("Unrecognized resource types"), as the emulator does for a type of no Region.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from jsonschema import Draft7Validator, ValidationError
from jsonschema.validators import extend

from ultracluster.emulator.provisioning import LEDGER, Order, Record, Resource, Scope, hexadecimal
from ultracluster.registry import schemas
from ultracluster.registry.schemas import Schema, schema

VERSIONED: Final = {
    "AWS::ImageBuilder::Component": "/{}/1",
    "AWS::ImageBuilder::ImageRecipe": "/{}",
}
"""Types whose ARN ends with their version: others name them by it (EC2 Image Builder user guide,
semantic versioning, read 2026-11-27)."""


SETTLED: Final = ("ACTIVE", "InService", "AVAILABLE", "active", "available", "Active", "Available")


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
        values = schema.node(name).get("enum", ())
        return next((value for value in SETTLED if value in values), "ACTIVE")
    if leaf.endswith("Id"):
        return physical_id
    return f"{leaf.lower()}-{physical_id.rsplit('/', maxsplit=1)[-1]}"


def arn(type_name: str, scope: Scope, physical_id: str) -> str:
    """Return an ARN for a resource; the physical id itself where it is one already."""
    if physical_id.startswith("arn:"):
        return physical_id
    _, service, resource = type_name.split("::")
    kind = re.sub(r"(?<!^)(?=[A-Z])", "-", resource).lower()
    return scope.arn(service.lower(), f"{kind}/{physical_id}")


class SchemaOnly:
    """A provisioner for any type that the registry knows."""

    def create(self, order: Order) -> Resource:
        schema = schemas.schema(order.type_name, order.scope.region)
        if schema is None:
            raise ValueError(
                f"Resource type {order.type_name} is not available in {order.scope.region}"
            )
        parts = [_part(schema, name, order) for name in schema.primary_identifier]
        physical_id = "|".join(parts) or order.generated_name
        attributes = completed(schema, order, physical_id, {})
        given = dict(order.properties)
        LEDGER.keep(Record(order.type_name, physical_id, order.scope, given, attributes))
        return Resource(physical_id, attributes)

    def update(self, physical_id: str, order: Order) -> Resource:
        record = LEDGER.find(order.scope, order.type_name, physical_id)
        if record is None:
            return self.create(order)
        record.properties = dict(order.properties)
        return Resource(physical_id, record.attributes)

    def delete(self, physical_id: str, order: Order) -> None:
        LEDGER.forget(order.scope, order.type_name, physical_id)


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


LONGEST_MESSAGE: Final = 200
Rules = Mapping[str, list[str]]


def problems(type_name: str, properties: Mapping[str, Any], region: str) -> list[str]:
    """Return what the registry would refuse, in CloudFormation's own words."""
    found = schema(type_name, region)
    if found is None:
        return [f"Resource type {type_name} is not available in {region}"]
    errors = sorted(_validator(found).iter_errors(properties), key=lambda error: list(error.path))
    read_only = [name for name in found.read_only if name in properties]
    return [
        *(line for error in errors for line in _lines(error)),
        *(f"#/{name}: is read-only and cannot be given" for name in read_only),
    ]


def coerced(type_name: str, properties: Mapping[str, Any], region: str) -> dict[str, Any]:
    """Return the properties with scalars in the schema's types, as CloudFormation sends them."""
    found = schema(type_name, region)
    if found is None:
        return dict(properties)
    result: dict[str, Any] = _coerced(found, found.document, properties)
    return result


def _members(instance: Any, names: Iterable[str]) -> list[str]:
    return [name for name in names if isinstance(instance, Mapping) and name in instance]


def _exactly_one(_: Any, names: list[str], instance: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(instance, Mapping) and len(_members(instance, names)) != 1:
        yield ValidationError(f"exactly one of [{', '.join(names)}] is required")


def _at_least_one(_: Any, names: list[str], instance: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(instance, Mapping) and not _members(instance, names):
        yield ValidationError(f"at least one of [{', '.join(names)}] is required")


def _excluded(_: Any, rules: Rules, instance: Any, __: Any) -> Iterator[ValidationError]:
    for name in _members(instance, rules):
        if clash := _members(instance, rules[name]):
            yield ValidationError(f"[{name}] cannot be given with [{', '.join(clash)}]")


def _dependent(_: Any, rules: Rules, instance: Any, __: Any) -> Iterator[ValidationError]:
    for name in _members(instance, rules):
        if missing := [other for other in rules[name] if other not in instance]:
            yield ValidationError(f"[{name}] needs [{', '.join(missing)}]")


RegistryValidator: Any = extend(
    Draft7Validator,
    {
        "requiredXor": _exactly_one,
        "requiredOr": _at_least_one,
        "dependentExcluded": _excluded,
        "dependentRequired": _dependent,
    },
)
"""Draft 7 with the keywords that the registry's schemas add to it."""


@cache
def _validator(found: Schema) -> Any:
    return RegistryValidator(_compilable(found.document))


def _compilable(node: Any) -> Any:
    """Drop the patterns that Python cannot compile, and those that nothing can match.

    The registry's patterns are ECMA 262. The one of
    `AWS::EC2::CapacityReservation.PlacementGroupArn` has a `^` in the middle
    (`…:placement-group/^.{1,255}$`): no ARN matches it, so AWS cannot be enforcing it.
    """
    if isinstance(node, list):
        return [_compilable(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _compilable(value) for key, value in node.items()}
    if isinstance(kept.get("pattern"), str) and not _compiles(kept["pattern"]):
        del kept["pattern"]
    if isinstance(kept.get("patternProperties"), dict):
        kept["patternProperties"] = {
            (pattern if _compiles(pattern) else ".*"): value
            for pattern, value in kept["patternProperties"].items()
        }
    return kept


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return "/^." not in pattern


def _coerced(found: Schema, node: Mapping[str, Any], value: Any) -> Any:
    node = found.resolved(node)
    if isinstance(value, Mapping):
        members = node.get("properties", {})
        return {key: _coerced(found, members.get(key, {}), item) for key, item in value.items()}
    if isinstance(value, list):
        items = node.get("items")
        inner = items if isinstance(items, Mapping) else {}
        return [_coerced(found, inner, item) for item in value]
    return _scalar(str(node.get("type")), value)


def _scalar(kind: str, value: Any) -> Any:
    if kind == "integer" and isinstance(value, str) and re.fullmatch(r"-?\d+", value):
        return int(value)
    if kind == "number" and isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
        return float(value) if "." in value else int(value)
    if kind == "boolean" and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if kind == "string" and isinstance(value, bool):
        return str(value).lower()
    if kind == "string" and isinstance(value, int | float):
        return str(value)
    return value


def _lines(error: ValidationError) -> Iterator[str]:
    where = "/".join(("#", *map(str, error.path)))
    if error.validator == "additionalProperties" and isinstance(error.instance, Mapping):
        known = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
        for name in sorted(set(error.instance) - set(known)):
            yield f"{where}: extraneous key [{name}] is not permitted"
    elif error.validator == "required" and isinstance(error.instance, Mapping):
        required = error.validator_value if isinstance(error.validator_value, list) else []
        for name in required:
            if name not in error.instance and f"'{name}'" in error.message:
                yield f"{where}: required key [{name}] not found"
    elif error.validator == "enum":
        yield f"{where}: {error.instance} is not a valid enum value"
    else:
        yield f"{where}: {error.message[:LONGEST_MESSAGE]}"
