"""The faults of one resource: its creation, change and deletion fail, one after the other.

Each failure is followed by its repetition without a fault, and by a look at what services have.
Each is a row, and rows are kept in a file, so that a campaign can be interrupted.
"""

import copy
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from ultracluster.aws import CloudError
from ultracluster.prove.deployment import StackTemplate
from ultracluster.registry.schemas import Schema, schema
from ultracluster.rehearse import direct
from ultracluster.rehearse.campaign.account import Inventory, Place
from ultracluster.rehearse.paid_capacity import paid_capacity
from ultracluster.untrusted_file import UnreadableError, plain_json, text_of

BETWEEN: Final = "between calls"


@dataclass(frozen=True)
class Row:
    """One fault, and what came of it."""

    stack: str
    """The stack's id in its stage; `between calls` where the fault is of no resource."""
    logical_id: str
    """The resource; the fault's name where it is of none."""
    kind: str
    """CloudFormation's type."""
    operation: str
    ended: str
    """How it ended: the stack's status, or the exit status of the CLI."""
    retried: str
    """How the repeated operation ended."""
    seconds: float
    problems: tuple[str, ...] = ()
    """What should not be so; empty where all is as it must be."""
    note: str = ""
    node_minutes: float = 0
    """Billed minutes of reserved instances, by the emulated clock."""
    usd: float = 0

    @property
    def wrong(self) -> str:
        return "; ".join(self.problems) or "none"

    @property
    def key(self) -> tuple[str, str, str]:
        return self.stack, self.logical_id, self.operation


NUMBERS: Final = ("seconds", "node_minutes", "usd")
HEAD: Final = re.compile(r'\{"templates": "\w*"\}')


class Record:
    """The rows of a campaign in a file of JSON lines, so that it can be interrupted.

    The first line says of which templates they are: those of others are not taken over.

    Raises:
        UnreadableError: where the file is another one, which would be lost.
    """

    def __init__(self, path: Path, digest: str) -> None:
        self._path = path
        self._head = json.dumps({"templates": digest})
        self.rows: list[Row] = []
        found = list(self._read())
        # Written anew: the last line of a campaign that was killed may be half a line.
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{self._head}\n")
        for row in found:
            self.add(row)

    def _read(self) -> Iterator[Row]:
        lines = text_of(self._path).splitlines() if self._path.exists() else []
        if lines and not HEAD.fullmatch(lines[0]):
            wrong = "not a record of `rehearse --campaign`; name another file"
            raise UnreadableError(f"{self._path}: {wrong}")
        if not lines or lines[0] != self._head:
            return
        for line in lines[1:]:
            with suppress(ValueError, TypeError, KeyError):
                given = plain_json(line)
                numbers = {name: float(given[name]) for name in NUMBERS}
                yield Row(**{**given, **numbers, "problems": tuple(given["problems"])})

    def add(self, row: Row) -> None:
        self.rows.append(row)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(asdict(row))}\n")

    @property
    def done(self) -> set[tuple[str, str, str]]:
        return {row.key for row in self.rows}


Found = dict[str, Any]
"""What came of a fault, by the names that a row has."""


def timed(act: Callable[[], Found], stack: str, name: str, kind: str, operation: str) -> Row:
    """Return the row of a fault: stack, resource, type and operation, and what came of it."""
    began = time.monotonic()
    try:
        found = act()
    except CloudError as error:
        found = {"ended": "refused", "retried": "", "problems": [str(error)]}
    found = {**found, "problems": tuple(found.get("problems", ()))}
    return Row(stack, name, kind, operation, seconds=time.monotonic() - began, **found)


REASON: Final = "Campaign: this fails on purpose"
KEPT: Final = "kept on purpose: it is never deleted"
OPERATIONS: Final = ("create", "update", "delete")
MINUTES_AN_HOUR: Final = 60


class Cycle:
    """One resource of one stack; the stacks before it are there, its own is not."""

    def __init__(self, place: Place, stack: StackTemplate, logical_id: str, price: float) -> None:
        self._place = place
        self._stack = stack
        self._id = logical_id
        self._resource = stack.template["Resources"][logical_id]
        self._price = price
        """USD an hour of an instance that is reserved."""

    def run(self) -> Iterator[Row]:
        """Yield a row for each operation; the stack is gone again afterwards."""
        before = self._place.inventory()
        for operation, act in (
            ("create", lambda: self._create(before)),
            ("update", self._update),
            ("delete", lambda: self._delete(before)),
        ):
            yield self._timed(operation, act)

    def _timed(self, operation: str, act: Callable[[], Found]) -> Row:
        which = (self._stack.construct_id, self._id, self._resource["Type"], operation)
        try:
            row = timed(act, *which)
        finally:
            self._place.fail()
        return replace(row, usd=row.node_minutes / MINUTES_AN_HOUR * self._price)

    def _fault(self, operation: str) -> None:
        name = f"^{re.escape(self._id)}$"
        self._place.fail({"operation": operation, "logical_id": name, "message": REASON})

    def _create(self, before: Inventory) -> Found:
        place, stack = self._place, self._stack
        self._fault("create")
        stack_id, ended = place.create(stack)
        problems = [*self._told(stack_id), *unless(ended, "ROLLBACK_COMPLETE")]
        problems += [f"left after the rollback: {each}" for each in place.left(before)]
        paid = list(paid_capacity(place.cloud, stack_id))
        problems += [f"still charged: {each}" for each in paid if each.active]
        place.fail()
        if not place.unlock(stack):
            problems.append("a protected stack was deleted")
        problems += unless(direct.delete(place.cloud, stack_id), "DELETE_COMPLETE")
        _, retried = place.create(stack)
        return {
            "ended": ended,
            "retried": retried,
            "problems": [*problems, *unless(retried, "CREATE_COMPLETE")],
            "node_minutes": sum(each.node_minutes for each in paid),
        }

    def _update(self) -> Found:
        place, stack = self._place, self._stack
        change = changed(stack.template, self._id, place.spec.region)
        if change is None:
            return {"ended": "", "retried": "", "note": "no change of it alone is possible"}
        template, operation = change
        self._fault(operation)
        ended = direct.update(place.cloud, stack.name, template, place.spec.region)
        problems = [*self._told(stack.name), *unless(ended, "UPDATE_ROLLBACK_COMPLETE")]
        place.fail()
        retried = direct.update(place.cloud, stack.name, template, place.spec.region)
        problems += unless(retried, "UPDATE_COMPLETE")
        return {"ended": ended, "retried": retried, "problems": problems}

    def _delete(self, before: Inventory) -> Found:
        place, stack = self._place, self._stack
        stays = self._resource.get("DeletionPolicy", "").startswith("Retain")
        kept, stack_id = place.kept(stack), place.stack_id(stack)
        if not stays:
            self._fault("delete")
        problems = [] if place.unlock(stack) else ["a protected stack was deleted"]
        ended = direct.delete(place.cloud, stack_id)
        if not stays:
            problems += [*self._told(stack_id), *unless(ended, "DELETE_FAILED")]
        place.fail()
        retried = ended if stays else direct.delete(place.cloud, stack_id)
        problems += unless(retried, "DELETE_COMPLETE")
        problems += [f"left after the deletion: {each}" for each in place.left(before, kept)]
        found = {"ended": ended, "retried": retried, "problems": problems}
        return {**found, "note": KEPT} if stays else found

    def _told(self, name: str) -> Iterator[str]:
        """Yield what is wrong with how the failure was told."""
        if self._place.unfired:
            yield "the fault never happened"
        elif not self._place.reason(name, self._id, REASON):
            yield "CloudFormation does not say why it failed"


def unless(status: str, wanted: str) -> list[str]:
    return [] if status == wanted else [f"{status}, not {wanted}"]


TAG: Final = {"Key": "campaign", "Value": "changed"}
DOCUMENTS: Final = ("PolicyDocument", "KeyPolicy", "AssumeRolePolicyDocument")
NAMES: Final = ("Description", "AlarmDescription", "VersionDescription", "DisplayName")
VALUES: Final[Mapping[str, Mapping[str, Any]]] = {
    # Members of a property, where nothing on its surface may change.
    "AWS::Budgets::Budget": {"Budget": {"BudgetLimit": {"Amount": 1, "Unit": "USD"}}},
    "AWS::EC2::CapacityReservation": {"InstanceCount": 2},
    "AWS::FSx::FileSystem": {"LustreConfiguration": {"WeeklyMaintenanceStartTime": "1:05:00"}},
    "AWS::SNS::Subscription": {"RawMessageDelivery": False, "FilterPolicy": {"x": ["y"]}},
}


def changed(
    template: Mapping[str, Any], logical_id: str, region: str
) -> tuple[dict[str, Any], str] | None:
    """Return a template with one resource changed, and what CloudFormation does then to it.

    None where no change of that resource alone is possible: every property needs a new one, whose
    place the old one still takes.
    """
    found = copy.deepcopy(dict(template))
    resource = found["Resources"][logical_id]
    properties = resource.setdefault("Properties", {})
    kind = resource["Type"]
    known = schema(kind, region)
    if kind.startswith("Custom::"):
        properties["Campaign"] = "changed"
        return found, "update"
    if known is None:
        return None
    fixed = {path[0] for path in known.create_only if len(path) == 1}
    change = _change(kind, properties, known, fixed)
    if change is None:
        return None
    name, value = change
    properties[name] = value
    return found, "create" if name in fixed else "update"


def _change(
    kind: str, properties: Mapping[str, Any], known: Schema, fixed: set[str]
) -> tuple[str, Any] | None:
    if kind in VALUES:
        name, value = next(iter(VALUES[kind].items()))
        given = properties.get(name)
        return name, {**given, **value} if isinstance(given, dict) else value
    name, shape = known.tags or ("", "")
    if name and name not in fixed:
        return name, _tagged(properties.get(name), shape)
    possible = known.document["properties"]
    for name in NAMES:
        if name in possible and name not in fixed:
            return name, "Changed by a campaign of faults"
    for name in DOCUMENTS:
        if name in properties and name not in fixed:
            return name, {**properties[name], "Id": "Campaign"}
    return None


def _tagged(tags: Any, shape: str) -> Any:
    """Return tags with one more."""
    if shape == "map":
        return {**(tags or {}), TAG["Key"]: TAG["Value"]}
    more = {"PropagateAtLaunch": True} if "PropagateAtLaunch" in json.dumps(tags) else {}
    return [*(tags or []), {**TAG, **more}]
