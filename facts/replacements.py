"""Derive which changes replace a resource where the registry's schema leaves that out.

python facts/replacements.py            # rewrites ultracluster/registry/replacements.json

The source is AWS's resource reference ("Update requires: Replacement") as the CDK CLI of the lock
file carries it for `cdk diff`, in `node_modules/aws-cdk/db.json.gz`. Only names of properties are
taken. Where the schema says that tags can be updated, it is the younger source and is believed.
"""

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ultracluster.registry.schemas import DOCUMENTED, Schema, any_schema

ROOT: Final = Path(__file__).parents[1]
DATABASE: Final = ROOT / "node_modules" / "aws-cdk" / "db.json.gz"
KINDS: Final = {"yes": "always", "maybe": "sometimes"}

Property = tuple[str, ...]


class Reference:
    """The resource reference in the form in which the CDK CLI carries it."""

    def __init__(self, database: Path) -> None:
        content = json.loads(gzip.decompress(database.read_bytes()))["schema"]
        self.resources: list[Mapping[str, Any]] = list(_entities(content["resource"]).values())
        self._definitions = _entities(content["typeDefinition"])

    def replacing(self, resource: Mapping[str, Any]) -> Iterator[tuple[Property, str]]:
        """Yield the path of each property whose change replaces, and whether it always does."""
        yield from self._of(resource["properties"], (), frozenset())

    def _of(
        self, properties: Mapping[str, Any], above: Property, seen: frozenset[str]
    ) -> Iterator[tuple[Property, str]]:
        for name, entry in properties.items():
            path = (*above, name)
            kind = KINDS.get(entry.get("causesReplacement", "no"))
            if kind:
                yield path, kind
            yield from self._within(entry["type"], path, seen)

    def _within(
        self, kind: Mapping[str, Any], path: Property, seen: frozenset[str]
    ) -> Iterator[tuple[Property, str]]:
        if kind["type"] == "ref":
            name = kind["reference"]["$ref"]
            if name not in seen:
                yield from self._of(self._definitions[name]["properties"], path, seen | {name})
        elif kind["type"] in ("array", "map"):
            yield from self._within(kind["element"], (*path, "*"), seen)
        elif kind["type"] == "union":
            for member in kind["types"]:
                yield from self._within(member, path, seen)


def _entities(table: Mapping[str, Any]) -> dict[str, Any]:
    entities = table["entities"]
    return entities if isinstance(entities, dict) else {entry["$id"]: entry for entry in entities}


def left_out(reference: Reference, resource: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return what the reference says of a type and its schema does not, by kind."""
    schema = any_schema(resource["cloudFormationType"])
    if schema is None:
        return {}
    known = _pointers(schema, "createOnlyProperties", "conditionalCreateOnlyProperties")
    tagging = schema.document.get("tagging") or {}
    if tagging.get("tagUpdatable"):
        known.add(tuple(str(tagging.get("tagProperty", "/properties/Tags")).split("/")[2:3]))
    found: dict[str, list[str]] = {}
    for path, kind in reference.replacing(resource):
        # What lies below a property that replaces says nothing new.
        if not any(path[:length] in known for length in range(1, len(path) + 1)):
            known.add(path)
            found.setdefault(kind, []).append("/".join(path))
    return {kind: sorted(set(paths)) for kind, paths in sorted(found.items())}


def _pointers(schema: Schema, *keys: str) -> set[Property]:
    return {tuple(p.split("/")[2:]) for key in keys for p in schema.document.get(key, ())}


def main() -> None:
    """Rewrite the table."""
    reference = Reference(DATABASE)
    table = {r["cloudFormationType"]: left_out(reference, r) for r in reference.resources}
    document = {
        "source": "AWS resource reference in aws-cdk 2.1148.1, against cfn-lint 1.58.0's schemas",
        "replacements": {name: kinds for name, kinds in sorted(table.items()) if kinds},
    }
    DOCUMENTED.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
