"""Whether a condition holds, as far as a template and what was assumed tell."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ultracluster.templates.choices import Atom
from ultracluster.templates.resolved import Text, Unknown
from ultracluster.templates.texts import identity, known, scalar

if TYPE_CHECKING:
    from ultracluster.templates.evaluation import Evaluation
    from ultracluster.templates.scope import Scope

DEEPEST: Final = 200
"""Levels of nesting, also by reference, that are followed."""

_PAIR: Final = 2
_FEWEST, _MOST = 2, 10


class Conditions:
    """Judges the conditions of one template."""

    def __init__(self, scope: "Scope", evaluation: "Evaluation") -> None:
        self._scope = scope
        self._evaluation = evaluation
        # Conditions may share conditions, so that there are far more paths than conditions.
        self._judged: dict[str, bool | Atom] = {}

    def judge(self, condition: str, depth: int = 0) -> bool | Atom:
        """Return whether a condition holds, or the first atom that must be known to tell."""
        self._judged.clear()
        return self._named(condition, (), depth)

    def _named(self, condition: str, within: tuple[str, ...], depth: int) -> bool | Atom:
        label = f"{self._scope.name}/{condition}"
        if condition in within or depth > DEEPEST:
            return self._atom(label)
        if condition not in self._judged:
            entry = self._scope.conditions.get(condition)
            self._judged[condition] = self._expression(
                entry and entry.value, label, (*within, condition), depth + 1
            )
        return self._judged[condition]

    def _atom(self, label: str) -> bool | Atom:
        """Return what is held of something of which nothing else is known."""
        atom = Atom("holds", label)
        held = self._evaluation.choices.holds(atom)
        return atom if held is None else held

    def _expression(  # noqa: PLR0911  (one return for each function)
        self, written: Any, label: str, within: tuple[str, ...], depth: int
    ) -> bool | Atom:
        if isinstance(written, bool):
            return written
        if not (isinstance(written, dict) and len(written) == 1) or depth > DEEPEST:
            return self._atom(label)
        ((function, argument),) = written.items()
        if function == "Condition" and isinstance(argument, str):
            return self._named(argument, within, depth)
        if function == "Fn::Equals" and isinstance(argument, list) and len(argument) == _PAIR:
            self._evaluation.undecided = []
            left, right = (
                self._evaluation.value(operand, self._scope, depth + 1) for operand in argument
            )
            return self._equal(left, right, label)
        if not isinstance(argument, list):
            return self._atom(label)
        parts = [(part, f"{label}/{index}") for index, part in enumerate(argument)]
        if function == "Fn::Not" and len(parts) == 1:
            inner = self._expression(*parts[0], within, depth + 1)
            return inner if isinstance(inner, Atom) else not inner
        if function in _DECIDED_BY and _FEWEST <= len(parts) <= _MOST:
            decisive = _DECIDED_BY[function]
            found = [self._expression(*part, within, depth + 1) for part in parts]
            if decisive in found:
                return decisive
            return next((item for item in found if isinstance(item, Atom)), not decisive)
        return self._atom(label)

    def _equal(self, left: Any, right: Any, label: str) -> bool | Atom:
        mine, other = identity(left), identity(right)
        if mine is not None and mine == other:
            return True
        if known(left) and known(right):
            return False
        atom = Atom("holds", label)
        if mine is not None and other is not None:
            text, value, key = (
                (scalar(left), right, other) if known(left) else (scalar(right), left, mine)
            )
            if text is not None:
                if not possible(value, text):
                    return False
                subject = value.symbol if isinstance(value, Unknown) and value.symbol else key
                atom = Atom("is", subject, text)
            elif not (known(left) or known(right)):
                atom = Atom("same", *sorted(_subject(operand) for operand in (left, right)))
        undecided = self._evaluation.undecided
        if undecided and not (atom.kind == "is" and atom.subject in undecided):
            # It follows from values of which all that are allowed are looked at.
            return self._evaluation.choices.candidate(undecided[0])
        held = self._evaluation.choices.holds(atom)
        return atom if held is None else held


def _subject(value: Any) -> str:
    if isinstance(value, Unknown) and value.symbol:
        return value.symbol
    return identity(value) or ""


def possible(value: Any, text: str) -> bool:
    """Whether a value of which some parts are not known may be a certain text."""
    if not isinstance(value, Text):
        return True
    parts = value.parts
    first, last = parts[0], parts[-1]
    sizes = sum(len(part) for part in parts if isinstance(part, str))
    return (
        sizes <= len(text)
        and (not isinstance(first, str) or text.startswith(first))
        and (not isinstance(last, str) or text.endswith(last))
    )


_DECIDED_BY: Final[Mapping[str, bool]] = {"Fn::And": False, "Fn::Or": True}
