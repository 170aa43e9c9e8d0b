"""A plan is executed only where all is as it was approved: each thing spoiled by itself."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from ultracluster.aws import CloudError
from ultracluster.cli import main
from ultracluster.deliver import plan as plans
from ultracluster.deliver.plan import Change, Plan, PreparedStack, digest, execute, refusals
from ultracluster.drift import Drifted

TEMPLATE = {"Resources": {"Vpc": {"Type": "AWS::EC2::VPC"}}}
CHANGE = Change(
    action="Modify", logical_id="Vpc", resource_type="AWS::EC2::VPC", replacement="False"
)
FIRST = PreparedStack(
    name="dev-Network",
    change_set="arn",
    template=digest(TEMPLATE),
    changed="monday",
    changes=(CHANGE,),
)
SECOND = PreparedStack(name="dev-Storage", template="", changed="monday")
PLAN = Plan(environment="dev", account="1", region="us-east-1", stacks=(FIRST, SECOND))


@dataclass
class Account:
    """CloudFormation, which answers by these fields, each of which may be another."""

    changed: str = "monday"
    change_set: Any = None
    stack: str = "dev-Network"
    execution: str = "AVAILABLE"
    template: Any = field(default_factory=lambda: TEMPLATE)
    replacement: str = "False"
    statuses: tuple[str, ...] = ("UPDATE_COMPLETE",)
    gone: bool = False
    asked: list[str] = field(default_factory=list)

    def ask(self, service: str, operation: str, **_: Any) -> Any:
        self.asked.append(operation)
        if operation == "describe_stacks":
            if self.gone:
                raise CloudError(service, operation, "ValidationError", "it does not exist")
            done = min(self.asked.count(operation), len(self.statuses)) - 1
            return {
                "Stacks": [
                    {
                        "CreationTime": "sunday",
                        "LastUpdatedTime": self.changed,
                        "StackStatus": self.statuses[done],
                    }
                ]
            }
        if operation == "describe_change_set":
            if self.change_set:
                raise CloudError(service, operation, self.change_set, "no")
            change = {
                "Action": "Modify",
                "LogicalResourceId": "Vpc",
                "ResourceType": "AWS::EC2::VPC",
                "Replacement": self.replacement,
            }
            return {
                "StackName": self.stack,
                "ExecutionStatus": self.execution,
                "Changes": [{"ResourceChange": change}],
            }
        return {"TemplateBody": self.template}


def refused(
    account: Account, plan: Plan = PLAN, *, caller: str = "1", approved: str | None = None
) -> list[str]:
    who: Any = SimpleNamespace(account=caller)
    return list(refusals(account, who, plan, approved))


@pytest.fixture(autouse=True)
def drifted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let nothing have drifted, until a test says so."""

    def now(**by_stack: list[Any]) -> None:
        found = {name.replace("_", "-"): rows for name, rows in by_stack.items()}
        monkeypatch.setattr(plans, "drift", lambda _, name: found.get(name, []))

    now()
    return now


def test_what_is_as_it_was_approved_is_not_refused():
    assert refused(Account()) == []
    assert refused(Account(), approved=PLAN.mark) == []
    other = PLAN.model_copy(update={"region": "eu-west-1"})
    assert refused(Account(), other, approved=PLAN.mark) != []


STALE = "dev-Network: the stack was changed after the plan was made"


@pytest.mark.parametrize(
    ("account", "words"),
    [
        (Account(changed="tuesday"), [STALE, STALE.replace("Network", "Storage")]),
        (Account(gone=True), [STALE, STALE.replace("Network", "Storage")]),
        (Account(change_set="ChangeSetNotFound"), ["its change set is no longer there"]),
        (Account(change_set="ChangeSetNotFoundException"), ["its change set is no longer there"]),
        (Account(stack="dev-Training"), ["its change set is one of dev-Training"]),
        (Account(execution="OBSOLETE"), ["its change set is OBSOLETE"]),
        (Account(template={"Resources": {}}), ["holds another template than the one that was"]),
        (Account(replacement="True"), ["changes other resources than the plan says"]),
    ],
)
def test_one_thing_that_is_another_is_refused(account: Account, words: list[str]):
    found = refused(account)

    assert len(found) == len(words)
    assert all(part in line for part, line in zip(words, found, strict=True))


def test_a_question_that_is_refused_is_no_leave():
    with pytest.raises(CloudError):
        refused(Account(change_set="AccessDenied"))


def test_another_plan_or_account_is_refused_before_anything_is_asked():
    account = Account()
    assert len(refused(account, approved="0123456789abcdef")) == 1
    assert len(refused(account, caller="2")) == 1
    assert account.asked == []


def test_a_stack_that_could_not_be_prepared_is_refused():
    broken = SECOND.model_copy(update={"problem": "no role"})
    plan = PLAN.model_copy(update={"stacks": (FIRST, broken)})
    assert refused(Account(), plan) == ["dev-Storage: no role"]


def test_what_drifted_since_is_refused_and_what_was_approved_is_not(drifted: Callable[..., None]):
    one, two = (
        Drifted(stack="dev-Network", resource=name, resource_type="AWS::EC2::VPC")
        for name in ("One", "Two")
    )
    drifted(dev_Network=[one, two])
    plan = PLAN.model_copy(update={"drifted": (one,)})

    (found,) = refused(Account(), plan)
    assert found == f"it drifted after the plan was made: {two}"

    # Of a stack that is not deployed yet nothing can have drifted.
    new = SECOND.model_copy(update={"changed": ""})
    drifted(dev_Storage=[two])
    stacks = Account(), plan.model_copy(update={"stacks": (FIRST, new)})
    assert not [line for line in refused(*stacks) if "drifted" in line]


@pytest.mark.parametrize(
    ("statuses", "good"),
    [
        (("UPDATE_COMPLETE",), True),
        (("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",), True),
        (("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"), True),
        (("UPDATE_ROLLBACK_COMPLETE",), False),
        (("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED"), False),
        (("UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"), False),
    ],
)
def test_it_stops_at_the_first_that_does_not_come_to_its_end(
    statuses: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, *, good: bool
):
    monkeypatch.setattr(plans, "SOON", 0.0)
    third = FIRST.model_copy(update={"name": "dev-Cluster"})
    plan = PLAN.model_copy(update={"stacks": (FIRST, SECOND, third)})
    account, notes = Account(statuses=statuses), list[str]()

    assert execute(account, plan, notes.append) is good
    first = statuses[-1] if statuses[0].endswith("UPDATE_IN_PROGRESS") else statuses[0]
    well = first in plans.WELL
    assert account.asked.count("execute_change_set") == (2 if well else 1)
    assert notes[0].startswith(f"dev-Network: {first}")
    assert ("dev-Storage: nothing to do" in notes) is well


def test_a_stack_that_is_gone_has_not_come_to_its_end():
    assert execute(Account(gone=True), PLAN, lambda _: None) is False


def test_ctrl_c_says_that_cloudformation_goes_on(monkeypatch: pytest.MonkeyPatch):
    """What was begun there does not stop with the command, which said that it had."""

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupt)
    with pytest.raises(KeyboardInterrupt, match="goes on with dev-Network, and no later stack"):
        execute(Account(statuses=("UPDATE_IN_PROGRESS",)), PLAN, lambda _: None)


def test_a_token_that_does_not_exist_is_no_stack_that_does_not():
    """It was the same to a drift, which found no differences in no stacks."""
    account: Any = Mock()
    words = "Token for corp does not exist"
    account.ask.side_effect = CloudError("cloudformation", "describe_stacks", "SSO", words)
    with pytest.raises(CloudError, match=words):
        plans.described(account, "dev-Network")


def test_a_drift_of_nothing_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """It was "no differences in 0 stacks", with the exit code 2 and no reason."""
    monkeypatch.setattr("ultracluster.deliver.command.Account", lambda *_, **__: Account(gone=True))

    assert main(["deliver", "drift", "dev"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "ERROR dev: none of its stacks is in us-east-1; deploy it: npx cdk deploy 'dev/*'\n"
    )
