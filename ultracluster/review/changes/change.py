"""A change between two sets of templates, and how dangerous it is."""

import builtins
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

Key = tuple[str, str]
"""Stack and logical id of a resource."""


class Danger(StrEnum):
    """What a change does, the worst first; a change may do several of these."""

    LOSES_DATA = "loses data"
    """Something that cannot be made again is deleted."""
    REPLACES = "replaces"
    """A resource is replaced by a new one with a new id; the old one is deleted, or left behind."""
    FAILS = "fails"
    """CloudFormation or the service refuses: the stack rolls back."""
    INTERRUPTS = "interrupts"
    """What runs now stops, restarts, or is refused what it needs."""
    REDUCES_CAPACITY = "reduces capacity"
    """Fewer nodes, GPUs, bytes, or bytes a second than before."""
    LOOSENS_SECURITY = "loosens security"
    """Somebody may do or reach what they could not before, or a safeguard is gone."""
    CANNOT_TELL = "cannot tell"
    """Neither the registry nor this project knows what the change does."""
    COSTS_MORE = "costs more"
    """The bill grows."""
    HARMLESS = "harmless"
    """None of these."""

    @property
    def rank(self) -> int:
        """Place in the order of dangers; 0 is the worst."""
        return list(Danger).index(self)


class Difference(NamedTuple):
    """A place at which two sets of templates differ."""

    stack: str
    resource: str
    """Logical id; the name of the section, for example `Outputs`, outside of resources."""
    property: str
    """Dotted path, lists as one: `LustreConfiguration.PerUnitStorageThroughput`. Below
    `Properties` without that word; `@DeletionPolicy` for what stands beside it. Empty where the
    whole resource came or went."""


@dataclass(frozen=True)
class Change:
    """One change, as a reviewer reads it."""

    stack: str
    resource: str
    """Logical id, of the old template where it was renamed; see `Difference.resource`."""
    property: str
    """See `Difference.property`."""
    dangers: tuple[Danger, ...]
    """The worst first; never empty."""
    what: str
    """What happens, as a sentence without its full stop."""
    why: str
    """How that is known: the schema's word or our own knowledge, with its source and date."""
    instead: str = ""
    """What to do in its place; empty where there is nothing better."""
    before: Any = None
    """As the old template has it; None where it has nothing there."""
    after: Any = None
    """As the new template has it; None where it has nothing there."""
    resource_type: str | None = None
    construct_path: str | None = None
    """`aws:cdk:path` of the resource's metadata."""
    covers: tuple[Difference, ...] = ()
    """Every difference between the templates that this line is about, several where a resource was
    renamed; none where the templates are equal here and the change follows from another."""
    caused_by: Difference | None = None
    """The change that this one follows from."""

    @builtins.property
    def worst(self) -> Danger:
        return self.dangers[0]

    @builtins.property
    def place(self) -> str:
        return self.construct_path or f"{self.stack}/{self.resource}"


def worst(changes: Iterable[Change]) -> Danger | None:
    return min((change.worst for change in changes), key=lambda d: d.rank, default=None)


def at_least(changes: Iterable[Change], threshold: Danger) -> tuple[Change, ...]:
    """Return the changes that are as bad as a threshold or worse."""
    return tuple(change for change in changes if change.worst.rank <= threshold.rank)
