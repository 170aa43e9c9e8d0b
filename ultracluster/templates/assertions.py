"""Evaluates the section `Rules` of a template: which parameter values CloudFormation accepts.

Source: CloudFormation User Guide, rules and rule-specific intrinsic functions, read 2026-11-27.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ultracluster.templates.scope import mapping
from ultracluster.templates.texts import scalar

Values = Callable[[str], Any]
"""Returns what a parameter is, None where that is not known."""


def refused(rules: Mapping[str, Any], values: Values) -> bool:
    """Whether some rule surely refuses the values of the parameters."""
    for rule in rules.values():
        condition = mapping(rule).get("RuleCondition")
        if condition is not None and _holds(condition, values) is not True:
            continue
        stated = mapping(rule).get("Assertions")
        for assertion in stated if isinstance(stated, list) else []:
            if _holds(mapping(assertion).get("Assert"), values) is False:
                return True
    return False


def _holds(expression: Any, values: Values) -> bool | None:
    """Return whether an expression holds, None where that is not known."""
    if isinstance(expression, bool):
        return expression
    if not isinstance(expression, dict) or len(expression) != 1:
        return None
    ((function, argument),) = expression.items()
    parts = argument if isinstance(argument, list) else [argument]
    if function in ("Fn::And", "Fn::Or", "Fn::Not"):
        return _combined(function, [_holds(part, values) for part in parts])
    if function in COMPARISONS and len(parts) == len(("left", "right")):
        left, right = (_value(part, values) for part in parts)
        return None if left is None or right is None else COMPARISONS[function](left, right)
    return None


def _combined(function: str, found: list[bool | None]) -> bool | None:
    if function == "Fn::Not":
        return None if found[0] is None else not found[0]
    decisive = function == "Fn::Or"
    if decisive in found:
        return decisive
    return None if None in found else not decisive


def _value(expression: Any, values: Values) -> Any:
    """Return a text or a list of texts, None where it is not known."""
    if isinstance(expression, list):
        found = [_value(item, values) for item in expression]
        return None if None in found else found
    if isinstance(expression, dict):
        name = expression.get("Ref")
        expression = values(name) if isinstance(name, str) else None
        if isinstance(expression, list):
            return _value(expression, values)
    return scalar(expression)


def _listed(value: Any) -> Iterator[Any]:
    yield from value if isinstance(value, list) else [value]


COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "Fn::Equals": lambda left, right: left == right,
    "Fn::Contains": lambda left, right: right in _listed(left),
    "Fn::EachMemberEquals": lambda left, right: all(item == right for item in _listed(left)),
    "Fn::EachMemberIn": lambda left, right: set(_listed(left)) <= set(_listed(right)),
}
