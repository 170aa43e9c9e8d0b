"""A plan that was approved: held against the account once more, and executed as it is."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from ultracluster.aws import Caller, Cloud, CloudError
from ultracluster.deliver.plan import Plan, PreparedStack, described, digest, last_change
from ultracluster.drift import drift
from ultracluster.waiting import until

SOON: Final = 2.0
GONE: Final = {"StackStatus": "DELETE_COMPLETE"}
WELL: Final = ("UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")


def refusals(cloud: Cloud, caller: Caller, plan: Plan) -> Iterator[str]:
    """Yield why a plan may not be executed any more; nothing where it is what was approved.

    Raises:
        CloudError: where AWS refuses or does not answer.
    """
    if caller.account != plan.account:
        yield f"it was prepared in account {plan.account}, and this is {caller.account}"
        return
    yield from plan.problems
    for stack in plan.stacks:
        yield from (f"{stack.name}: {words}" for words in _refusals_of(cloud, stack))
    now = [each for one in plan.stacks if one.changed for each in drift(cloud, one.name)]
    for each in sorted(set(now) - set(plan.drifted), key=str):
        yield f"it drifted after the plan was made: {each}"


def _refusals_of(cloud: Cloud, stack: PreparedStack) -> Iterator[str]:
    row = described(cloud, stack.name)
    if row is None or last_change(row) != stack.changed:
        yield "the stack was changed after the plan was made"
        return
    if not stack.change_set:
        return
    asked = {"StackName": stack.name, "ChangeSetName": stack.change_set}
    try:
        found = cloud.ask("cloudformation", "describe_change_set", **asked)
    except CloudError as error:
        if error.code not in ("ChangeSetNotFound", "ChangeSetNotFoundException"):
            raise
        yield "its change set is no longer there"
        return
    if found["ExecutionStatus"] != "AVAILABLE":
        yield f"its change set is {found['ExecutionStatus']}"
    template = cloud.ask("cloudformation", "get_template", **asked, TemplateStage="Original")
    if digest(template["TemplateBody"]) != stack.template:
        yield "its change set holds another template than the one that was approved"


def execute(cloud: Cloud, plan: Plan, note: Callable[[str], None]) -> bool:
    """Execute the change sets, in the order of the stacks; stop at the first that fails.

    Returns:
        Whether all of them came to their end.

    Raises:
        CloudError: where AWS refuses or does not answer.
    """
    for stack in plan.stacks:
        if not stack.change_set:
            note(f"{stack.name}: nothing to do")
            continue
        asked = {"StackName": stack.name, "ChangeSetName": stack.change_set}
        cloud.ask("cloudformation", "execute_change_set", **asked)
        row = until(partial(described, cloud, stack.name), _rests, pause=SOON) or GONE
        status, reason = row["StackStatus"], row.get("StackStatusReason", "")
        note(f"{stack.name}: {status}{reason and f': {reason}'}")
        if status not in WELL:
            return False
    return True


def _rests(row: dict[str, Any] | None) -> bool:
    status = (row or GONE)["StackStatus"]
    return status in WELL or not status.endswith("_IN_PROGRESS")
