"""The end of a stack update, when CloudFormation deletes what the update replaced or removed.

MiniStack deletes replaced resources first, in one attempt: a replaced cluster whose queue was
removed by the same update would stay. CloudFormation tries again when what depends on it is gone.
"""

from typing import Any

from ultracluster.emulator.ministack import internals

UPDATING = "UPDATE_"


def install() -> None:
    """Try deletes that failed again, after each one that succeeded."""
    inner = internals.stacks._delete_resource
    refused: dict[str, list[tuple[Any, ...]]] = {}

    def delete(*arguments: Any) -> None:
        stack_name = str(arguments[3])
        stack = internals.cloudformation._stacks.get(stack_name) or {}
        try:
            inner(*arguments)
        except Exception:
            if str(stack.get("StackStatus")).startswith(UPDATING):
                refused.setdefault(stack_name, []).append(arguments)
            raise
        for earlier in refused.pop(stack_name, ()):
            try:
                delete(*earlier)
            except ValueError:
                continue

    internals.stacks._delete_resource = delete
