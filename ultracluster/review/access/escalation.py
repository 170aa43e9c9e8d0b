"""Privilege escalation: published and own paths from given permissions to more.

Ways of `escalation_paths.json` that are `published` are of pathfinding.cloud (Datadog), as
cloudsplaining 0.9.1 lists them, read 2026-11-24. The others are this project's: the same way with a
service that starts what a role is passed to, or with Systems Manager's shell.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain as one_after_another
from itertools import islice
from typing import Final

from ultracluster.model.grants import Claim, Grant, claims_of
from ultracluster.model.model import Model
from ultracluster.model.policies import Identity, listed, token
from ultracluster.review.access.rights import (
    ASSUME,
    Rights,
    Way,
    is_wide,
    meant,
    of_accounts,
    passes_to,
    ways,
)
from ultracluster.review.access.sentences import condition
from ultracluster.review.access.statement import Escalation, Severity
from ultracluster.review.naming import Names
from ultracluster.review.resolved import or_none, read
from ultracluster.templates.resolved import ResolvedResource
from ultracluster.templates.resolved_values import Key, key, part

MANAGED: Final = "AWS managed policies for job functions (general knowledge, unverified)"
ADMINISTRATOR: Final = ("AdministratorAccess", "PowerUserAccess", "IAMFullAccess")
"""AWS's policies that allow more than a template shows."""
ASSUMED: Final = "role that can be assumed"
PROFILE: Final = "AWS::IAM::InstanceProfile"
ANY_ROLE: Final = "any role of the account"
MOST_STEPS, MOST_CHAINS, MOST_OF_ALL = 8, 100, 2_000
"""Roles that are assumed one after the other, and such chains of one role and of all, that are
told."""
MOST_NAMED: Final = 8
"""Roles to which one way leads that are named."""
UNKNOWN_ROLE: Final = "whatever runs there in a role that is not in these templates"


Reached = dict[Key, Rights]


class Ways:
    """Every way that is open to somebody of the templates."""

    def __init__(self, model: Model, names: Names) -> None:
        self._model, self._names = model, names
        self._all = [self._rights(identity) for identity in model.identities]
        self._by_key: dict[Key, Rights] = {rights.key: rights for rights in self._all}
        self._order = {key: number for number, key in enumerate(self._by_key)}
        self._named: dict[Key, Reached] = {}
        self._open: Reached = {}
        for role in self._all:
            for grant in filter(of_accounts, role.trust):
                principal = grant.principal.partition(":")[2]
                if principal == "*" or principal.endswith((":root", "<AWS::AccountId>")):
                    self._open[role.key] = role
                elif named := meant(principal):
                    self._named.setdefault(named, {})[role.key] = role
        self._trusting: dict[str, Reached] = {}
        for rights in self._all:
            for grant in rights.trust:
                self._trusting.setdefault(grant.principal, {})[rights.key] = rights
        self._running: dict[str, Reached] = {}
        self._covered: dict[tuple[str | None, tuple[Claim, ...]], bool] = {}
        self._chains_left = MOST_OF_ALL

    def _rights(self, identity: Identity) -> Rights:
        once = self._model.once
        claims, trust = (claims_of(once, each) for each in (identity.statements, identity.trust))
        granted = tuple(g for each in trust if each.effect == "Allow" for g in each.grants())
        return Rights(identity, claims, granted)

    def __iter__(self) -> Iterator[Escalation]:
        for one in self._all:
            yield from self._of_administrator(one)
            possible = [way for way in ways() if all(map(one.allows, way.actions))]
            found = [e for way in possible if (e := self._taken(way, one)) is not None]
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
            passing = [g for g in granted["iam:PassRole"] if passes_to(g, service)]
            if not passing:
                return None
            granted["iam:PassRole"] = passing
        resources = [grant.resource for grant in granted[way.actions[0]]]
        wide, targets = any(map(is_wide, resources)), self._targets(way, resources)
        # The roles that may be passed are in the templates, and none trusts the service.
        if service and not targets and all(meant(each) in self._by_key for each in resources):
            return None
        others = (role for key, role in targets.items() if key != one.key)
        towards = [f"the role {role.name}" for role in islice(others, MOST_NAMED)]
        if more := len(targets) - (one.key in targets) - len(towards):
            towards.append(f"{more} more roles")
        others_named = bool(towards)
        if service is not None and wide:
            towards.append(ANY_ROLE)
        elif service is None and way.target is None:
            spots = {"everything" if is_wide(r) else self._names.readable(r) for r in resources}
            towards = sorted(spots)
        severity: Severity = "high" if wide and way.target is None else "medium"
        if severity == "medium" and others_named and self._no_more(one, targets, way.target):
            severity = "low"
        return _escalation(one, way, towards or [UNKNOWN_ROLE], self._limits(granted), severity)

    def _targets(self, way: Way, resources: Sequence[str]) -> Reached:
        """Return the roles to which a way leads, in their order: passed, or of what runs."""
        if way.service is None:
            return {} if way.target is None else self._running_as(way.target)
        trusting = self._trusting.get(f"Service:{way.service}", {})
        if any(map(is_wide, resources)):
            return trusting
        keys = {key for each in resources if (key := meant(each)) in trusting}
        return {key: trusting[key] for key in sorted(keys, key=self._order.__getitem__)}

    def _running_as(self, kind: str) -> Reached:
        """Return the roles that resources of a type run in."""
        if kind not in self._running:
            values = (value for r in self._model.of(kind) for value in self._role_values(r))
            found = (self._by_key.get(or_none(read(key, value)) or "") for value in values)
            self._running[kind] = {rights.key: rights for rights in found if rights}
        return self._running[kind]

    def _no_more(self, one: Rights, others: Reached, kind: str | None) -> bool:
        """Whether others may do no more than somebody; those of a type are the same for all."""
        asked = (kind, one.claims)
        if kind is not None and asked in self._covered:
            return self._covered[asked]
        found = all(grant in one.cover for role in others.values() for grant in role.allowed)
        self._covered[asked] = found
        return found

    def _role_values(self, resource: ResolvedResource) -> Iterator[object]:
        for name in ("Role", "RoleArn", "ExecutionRoleArn"):
            yield from listed(resource.properties.get(name))
        profile = read(part, resource.properties, "LaunchTemplateData", "IamInstanceProfile")
        for value in profile.values() if isinstance(profile, Mapping) else ():
            if found := or_none(read(self._model.find, value, PROFILE)):
                yield from listed(found.properties.get("Roles"))

    def _assumed(self, one: Rights) -> Iterator[Escalation]:
        """Yield chains of roles that are assumed one after the other, the shortest to each."""
        reached: dict[Key, list[Rights]] = {}
        waiting, left, most = [[one]], False, min(MOST_CHAINS, self._chains_left)
        opened = False
        for chain in waiting:
            wide, following = self._next(chain[-1])
            # Whoever may assume any role reaches no other than such a one did before.
            anywhere = self._open if wide and not opened else {}
            opened = opened or wide
            for role in one_after_another(following.values(), anywhere.values()):
                if role.key == one.key or role.key in reached:
                    continue
                if left := len(chain) > MOST_STEPS or len(reached) >= most:
                    break
                reached[role.key] = [*chain[1:], role]
                waiting.append([*chain, role])
            if left:
                break
        self._chains_left -= len(reached)
        limits = tuple(self._limits({ASSUME: one.allows(ASSUME)})) if reached else ()
        for chain in reached.values():
            steps = " and then ".join(f"the role {role.name}" for role in chain)
            way = Way(ASSUMED, (ASSUME,), f"assume {steps}")
            last = chain[-1]
            severity: Severity = "low" if self._no_more(one, {last.key: last}, None) else "medium"
            yield _escalation(one, way, [f"the role {last.name}"], limits, severity)
        if left:
            way = Way(ASSUMED, (ASSUME,), "assume still more roles by these")
            yield _escalation(one, way, ["roles that are not listed"], (), "high")

    def _next(self, one: Rights) -> tuple[bool, Reached]:
        """Return whether somebody may assume any role, and the roles that are named."""
        resources = [grant.resource for grant in one.allows(ASSUME)] if self._open else []
        found = dict(self._named.get(one.key, {}))
        found |= {key: self._open[key] for key in map(meant, resources) if key in self._open}
        return any(map(is_wide, resources)), found

    def _limits(self, granted: Mapping[str, Sequence[Grant]]) -> Iterator[str]:
        for action, grants in granted.items():
            for grant in grants[:1]:
                if not is_wide(grant.resource):
                    yield f"{action} only on {self._names.readable(grant.resource)}"
                for operator, name, values in sorted(grant.conditions, key=str):
                    shown = [self._names.readable(value) for value in sorted(values)]
                    yield f"{action} only {condition(operator, name, shown)}"


def _escalation(
    one: Rights, way: Way, towards: Sequence[str], limits: Iterable[str], how: Severity
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
