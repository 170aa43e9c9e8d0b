"""Template functions that MiniStack reads differently from AWS.

Its conditions know `Ref`, `Fn::Equals` and the logical functions, with pseudo parameters left as
they are: the condition of CDK's own bootstrap template (`Fn::Join` inside `Fn::Equals`) came out
wrong. Here every value in a condition is resolved as in a resource.
"""

from collections.abc import Mapping
from typing import Any, Final

from operations.emulator.ministack import internals

LOGICAL: Final = ("Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals")


def install() -> None:
    """Resolve conditions wherever MiniStack evaluates them."""
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
                return internals.engine._resolve_refs(
                    node, {}, parameters, {}, mappings, "", ""
                )
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
