"""Exports that another stack imports can be neither changed nor removed by an update.

MiniStack refuses to delete such a stack, but lets an update take the export away. AWS fails the
update and rolls it back ("Export … cannot be deleted as it is in use by …").
"""

from typing import Any

from ultracluster.emulator.ministack import internals


def install() -> None:
    """Check the exports of a stack where MiniStack resolves its outputs."""
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
        users = _importers(name, stack_id)
        if users:
            verb = "updated" if name in exports else "deleted"
            raise ValueError(f"Export {name} cannot be {verb} as it is in use by {users[0]}")
        every.pop(name, None)


def _importers(export: str, stack_id: str) -> list[str]:
    return [
        str(name)
        for name, stack in internals.cloudformation._stacks.items()
        if stack.get("StackId") != stack_id
        and stack.get("StackStatus") != "DELETE_COMPLETE"
        and export in internals.handlers._imported_export_names(stack, name)
    ]
