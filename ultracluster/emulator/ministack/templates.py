"""Template functions that MiniStack reads differently from AWS.

Its conditions know `Ref`, `Fn::Equals` and the logical functions, with pseudo parameters left as
they are: the condition of CDK's own bootstrap template (`Fn::Join` inside `Fn::Equals`) came out
wrong. Here every value in a condition is resolved as in a resource. Its partition is always
`aws`; here it is the Region's.
"""

from collections.abc import Mapping
from typing import Any, Final

from ultracluster.emulator.ministack import internals
from ultracluster.partitions import partition, url_suffix

LOGICAL: Final = ("Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals")


PARTITIONED: Final = ("AWS::Partition", "AWS::URLSuffix")


def install() -> None:
    """Correct conditions and pseudo parameters wherever MiniStack resolves them."""
    _install_partitions()
    _install_conditions()


def _install_partitions() -> None:
    inner = internals.engine._resolve_refs

    def resolve(value: Any, *rest: Any) -> Any:
        if isinstance(value, Mapping):
            region = internals.current_scope().region
            names = {
                "AWS::Partition": partition(region),
                "AWS::URLSuffix": url_suffix(region),
            }
            if value.get("Ref") in PARTITIONED:
                return names[value["Ref"]]
            if "Fn::Sub" in value:
                value = {**value, "Fn::Sub": _partitioned(value["Fn::Sub"], names)}
        return inner(value, *rest)

    for module in (
        internals.engine,
        internals.stacks,
        internals.handlers,
        internals.changesets,
    ):
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

    for module in (
        internals.engine,
        internals.stacks,
        internals.handlers,
        internals.changesets,
    ):
        module._evaluate_conditions = evaluate
