"""AWS's CloudFormation registry, as cfn-lint 1.58.0 ships it for every Region.

A registry schema says which properties a type has, which of them identify it (`Ref`), which can
only be read (`Fn::GetAtt`), and which replace the resource when they change. It says nothing
about what the service behind the type accepts: that is `semantics`.

The files are read directly, because importing `cfnlint` itself takes longer than all of them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from jsonschema import ValidationError

from operations.emulator.keywords import RegistryValidator

NOT_A_REGION: Final = "sam"
"""cfn-lint keeps the SAM types beside the Regions, in a file of the same form."""

LONGEST_MESSAGE: Final = 200

REPLACING: Final[Mapping[str, tuple[str, ...]]] = {
    # The registry's schema of this type leaves them out. AWS's resource reference, as the CDK CLI
    # 2.1148.1 carries it for `cdk diff`, says "Update requires: Replacement".
    "AWS::FSx::FileSystem": (
        "FileSystemTypeVersion",
        "LustreConfiguration/DeploymentType",
        "LustreConfiguration/PerUnitStorageThroughput",
        "LustreConfiguration/DriveCacheType",
        "LustreConfiguration/ImportPath",
        "LustreConfiguration/ExportPath",
        "LustreConfiguration/ImportedFileChunkSize",
        "LustreConfiguration/CopyTagsToBackups",
    ),
}


@dataclass(frozen=True)
class Schema:
    """The registry schema of one resource type in one Region."""

    type_name: str
    document: Mapping[str, Any]

    @cached_property
    def primary_identifier(self) -> tuple[str, ...]:
        """Names of the properties whose values make up the physical id."""
        return tuple(".".join(path) for path in self._pointers("primaryIdentifier"))

    @cached_property
    def read_only(self) -> tuple[str, ...]:
        """Attribute names for `Fn::GetAtt`; members of lists have none."""
        return tuple(
            ".".join(path) for path in self._pointers("readOnlyProperties") if "*" not in path
        )

    @cached_property
    def create_only(self) -> tuple[tuple[str, ...], ...]:
        """Paths of the properties whose change needs a new resource."""
        more = (tuple(path.split("/")) for path in REPLACING.get(self.type_name, ()))
        return (*self._pointers("createOnlyProperties"), *more)

    @cached_property
    def custom_name(self) -> str | None:
        """The property with which a template can name the resource, if it has one."""
        for name, *rest in self.create_only:
            if not rest and name.endswith("Name") and self.node(name).get("type") == "string":
                identifiers = (*self.primary_identifier, *self._additional_identifiers())
                if name == "Name" or name in identifiers:
                    return name
        return None

    @cached_property
    def tags(self) -> tuple[str, str] | None:
        """The property that holds tags and its shape ("list" or "map"), where stacks tag it."""
        tagging = self.document.get("tagging") or {}
        pointer = str(tagging.get("tagProperty", "/properties/Tags")).split("/")[2:]
        if not tagging.get("cloudFormationSystemTags") or len(pointer) != 1:
            return None
        node = self.node(pointer[0])
        kind = "object" if "patternProperties" in node else str(node.get("type"))
        shape = {"array": "list", "object": "map"}.get(kind)
        return (pointer[0], shape) if shape else None

    @cached_property
    def validator(self) -> Any:
        """A JSON schema validator, with the keywords that AWS and cfn-lint add."""
        return RegistryValidator(self.document)

    def node(self, path: str) -> Mapping[str, Any]:
        """Return the schema of a property by its dotted path, references followed."""
        node: Mapping[str, Any] = self.document
        for part in path.split("."):
            node = self.resolved(node).get("properties", {}).get(part, {})
        return self.resolved(node)

    def resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """Follow `$ref` until there is none."""
        while "$ref" in node:
            target: Any = self.document
            for part in str(node["$ref"]).removeprefix("#/").split("/"):
                target = target.get(part, {})
            node = target
        return node

    def _pointers(self, key: str) -> Iterator[tuple[str, ...]]:
        for pointer in self.document.get(key, ()):
            yield tuple(pointer.split("/")[2:])

    def _additional_identifiers(self) -> Iterator[str]:
        for identifier in self.document.get("additionalIdentifiers", ()):
            yield from (pointer.split("/")[-1] for pointer in identifier)


@cache
def _root() -> Path:
    package = find_spec("cfnlint")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("cfn-lint, which carries the registry schemas, is not installed")
    return Path(package.origin).parent / "data" / "schemas"


@cache
def regions() -> tuple[str, ...]:
    """Return the Regions whose registry is known."""
    names = sorted(path.stem for path in (_root() / "providers").glob("*.json"))
    return tuple(name for name in names if name != NOT_A_REGION)


@cache
def _registry(region: str) -> Mapping[str, str]:
    path = _root() / "providers" / f"{region}.json"
    entries: dict[str, str] = json.loads(path.read_text()) if region in regions() else {}
    return entries


@cache
def all_types() -> frozenset[str]:
    """Return every type that some Region's registry has."""
    return frozenset().union(*(_registry(region) for region in regions()))


def types(region: str) -> frozenset[str]:
    """Return the types that a Region's registry has."""
    return frozenset(_registry(region))


def schema(type_name: str, region: str) -> Schema | None:
    """Return the schema of a type in a Region; None where the Region does not have it."""
    file_name = _registry(region).get(type_name)
    return None if file_name is None else _schema(type_name, file_name)


def any_schema(type_name: str) -> Schema | None:
    """Return the schema of a type in the first Region that has it."""
    found = (schema(type_name, region) for region in ("us-east-1", *regions()))
    return next((each for each in found if each is not None), None)


@cache
def _schema(type_name: str, file_name: str) -> Schema:
    document = json.loads((_root() / "resources" / f"{file_name}.json").read_text())
    return Schema(type_name, _compilable(document))


def problems(type_name: str, properties: Mapping[str, Any], region: str) -> list[str]:
    """Return what the registry would refuse, in CloudFormation's own words."""
    found = schema(type_name, region)
    if found is None:
        return [f"Resource type {type_name} is not available in {region}"]
    errors = sorted(found.validator.iter_errors(properties), key=lambda error: list(error.path))
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


def replaced_by(
    type_name: str, old: Mapping[str, Any], new: Mapping[str, Any], region: str
) -> list[str]:
    """Return the dotted paths of the create-only properties that differ."""
    found = schema(type_name, region)
    paths = found.create_only if found else ()
    return [".".join(path) for path in paths if _at(old, path) != _at(new, path)]


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        if part == "*":
            rest = path[path.index("*") + 1 :]
            return [_at(item, rest) for item in value] if isinstance(value, list) else None
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


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
