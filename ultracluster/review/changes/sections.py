"""What changes outside of resources: outputs and exports, parameters, conditions and the rest."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.review.changes.change import Change, Danger, Difference
from ultracluster.review.changes.difference import between, canonical, dotted
from ultracluster.review.changes.references import types_of, value_alike
from ultracluster.review.changes.sources import EXPORTS, PARAMETERS, TERMINATION
from ultracluster.review.changes.update import bodies
from ultracluster.review.resolved import ResolvedTemplates
from ultracluster.templates.template import Template
from ultracluster.templates.texts import identity

MACROS: Final = "a macro or transform rewrites the template at deployment"
SECTIONS: Final[Mapping[str, tuple[Danger, str, str]]] = {
    "Description": (Danger.HARMLESS, "the description of the stack changes", "it is text"),
    "AWSTemplateFormatVersion": (
        Danger.HARMLESS,
        "the same format is named otherwise",
        "one is known",
    ),
    "Metadata": (Danger.HARMLESS, "notes about the template change", "nothing is made of them"),
    "Rules": (
        Danger.HARMLESS,
        "what is asserted of the parameters before a deployment changes",
        "an assertion stops a deployment before it begins",
    ),
    "Mappings": (
        Danger.HARMLESS,
        "a value is looked up otherwise; what it changes stands at the resources",
        "values are compared where they are used",
    ),
    "Conditions": (
        Danger.HARMLESS,
        "what is made when changes; what it changes stands at the resources",
        "resources are compared with the condition resolved",
    ),
    "Hooks": (Danger.CANNOT_TELL, "a hook of the deployment changes", MACROS),
    "Transform": (Danger.CANNOT_TELL, "the template is rewritten otherwise", MACROS),
}


def of_sections(before: ResolvedTemplates, after: ResolvedTemplates) -> Iterator[Change]:
    """Yield a line for each difference outside of resources."""
    exports = _Exports(before), _Exports(after)
    olds, news = bodies(before), bodies(after)
    yield from _protection(before.templates, after.templates)
    for stack in {**olds, **news}:
        old, new = olds.get(stack), news.get(stack)
        for section in sorted({*(old or {}), *(new or {})} - {"Resources"}, key=str):
            was, now = (side.get(section) if side else None for side in (old, new))
            entries = isinstance(was or {}, Mapping) and isinstance(now or {}, Mapping)
            if canonical(was) == canonical(now):
                continue
            if section not in ("Outputs", "Parameters") or not entries:
                yield _section(stack, str(section), was, now)
                continue
            for name in sorted({*(was or {}), *(now or {})}, key=str):
                sides = (was or {}).get(name), (now or {}).get(name)
                if canonical(sides[0]) != canonical(sides[1]):
                    if section == "Outputs":
                        yield _output(stack, str(name), *sides, exports)
                    else:
                        yield from _parameter(stack, str(name), *sides)


def _protection(before: Mapping[str, Template], after: Mapping[str, Template]) -> Iterator[Change]:
    """Yield a line for each stack whose termination protection is switched, where both tell it."""
    for stack in before.keys() & after.keys():
        was, now = before[stack].protected, after[stack].protected
        if was is None or now is None or was is now:
            continue
        place = Difference(stack, "TerminationProtection", "")
        if now:
            what = f"CloudFormation refuses to delete the stack {stack} from now on"
            yield _line(place, Danger.HARMLESS, (what, TERMINATION), (was, now))
        else:
            what = f"anybody who may delete stacks can delete {stack}: it loses its protection"
            instead = "keep termination_protection=True"
            yield _line(place, Danger.LOOSENS_SECURITY, (what, TERMINATION), (was, now), instead)


def _line(
    place: Difference,
    danger: Danger,
    says: tuple[str, str],
    sides: tuple[Any, Any],
    instead: str = "",
) -> Change:
    """Return a line of what happens and how that is known, with both sides."""
    return Change(
        stack=place.stack,
        resource=place.resource,
        property=place.property,
        dangers=(danger,),
        what=says[0],
        why=says[1],
        instead=instead,
        before=sides[0],
        after=sides[1],
        covers=(place,),
    )


def _section(stack: str, section: str, was: Any, now: Any) -> Change:
    unknown = (Danger.CANNOT_TELL, f"section {section} changes", "no section of that name is known")
    danger, what, why = SECTIONS.get(section, unknown)
    return _line(Difference(stack, section, ""), danger, (what, why), (was, now))


class _Exports:
    """Who exports and who imports what."""

    def __init__(self, templates: ResolvedTemplates) -> None:
        stacks = templates.stacks
        evaluation = stacks.evaluation(lambda _: False)
        self._value = evaluation.value
        self._scopes = stacks.scopes
        self._types = types_of(bodies(templates))
        self.importers: dict[str, set[str]] = {}
        for name, scope in stacks.scopes.items():
            for argument in _imports(scope.template.body):
                key = identity(evaluation.value(argument, scope))
                if key is not None:
                    self.importers.setdefault(key, set()).add(name)

    def name(self, stack: str, output: Any) -> str | None:
        """Return the identity of the name under which an output is exported."""
        export = output.get("Export") if isinstance(output, Mapping) else None
        if not isinstance(export, Mapping) or stack not in self._scopes:
            return None
        return identity(self._value(export.get("Name"), self._scopes[stack]))

    def value(self, stack: str, output: Any) -> str | None:
        """Return the identity of the value of an output."""
        if not isinstance(output, Mapping) or stack not in self._scopes:
            return None
        value = self._value(output.get("Value"), self._scopes[stack])
        return identity(value_alike(value, self._types))


def _imports(body: Any) -> Iterator[Any]:
    left: list[Any] = [body]
    while left:
        value = left.pop()
        if isinstance(value, Mapping):
            if "Fn::ImportValue" in value:
                yield value["Fn::ImportValue"]
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)


def _output(
    stack: str, name: str, was: Any, now: Any, exports: tuple[_Exports, _Exports]
) -> Change:
    place = Difference(stack, "Outputs", dotted((name,)))
    sides = (was, now)
    old, new = exports[0].name(stack, was), exports[1].name(stack, now)
    users = sorted(exports[0].importers.get(old or "", set()) - {stack})
    names = ", ".join(users)
    if old and users and old != new:
        still = any(user in exports[1].importers.get(old, set()) for user in users)
        what = f"the deployment fails: {names} imports the export {name} that is removed" + (
            "" if still else ", until its own new template is deployed"
        )
        instead = (
            f"deploy {names} without it first, and keep the export meanwhile (Stack.export_value)"
        )
        return _line(place, Danger.FAILS, (what, EXPORTS), sides, instead)
    if old and users and exports[0].value(stack, was) != exports[1].value(stack, now):
        what = f"the deployment fails: {names} imports the export {name}, whose value changes"
        instead = "export the new value under another name, move the importers over, then remove it"
        return _line(place, Danger.FAILS, (what, EXPORTS), sides, instead)
    verb = "is new" if was is None else "is removed" if now is None else "changes"
    why = "no given stack imports it; who reads outputs by hand is not known"
    return _line(place, Danger.HARMLESS, (f"output {name} {verb}", why), sides)


def _parameter(stack: str, name: str, was: Any, now: Any) -> Iterator[Change]:
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for path, old, new in between(was, now):
            place = Difference(stack, "Parameters", dotted((name, *path)))
            danger, what = _declared(path[0] if path else "", name, new)
            yield _line(place, danger, (what, PARAMETERS), (old, new))
        return
    place = Difference(stack, "Parameters", dotted((name,)))
    if isinstance(now, Mapping) and "Default" not in now:
        what = f"parameter {name} has no default: a deployment that does not give it fails"
        instead = "give it a default, or pass it"
        yield _line(place, Danger.FAILS, (what, PARAMETERS), (was, now), instead)
        return
    verb = "is new, with a default" if was is None else "is removed" if now is None else "changes"
    yield _line(place, Danger.HARMLESS, (f"parameter {name} {verb}", PARAMETERS), (was, now))


def _declared(part: str, name: str, new: Any) -> tuple[Danger, str]:
    """Return what a change of a parameter's declaration does."""
    if part == "Default" and new is None:
        return (
            Danger.FAILS,
            f"parameter {name} has no default any more: who never gave it must give it now",
        )
    if part == "Default":
        what = (
            f"the default of {name} changes, where a deployment does not keep the previous value; "
            "what that changes stands at the resources"
        )
        return Danger.HARMLESS, what
    if part == "NoEcho" and str(new).lower() != "true":
        return (
            Danger.LOOSENS_SECURITY,
            f"the value of {name} can be read by whoever may describe the stack",
        )
    if part in ("Type", "AllowedValues", "AllowedPattern", "MinValue", "MaxValue"):
        return Danger.CANNOT_TELL, f"parameter {name} takes other values: one in use may be refused"
    return Danger.HARMLESS, f"parameter {name} is explained otherwise"
