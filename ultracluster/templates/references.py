"""Intrinsic functions that refer to a parameter, resource, mapping, condition or export."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from ultracluster.templates.choices import DERIVED, REGION
from ultracluster.templates.functions import PURE, find_in_map, malformed, unsettled
from ultracluster.templates.resolved import Link, Unknown
from ultracluster.templates.scope import Scope, mapping, section, typed
from ultracluster.templates.texts import Part, identity, joined, parts_of, scalar

if TYPE_CHECKING:
    from ultracluster.templates.evaluation import Evaluation

ACCOUNT: Final = "AWS::AccountId"
NO_VALUE: Final = "AWS::NoValue"
STACK_NAME: Final = "AWS::StackName"
STACK_ID: Final = "AWS::StackId"
NOTIFICATIONS: Final = "AWS::NotificationARNs"
PSEUDO_PARAMETERS: Final = frozenset(
    {*DERIVED, REGION, ACCOUNT, NO_VALUE, STACK_NAME, STACK_ID, NOTIFICATIONS}
)

_VARIABLE: Final = re.compile(r"\$\{([^{}]*)\}")
_OUTPUTS: Final = "Outputs."
_PAIR: Final = 2
_TRIPLE: Final = 3


class Absent(Enum):
    """What `AWS::NoValue` is: no value at all."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


def ref(evaluation: "Evaluation", name: Any, scope: Scope, depth: int) -> Any:
    """`Ref`: the name of a parameter, a pseudo parameter or a resource."""
    if not isinstance(name, str):
        return malformed("Ref", "a name")
    if name in PSEUDO_PARAMETERS:
        return _pseudo(evaluation, name, scope)
    if name in scope.parameters:
        return _parameter(evaluation, name, scope, depth)
    if name in scope.resources:
        link = Link(scope.name, name)
        evaluation.links.add(link)
        return link
    return Unknown(f"{name} is neither a parameter nor a resource of the template", dangling=True)


def _parameter(evaluation: "Evaluation", name: str, scope: Scope, depth: int) -> Any:
    parent = scope.template.nested_in
    if parent is not None and parent[0] in evaluation.scopes:
        outer = evaluation.scopes[parent[0]]
        body = outer.resources[parent[1]].value if parent[1] in outer.resources else None
        passed = section(section(body or {}, "Properties"), "Parameters")
        if name in passed:
            with evaluation.once("parameter", scope.name, name) as first:
                if not first:
                    return Unknown(f"parameter {name} is passed in a circle")
                found = evaluation.value(passed[name], outer, depth)
                if found is not ABSENT:
                    written = scalar(found)
                    declared = scope.parameters[name]
                    if written is None or not isinstance(declared, dict):
                        return found
                    return typed(written, str(declared.get("Type", "String")))
    found = scope.parameter(name)
    if isinstance(found, Unknown) and found.symbol is not None:
        assumed = evaluation.assumed(scope, found.symbol, found)
        if isinstance(assumed, str):
            return typed(assumed, str(scope.parameters[name].get("Type", "String")))
        return assumed
    return found


def _pseudo(evaluation: "Evaluation", name: str, scope: Scope) -> Any:
    if name == NO_VALUE:
        return ABSENT
    template, region = scope.template, scope.region
    found = {REGION: region, ACCOUNT: template.account, STACK_NAME: template.stack_name}.get(name)
    if name in DERIVED and region:
        found = DERIVED[name](region)
    if found is not None:
        return found
    if name in {STACK_NAME, STACK_ID, NOTIFICATIONS}:
        symbol = f"{scope.name}/{name}"
        return evaluation.assumed(
            scope, symbol, Unknown(f"{name} is known only at deployment", symbol)
        )
    because = f"{name} is not known" if name == ACCOUNT else "the Region is not given"
    return evaluation.assumed(scope, name, Unknown(because, name))


def get_att(evaluation: "Evaluation", argument: Any, scope: Scope, depth: int) -> Any:
    """`Fn::GetAtt`: [resource, attribute], or both in one text."""
    if isinstance(argument, str):
        argument = argument.split(".", 1)
    if not (isinstance(argument, list) and len(argument) >= _PAIR):
        return malformed("Fn::GetAtt", "[resource, attribute]")
    names = [evaluation.value(part, scope, depth) for part in argument]
    for part in names:
        if reason := unsettled(part, "Fn::GetAtt"):
            return replace(reason, symbol=None)
    if not all(isinstance(part, str) for part in names):
        return malformed("Fn::GetAtt", "two texts")
    return _attribute(evaluation, names[0], ".".join(names[1:]), scope, depth)


def _attribute(
    evaluation: "Evaluation", resource: str, attribute: str, scope: Scope, depth: int
) -> Any:
    if resource not in scope.resources:
        return Unknown(f"{resource} is no resource of the template", dangling=True)
    child = evaluation.children.get((scope.name, resource))
    if child is not None and attribute.startswith(_OUTPUTS):
        return _output(evaluation, child, attribute.removeprefix(_OUTPUTS), depth)
    link = Link(scope.name, resource, attribute)
    evaluation.links.add(link)
    return link


def _output(evaluation: "Evaluation", scope: Scope, name: str, depth: int) -> Any:
    entry = scope.outputs.get(name)
    body = entry.value if entry is not None else None
    if not isinstance(body, dict) or "Value" not in body:
        return Unknown(f"template {scope.name} has no output {name}")
    with evaluation.once("output", scope.name, name) as first:
        if not first:
            return Unknown(f"output {name} of template {scope.name} is made of itself")
        condition = body.get("Condition")
        if isinstance(condition, str) and not evaluation.truth(scope, condition, depth):
            return Unknown(f"output {name} of {scope.name} is not made under {condition}")
        return evaluation.value(body["Value"], scope, depth)


def substitute(evaluation: "Evaluation", argument: Any, scope: Scope, depth: int) -> Any:
    """`Fn::Sub`: a text with ${names} in it, or [text, {name: value}]."""
    text, variables = argument, {}
    if isinstance(argument, list):
        if len(argument) != _PAIR or not isinstance(argument[1], dict):
            return malformed("Fn::Sub", "a text, or [text, mapping]")
        text, variables = argument
    if not isinstance(text, str):
        return malformed("Fn::Sub", "a text, or [text, mapping]")
    pieces = _VARIABLE.split(text)
    parts = list(parts_of(pieces[0], "a text"))
    values: dict[str, tuple[Part, ...]] = {}
    for written, rest in zip(pieces[1::2], pieces[2::2], strict=True):
        name = written.strip()
        if name not in values:
            found = _substituted(evaluation, name, variables, scope, depth)
            values[name] = parts_of(found, f"${{{name}}}")
        parts += (*values[name], rest)
    return joined(parts)


def _substituted(
    evaluation: "Evaluation", name: str, variables: Mapping[str, Any], scope: Scope, depth: int
) -> Any:
    """Return what `${name}` stands for in a text."""
    if name.startswith("!"):
        return f"${{{name[1:]}}}"
    if name in variables:
        return evaluation.value(variables[name], scope, depth)
    if "." in name:
        resource, attribute = name.split(".", 1)
        return _attribute(evaluation, resource, attribute, scope, depth)
    return ref(evaluation, name, scope, depth)


def imported(evaluation: "Evaluation", argument: Any, scope: Scope, depth: int) -> Any:
    """`Fn::ImportValue`: the name of an export, of one of the given templates."""
    name = evaluation.value(argument, scope, depth)
    key = identity(name)
    found = evaluation.exports.get(key, []) if key is not None else []
    if len(found) == 1:
        template, output = found[0]
        return _output(evaluation, evaluation.scopes[template], output, depth)
    if found:
        every = ", ".join(template for template, _ in found)
        return Unknown(f"several given templates export {name}: {every}")
    if reason := unsettled(name, "Fn::ImportValue"):
        return Unknown(f"it is imported by a name that is not known: {reason.because}")
    return Unknown(f"export {name} is of no given template", f"export {name}", dangling=True)


def stack_output(evaluation: "Evaluation", argument: Any, scope: Scope, depth: int) -> Any:
    """`Fn::GetStackOutput`: {StackName, OutputName}, of one of the given templates."""
    named = evaluation.value(argument, scope, depth)
    if not isinstance(named, dict):
        return malformed("Fn::GetStackOutput", "a mapping")
    stack, output = named.get("StackName"), named.get("OutputName")
    found = [
        other
        for other in evaluation.scopes.values()
        if other.template.stack_name == stack and isinstance(stack, str)
    ]
    if len(found) == 1 and isinstance(output, str):
        return _output(evaluation, found[0], output, depth)
    return Unknown(f"output {output} is of stack {stack}, which is not one given template")


def mapped(evaluation: "Evaluation", argument: Any, scope: Scope, depth: int) -> Any:
    """`Fn::FindInMap`: see `functions.find_in_map`."""
    found = find_in_map(evaluation.value(argument, scope, depth), scope.mappings)
    return found if isinstance(found, Unknown) else evaluation.value(found, scope, depth)


def zones(evaluation: "Evaluation", argument: Any, scope: Scope, depth: int) -> Any:
    """`Fn::GetAZs`: the Region, or nothing for the stack's own; which zones is the account's."""
    region = evaluation.value(argument, scope, depth)
    if region in ("", None):
        region = _pseudo(evaluation, REGION, scope)
    written = region if isinstance(region, str) else REGION
    if isinstance(region, Unknown) and region.symbol != REGION:
        return unsettled(region, "Fn::GetAZs")
    return Unknown(
        f"the Availability Zones of {written} differ by account", f"Fn::GetAZs {written}"
    )


def blocks(evaluation: "Evaluation", argument: Any, scope: Scope, depth: int) -> Any:
    """`Fn::Cidr`: see `functions.cidr`; a VPC's or subnet's own block is known to its template."""
    found = evaluation.value(argument, scope, depth)
    if isinstance(found, list) and found and isinstance(found[0], Link):
        found = [_own_property(evaluation, found[0], "CidrBlock", depth), *found[1:]]
    return PURE["Fn::Cidr"](found)


def _own_property(evaluation: "Evaluation", link: Link, name: str, depth: int) -> Any:
    """Return a property that GetAtt gives back as it was written, else the link."""
    scope = evaluation.scopes[link.stack]
    body = scope.resources[link.logical_id].value
    properties = section(mapping(body), "Properties")
    if link.attribute != name or name not in properties:
        return link
    with evaluation.once("property", link.stack, link.logical_id) as first:
        return evaluation.value(properties[name], scope, depth) if first else link


def either(evaluation: "Evaluation", argument: Any, scope: Scope, depth: int) -> Any:
    """`Fn::If`: [condition, value, value]."""
    if not (isinstance(argument, list) and len(argument) == _TRIPLE):
        return malformed("Fn::If", "[condition, value, value]")
    condition, then, otherwise = argument
    if not isinstance(condition, str) or condition not in scope.conditions:
        return Unknown(f"{str(condition)[:80]} is no condition of the template")
    return evaluation.value(
        then if evaluation.truth(scope, condition, depth) else otherwise, scope, depth
    )


WHOLE: Final[Mapping[str, Callable[["Evaluation", Any, Scope, int], Any]]] = {
    "Ref": ref,
    "Fn::GetAtt": get_att,
    "Fn::Sub": substitute,
    "Fn::If": either,
    "Fn::ImportValue": imported,
    "Fn::GetStackOutput": stack_output,
    "Fn::FindInMap": mapped,
    "Fn::GetAZs": zones,
    "Fn::Cidr": blocks,
}
"""Functions that resolve as much of their argument as they need themselves."""
