"""What policies say, in words."""

import builtins
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from ultracluster.model.policies import PolicyKind

Severity = Literal["high", "medium", "low"]


class Level(StrEnum):
    """What an action can do at most, in IAM's own five levels; the mildest first."""

    LIST = "list"
    READ = "read"
    TAGGING = "tagging"
    WRITE = "write"
    PERMISSIONS = "permissions management"
    UNKNOWN = "unknown"
    """IAM's service authorization reference does not have the action."""

    @property
    def rank(self) -> int:
        """Place in the order of levels; the higher, the more it can do."""
        return -1 if self is Level.UNKNOWN else list(Level).index(self)


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
