"""What changes outside of resources: outputs and exports, parameters, conditions and the rest."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.review import tables as source
from ultracluster.review.changes.change import Change, Danger, Difference
from ultracluster.review.changes.difference import between, canonical, dotted, types_of, value_alike
from ultracluster.review.changes.update import Effect
from ultracluster.review.resolved import ResolvedTemplates
from ultracluster.review.tables import NAMES
from ultracluster.templates.resolved import Template
from ultracluster.templates.scope import Scope, mapping, section
from ultracluster.templates.stacks import IMPORT, sharing
from ultracluster.templates.texts import identity

ENTRIES: Final = ("Outputs", "Parameters")
"""Sections of which each entry is a difference of its own."""


def of_sections(before: ResolvedTemplates, after: ResolvedTemplates) -> Iterator[Change]:
    """Yield a line for each difference outside of resources."""
    exports = _Exports(before), _Exports(after)
    yield from _protection(before.templates, after.templates)
    for stack in {**before.bodies, **after.bodies}:
        old, new = before.bodies.get(stack, {}), after.bodies.get(stack, {})
        for title in sorted({*old, *new} - {"Resources"}, key=str):
            was, now = old.get(title) or {}, new.get(title) or {}
            if not isinstance(was, Mapping) or not isinstance(now, Mapping) or title not in ENTRIES:
                yield from _section(stack, str(title), old.get(title), new.get(title))
                continue
            for name in sorted({*was, *now}, key=str):
                values = stack, str(name), was.get(name), now.get(name)
                if title == "Outputs":
                    yield from _output(*values, exports)
                elif canonical(was.get(name)) != canonical(now.get(name)):
                    yield from _parameter(*values, given=str(name) in after.parameters)


def _section(stack: str, name: str, was: Any, now: Any) -> Iterator[Change]:
    unknown = (Danger.CANNOT_TELL, f"section {name} changes", "no section of that name is known")
    danger, what, why = NAMES["sections"].get(name, unknown)
    if canonical(was) != canonical(now):
        yield _line(Difference(stack, name, ""), was, now, Effect(Danger(danger), what, why))


def _line(place: Difference, was: Any, now: Any, effect: Effect) -> Change:
    said = effect.what, effect.why, effect.instead
    return Change(*place, (effect.danger,), *said, before=was, after=now, covers=(place,))


def _protection(before: Mapping[str, Template], after: Mapping[str, Template]) -> Iterator[Change]:
    """Yield a line for each stack whose termination protection is switched, where both tell it."""
    for stack in before.keys() & after.keys():
        was, now = before[stack].protected, after[stack].protected
        if was is None or now is None or was is now:
            continue
        danger, instead = Danger.LOOSENS_SECURITY, "keep termination_protection=True"
        what = f"anybody who may delete stacks can delete {stack}: it loses its protection"
        if now:
            danger, instead = Danger.HARMLESS, ""
            what = f"CloudFormation refuses to delete the stack {stack} from now on"
        place = Difference(stack, "TerminationProtection", "")
        yield _line(place, was, now, Effect(danger, what, source.TERMINATION, instead))


class _Exports:
    """Who exports and who imports what."""

    def __init__(self, templates: ResolvedTemplates) -> None:
        self._evaluation = templates.stacks.evaluation(lambda _: False)
        self._value = self._evaluation.value
        self._scopes = templates.stacks.scopes
        self._types = types_of(templates.variants)
        self.importers: dict[str, set[str]] = {}
        for name, scope in self._scopes.items():
            for function, argument in sharing(scope.template.body):
                key = identity(self._value(argument, scope))
                if function == IMPORT and key is not None:
                    self.importers.setdefault(key, set()).add(name)

    def of(self, stack: str, output: Any) -> tuple[str | None, str | None]:
        """Return the name and the value that an output exports."""
        scope, output = self._scopes.get(stack), mapping(output)
        name = section(output, "Export").get("Name")
        if scope is None or name is None or self._is_not_made(scope, output.get("Condition")):
            return None, None
        value = value_alike(self._value(output.get("Value"), scope), self._types)
        return identity(self._value(name, scope)), identity(value)

    def _is_not_made(self, scope: Scope, condition: Any) -> bool:
        """Whether it is sure that a condition does not hold."""
        known = isinstance(condition, str) and self._evaluation.settled(scope, condition)
        return known and not self._evaluation.truth(scope, condition)


def _output(
    stack: str, name: str, was: Any, now: Any, exports: tuple[_Exports, _Exports]
) -> Iterator[Change]:
    (old, before), (new, after) = exports[0].of(stack, was), exports[1].of(stack, now)
    users = sorted(exports[0].importers.get(old or "", set()) - {stack})
    named = ", ".join(users)
    what = f"the deployment fails: {named} imports the export {name}"
    place = Difference(stack, "Outputs", dotted((name,)))
    if old and users and old != new:
        what += " that is removed"
        if not any(user in exports[1].importers.get(old, ()) for user in users):
            what += ", until its own new template is deployed"
        instead = f"deploy {named} without it first, and keep the export meanwhile "
        instead += "(Stack.export_value)"
        yield _line(place, was, now, Effect(Danger.FAILS, what, source.EXPORTS, instead))
    elif old and users and before != after:
        what += ", whose value changes"
        instead = "export the new value under another name, move the importers over, then remove it"
        yield _line(place, was, now, Effect(Danger.FAILS, what, source.EXPORTS, instead))
    elif canonical(was) != canonical(now):
        why = "no given stack imports it; who reads outputs by hand is not known"
        effect = Effect(Danger.HARMLESS, f"output {name} {_verb(was, now)}", why)
        yield _line(place, was, now, effect)


def _verb(was: Any, now: Any) -> str:
    return "is new" if was is None else "is removed" if now is None else "changes"


def _parameter(stack: str, name: str, was: Any, now: Any, *, given: bool) -> Iterator[Change]:
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for path, old, new in between(was, now):
            place = Difference(stack, "Parameters", dotted((name, *path)))
            danger, what = _declared(path[0] if path else "", name, new, given=given)
            yield _line(place, old, new, Effect(danger, what, source.PARAMETERS))
        return
    effect = Effect(Danger.HARMLESS, f"parameter {name} {_verb(was, now)}", source.PARAMETERS)
    if isinstance(now, Mapping) and "Default" not in now and not given:
        what = f"parameter {name} has no default: a deployment that does not give it fails"
        effect = Effect(Danger.FAILS, what, source.PARAMETERS, "give it a default, or pass it")
    yield _line(Difference(stack, "Parameters", dotted((name,))), was, now, effect)


def _declared(part: str, name: str, new: Any, *, given: bool) -> tuple[Danger, str]:
    """Return what it does that a part of a parameter's declaration changes."""
    if part == "Default" and new is None and not given:
        says = f"parameter {name} has no default any more: a deployment that does not give it fails"
        return Danger.FAILS, says
    hidden = part == "NoEcho" and str(new).lower() == "true"
    parts = NAMES["parameters"]
    danger, says = parts["others"] if hidden else parts.get(part, parts["others"])
    return Danger(danger), says.format(name=name)
