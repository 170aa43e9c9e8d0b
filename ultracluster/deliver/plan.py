"""The plan of a delivery: a change set for each stack, to be approved and then executed.

A change set cannot be altered once it is made, and CloudFormation makes it obsolete when its stack
is changed otherwise (AWS CloudFormation user guide, "Update CloudFormation stacks using change
sets", read 2026-11-27). Who approves a plan approves these change sets and no others: it is held
against the account once more, and executed as it is.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ultracluster.aws import Caller, Cloud, CloudError, ask_unless
from ultracluster.drift import UNCHANGED, Drifted, drift, finished
from ultracluster.exit_status import UsageError
from ultracluster.partitions import url_suffix
from ultracluster.templates.assembly import MANIFEST, StackArtifact, stacks
from ultracluster.untrusted_file import json_of, text_of
from ultracluster.waiting import until

CAPABILITIES: Final = ("CAPABILITY_NAMED_IAM",)


class Change(BaseModel):
    """One resource that a change set changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: str
    logical_id: str
    resource_type: str
    replacement: str
    """True, False or Conditional; empty where the resource is new or goes."""


class PreparedStack(BaseModel):
    """One stack of a delivery."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    change_set: str = ""
    """ARN of its change set; empty where nothing is to be done, or nothing could be prepared."""
    template: str
    """SHA-256 of the template that was approved, independent of spaces and order."""
    changed: str = ""
    """When the stack was changed last, as CloudFormation says it."""
    changes: tuple[Change, ...] = ()
    problem: str = ""
    """Why no change set could be prepared."""


class Plan(BaseModel):
    """A delivery that waits for approval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: str
    account: str
    region: str
    stacks: Annotated[tuple[PreparedStack, ...], Field(min_length=1)]
    drifted: tuple[Drifted, ...] = ()
    """Resources that are not as CloudFormation left them, at the time of the plan."""

    @property
    def text(self) -> str:
        """What its file holds."""
        return self.model_dump_json(indent=1) + "\n"

    @property
    def mark(self) -> str:
        """By which who approves a page names the plan: how the SHA-256 of its file begins."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    @property
    def problems(self) -> list[str]:
        return [f"{each.name}: {each.problem}" for each in self.stacks if each.problem]


def read(path: Path) -> Plan:
    """Return the plan that a file holds.

    Raises:
        UsageError: where it is no plan.
        UnreadableError: where it cannot be read.
    """
    try:
        return Plan.model_validate(json_of(path, text_of(path)))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UsageError(
            f"{path}: not a plan of `ultracluster deliver prepare`: {where}: {first['msg']}; "
            "write one by `ultracluster deliver prepare ENVIRONMENT`"
        ) from None


def prepare(cloud: Cloud, caller: Caller, environment: str, region: str, assembly: Path) -> Plan:
    """Make a change set of each stack, and execute none.

    Args:
        cloud: the account, with the assets of the stage in its bucket already.
        caller: who asks.
        environment: name of the environment.
        region: its Region.
        assembly: directory of its stage, as `cdk synth` wrote it.

    Raises:
        CloudError: where AWS refuses or does not answer.
    """
    prepared = [_prepared(cloud, caller, region, each) for each in stacks(assembly)]
    drifted = [each for one in prepared if one.changed for each in drift(cloud, one.name)]
    about = {"environment": environment, "account": caller.account, "region": region}
    return Plan(**about, stacks=tuple(prepared), drifted=tuple(drifted))


def _prepared(cloud: Cloud, caller: Caller, region: str, stack: StackArtifact) -> PreparedStack:
    name, template = str(stack.stack_name), json.loads(stack.template.read_text("utf-8"))
    made: dict[str, Any] = {"name": name, "template": digest(template)}
    row = described(cloud, name)
    if row is None:
        here = f"npx cdk deploy '{name.replace('-', '/', 1)}'"
        return PreparedStack(**made, problem=f"it is not deployed yet; do that first: {here}")
    made["changed"] = last_change(row)
    change_set = f"delivery-{made['template'][:16]}"
    cloud.ask("cloudformation", "delete_change_set", StackName=name, ChangeSetName=change_set)
    answer = cloud.ask(
        "cloudformation",
        "create_change_set",
        StackName=name,
        ChangeSetName=change_set,
        ChangeSetType="UPDATE",
        Capabilities=list(CAPABILITIES),
        **_source(stack, caller, region),
    )
    asked = {"StackName": name, "ChangeSetName": answer["Id"]}
    found = finished(cloud, "describe_change_set", "Status", asked)
    if found["Status"] == "CREATE_COMPLETE":
        return PreparedStack(**made, change_set=answer["Id"], changes=_changes(found))
    reason = str(found.get("StatusReason", ""))
    cloud.ask("cloudformation", "delete_change_set", **asked)
    problem = "" if any(words in reason for words in UNCHANGED) else reason
    return PreparedStack(**made, problem=problem)


def _changes(found: Mapping[str, Any]) -> tuple[Change, ...]:
    rows = (row["ResourceChange"] for row in found["Changes"])
    return tuple(
        Change(
            action=row["Action"],
            logical_id=row["LogicalResourceId"],
            resource_type=row["ResourceType"],
            replacement=row.get("Replacement", ""),
        )
        for row in rows
    )


def _source(stack: StackArtifact, caller: Caller, region: str) -> dict[str, Any]:
    """Return what CDK's CLI would name: template, role and tags (manifest.json of the assembly)."""
    manifest = json.loads((stack.assembly / MANIFEST).read_text("utf-8"))
    properties = manifest["artifacts"][stack.name]["properties"]
    known = {"${AWS::AccountId}": caller.account, "${AWS::Partition}": caller.partition}

    def filled(text: str) -> str:
        for name, value in known.items():
            text = text.replace(name, value)
        return text

    url = filled(properties["stackTemplateAssetObjectUrl"]).removeprefix("s3://")
    tags = properties.get("tags", {}).items()
    return {
        "TemplateURL": f"https://s3.{region}.{url_suffix(region)}/{url}",
        "RoleARN": filled(properties["cloudFormationExecutionRoleArn"]),
        "Tags": [{"Key": key, "Value": value} for key, value in tags],
    }


def digest(template: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a template, whatever its spaces and order."""
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()


def described(cloud: Cloud, name: str) -> dict[str, Any] | None:
    """Return a stack as CloudFormation describes it, None where there is none."""
    try:
        answer = cloud.ask("cloudformation", "describe_stacks", StackName=name)
    except CloudError as error:
        if not error.no_stack:
            raise
        return None
    row: dict[str, Any] = answer["Stacks"][0]
    return row


def last_change(row: Mapping[str, Any]) -> str:
    return str(row.get("LastUpdatedTime", row["CreationTime"]))


SOON: Final = 2.0
NO_SET: Final = ("ChangeSetNotFound",)
GONE: Final = {"StackStatus": "DELETE_COMPLETE"}
WELL: Final = ("UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")


def refusals(
    cloud: Cloud, caller: Caller, plan: Plan, approved: str | None = None
) -> Iterator[str]:
    """Yield why a plan may not be executed any more; nothing where it is what was approved.

    `approved` is the mark of the plan that was approved; None where nobody says it.

    Raises:
        CloudError: where AWS refuses or does not answer.
    """
    if approved is not None and approved != plan.mark:
        yield f"it is the plan {plan.mark}, and {approved} was approved"
        return
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
    found = ask_unless(cloud, NO_SET, "cloudformation", "describe_change_set", **asked)
    if found is None:
        yield "its change set is no longer there"
        return
    if found["StackName"] != stack.name:
        yield f"its change set is one of {found['StackName']}"
    if found["ExecutionStatus"] != "AVAILABLE":
        yield f"its change set is {found['ExecutionStatus']}"
    template = cloud.ask("cloudformation", "get_template", **asked, TemplateStage="Original")
    if digest(template["TemplateBody"]) != stack.template:
        yield "its change set holds another template than the one that was approved"
    if _changes(found) != stack.changes:
        yield "its change set changes other resources than the plan says"


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
        try:
            row = until(partial(described, cloud, stack.name), _rests, pause=SOON) or GONE
        except KeyboardInterrupt:
            goes_on = f"CloudFormation goes on with {stack.name}, and no later stack was begun"
            raise KeyboardInterrupt(goes_on) from None
        status, reason = row["StackStatus"], row.get("StackStatusReason", "")
        note(f"{stack.name}: {status}{reason and f': {reason}'}")
        if status not in WELL:
            return False
    return True


def _rests(row: dict[str, Any] | None) -> bool:
    status = (row or GONE)["StackStatus"]
    return status in WELL or not status.endswith("_IN_PROGRESS")
