"""What an app acknowledges, read off the metadata of its cloud assembly."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ultracluster.rules.acknowledgements import Acknowledgement

NAMESPACE: Final = "UltraCluster"
"""Name of these rules, which ids of their findings begin with."""
KIND: Final = "aws:cdk:acknowledged-rules"
LOGICAL_ID: Final = "aws:cdk:logicalId"

Metadata = Mapping[str, list[dict[str, Any]]]
"""Entries by the path of a construct."""


def recorded(metadata: Metadata) -> Iterator[Acknowledgement]:
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


def stacks_metadata(assembly: Path) -> Mapping[str, Metadata]:
    """Return the metadata of all stacks of an assembly by the name of their template file."""
    found: dict[str, Metadata] = {}
    for artifact in _mapping(_mapping(_read(assembly / "manifest.json")).get("artifacts")).values():
        properties = _mapping(_mapping(artifact).get("properties"))
        template, further = properties.get("templateFile"), _further(artifact)
        if isinstance(template, str):
            kept = _entries(artifact.get("metadata"))
            found[template] = {**kept, **_entries(_read(assembly / further))} if further else kept
    return found


def _further(artifact: Mapping[str, Any]) -> str:
    # CDK puts the metadata of a stack into a file of its own.
    file = artifact.get("additionalMetadataFile")
    return file if isinstance(file, str) else ""


def _read(file: Path) -> Any:
    """Return a JSON document, None where there is none: an assembly may be anybody's."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _entries(value: Any) -> Metadata:
    return {
        path: [entry for entry in entries if isinstance(entry, dict)]
        for path, entries in _mapping(value).items()
        if isinstance(entries, list)
    }


def paths(metadata: Metadata) -> Mapping[str, str]:
    """Return the path of each construct of a stack by its logical id."""
    return {
        entry["data"]: path.strip("/")
        for path, entries in metadata.items()
        for entry in entries
        if entry.get("type") == LOGICAL_ID and isinstance(entry.get("data"), str)
    }
