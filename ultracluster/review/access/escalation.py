"""Ways from what the templates allow to more."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

from ultracluster.review.access.escalation_paths import OWN, Way, ways
from ultracluster.review.access.grants import Grant, grants, pattern_matches, uncovered
from ultracluster.review.access.identities import ADMINISTRATOR, Identity, roles_of
from ultracluster.review.access.naming import Names, short
from ultracluster.review.access.sentences import condition
from ultracluster.review.access.statement import Escalation
from ultracluster.templates.resolved import ResolvedResource

PASSED_TO: Final = "iam:passedtoservice"
ASSUME: Final = "sts:assumerole"
ANYTHING: Final = "any role of the account"
Severity = Literal["high", "medium", "low"]


def find(
    resources: Sequence[ResolvedResource], identities: Sequence[Identity]
) -> Iterator[Escalation]:
    """Yield every way that is open to somebody of the templates."""
    names = Names(resources)
    for identity in identities:
        yield from _outside(identity)
        found = [
            escalation
            for way in ways()
            if (escalation := _taken(way, identity, resources, identities, names)) is not None
        ]
        yield from _without_longer(found)
        yield from _assumed(identity, identities, names)


def _without_longer(found: Sequence[Escalation]) -> Iterator[Escalation]:
    """Leave out a way of which a part is a way of its own."""
    for one in found:
        if not any(set(o.actions) < set(one.actions) and o.towards == one.towards for o in found):
            yield one


def _outside(identity: Identity) -> Iterator[Escalation]:
    """AWS's policies whose statements are not in the templates, and are known to be wide."""
    for arn in identity.managed:
        name = arn.rsplit("/", maxsplit=1)[-1]
        if name in ADMINISTRATOR:
            way = Way(
                "administrator's policy",
                (name,),
                f"do whatever {name} allows",
                "AWS managed policies for job functions (general knowledge, unverified)",
            )
            yield _escalation(identity, way, ("everything in the account",), (), "high")


def allows(identity: Identity, action: str) -> tuple[Grant, ...]:
    """Return the grants that allow an action, but for those that are denied as they stand."""
    lower = action.lower()
    found = []
    for grant in identity.allowed:
        if not matches(grant.action, lower):
            continue
        asked = Grant("Deny", lower, grant.resource, grant.principal, frozenset())
        if asked not in identity.denied:
            found.append(grant)
    return tuple(found)


def matches(pattern: str, action: str) -> bool:
    """Whether an action is one that a pattern, or `!` and patterns, stands for."""
    if pattern.startswith("!"):
        return not any(pattern_matches(part, action) for part in pattern[1:].split("|"))
    return pattern_matches(pattern, action)


def _taken(
    way: Way,
    identity: Identity,
    resources: Sequence[ResolvedResource],
    identities: Sequence[Identity],
    names: Names,
) -> Escalation | None:
    by_action = {action: allows(identity, action) for action in way.actions}
    if way.service is not None:
        passed = [g for g in by_action["iam:PassRole"] if passes_to(g, way.service)]
        by_action["iam:PassRole"] = tuple(passed)
    if not all(by_action.values()):
        return None
    if way.service is not None:
        targets = _passed_roles(by_action["iam:PassRole"], way.service, identities)
    elif way.target is not None:
        targets = [role for _, role in roles_of(resources, identities, way.target)]
    else:
        targets = []
    wide = any(_wide(grant.resource) for grant in by_action[way.actions[0]])
    if way.service is not None and not targets and not wide:
        # The roles that may be passed are in the templates, and none trusts the service.
        named = {g.resource for g in by_action["iam:PassRole"]}
        if all(_in_templates(resource, identities) for resource in named):
            return None
    towards = [f"the role {short(role.resource)}" for role in _unique(targets, identity)]
    if wide and way.service is not None:
        towards.append(ANYTHING)
    if way.service is None and way.target is None:
        towards = sorted({_spot(names, grant.resource) for grant in by_action[way.actions[0]]})
    if not towards:
        towards = ["whatever runs there in a role that is not in these templates"]
    return _escalation(
        identity,
        way,
        tuple(dict.fromkeys(towards)),
        tuple(_limits(by_action, names)),
        _severity(identity, targets, wide=wide and way.target is None),
    )


def _unique(roles: Iterable[Identity], identity: Identity) -> list[Identity]:
    return list({role.key: role for role in roles if role.key != identity.key}.values())


def _in_templates(resource: str, identities: Sequence[Identity]) -> bool:
    return any(resource.startswith(identity.marker) for identity in identities)


def passes_to(grant: Grant, service: str) -> bool:
    """Whether a grant of iam:PassRole is good for a service."""
    for operator, name, values in grant.conditions:
        if name == PASSED_TO:
            hit = any(pattern_matches(value, service) for value in values)
            if hit is ("not" in operator):
                return False
    return True


def _passed_roles(
    passed: Sequence[Grant], service: str, identities: Sequence[Identity]
) -> list[Identity]:
    return [
        role
        for role in identities
        if role.trusts(service)
        and any(grant.resource.startswith(role.marker) or _wide(grant.resource) for grant in passed)
    ]


def _wide(resource: str) -> bool:
    return resource == "*" or resource.startswith("!") or resource.endswith((":role/*", ":*"))


def _spot(names: Names, resource: str) -> str:
    return "everything" if _wide(resource) else names.readable(resource)


def _limits(by_action: dict[str, tuple[Grant, ...]], names: Names) -> Iterator[str]:
    for action, granted in by_action.items():
        for grant in granted[:1]:
            if not _wide(grant.resource):
                yield f"{action} only on {names.readable(grant.resource)}"
            for operator, name, values in sorted(grant.conditions, key=str):
                shown = [names.readable(value) for value in sorted(values)]
                yield f"{action} only where {condition(operator, name, shown, names)}"


def _severity(identity: Identity, targets: Sequence[Identity], *, wide: bool) -> Severity:
    if wide:
        return "high"
    others = _unique(targets, identity)
    if others and all(not uncovered(role.allowed, identity.claims) for role in others):
        return "low"
    return "medium"


def _assumed(
    identity: Identity, identities: Sequence[Identity], names: Names
) -> Iterator[Escalation]:
    """Yield chains of roles that are taken one after the other."""
    reached: dict[tuple[str, str], list[Identity]] = {}
    waiting: list[tuple[Identity, list[Identity]]] = [(identity, [])]
    while waiting:
        current, chain = waiting.pop(0)
        for role in identities:
            if role.key != identity.key and role.key not in reached and takes(current, role):
                reached[role.key] = [*chain, role]
                waiting.append((role, reached[role.key]))
    for chain in reached.values():
        steps = " and then ".join(f"the role {short(role.resource)}" for role in chain)
        yield _escalation(
            identity,
            Way("role that can be taken", ("sts:AssumeRole",), f"take {steps}", OWN),
            (f"the role {short(chain[-1].resource)}",),
            tuple(_limits({"sts:AssumeRole": allows(identity, "sts:AssumeRole")}, names)),
            _severity(identity, chain[-1:], wide=False),
        )


def takes(one: Identity, role: Identity) -> bool:
    """Whether somebody of the templates may take a role of them."""
    for stated in role.trust:
        for grant in grants(stated.body):
            if grant.effect != "Allow" or not matches(grant.action, ASSUME):
                continue
            kind, _, principal = grant.principal.partition(":")
            if kind != "AWS":
                continue
            if principal.startswith(one.marker):
                return True
            account = principal == "*" or principal.endswith((":root", "<AWS::AccountId>"))
            if account and any(
                g.resource.startswith(role.marker) or _wide(g.resource)
                for g in allows(one, "sts:AssumeRole")
            ):
                return True
    return False


def _escalation(
    identity: Identity,
    way: Way,
    towards: tuple[str, ...],
    limited_by: tuple[str, ...],
    severity: Severity,
) -> Escalation:
    place = identity.resource.place
    return Escalation(
        who=short(identity.resource),
        stack=place.stack,
        resource=place.logical_id,
        construct_path=place.construct_path,
        name=way.name,
        actions=way.actions,
        towards=towards,
        says=way.says,
        limited_by=limited_by,
        severity=severity,
        source=way.source,
    )
