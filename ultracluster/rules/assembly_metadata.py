"""What an app acknowledges, read off the metadata of its cloud assembly."""

from collections.abc import Iterator, Mapping
from typing import Final

from ultracluster.rules.acknowledgements import Acknowledgement
from ultracluster.templates.assembly import Metadata

NAMESPACE: Final = "UltraCluster"
"""Name of these rules, which ids of their findings begin with."""
KIND: Final = "aws:cdk:acknowledged-rules"
LOGICAL_ID: Final = "aws:cdk:logicalId"


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


def paths(metadata: Metadata) -> Mapping[str, str]:
    """Return the path of each construct of a stack by its logical id."""
    return {
        entry["data"]: path.strip("/")
        for path, entries in metadata.items()
        for entry in entries
        if entry.get("type") == LOGICAL_ID and isinstance(entry.get("data"), str)
    }
