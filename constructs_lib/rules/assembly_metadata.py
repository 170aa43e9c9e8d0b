"""What an app acknowledges, read off the metadata of its cloud assembly."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from constructs_lib.rules.acknowledgements import Acknowledgement

NAMESPACE: Final = "UltraCluster"
"""Name of these rules, which ids of their findings begin with."""
KIND: Final = "aws:cdk:acknowledged-rules"
LOGICAL_ID: Final = "aws:cdk:logicalId"


def recorded(metadata: Mapping[str, Any]) -> Iterator[Acknowledgement]:
    """Yield the acknowledgements in the metadata of a stack.

    Args:
        metadata: entries by construct path, as a cloud assembly has them.
    """
    stack = min((path.strip("/") for path in metadata), key=len, default="")
    for path, entries in metadata.items():
        for entry in entries:
            if entry.get("type") == KIND:
                place = path.strip("/")
                yield from acknowledgements(place, entry.get("data"), above=place == stack)


def acknowledgements(path: str, data: object, *, above: bool) -> Iterator[Acknowledgement]:
    """Yield what is acknowledged of these rules at one construct: reason by qualified id."""
    for name, reason in data.items() if isinstance(data, Mapping) else ():
        prefix, _, rule = name.partition("::")
        if prefix == NAMESPACE:
            yield Acknowledgement(path, rule, str(reason), above)


def stacks_metadata(assembly: Path) -> Mapping[str, Mapping[str, Any]]:
    """Return the metadata of all stacks of an assembly by the name of their template file."""
    manifest = assembly / "manifest.json"
    if not manifest.exists():
        return {}
    found: dict[str, Mapping[str, Any]] = {}
    for artifact in json.loads(manifest.read_text()).get("artifacts", {}).values():
        if template := artifact.get("properties", {}).get("templateFile"):
            kept: Mapping[str, Any] = artifact.get("metadata", {})
            if further := artifact.get("additionalMetadataFile"):
                kept = {**kept, **json.loads((assembly / further).read_text())}
            found[template] = kept
    return found


def paths(metadata: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the path of each construct of a stack by its logical id."""
    return {
        entry["data"]: path.strip("/")
        for path, entries in metadata.items()
        for entry in entries
        if entry.get("type") == LOGICAL_ID and isinstance(entry.get("data"), str)
    }
