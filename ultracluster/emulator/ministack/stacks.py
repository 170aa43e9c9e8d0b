"""Where MiniStack's templates and stacks differ from CloudFormation's.

Its conditions know `Ref`, `Fn::Equals` and the logical functions, with pseudo parameters left as
they are: the condition of CDK's own bootstrap template (`Fn::Join` inside `Fn::Equals`) came out
wrong. Here every value in a condition is resolved as in a resource. Its partition is always
`aws`; here it is the Region's. Then exports in use, cleanup after an update, and generated names.
"""

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Mapping
from typing import Any, Final

from ultracluster.emulator.faults import CUSTOM, Faults, InjectedFaultError
from ultracluster.emulator.ministack import internals
from ultracluster.emulator.ministack.handlers import stack_status
from ultracluster.emulator.provisioning import Order
from ultracluster.partitions import partition, url_suffix

LOGICAL: Final = ("Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals")
RESOLVING: Final = (internals.engine, internals.stacks, internals.handlers, internals.changesets)
"""Modules that have the functions for values and conditions under names of their own."""


def _install_partitions() -> None:
    inner = internals.engine._resolve_refs

    def resolve(value: Any, *rest: Any) -> Any:
        if isinstance(value, Mapping):
            region = internals.current_scope().region
            names = {"AWS::Partition": partition(region), "AWS::URLSuffix": url_suffix(region)}
            if value.get("Ref") in names:
                return names[value["Ref"]]
            if "Fn::Sub" in value:
                value = {**value, "Fn::Sub": _partitioned(value["Fn::Sub"], names)}
        return inner(value, *rest)

    for module in RESOLVING:
        if hasattr(module, "_resolve_refs"):
            module._resolve_refs = resolve


def _partitioned(argument: Any, names: Mapping[str, str]) -> Any:
    if isinstance(argument, list):
        return [_partitioned(argument[0], names), *argument[1:]]
    for name, value in names.items():
        argument = str(argument).replace(f"${{{name}}}", value)
    return argument


def _install_conditions() -> None:
    inner = internals.engine._evaluate_conditions

    def evaluate(template: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
        mappings = template.get("Mappings") or {}

        def resolved(node: Any) -> Any:
            if isinstance(node, list):
                return [resolved(each) for each in node]
            if isinstance(node, Mapping) and len(node) == 1:
                (name, argument), *_ = node.items()
                if name in LOGICAL:
                    return {name: resolved(argument)}
                if name == "Condition":
                    return node
                return internals.engine._resolve_refs(node, {}, parameters, {}, mappings, "", "")
            return node

        conditions = {
            name: resolved(each) for name, each in (template.get("Conditions") or {}).items()
        }
        return inner({**template, "Conditions": conditions}, parameters)

    for module in RESOLVING:
        module._evaluate_conditions = evaluate


def made_at_once(order: Order) -> list[str]:
    """Return which resources of its type CloudFormation makes at the same time as a resource.

    MiniStack makes one after the other. CloudFormation begins everything at once that waits for
    nothing else; here that is said of a stack's creation alone.
    """
    stack = internals.cloudformation._stacks.get(order.stack_name) or {}
    try:
        resources = json.loads(stack["_template_body"])["Resources"]
    except (KeyError, ValueError):
        return []  # none, or YAML
    if stack.get("StackStatus") != "CREATE_IN_PROGRESS":
        return []
    own = _awaited(resources, order.logical_id)
    return [
        name
        for name, each in resources.items()
        if each["Type"] == order.type_name
        and name not in own
        and order.logical_id not in _awaited(resources, name)
    ]


def _awaited(resources: Mapping[str, Any], logical_id: str) -> set[str]:
    """Return a resource and everything that it waits for."""
    found, open_ones = set(), [logical_id]
    while open_ones:
        name = open_ones.pop()
        if name not in found:
            found.add(name)
            open_ones += internals.engine._extract_deps(resources[name], set(resources))
    return found


CDK_CLI: Final = "aws-cdk/"
"""What it calls itself in its requests."""
UNDER_WAY: Final = re.compile(rb"<StackStatus>(?!REVIEW)\w+_IN_PROGRESS<")
LONGEST_ANSWER: Final = 4.0
BETWEEN_LOOKS: Final = 0.02


def _install_patience() -> None:
    """Answer the CDK CLI about a stack once nothing goes on in it, or after some seconds.

    AWS answers at once, and the CLI asks again after 5 s, in which most stacks here have ended.
    """
    inner = internals.cloudformation.handle_request

    async def handle(method: str, path: str, headers: Any, *rest: Any) -> Any:
        patient = CDK_CLI in headers.get("user-agent", "")
        latest = time.monotonic() + (LONGEST_ANSWER if patient else 0)
        while True:
            answer = await inner(method, path, headers, *rest)
            if not UNDER_WAY.search(answer[2]) or time.monotonic() >= latest:
                return answer
            await asyncio.sleep(BETWEEN_LOOKS)

    internals.cloudformation.handle_request = handle


def install(faults: Faults) -> None:
    _install_patience()
    _install_faults(faults)
    _install_partitions()
    _install_conditions()
    _install_exports()
    _install_cleanup()
    _install_names()


def _install_faults(faults: Faults) -> None:
    """Let deletions fail on purpose, and custom resources, which have no entry in the table.

    What takes its time does so on a thread of its own, as MiniStack's custom resources do: the
    emulator goes on answering.
    """
    stacks, threaded = internals.stacks, internals.stacks._runs_on_worker_thread
    provision, update = stacks._provision_resource, stacks._update_resource
    delete = stacks._delete_resource

    def failing_provision(kind: str, logical_id: str, properties: Any, stack: str) -> Any:
        if kind.startswith(CUSTOM):
            faults.check(kind, "create", logical_id, stack_status(stack))
        return provision(kind, logical_id, properties, stack)

    def failing_update(kind: str, *rest: Any) -> Any:
        stack, logical_id = rest[3], str(rest[4])
        if kind.startswith(CUSTOM):
            faults.check(kind, "update", logical_id, stack_status(stack))
        return update(kind, *rest)

    def failing_delete(
        kind: str, physical_id: str, properties: Any, stack: str, logical_id: str
    ) -> None:
        _require_dependents_gone(stack, logical_id)
        try:
            faults.check(kind, "delete", logical_id, stack_status(stack))
        except InjectedFaultError as error:
            if error.made:
                delete(kind, physical_id, properties, stack, logical_id)
            raise
        delete(kind, physical_id, properties, stack, logical_id)

    stacks._provision_resource = failing_provision
    stacks._update_resource = failing_update
    stacks._delete_resource = failing_delete
    stacks._runs_on_worker_thread = lambda kind: threaded(kind) or faults.waits(kind)


def _require_dependents_gone(stack_name: str, logical_id: str) -> None:
    """Refuse to delete what something needs that could not be deleted.

    MiniStack goes on with it. CloudFormation deletes nothing before what depends on it: a custom
    resource keeps its function (user guide, "DependsOn attribute", read 2026-11-27).
    """
    stack = internals.cloudformation._stacks.get(stack_name) or {}
    template = (stack.get("_template") or {}).get("Resources") or {}
    for name, record in (stack.get("_resources") or {}).items():
        failed = record.get("ResourceStatus") == "DELETE_FAILED" and name in template
        if failed and name != logical_id and logical_id in _awaited(template, name):
            raise ValueError("Resource deletion cancelled")


def _install_exports() -> None:
    """Refuse to change or remove an export that another stack imports.

    MiniStack refuses to delete such a stack, but lets an update take the export away. AWS fails the
    update and rolls it back ("Export … cannot be deleted as it is in use by …").
    """
    inner = internals.stacks._resolve_stack_outputs

    def resolve(*arguments: Any) -> Any:
        outputs, exports = inner(*arguments)
        _require_unused(stack_id=arguments[-1], exports=exports)
        return outputs, exports

    internals.stacks._resolve_stack_outputs = resolve


def _require_unused(stack_id: str, exports: dict[str, Any]) -> None:
    every = internals.cloudformation._exports
    before = {name: each for name, each in every.items() if each["StackId"] == stack_id}
    for name, export in before.items():
        if name in exports and exports[name]["Value"] == export["Value"]:
            continue
        for user, stack in internals.cloudformation._stacks.items():
            others = stack.get("StackId") != stack_id
            if (
                others
                and stack.get("StackStatus") != "DELETE_COMPLETE"
                and name in internals.handlers._imported_export_names(stack, user)
            ):
                verb = "updated" if name in exports else "deleted"
                raise ValueError(f"Export {name} cannot be {verb} as it is in use by {user}")
        every.pop(name, None)


def _install_cleanup() -> None:
    """Try deletes that failed at the end of an update again, after each one that succeeded.

    MiniStack deletes what was replaced before what was removed, in one attempt: a replaced cluster
    whose queue was removed would stay. CloudFormation tries again.
    """
    inner = internals.stacks._delete_resource
    refused: dict[str, list[tuple[Any, ...]]] = {}

    def delete(*arguments: Any) -> None:
        stack_name = str(arguments[3])
        stack = internals.cloudformation._stacks.get(stack_name) or {}
        try:
            inner(*arguments)
        except Exception:
            if str(stack.get("StackStatus")).startswith("UPDATE_"):
                refused.setdefault(stack_name, []).append(arguments)
            raise
        for earlier in refused.pop(stack_name, ()):
            try:
                delete(*earlier)
            except ValueError:
                continue

    internals.stacks._delete_resource = delete


def _install_names() -> None:
    """Give generated names an end of their own in each stack.

    MiniStack makes it from the stack's and the resource's name, so that the roles and buckets of a
    stack in a second Region would be taken, and those that a deleted stack of the same name kept.
    CloudFormation's is random.
    """
    inner = internals.provisioners._physical_name

    def name(*arguments: Any, **options: Any) -> str:
        begin, _, end = str(inner(*arguments, **options)).rpartition("-")
        stack = internals.cloudformation._stacks.get(arguments[0]) or {}
        own = (*internals.current_scope(), stack.get("StackId", ""), end)
        digest = hashlib.sha256(":".join(own).encode()).hexdigest()[: len(end)]
        return f"{begin}-{digest if options.get('lowercase') else digest.upper()}"

    internals.provisioners._physical_name = name
