"""Ways from what the templates allow to more; those that the field knows stand in a table.

Ways of `escalation_paths.json` that are `published` are of pathfinding.cloud (Datadog), as
cloudsplaining 0.9.1 lists them, read 2026-11-24. The others are this project's: the same way with a
service that starts what a role is passed to, or with Systems Manager's shell.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Final

from ultracluster.model.grants import Claim, Cover, Grant, claim, uncovered
from ultracluster.model.model import Model
from ultracluster.model.policies import Identity, listed, pattern_matches, token
from ultracluster.review.access.sentences import condition
from ultracluster.review.access.statement import Escalation, Severity
from ultracluster.review.naming import Names, short
from ultracluster.review.resolved import or_none, read
from ultracluster.templates.resolved import ResolvedResource
from ultracluster.templates.resolved_values import Key, key, part

TABLE: Final = Path(__file__).with_name("escalation_paths.json")
PUBLISHED: Final = "pathfinding.cloud/paths/{} (by cloudsplaining 0.9.1, read 2026-11-24)"
OWN: Final = "this project: what one starts, or gets into, has the rights of its role"
MANAGED: Final = "AWS managed policies for job functions (general knowledge, unverified)"
ADMINISTRATOR: Final = ("AdministratorAccess", "PowerUserAccess", "IAMFullAccess")
"""AWS's policies that allow more than a template shows."""
PASSED_TO: Final = "iam:passedtoservice"
ASSUME: Final = "sts:AssumeRole"
ASSUMED: Final = "role that can be assumed"
PROFILE: Final = "AWS::IAM::InstanceProfile"
ANY_ROLE: Final = "any role of the account"
MOST_STEPS, MOST_CHAINS = 8, 100
"""Roles that are assumed one after the other, and such chains of one role, that are told."""
UNKNOWN_ROLE: Final = "whatever runs there in a role that is not in these templates"


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


@dataclass(frozen=True, eq=False)
class Rights:
    """What an identity may do, taken apart."""

    identity: Identity
    _of_action: dict[str, tuple[Grant, ...]] = field(default_factory=dict, repr=False)

    @property
    def key(self) -> tuple[str, str]:
        return self.identity.key

    @property
    def name(self) -> str:
        return short(self.identity.place)

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        return tuple(claim(statement.body) for statement in self.identity.statements)

    @cached_property
    def allowed(self) -> tuple[Grant, ...]:
        return tuple(g for each in self.claims if each.effect == "Allow" for g in each.grants())

    @cached_property
    def denied(self) -> Cover:
        """What its policies deny whatever the circumstances."""
        return Cover(c for c in self.claims if c.effect == "Deny" and not c.conditions)

    @cached_property
    def trust(self) -> tuple[Grant, ...]:
        claims = (claim(statement.body) for statement in self.identity.trust)
        return tuple(g for each in claims if each.effect == "Allow" for g in each.grants())

    def allows(self, action: str) -> tuple[Grant, ...]:
        """Return the grants that allow an action, but for those that are denied as they stand."""
        lower = action.lower()
        if lower not in self._of_action:
            found = [grant for grant in self.allowed if matches(grant.action, lower)]
            denials = [Grant("Deny", lower, g.resource, g.principal, frozenset()) for g in found]
            both = zip(found, denials, strict=True)
            self._of_action[lower] = tuple(g for g, denial in both if denial not in self.denied)
        return self._of_action[lower]


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


def _is_wide(resource: str) -> bool:
    return resource == "*" or resource.startswith("!") or resource.endswith((":role/*", ":*"))


class Ways:
    """Every way that is open to somebody of the templates."""

    def __init__(self, model: Model, names: Names) -> None:
        self._model, self._names = model, names
        self._all = [Rights(identity) for identity in model.identities]
        self._by_key: dict[Key, Rights] = {rights.key: rights for rights in self._all}
        self._named: dict[Key, dict[Key, Rights]] = {}
        self._open: dict[Key, Rights] = {}
        for role in self._all:
            for grant in filter(_of_accounts, role.trust):
                principal = grant.principal.partition(":")[2]
                if principal == "*" or principal.endswith((":root", "<AWS::AccountId>")):
                    self._open[role.key] = role
                elif named := _meant(principal):
                    self._named.setdefault(named, {})[role.key] = role
        self._trusting: dict[str, list[Rights]] = {}
        for rights in self._all:
            for service in dict.fromkeys(grant.principal for grant in rights.trust):
                self._trusting.setdefault(service, []).append(rights)

    def __iter__(self) -> Iterator[Escalation]:
        for one in self._all:
            yield from self._of_administrator(one)
            found = [e for way in ways() if (e := self._taken(way, one)) is not None]
            for each in found:
                # A way of which a part is a way of its own says no more.
                actions, towards = set(each.actions), each.towards
                if not any(set(o.actions) < actions and o.towards == towards for o in found):
                    yield each
            yield from self._assumed(one)

    def _of_administrator(self, one: Rights) -> Iterator[Escalation]:
        """AWS's policies whose statements are not in the templates, and are known to be wide."""
        for arn in one.identity.outside_policies:
            name = token(arn).rpartition("/")[2]
            if name in ADMINISTRATOR:
                way = Way("administrator's policy", (name,), f"do whatever {name} allows")
                found = _escalation(one, way, ["everything in the account"], (), "high")
                yield replace(found, source=MANAGED)

    def _taken(self, way: Way, one: Rights) -> Escalation | None:
        granted = {action: one.allows(action) for action in way.actions}
        service = way.service
        if service is not None:
            passing = (g for g in granted["iam:PassRole"] if passes_to(g, service))
            granted["iam:PassRole"] = tuple(passing)
        if not all(granted.values()):
            return None
        resources = [grant.resource for grant in granted[way.actions[0]]]
        wide = any(map(_is_wide, resources))
        targets: list[Rights] = []
        if service is not None:
            passed = [grant.resource for grant in granted["iam:PassRole"]]
            trusting = self._trusting.get(f"Service:{service}", ())
            targets = [role for role in trusting if _reaches(passed, role)]
            # The roles that may be passed are in the templates, and none trusts the service.
            if not targets and all(_meant(each) in self._by_key for each in passed):
                return None
        elif way.target is not None:
            running = [v for r in self._model.of(way.target) for v in self._role_values(r)]
            found = (self._by_key.get(or_none(read(key, value)) or "") for value in running)
            targets = [rights for rights in found if rights]
        others = {role.key: role for role in targets if role.key != one.key}.values()
        towards = [f"the role {role.name}" for role in others]
        if service is not None and wide:
            towards.append(ANY_ROLE)
        elif service is None and way.target is None:
            spots = {"everything" if _is_wide(r) else self._names.readable(r) for r in resources}
            towards = sorted(spots)
        severity = _severity(one, list(others), wide=wide and way.target is None)
        return _escalation(one, way, towards or [UNKNOWN_ROLE], self._limits(granted), severity)

    def _role_values(self, resource: ResolvedResource) -> Iterator[object]:
        for name in ("Role", "RoleArn", "ExecutionRoleArn"):
            yield from listed(resource.properties.get(name))
        profile = read(part, resource.properties, "LaunchTemplateData", "IamInstanceProfile")
        for value in profile.values() if isinstance(profile, Mapping) else ():
            if found := or_none(read(self._model.found, value, PROFILE)):
                yield from listed(found.properties.get("Roles"))

    def _assumed(self, one: Rights) -> Iterator[Escalation]:
        """Yield chains of roles that are assumed one after the other, the shortest to each."""
        reached: dict[Key, list[Rights]] = {}
        waiting, left = [[one]], 0
        for chain in waiting:
            for role in self._next(chain[-1]):
                if role.key == one.key or role.key in reached:
                    continue
                if len(chain) > MOST_STEPS or len(reached) >= MOST_CHAINS:
                    left += 1
                    continue
                reached[role.key] = [*chain[1:], role]
                waiting.append([*chain, role])
        for chain in reached.values():
            steps = " and then ".join(f"the role {role.name}" for role in chain)
            way = Way(ASSUMED, (ASSUME,), f"assume {steps}")
            limits = self._limits({ASSUME: one.allows(ASSUME)})
            severity = _severity(one, chain[-1:], wide=False)
            yield _escalation(one, way, [f"the role {chain[-1].name}"], limits, severity)
        if left:
            way = Way(ASSUMED, (ASSUME,), "assume still more roles by these")
            yield _escalation(one, way, ["roles that are not listed"], (), "high")

    def _next(self, one: Rights) -> Iterator[Rights]:
        """Yield the roles that somebody of the templates may assume."""
        yield from self._named.get(one.key, {}).values()
        if self._open:
            resources = [grant.resource for grant in one.allows(ASSUME)]
            wide = any(map(_is_wide, resources))
            keys = self._open if wide else filter(self._open.__contains__, map(_meant, resources))
            yield from (self._open[key] for key in keys if key)

    def _limits(self, granted: Mapping[str, Sequence[Grant]]) -> Iterator[str]:
        for action, grants in granted.items():
            for grant in grants[:1]:
                if not _is_wide(grant.resource):
                    yield f"{action} only on {self._names.readable(grant.resource)}"
                for operator, name, values in sorted(grant.conditions, key=str):
                    shown = [self._names.readable(value) for value in sorted(values)]
                    yield f"{action} only {condition(operator, name, shown)}"


def _reaches(resources: Sequence[str], role: Rights) -> bool:
    return any(_meant(each) == role.key or _is_wide(each) for each in resources)


def _of_accounts(grant: Grant) -> bool:
    """Whether a grant of a trust lets roles or users of an account take a role."""
    return grant.principal.startswith("AWS:") and matches(grant.action, ASSUME.lower())


def _meant(marked: str) -> tuple[str, str] | None:
    """Return what a marked text (`policies.token`) begins with; None where with nothing."""
    begin = re.match(r"<(.+)/([^/<>.]+)[.>]", marked.partition(">")[0] + ">")
    return (begin[1], begin[2]) if begin else None


def _severity(one: Rights, others: Sequence[Rights], *, wide: bool) -> Severity:
    if wide:
        return "high"
    if others and all(not uncovered(role.allowed, one.claims) for role in others):
        return "low"
    return "medium"


def _escalation(
    one: Rights, way: Way, towards: Sequence[str], limits: Iterator[str] | tuple[()], how: Severity
) -> Escalation:
    place = one.identity.place
    return Escalation(
        who=one.name,
        stack=place.stack,
        resource=place.logical_id,
        construct_path=place.construct_path,
        name=way.name,
        actions=tuple(way.actions),
        towards=tuple(dict.fromkeys(towards)),
        says=way.says,
        limited_by=tuple(limits),
        severity=how,
        source=way.source,
    )
