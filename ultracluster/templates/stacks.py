"""The given templates together: names, exports, nested stacks and independent groups."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from ultracluster.templates.choices import Atom, Choices
from ultracluster.templates.evaluation import Evaluation
from ultracluster.templates.resolved import Template
from ultracluster.templates.scope import Scope, mapping, section
from ultracluster.templates.texts import identity

IMPORT: Final = "Fn::ImportValue"
_SHARING: Final = (IMPORT, "Fn::GetStackOutput")
_NESTING: Final = (dict, list)


class Stacks:
    """The scopes of templates, with loops unrolled, and the exports among them."""

    def __init__(
        self,
        templates: Sequence[Template],
        parameters: Mapping[str, str],
        region: str | None,
        *,
        every_value: bool = False,
    ) -> None:
        """Read the sections of templates; the arguments are those of `resolution.resolve`."""
        self.scopes = {
            template.name: Scope(
                template,
                section(template.body, "Parameters"),
                section(template.body, "Mappings"),
                parameters,
                template.region or region,
            )
            for template in templates
        }
        self._allowed = {
            symbol: texts for scope in self.scopes.values() for symbol, texts in scope.allowed()
        }
        self._exports: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for scope in self.scopes.values():
            nested = scope.template.nested_in
            # What deploys a nested stack gives it its values, or leaves it to their defaults.
            if every_value and not (nested and nested[0] in self.scopes):
                scope.enumerated = scope.enumerable()
        self._defaults = {
            Atom("is", symbol, self._allowed[symbol][0])
            for scope in self.scopes.values()
            for symbol in scope.enumerated
        }
        self._first = self.evaluation(self.usual)
        """Tells what is known with nothing assumed but the defaults of parameters."""
        for scope in self.scopes.values():
            scope.unroll(lambda items, scope=scope: self._first.value(items, scope))  # type: ignore[misc]
        for scope in self.scopes.values():
            for output, entry in scope.outputs.items():
                export = section(mapping(entry.value), "Export")
                key = (
                    identity(self._first.value(export["Name"], scope)) if "Name" in export else None
                )
                if key is not None:
                    self._exports[key].append((scope.name, output))
        self._settle_shared()

    def _settle_shared(self) -> None:
        """Leave at their defaults the parameters that loops and what stacks share depend on."""
        if len(self.scopes) > 1:
            for scope in self.scopes.values():
                for _, argument in sharing(scope.template.body) if scope.enumerated else ():
                    self._first.value(argument, scope)
        settled = {atom.subject for atom in self._first.choices.decisions}
        for scope in self.scopes.values():
            scope.enumerated -= settled

    def usual(self, atom: Atom) -> bool:
        """Return what to assume first: that a parameter has its default."""
        return atom in self._defaults

    def evaluation(self, prefer: Callable[[Atom], bool]) -> Evaluation:
        """Return what computes values, assuming what is preferred where it must."""
        return Evaluation(self.scopes, Choices(prefer, self._allowed), self._exports)

    def connected(self) -> list[list[Template]]:
        """Return the templates in groups that take nothing of each other, to be resolved alone.

        Open conditions multiply within a group only.
        """
        if len(self.scopes) == 1:
            return [[scope.template for scope in self.scopes.values()]]
        group_of = {name: [name] for name in self.scopes}
        for name, scope in self.scopes.items():
            for other in self._sources(scope):
                mine, its = group_of[name], group_of[other]
                if mine is not its:
                    mine.extend(its)
                    group_of.update(dict.fromkeys(its, mine))
        order = {name: index for index, name in enumerate(self.scopes)}
        groups = {id(group): sorted(group, key=order.__getitem__) for group in group_of.values()}
        return [[self.scopes[name].template for name in group] for group in groups.values()]

    def _sources(self, scope: Scope) -> Iterator[str]:
        """Yield the templates that one takes anything of."""
        parent = scope.template.nested_in
        if parent is not None and parent[0] in self.scopes:
            yield parent[0]
        for function, argument in sharing(scope.template.body):
            found = self._first.value(argument, scope)
            if function == IMPORT:
                key = identity(found)
                yield from (name for name, _ in self._exports.get(key or "", []))
            elif isinstance(found, dict):
                stack = found.get("StackName")
                yield from (
                    name
                    for name, other in self.scopes.items()
                    if isinstance(stack, str) and other.template.stack_name == stack
                )


def sharing(body: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each use of a function that takes a value of another stack."""
    # Not recursive: a template may be nested deeper than Python calls. What YAML anchors once is
    # one object, however often it is used.
    left: list[Any] = [body]
    seen: set[int] = set()
    while left:
        value = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            for function in _SHARING:
                if function in value:
                    yield function, value[function]
            value = value.values()
        left.extend([inner for inner in value if isinstance(inner, _NESTING)])
