"""Values of expressions in given templates, under what is assumed of their open conditions."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from ultracluster.templates.choices import Atom, Choices
from ultracluster.templates.conditions import DEEPEST, Conditions
from ultracluster.templates.functions import PURE
from ultracluster.templates.loops import FOR_EACH, unrolled
from ultracluster.templates.references import ABSENT, WHOLE
from ultracluster.templates.resolved import Link, Unknown
from ultracluster.templates.scope import Scope
from ultracluster.templates.texts import plain

Read = tuple[str, str, str, object]
"""Kind, template, name and result of something that a value depended on."""

Constants = dict[tuple[str, int], tuple[Any, set[Link]]]
"""Values with the references in them, by template and identity of the expression."""

MOST_STEPS: Final = 250_000
"""Expressions of one template that are computed in one variant; 1 MB holds at most some 100,000."""


class Evaluation:
    """Computes expressions; one for each set of assumptions."""

    def __init__(
        self,
        scopes: Mapping[str, Scope],
        choices: Choices,
        exports: Mapping[str, list[tuple[str, str]]],
        constants: Constants,
    ) -> None:
        """Hold what values depend on.

        Args:
            scopes: every given template by name.
            choices: what is assumed, and who assumes more where that is needed.
            exports: by the identity of an export's name, template and output.
            constants: values for which nothing was assumed; evaluations of the same templates
                share them.
        """
        self.scopes = scopes
        self.choices = choices
        self.reads: list[Read] = []
        """What was assumed of the values that were computed since this was emptied."""
        self.links: set[Link] = set()
        """References of the values that were computed since this was emptied."""
        self.truths: dict[tuple[str, str], bool] = {}
        """Every condition that was asked for, by template and name."""
        self.exports = exports
        self._constants = constants
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
        if not isinstance(raw, dict | list):
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
        """Return the value of a function, computed once where nothing is assumed for it."""
        if known := self._constants.get((scope.name, id(raw))):
            self.links |= known[1]
            return known[0]
        ((name, argument),) = raw.items()
        before, outer = len(self.reads), self.links
        self.links = set()
        if name in WHOLE:
            found = WHOLE[name](self, argument, scope, depth)
        elif name in PURE:
            found = PURE[name](self.value(argument, scope, depth))
        elif name == "Fn::Transform":
            found = Unknown("Fn::Transform is run at deployment")
        else:
            found = Unknown(f"{name} is no function that is known here")
        # What is met on the way round a circle is another value than at its beginning.
        if len(self.reads) == before and not self._under_way:
            self._constants[scope.name, id(raw)] = found, self.links
        self.links |= outer
        return found

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
