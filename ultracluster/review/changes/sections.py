"""What changes outside of resources: outputs and exports, parameters, conditions and the rest."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.review.changes.change import Change, Danger, Difference
from ultracluster.review.changes.difference import between, canonical, dotted, types_of, value_alike
from ultracluster.review.changes.update import Effect
from ultracluster.review.resolved import ResolvedTemplates
from ultracluster.review.tables import EXPORTS, NAMES, PARAMETERS, TERMINATION
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
        what = f"anybody who may delete stacks can delete {stack}: it loses its protection"
        instead = "keep termination_protection=True"
        effect = Effect(Danger.LOOSENS_SECURITY, what, TERMINATION, instead)
        if now:
            what = f"CloudFormation refuses to delete the stack {stack} from now on"
            effect = Effect(Danger.HARMLESS, what, TERMINATION)
        yield _line(Difference(stack, "TerminationProtection", ""), was, now, effect)


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
    effect = _of_output(stack, name, was, now, exports)
    # What is written alike may still export something else, or nothing.
    if effect.danger is not Danger.HARMLESS or canonical(was) != canonical(now):
        yield _line(Difference(stack, "Outputs", dotted((name,))), was, now, effect)


def _of_output(
    stack: str, name: str, was: Any, now: Any, exports: tuple[_Exports, _Exports]
) -> Effect:
    (old, before), (new, after) = exports[0].of(stack, was), exports[1].of(stack, now)
    users = sorted(exports[0].importers.get(old or "", set()) - {stack})
    imports = f"the deployment fails: {', '.join(users)} imports the export {name}"
    if old and users and old != new:
        what = f"{imports} that is removed"
        if not any(user in exports[1].importers.get(old, ()) for user in users):
            what += ", until its own new template is deployed"
        instead = f"deploy {', '.join(users)} without it first, and keep the export meanwhile "
        return Effect(Danger.FAILS, what, EXPORTS, instead + "(Stack.export_value)")
    if old and users and before != after:
        instead = "export the new value under another name, move the importers over, then remove it"
        return Effect(Danger.FAILS, f"{imports}, whose value changes", EXPORTS, instead)
    why = "no given stack imports it; who reads outputs by hand is not known"
    return Effect(Danger.HARMLESS, f"output {name} {_verb(was, now)}", why)


def _verb(was: Any, now: Any) -> str:
    return "is new" if was is None else "is removed" if now is None else "changes"


def _parameter(stack: str, name: str, was: Any, now: Any, *, given: bool) -> Iterator[Change]:
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for path, old, new in between(was, now):
            place = Difference(stack, "Parameters", dotted((name, *path)))
            danger, what = _declared(path[0] if path else "", name, new, given=given)
            yield _line(place, old, new, Effect(danger, what, PARAMETERS))
        return
    effect = Effect(Danger.HARMLESS, f"parameter {name} {_verb(was, now)}", PARAMETERS)
    if isinstance(now, Mapping) and "Default" not in now and not given:
        what = f"parameter {name} has no default: a deployment that does not give it fails"
        effect = Effect(Danger.FAILS, what, PARAMETERS, "give it a default, or pass it")
    yield _line(Difference(stack, "Parameters", dotted((name,))), was, now, effect)


def _declared(part: str, name: str, new: Any, *, given: bool) -> tuple[Danger, str]:
    """Return what it does that a part of a parameter's declaration changes."""
    if part == "Default" and new is None and not given:
        says = f"parameter {name} has no default any more: who never gave it must give it now"
        return Danger.FAILS, says
    hidden = part == "NoEcho" and str(new).lower() == "true"
    parts = NAMES["parameters"]
    danger, says = parts["others"] if hidden else parts.get(part, parts["others"])
    return Danger(danger), says.format(name=name)
