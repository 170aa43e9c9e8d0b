"""Permissions of roles, users and groups that are part of an escalation path."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Final

from ultracluster.model.grants import Claim, Cover, Grant
from ultracluster.model.policies import Identity, pattern_matches
from ultracluster.review.naming import short

TABLE: Final = Path(__file__).with_name("escalation_paths.json")
PUBLISHED: Final = "pathfinding.cloud/paths/{} (by cloudsplaining 0.9.1, read 2026-11-24)"
OWN: Final = "this project: what one starts, or gets into, has the rights of its role"
PASSED_TO: Final = "iam:passedtoservice"
ASSUME: Final = "sts:AssumeRole"


@dataclass(frozen=True)
class Way:
    """Actions that together are more than they look."""

    name: str
    actions: Sequence[str]
    says: str
    published: str = ""
    """Its name at pathfinding.cloud; empty where it is this project's own."""
    service: str | None = None
    """To whom a role is passed; None where no role is passed."""
    target: str | None = None
    """Type of the resources of which one gets the rights, None where that is not bound."""

    @property
    def source(self) -> str:
        return PUBLISHED.format(self.published) if self.published else OWN


@cache
def ways() -> tuple[Way, ...]:
    return tuple(Way(**entry) for entry in json.loads(TABLE.read_text("utf-8")))


@cache
def _asked_for() -> tuple[str, ...]:
    """Return the actions that ways are made of, in lower case."""
    found = (action.lower() for way in ways() for action in way.actions)
    return tuple(dict.fromkeys([*found, ASSUME.lower()]))


@lru_cache(maxsize=65_536)
def _meant_by(pattern: str) -> tuple[str, ...]:
    """Return those actions of ways that a pattern stands for."""
    return tuple(action for action in _asked_for() if matches(pattern, action))


@dataclass(frozen=True, eq=False)
class Rights:
    """What an identity may do, taken apart."""

    identity: Identity
    claims: tuple[Claim, ...]
    trust: tuple[Grant, ...]

    @property
    def key(self) -> tuple[str, str]:
        return self.identity.key

    @cached_property
    def name(self) -> str:
        return short(self.identity.place)

    @cached_property
    def cover(self) -> Cover:
        return Cover(self.claims)

    @cached_property
    def allowed(self) -> tuple[Grant, ...]:
        return tuple(g for each in self.claims if each.effect == "Allow" for g in each.grants())

    @cached_property
    def of_ways(self) -> Mapping[str, Sequence[Grant]]:
        """The grants that allow an action of a way, but for those that are denied as they stand."""
        denials = [c for c in self.claims if c.effect == "Deny" and not c.conditions]
        denied = Cover(denials) if denials else ()
        found: dict[str, list[Grant]] = {}
        for each in self.claims:
            if each.effect != "Allow" or not any(_meant_by(a.lower()) for a in each.actions):
                continue
            for grant in each.grants():
                for action in _meant_by(grant.action):
                    denial = Grant("Deny", action, grant.resource, grant.principal, frozenset())
                    if denial not in denied:
                        found.setdefault(action, []).append(grant)
        return found

    def allows(self, action: str) -> Sequence[Grant]:
        """Return the grants that allow an action of a way."""
        return self.of_ways.get(action.lower(), ())


@lru_cache(maxsize=65_536)
def matches(pattern: str, action: str) -> bool:
    """Whether an action is one that a pattern, or `!` and patterns, stands for."""
    if pattern.startswith("!"):
        return not any(pattern_matches(each, action) for each in pattern[1:].split("|"))
    return pattern_matches(pattern, action)


def passes_to(grant: Grant, service: str) -> bool:
    """Whether a grant of iam:PassRole is good for a service."""
    for operator, name, values in grant.conditions:
        if name == PASSED_TO:
            hit = any(pattern_matches(value, service) for value in values)
            if hit is ("not" in operator):
                return False
    return True


def is_wide(resource: str) -> bool:
    return resource == "*" or resource.startswith("!") or resource.endswith((":role/*", ":*"))


def of_accounts(grant: Grant) -> bool:
    """Whether a grant of a trust lets roles or users of an account take a role."""
    return grant.principal.startswith("AWS:") and matches(grant.action, ASSUME.lower())


@lru_cache(maxsize=65_536)
def meant(marked: str) -> tuple[str, str] | None:
    """Return what a marked text (`policies.token`) begins with; None where with nothing."""
    begin = re.match(r"<(.+)/([^/<>.]+)[.>]", marked.partition(">")[0] + ">")
    return (begin[1], begin[2]) if begin else None
