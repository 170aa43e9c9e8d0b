"""What an app acknowledges, read off its constructs and its assembly."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import aws_cdk as cdk
from constructs import IConstruct

from constructs_lib.rules.acknowledgements import Acknowledgement

KIND: Final = "aws:cdk:acknowledged-rules"
LOGICAL_ID: Final = "aws:cdk:logicalId"


def recorded(metadata: Mapping[str, Any], namespace: str) -> Iterator[Acknowledgement]:
    """Yield the acknowledgements in the metadata of a stack.

    Args:
        metadata: entries by construct path, as a cloud assembly has them.
        namespace: the plugin's, which qualified ids begin with.
    """
    stack = min((path.strip("/") for path in metadata), key=len, default="")
    for path, entries in metadata.items():
        for entry in entries:
            if entry.get("type") == KIND:
                place = path.strip("/")
                yield from _of(place, entry.get("data"), namespace, above=place == stack)


def above_stacks(scope: IConstruct, namespace: str) -> Iterator[Acknowledgement]:
    """Yield the acknowledgements at an app, its stages and whatever else holds stacks."""
    for entry in scope.node.metadata:
        if entry.type == KIND:
            yield from _of(scope.node.path, entry.data, namespace, above=True)
    for child in scope.node.children:
        if not cdk.Stack.is_stack(child):
            yield from above_stacks(child, namespace)


def _of(path: str, data: object, namespace: str, *, above: bool) -> Iterator[Acknowledgement]:
    for name, reason in data.items() if isinstance(data, Mapping) else ():
        prefix, _, rule = name.partition("::")
        if prefix == namespace:
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
