"""Evaluates expressions and conditions of templates under a set of assumptions."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from ultracluster.templates.choices import Atom, Choices
from ultracluster.templates.functions import PURE
from ultracluster.templates.references import ABSENT, WHOLE
from ultracluster.templates.resolved import Link, Text, Unknown
from ultracluster.templates.scope import DEEPEST, FOR_EACH, Scope, unrolled
from ultracluster.templates.texts import identity, known, plain, scalar

Read = tuple[str, str, str, object]
"""Kind, template, name and result of something that a value depended on."""

_NESTING: Final = (dict, list)
MOST_STEPS: Final = 250_000
"""Expressions of one template that are computed in one variant; 1 MB holds at most some 100,000."""


class Evaluation:
    """Computes expressions; one for each set of assumptions."""

    def __init__(
        self,
        scopes: Mapping[str, Scope],
        choices: Choices,
        exports: Mapping[str, list[tuple[str, str]]],
    ) -> None:
        self.scopes = scopes
        self.choices = choices
        self.reads: list[Read] = []
        """What was assumed of the values that were computed since this was emptied."""
        self.links: set[Link] = set()
        """References of the values that were computed since this was emptied."""
        self.truths: dict[tuple[str, str], bool] = {}
        """Every condition that was asked for, by template and name."""
        self.exports = exports
        """By the identity of an export's name, template and output."""
        self.children = {
            scope.template.nested_in: scope for scope in scopes.values() if scope.template.nested_in
        }
        self.undecided: list[str] | None = None
        """While a condition is judged: symbols that were met of values of which every one that
        is allowed is looked at. Elsewhere one is assumed."""
        self._conditions = {name: Conditions(scope, self) for name, scope in scopes.items()}
        self._under_way: set[tuple[str, ...]] = set()
        self._steps: dict[str, int] = dict.fromkeys(scopes, 0)

    def value(  # noqa: PLR0911  (one return for each kind of expression)
        self, raw: Any, scope: Scope, depth: int = 0
    ) -> Any:
        """Return the value of an expression of a template; `ABSENT` for no value."""
        if isinstance(raw, str):
            return plain(raw) if "{{" in raw else raw
        if not isinstance(raw, _NESTING):
            return raw
        if depth > DEEPEST:
            return Unknown(f"it is nested more than {DEEPEST} levels deep")
        self._steps[scope.name] += 1
        if self._steps[scope.name] > MOST_STEPS:
            return Unknown("the template stands for too much to resolve all of it")
        if isinstance(raw, list):
            items = [self.value(item, scope, depth + 1) for item in raw]
            return [item for item in items if item is not ABSENT]
        if len(raw) == 1:
            (name,) = raw
            if name == "Ref" or (name.startswith("Fn::") and not name.startswith(FOR_EACH)):
                return self._call(raw, scope, depth + 1)
        return self._mapping(raw, scope, depth + 1)

    def truth(self, scope: Scope, condition: str, depth: int = 0) -> bool:
        """Return whether a condition holds, assuming what must be assumed to tell."""
        key = (scope.name, condition)
        if key not in self.truths:
            while not isinstance(found := self._judged(scope, condition, depth), bool):
                self.choices.decide(found)
            self.truths[key] = found
        self.reads.append(("condition", *key, self.truths[key]))
        return self.truths[key]

    def settled(self, scope: Scope, condition: str) -> bool:
        return isinstance(self._judged(scope, condition), bool)

    def _judged(self, scope: Scope, condition: str, depth: int = 0) -> bool | Atom:
        # Whoever asks depends on whether it holds, not on what was read to tell.
        outer = self.reads, self.undecided
        self.reads, self.undecided = [], []
        try:
            return self._conditions[scope.name].judge(condition, depth)
        finally:
            self.reads, self.undecided = outer

    def assumed(self, scope: Scope, symbol: str, otherwise: Any) -> Any:
        """Return what is assumed of a value that the templates do not tell."""
        found = self.known(scope, symbol)
        self.reads.append(("value", scope.name, symbol, found))
        return otherwise if found is None else found

    def known(self, scope: Scope, symbol: str) -> str | None:
        """Return the text of a value, where all that are allowed are looked at this variant's."""
        if symbol not in scope.enumerated:
            return self.choices.value(symbol)
        if self.undecided is None:
            return self.choices.settle(symbol)
        found = self.choices.value(symbol)
        if found is None:
            self.undecided.append(symbol)
        return found

    def _mapping(self, raw: Mapping[Any, Any], scope: Scope, depth: int) -> Any:
        if any(isinstance(key, str) and key.startswith("Fn::") for key in raw):
            entries: dict[Any, Any] = {}
            for entry in unrolled(raw, lambda items: self.value(items, scope, depth)):
                if entry.open_because is not None:
                    return Unknown(entry.open_because)
                if entry.key.startswith("Fn::"):
                    because = (
                        "Fn::Transform is run at deployment"
                        if entry.key == "Fn::Transform"
                        else f"{entry.key} stands beside other keys"
                    )
                    return Unknown(because)
                entries[entry.key] = entry.value
            raw = entries
        found = {key: self.value(inner, scope, depth) for key, inner in raw.items()}
        return {key: inner for key, inner in found.items() if inner is not ABSENT}

    def _call(self, raw: Mapping[str, Any], scope: Scope, depth: int) -> Any:
        ((name, argument),) = raw.items()
        if name in WHOLE:
            return WHOLE[name](self, argument, scope, depth)
        if name in PURE:
            return PURE[name](self.value(argument, scope, depth))
        if name == "Fn::Transform":
            return Unknown("Fn::Transform is run at deployment")
        return Unknown(f"{name} is no function that is known here")

    @contextmanager
    def once(self, *key: str) -> Iterator[bool]:
        """Say whether this is not under way already; what is would never end."""
        first = key not in self._under_way
        self._under_way.add(key)
        try:
            yield first
        finally:
            if first:
                self._under_way.discard(key)


_PAIR: Final = 2
_FEWEST, _MOST = 2, 10


class Conditions:
    """Judges the conditions of one template."""

    def __init__(self, scope: Scope, evaluation: "Evaluation") -> None:
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
