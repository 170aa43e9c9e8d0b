"""What this project knows of CloudFormation's resource types: one record for each type.

The records stand in `resource_types.toml`. A type without a record is judged by the registry
alone, and by cfn-lint's list of types that hold data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from ultracluster.registry.schemas import stateful_types
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.sources import BOTOCORE
from ultracluster.review.tables import table

HOLDS: Final = "everything in it"
FOREVER: Final = 10**6
"""Days, in place of a retention that is not written."""


def days(number: int) -> str:
    return "for ever" if number == FOREVER else f"{number:,} days"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a change of some properties does; the classes below say by which values."""

    paths: tuple[str, ...]
    """Dotted."""
    says: str = ""
    """A sentence with `{name}` of the resource, and `{path}`, `{was}` and `{now}`."""
    why: str
    instead: str = ""
    """What to do in its place, where it is dangerous."""


@dataclass(frozen=True, kw_only=True)
class Amount(Setting):
    """A number: what it means that it falls, and that it rises."""

    less: Danger
    more: Danger
    unset: int | None = None
    """What is true where nothing is written; None where that is not known."""
    endless: int | None = None
    """The number that stands for one without end."""
    unit: str = ""
    """`days`, or `nodes`, which are said with their type and what is in them."""

    def written(self, number: int) -> str:
        return days(number) if self.unit == "days" else f"{number:,}"


@dataclass(frozen=True, kw_only=True)
class Switch(Setting):
    """A setting that is dangerous with some of its values."""

    dangerous: frozenset[str | None]
    danger: Danger
    otherwise: Danger = Danger.HARMLESS
    """What it does to leave the dangerous values."""
    says_otherwise: str = "{path} of {name} is no longer {was}"


@dataclass(frozen=True, kw_only=True)
class Part(Setting):
    """A part that is dangerous to remove."""

    gone: Danger
    changed: Danger = Danger.HARMLESS
    says_changed: str = "{path} of {name} is another one from now on"


@dataclass(frozen=True, kw_only=True)
class Members(Setting):
    """A list of which each item counts by itself; `{members}` are those that come or go."""

    lost: Danger
    says_lost: str
    gained: Danger
    says_gained: str


@dataclass(frozen=True, kw_only=True)
class Note(Setting):
    """Properties of which every change does the same."""

    danger: Danger


@dataclass(frozen=True)
class NodeCounts:
    """Where a group of nodes says how many it has."""

    least: str
    most: str
    wanted: str = ""


@dataclass(frozen=True, kw_only=True)
class ResourceType:
    """What is known of one type."""

    noun: str = ""
    """What a sentence calls it, where the words of its name are not what it is."""
    holds: str = ""
    """What is lost with it, as a sentence names it; empty where it holds no data."""
    holds_amount: tuple[str, ...] = ()
    """The property that says how much it holds, and how that is said: with `{size}` for a number
    of GiB, or `{number}`."""
    snapshots: bool = False
    """Whether CloudFormation can make a snapshot of it; of other types it refuses."""
    refuses_deletion: str = ""
    """Why it is not deleted while something is in it."""
    billed: str = ""
    """Why it costs something by being there."""
    ends: str = ""
    """What stops when it is replaced or removed."""
    removed: str = ""
    """What stops when it is removed, where that is something else."""
    gives_up_nodes: bool = False
    """Whether nodes go with it that no other resource counts."""
    guards: str = ""
    """What is no longer watched or closed without it."""
    unused: bool = False
    """Whether nothing depends on it."""
    alone: str = ""
    """Why no second one can stand beside the first. CloudFormation makes the new one before it
    deletes the old one."""
    alone_by: tuple[str, ...] = ()
    """Properties that make it another place, where a second one can stand."""
    named_within: str = ""
    """Property with the resource within which its name must be unique; the account otherwise."""
    passes_traffic: bool = False
    """Whether it is nothing but what it lets pass: replaced by the same, nobody notices."""
    updated_in_place: frozenset[str] = frozenset()
    """Properties that the registry calls create-only for some of their changes, which are updates
    in place but for what a rule of its own judges."""
    nodes: NodeCounts | None = None
    settings: tuple[Setting, ...] = ()


SETTINGS: Final[Mapping[str, type[Setting]]] = {
    "amount": Amount,
    "switch": Switch,
    "part": Part,
    "members": Members,
    "note": Note,
}
DANGERS: Final = ("less", "more", "danger", "otherwise", "gone", "changed", "lost", "gained")


@cache
def resource_types() -> Mapping[str, ResourceType]:
    return {name: _record(written) for name, written in table("resource_types").items()}


@cache
def resource_type(name: str) -> ResourceType:
    unnamed = ResourceType(holds=HOLDS if name in stateful_types() else "")
    return resource_types().get(name, unnamed)


def _record(written: dict[str, Any]) -> ResourceType:
    settings = tuple(
        _setting(SETTINGS[kind], entry) for kind in SETTINGS for entry in written.pop(kind, ())
    )
    if "nodes" in written:
        written["nodes"] = NodeCounts(**written["nodes"])
    for name in ("holds_amount", "alone_by"):
        written[name] = tuple(written.get(name, ()))
    written["updated_in_place"] = frozenset(written.get("updated_in_place", ()))
    return ResourceType(**written, settings=settings)


def _setting(kind: type[Setting], entry: dict[str, Any]) -> Setting:
    entry["paths"] = tuple(entry.get("paths") or [entry.pop("path")])
    entry["why"] = entry["why"].replace("{botocore}", BOTOCORE)
    for name in DANGERS:
        if name in entry:
            entry[name] = Danger(entry[name])
    if "dangerous" in entry:
        entry["dangerous"] = frozenset(value or None for value in entry["dangerous"])
    return kind(**entry)
