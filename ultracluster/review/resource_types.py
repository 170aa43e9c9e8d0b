"""What this project knows of CloudFormation's resource types: one record for each type.

The records stand in `resource_types.toml`. A type without a record is judged by the registry
alone, and by cfn-lint's list of types that hold data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from ultracluster.registry.schemas import stateful_types
from ultracluster.review.changes.change import Danger
from ultracluster.review.tables import BOTOCORE, table

HOLDS: Final = "everything in it"
FOREVER: Final = 10**6
"""Days, in place of a retention that is not written."""


def days(number: int) -> str:
    return "for ever" if number == FOREVER else f"{number:,} day{'' if number == 1 else 's'}"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a change of some properties does, one way and the other."""

    kind: str
    """`amount` for a number, which falls or rises; `switch` for values of which some are dangerous;
    `part` for what goes or changes; `members` for a list of which each item counts by itself;
    `note` where every change does the same."""
    paths: tuple[str, ...]
    """Dotted."""
    danger: Danger
    says: str
    """A sentence with `{name}` of the resource, and `{path}`, `{was}` and `{now}`; of members also
    `{members}`, those that come or go."""
    otherwise: Danger
    says_otherwise: str
    why: str
    instead: str = ""
    """What to do in its place, where it is dangerous."""
    dangerous: frozenset[str | None] = frozenset()
    """Values of a switch."""
    unset: int | None = None
    """The amount where nothing is written; None where that is not known."""
    endless: int | None = None
    """The number that stands for one without end."""
    unit: str = ""
    """`days`, or `nodes`, which are said with their type and what is in them."""


@dataclass(frozen=True, kw_only=True)
class ResourceType:
    """What is known of one type."""

    noun: str = ""
    """What a sentence calls it, where the words of its name are not what it is."""
    holds: str = ""
    """What is lost with it, as a sentence names it; empty where it holds no data."""
    holds_amount: Sequence[str] = ()
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
    alone_by: Sequence[str] = ()
    """Properties that make it another place, where a second one can stand."""
    named_within: str = ""
    """Property with the resource within which its name must be unique; the account otherwise."""
    passes_traffic: bool = False
    """Whether it is nothing but what it lets pass: replaced by the same, nobody notices."""
    updated_in_place: Sequence[str] = ()
    """Properties that the registry calls create-only for some of their changes, which are updates
    in place but for what a rule of its own judges."""
    nodes: Mapping[str, str] = field(default_factory=dict)
    """Where a group of nodes says how many it has: `least`, `most` and, of some, `wanted`."""
    settings: tuple[Setting, ...] = ()


KINDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "amount": ("less", "more", ""),
    "switch": ("danger", "otherwise", "{path} of {name} is no longer {was}"),
    "part": ("gone", "changed", "{path} of {name} changes"),
    "members": ("lost", "gained", ""),
    "note": ("danger", "otherwise", ""),
}
"""How the table calls what a change does one way and the other, and what is said of the other way
where nothing is written."""


@cache
def resource_types() -> Mapping[str, ResourceType]:
    found = {}
    for name, written in table("resource_types").items():
        settings = [_setting(kind, each) for kind in KINDS for each in written.pop(kind, ())]
        found[name] = ResourceType(**written, settings=tuple(settings))
    return found


@cache
def resource_type(name: str) -> ResourceType:
    unnamed = ResourceType(holds=HOLDS if name in stateful_types() else "")
    return resource_types().get(name, unnamed)


def _setting(kind: str, entry: dict[str, Any]) -> Setting:
    one_way, other_way, says = KINDS[kind]
    entry["paths"] = tuple(entry.get("paths") or [entry.pop("path")])
    entry["why"] = entry["why"].replace("{botocore}", BOTOCORE)
    entry["dangerous"] = frozenset(value or None for value in entry.get("dangerous", ()))
    entry["danger"] = Danger(entry.pop(one_way))
    entry["otherwise"] = Danger(entry.pop(other_way, Danger.HARMLESS))
    entry.setdefault("says_otherwise", says)
    return Setting(kind=kind, **entry)
