"""Compares policy statements: whether one allows everything that another allows.

The comparison is sound and not complete: if it says that a grant covers another, that is true; if
conditions or exclusions are too different to compare, it says no.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal

from ultracluster.model.policies import (
    Statement,
    compiled,
    conditions_of,
    listed,
    principals_of,
    token,
)

Effect = Literal["Allow", "Deny"]
Conditions = frozenset[tuple[str, str, frozenset[str]]]
"""Operator, key and values."""

ANYTHING: Final = "*"
NEGATED: Final = "not"
PATTERNS: Final = ("stringlike", "arnlike", "arnequals")
"""Beginnings of operators whose values are patterns."""
WILD: Final = "\ue000" * 64
"""Replaces a wildcard of a narrower pattern; longer than any run of `?`."""
EXACT: Final = ("bool", "null", "numeric", "date")
"""Beginnings of operators whose values are compared for equality only."""


@dataclass(frozen=True)
class Grant:
    """One action, on one resource, for one principal."""

    effect: Effect
    action: str
    """A pattern in lower case, or `!` and patterns for NotAction."""
    resource: str
    """A pattern, with `<stack/id>` for references; or `!` and patterns for NotResource."""
    principal: str
    """`AWS:...`, `Service:...`, `!` and those of NotPrincipal; empty in an identity's policy."""
    conditions: Conditions
    written: str = field(default="", compare=False)
    """The action as it is written."""


@dataclass(frozen=True)
class Claim:
    """One statement, taken apart."""

    effect: Effect
    actions: tuple[str, ...]
    """As they are written; `!` and patterns for NotAction."""
    resources: tuple[str, ...]
    principals: tuple[str, ...]
    conditions: Conditions

    def grants(self) -> Iterator[Grant]:
        for action in self.actions:
            for resource in self.resources:
                for principal in self.principals:
                    yield Grant(
                        self.effect, action.lower(), resource, principal, self.conditions, action
                    )


def claim(statement: Mapping[str, Any]) -> Claim:
    return Claim(
        "Deny" if statement.get("Effect") == "Deny" else "Allow",
        tuple(_patterns(statement, "Action")),
        tuple(_patterns(statement, "Resource")) or (ANYTHING,),
        tuple(_principals(statement)) or ("",),
        frozenset(
            (operator, name, frozenset(map(token, values)))
            for operator, name, values in conditions_of(statement)
        ),
    )


def claims_of(
    once: Callable[[str, object, Callable[[], Claim]], Claim], statements: Iterable[Statement]
) -> tuple[Claim, ...]:
    """Return statements, each taken apart once (`Model.once`)."""
    return tuple(once("claim", each.body, partial(claim, each.body)) for each in statements)


class Cover:
    """Answers for many grants whether one of several statements covers them.

    A statement covers a grant if it covers each of its parts. What covers a part is worked out once
    for each text, as a number with one bit for each statement: policies may name hundreds of
    actions and hundreds of resources. What a pattern begins with has to begin the text as well: of
    thousands of claims only those are looked at.
    """

    def __init__(self, claims: Iterable[Claim]) -> None:
        self._claims = tuple(dict.fromkeys(claims))
        self._known: dict[tuple[str, Any], int] = {}
        self._heads: dict[str, dict[str, set[int]]] = {"action": {}, "resource": {}}
        for number, each in enumerate(self._claims):
            for action in each.actions:
                self._heads["action"].setdefault(_head(action.lower()), set()).add(number)
            for resource in each.resources:
                self._heads["resource"].setdefault(_head(resource), set()).add(number)
        self._lengths = {part: set(map(len, heads)) for part, heads in self._heads.items()}

    def __contains__(self, grant: Grant) -> bool:
        """Whether everything that a grant says is said by one of the statements."""
        found = -1
        for part, covers in COVERS.items():
            value = getattr(grant, part)
            if (part, value) not in self._known:
                near = self._near(part, value)
                self._known[part, value] = sum(
                    1 << number for number in near if covers(self._claims[number], value)
                )
            found &= self._known[part, value]
        return found != 0

    def _near(self, part: str, value: Any) -> Iterable[int]:
        """Return the numbers of the claims that may cover a part."""
        heads = self._heads.get(part)
        if heads is None:
            return range(len(self._claims))
        begins = (value[:length] for length in self._lengths[part] if length <= len(value))
        return {number for begin in begins for number in heads.get(begin, ())}


def _patterns(statement: Mapping[str, Any], name: str) -> Iterator[str]:
    yield from map(token, listed(statement.get(name)))
    yield from _excluded(map(token, listed(statement.get(f"Not{name}"))))


def _principals(statement: Mapping[str, Any]) -> Iterator[str]:
    named, others = (
        [f"{kind}:{token(value)}" for kind, value in principals_of(statement, name)]
        for name in ("Principal", "NotPrincipal")
    )
    yield from named
    yield from _excluded(others)


def _excluded(patterns: Iterable[str]) -> Iterator[str]:
    if found := sorted(patterns):
        yield "!" + "|".join(found)


def _implied(wanted: tuple[str, str, frozenset[str]], given: Conditions) -> bool:
    """Whether a condition holds wherever all of some others hold."""
    operator, name, values = wanted
    plain = operator.rsplit(":", maxsplit=1)[-1]
    for other, key, narrower in given:
        if key != name or other != operator:
            continue
        if values == narrower:
            return True
        if plain.startswith(EXACT):
            continue
        if NEGATED in plain:
            if values <= narrower:
                return True
        elif narrower <= values or (
            plain.startswith(PATTERNS)
            and all(any(_glob(wide, value) for wide in values) for value in narrower)
        ):
            return True
    return False


def _pattern_covers(wide: str, narrow: str) -> bool:
    if wide in (ANYTHING, narrow) or wide == "*:*":
        return True
    if wide.startswith("!"):
        mine = frozenset(wide[1:].split("|"))
        if narrow.startswith("!"):
            return all(any(_glob(other, part) for other in narrow[1:].split("|")) for part in mine)
        return all(_apart(part, narrow) for part in mine)
    return not narrow.startswith("!") and _glob(wide, narrow)


def _head(pattern: str) -> str:
    """Return what a pattern's texts begin with; those that exclude may begin with anything."""
    return "" if pattern.startswith("!") else re.split(r"[*?]", pattern, maxsplit=1)[0]


def _apart(one: str, other: str) -> bool:
    """Whether no text is matched by both of two patterns, as far as that is sure."""
    if "<" in one or "<" in other:
        return False
    heads = [re.split(r"[*?]", pattern, maxsplit=1)[0] for pattern in (one, other)]
    if not heads[0].startswith(heads[1]) and not heads[1].startswith(heads[0]):
        return True
    return heads[1] == other and not _glob(one, other)


def _principal_covers(wide: str, narrow: str) -> bool:
    if wide == narrow:
        return True
    if wide.startswith("!"):
        # Whoever excludes less means more.
        return narrow.startswith("!") and set(wide[1:].split("|")) <= set(narrow[1:].split("|"))
    # NotPrincipal also means services, which the AWS principal `*` is not said to.
    return wide == "AWS:*" and not narrow.startswith("!")


def _glob(wide: str, narrow: str) -> bool:
    """Whether every text that a pattern matches is matched by a wider one."""
    # A wildcard of the narrow pattern is matched by a wildcard alone, not by `?` or a letter.
    return bool(compiled(wide).fullmatch(narrow.replace("*", WILD).replace("?", "\ue001")))


COVERS: Final[Mapping[str, Callable[[Claim, Any], bool]]] = {
    "effect": lambda claim, effect: claim.effect == effect,
    "action": lambda claim, action: any(
        _pattern_covers(each.lower(), action) for each in claim.actions
    ),
    "resource": lambda claim, resource: any(
        _pattern_covers(each, resource) for each in claim.resources
    ),
    "principal": lambda claim, principal: any(
        _principal_covers(each, principal) for each in claim.principals
    ),
    "conditions": lambda claim, given: all(_implied(each, given) for each in claim.conditions),
}
"""When a statement covers a part of a grant."""
