"""Evaluates policies: whether a principal may do something.

Unknown conditions are taken to hold for an Allow, and not for a Deny: a Deny counts only if all of
its conditions surely hold.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ultracluster.model.policies import (
    Statement,
    conditions_of,
    listed,
    pattern_matches,
    principals_of,
    token,
)
from ultracluster.templates.resolved_values import written

Test = Callable[[str], bool | None]
"""Whether a value, with marks for what is not known (`policies.token`), is meant; None where that
is not known."""

MARK: Final = re.compile(r"<[^<>]*>")
ACCOUNT: Final = "<AWS::AccountId>"
HOST: Final = re.compile(
    r"(?P<service>.+?)(?:\.(?P<region>[a-z]{2}(?:-[a-z]+)+-\d|<[^<>]*>))?"
    r"\.(?:amazonaws\.com(?:\.cn)?|<[^<>]*>)"
)
"""A service as policies name it, some with their Region, such as CloudWatch Logs."""
REFERENCE: Final = re.compile(r"<[^<>?]+/[^<>]+>")
"""How a reference to a resource is marked."""
UNSAID: Final = re.compile(r"<\?")


@dataclass(frozen=True)
class Question:
    """A request to evaluate: action, principal, resource and condition keys."""

    action: str
    principal: Test | None = None
    """Whether a principal, as `Kind:value`, is who asks; None in an identity's own policies."""
    resource: Callable[[Any], bool | None] = lambda _value: True
    """Whether a resource of a statement is what it is asked for."""
    circumstances: Mapping[str, Test] = field(default_factory=dict)
    """What is known of condition keys, in lower case: whether a condition's value is met."""

    def allowed(self, statements: Iterable[Statement]) -> bool:
        """Whether a statement may allow it and none surely denies it."""
        mine = [each for each in statements if self.is_meant_by(each)]
        denied = any(not e.allows() and self.holds(e.body) is True for e in mine)
        return not denied and any(e.allows() and self.holds(e.body) is not False for e in mine)

    def is_meant_by(self, statement: Statement) -> bool:
        """Whether a statement matches action, principal and resource, without its conditions."""
        body, may = statement.body, statement.allows()
        return (
            does(statement, self.action)
            and (self.principal is None or _hit(_principals(body, self.principal), unknown=may))
            and _hit(map(self.resource, listed(body.get("Resource", "*"))), unknown=may)
        )

    def holds(self, body: Mapping[str, Any]) -> bool | None:
        """Whether all conditions hold, None where that is not known."""
        found = [self._met(*condition) for condition in conditions_of(body)]
        if False in found:
            return False
        return None if None in found else True

    def _met(self, operator: str, name: str, values: list[Any]) -> bool | None:
        test = self.circumstances.get(name)
        if test is None or operator.startswith(("?", "null")):
            return None
        results = [test(token(value)) for value in values]
        met = True if True in results else None if None in results else False
        return met if met is None or "not" not in operator.rsplit(":", maxsplit=1)[-1] else not met


def _hit(results: Iterable[bool | None], *, unknown: bool) -> bool:
    return any(unknown if result is None else result for result in results)


def _principals(body: Mapping[str, Any], test: Test) -> list[bool | None]:
    if "Principal" not in body:
        # NotPrincipal means all but a few.
        return [None]
    named = [(kind, token(value)) for kind, value in principals_of(body)]
    return [True if value == "*" else test(f"{kind}:{value}") for kind, value in named]


def does(statement: Statement, action: str) -> bool:
    """Whether a statement's Action or NotAction matches an action."""
    excluded = [written(each).lower() for each in listed(statement.body.get("NotAction"))]
    if excluded:
        return not any(pattern_matches(pattern, action.lower()) for pattern in excluded)
    return statement.names(action) or any("\x00" in named for named in statement.actions())


def service(name: str, region: str | None = None) -> Test:
    """Return whether a principal is an AWS service.

    Args:
        name: such as `budgets`, without domain.
        region: of which Region it is, where its name may carry one.
    """

    def test(principal: str) -> bool | None:
        kind, _, value = principal.partition(":")
        if UNSAID.match(value):
            return None
        if kind != "Service":
            return False
        found = HOST.fullmatch(value)
        if found is None or found["service"] != name:
            # Isolated Regions have domains of their own.
            return None if found is None and value.startswith(f"{name}.") else False
        return region is None or found["region"] in (None, region) or "<" in found["region"]

    return test


def host(name: str, region: str | None) -> Test:
    """Return whether a condition's value is the host of a service in a Region."""
    named = service(name, region)
    return lambda value: True if "*" in value else named(f"Service:{value}")


def sample(text: str) -> Test:
    """Return whether a pattern may mean a text; what is not known of the pattern may be anything.

    Account and partition of the text are of no meaning.
    """

    def test(pattern: str) -> bool:
        loose = re.sub(r"\d{12}", "*", MARK.sub("*", pattern))
        return pattern_matches(re.sub(r"^arn:[a-z-]+:", "arn:*:", loose), text)

    return test


def own_account(value: str) -> bool | None:
    """Whether an account is the stack's own; of one that is written nobody knows."""
    return True if value == ACCOUNT else False if REFERENCE.search(value) else None


def exactly(wanted: str) -> Test:
    """Return whether a value is one text, of which everything is known."""
    return lambda value: None if "<?" in value else value.lower() == wanted.lower()
