"""Stack refactoring, which MiniStack lacks: resources get other logical ids, or other stacks.

Refused is what CloudFormation refuses (user guide, "Stack refactoring", read 2026-11-27): resources
that are made, deleted or changed, more than five stacks, a stack with a stack policy, and other
parameters, conditions or mappings. Not emulated: new stacks, and types that AWS cannot move.
"""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import count, takewhile
from typing import Any, Final

from ultracluster.emulator.ministack import internals

MOST_STACKS: Final = 5
FIXED: Final = ("Parameters", "Conditions", "Mappings")
Stacks = dict[str, dict[str, Any]]
"""Records of stacks, or templates, by the name of the stack."""
Moves = dict[tuple[str, str], tuple[str, str]]
"""Stack and logical id, before and after."""


def _refusals(stacks: Stacks, templates: Stacks, moves: Moves) -> Iterator[str]:
    if len(templates) > MOST_STACKS:
        yield f"{len(templates)} stacks were given, and a refactor takes at most {MOST_STACKS}"
    for name, template in templates.items():
        old = stacks[name]["_template"]
        if stacks[name]["_stack_policy"]:
            yield f"Stack {name} has a stack policy, and cannot be refactored"
        if any(old.get(each) != template.get(each) for each in FIXED):
            yield f"Stack {name}: its parameters, conditions or mappings would be changed"
    before = _resources({name: stacks[name]["_template"] for name in templates})
    moved, after = {moves.get(p, p): r for p, r in before.items()}, _resources(templates)
    for place in sorted(moved.keys() | after.keys()):
        if place not in moved or place not in after:
            yield f"Resource {'/'.join(place)} would be created or deleted"
        elif moved[place] != after[place]:
            yield f"Resource {'/'.join(place)} would be changed"


def _resources(templates: Stacks) -> dict[tuple[str, str], Any]:
    """Return type and properties of every resource, by stack and logical id."""
    return {
        (name, key): (resource["Type"], _still(resource.get("Properties")))
        for name, template in templates.items()
        for key, resource in template["Resources"].items()
    }


def _still(value: Any) -> Any:
    """Return a value without what a move changes: where its references lead."""
    if isinstance(value, Mapping):
        led = value.keys() & {"Ref", "Fn::GetAtt", "Fn::ImportValue"}
        return "a reference" if led else {key: _still(each) for key, each in value.items()}
    return [_still(each) for each in value] if isinstance(value, list) else value


def _move(stacks: Stacks, templates: Stacks, moves: Moves) -> None:
    records = {place: stacks[place[0]]["_resources"].pop(place[1]) for place in moves}
    for place, (name, logical_id) in moves.items():
        stacks[name]["_resources"][logical_id] = records[place] | {"LogicalResourceId": logical_id}
    for _ in stacks:  # what one of them imports may be exported by another
        for name, template in templates.items():
            stack, mappings = stacks[name], template.get("Mappings", {})
            known = (stack["_resources"], stack["_resolved_params"], mappings)
            stack["Outputs"], exports = internals.stacks._resolve_stack_outputs(
                template.get("Outputs", {}), stack["_conditions"], *known, name, stack["StackId"]
            )
            internals.cloudformation._exports.update(exports)
            stack.update(_template=template, _template_body=json.dumps(template))
            stack["StackStatus"] = "UPDATE_COMPLETE"


_MADE: Final[dict[str, dict[str, str]]] = {}
_MOVES: Final[dict[str, Callable[[], None]]] = {}


def install() -> None:
    internals.handlers._ACTION_HANDLERS.update(
        CreateStackRefactor=_create,
        DescribeStackRefactor=lambda request: _answer("DescribeStackRefactor", _MADE[_id(request)]),
        ExecuteStackRefactor=_execute,
    )


def _id(request: Mapping[str, Any]) -> str:
    return str(internals.handlers._p(request, "StackRefactorId"))


def _listed(request: Mapping[str, Any], key: str) -> list[str]:
    """Return what a request lists under `StackDefinitions.member.{}.StackName`, for example."""
    found = (internals.handlers._p(request, key.format(number)) for number in count(1))
    return list(takewhile(bool, found))


def _create(request: Mapping[str, Any]) -> Any:
    templates = {}
    for number, name in enumerate(_listed(request, "StackDefinitions.member.{}.StackName"), 1):
        begin = f"StackDefinitions.member.{number}."
        given = {key.removeprefix(begin): value for key, value in request.items()}
        templates[name] = json.loads(internals.handlers._resolve_template(given)[0])
    every = internals.cloudformation._stacks
    if missing := templates.keys() - every.keys():
        return internals.handlers._error("ValidationError", f"Stack {min(missing)} does not exist")
    stacks, made = {name: every[name] for name in templates}, str(uuid.uuid4())
    ends = [
        _listed(request, f"ResourceMappings.member.{{}}.{end}.{part}")
        for end in ("Source", "Destination")
        for part in ("StackName", "LogicalResourceId")
    ]
    moves = {(stack, name): (other, new) for stack, name, other, new in zip(*ends, strict=True)}
    refusal = next(_refusals(stacks, templates, moves), "")
    _MADE[made] = {
        "StackRefactorId": made,
        "Status": "CREATE_FAILED" if refusal else "CREATE_COMPLETE",
        "StatusReason": refusal,
        "ExecutionStatus": "UNAVAILABLE" if refusal else "AVAILABLE",
    }
    _MOVES[made] = partial(_move, stacks, templates, moves)
    return _answer("CreateStackRefactor", {"StackRefactorId": made})


def _execute(request: Mapping[str, Any]) -> Any:
    found = _MADE[_id(request)]
    if found["ExecutionStatus"] != "AVAILABLE":
        message = f"Stack refactor is {found['ExecutionStatus']}: {found['StatusReason']}"
        return internals.handlers._error("ValidationError", message)
    _MOVES[_id(request)]()
    found["ExecutionStatus"] = "EXECUTE_COMPLETE"
    return _answer("ExecuteStackRefactor", {})


def _answer(operation: str, members: Mapping[str, str]) -> Any:
    text = "".join(f"<{k}>{internals.handlers._esc(v)}</{k}>" for k, v in members.items())
    result = f"<{operation}Result>{text}</{operation}Result>"
    return internals.handlers._xml(200, f"{operation}Response", result)
