"""Injected faults: which calls fail, to rehearse rollback, retry and clean-up.

A fault file is a JSON list of rules, read again whenever it was written, so that a test or a person
can change it while the emulator runs; every count then begins anew. A rule is about a resource

    [{"type": "AWS::FSx::FileSystem", "operation": "create", "logical_id": "^Lustre",
      "message": "Insufficient capacity in the Availability Zone", "times": 1}]

or about a call of an SDK, which then never reaches its service:

    [{"call": "cloudformation:DescribeStackEvents", "error": "Throttling", "after": 3, "times": 5}]

`Rule` says what each member is.
"""

import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from botocore.exceptions import BotoCoreError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from ultracluster.registry import schemas
from ultracluster.service_model import model as model_of
from ultracluster.untrusted_file import UnreadableError, json_of, once, text_of

OWN_TYPES: Final = ("*", "SageMaker::TrainingJob", "AWS::EC2::Instance")
OF_ONE_TYPE: Final = {"run": "SageMaker::TrainingJob", "launch": "AWS::EC2::Instance"}
CUSTOM: Final = ("Custom::", "AWS::CloudFormation::CustomResource")
DEFAULT: Final = "A fault was injected"
REST: Final = ("rest-xml", "rest-json")
OF_RESOURCES: Final = {"type", "operation", "logical_id", "made"}
SLOW: Final = re.compile(r"\)[*+?{]|([*+?{].*){4}|\|.*\).*\|", re.DOTALL)
"""Expressions that may go back so often that a logical id of 255 characters takes for ever."""
MOST_BYTES: Final = 100_000
"""Some hundreds of rules."""


class InjectedFaultError(ValueError):
    """A failure that a fault rule asked for."""

    made: bool = False
    """Whether the thing is made, changed or removed all the same."""


class Rule(BaseModel):
    """One failure on purpose."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    type: str = "*"
    """CloudFormation's type, `*` for any. A training job is `SageMaker::TrainingJob`, an instance
    that a compute node group or an Auto Scaling group launches is `AWS::EC2::Instance`."""
    operation: Literal["create", "update", "delete", "rollback", "run", "launch"] = "create"
    """`rollback` is each step by which a failed creation or update is undone; a training job that
    is taken and then fails is `run`; an instance that does not start is `launch`."""
    logical_id: str = ""
    """Regular expression, found anywhere in the logical id; the name of a job or of a group. It has
    three of `* + ? {` at most, none behind a group, and one group with `|`."""
    made: bool = False
    """The operation is done, and reported as failed: CloudFormation does not know what was made."""
    call: str = ""
    """A call of an SDK instead, as `service:Operation`; `*` stands for any name or part of one."""
    error: Annotated[str, Field(pattern=r"^[\w.:-]*$")] = ""
    """The error code that such a call is answered with; without one it is only late."""
    message: str = ""
    """The reason. A rule with `seconds` and neither message nor error is only late."""
    seconds: Annotated[float, Field(ge=0, le=86_400)] = 0
    """How long it takes before it fails, or goes on."""
    after: Annotated[int, Field(ge=0)] = 0
    """How many operations or calls pass before it fires."""
    times: Annotated[int, Field(ge=1)] = 1
    """How often it fires; then the next attempt succeeds."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        if self.call:
            if both := sorted(self.model_fields_set & OF_RESOURCES):
                yield f"a rule with `call` has no {', '.join(both)}"
            if not self.error and not self.seconds:
                yield "a rule with `call` needs `error`, or `seconds` to be late"
            yield from _call_problems(self.call)
            return
        if self.error:
            yield "`error` is the code of a call; write `message`"
        of = OF_ONE_TYPE.get(self.operation, self.type)
        if self.type not in ("*", of):
            yield f"operation: {self.operation} is of {of}, and {self.type} never has it"
        named = self.type.startswith(CUSTOM) and not self.type.endswith("::")
        known = self.type in OWN_TYPES or named
        if not known and self.type not in schemas.all_types():
            yield f"type: {self.type} is in no Region's registry"
        try:
            re.compile(self.logical_id)
        except re.error as error:
            yield f"logical_id: {self.logical_id!r} is no regular expression: {error}"
        if SLOW.search(self.logical_id):
            at_most = "at most three of * + ? {, none behind a group, and one group with |"
            yield f"logical_id: it may never end, as (a+)+ does; write {at_most}"

    def concerns(self, type_name: str, operations: tuple[str, ...], logical_id: str) -> bool:
        return (
            not self.call
            and self.type in ("*", type_name)
            and self.operation in operations
            and re.search(self.logical_id, logical_id) is not None
        )

    def concerns_call(self, service: str, operation: str) -> bool:
        """Whether it is about a call, by the name that its service signs requests with."""
        if not self.call or not operation:
            return False
        wanted, _, name = self.call.partition(":")
        signed = wanted if wanted == "*" else model_of(wanted).signing_name
        return fnmatchcase(f"{service}:{operation}", f"{signed}:{name}")

    @property
    def fails(self) -> bool:
        return bool(self.message or self.error or not self.seconds)


def _call_problems(call: str) -> Iterator[str]:
    service, _, operation = call.partition(":")
    if not operation or not service:
        yield f"call: {call!r} is no service:Operation, such as ec2:DescribeSubnets"
        return
    if service == "*":
        return
    try:
        model = model_of(service)
    except BotoCoreError:
        yield f"call: there is no service {service!r}; write botocore's name, such as fsx"
        return
    if model.metadata["protocol"] in REST and operation != "*":
        yield f"call: single operations of {service} cannot be told apart here; write {service}:*"
    elif not any(fnmatchcase(name, operation) for name in model.operation_names):
        yield f"call: {service} has no operation {operation}"


RULES: Final = TypeAdapter(list[Rule])


def read(path: Path) -> list[Rule]:
    """Return the rules of a fault file.

    Raises:
        ValueError: where it is missing, is no JSON, or holds something else than rules.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; write the path of a JSON list of faults")
    try:
        text = text_of(path, MOST_BYTES, "a file of faults has 0.001")
        return RULES.validate_python(json_of(path, text or "[]", once))
    except UnreadableError as error:
        raise ValueError(str(error)) from error
    except ValidationError as error:
        raise ValueError(f"{path}: {_told(error)}") from error


def _told(error: ValidationError) -> str:
    """Return the first problem of a file in one line: which rule, what was given, what may be."""
    first = error.errors()[0]
    where = [str(part) for part in first["loc"]]
    if not where:
        return "not a list of objects; write [{...}]"
    place = f"rule {int(where[0]) + 1}" + (f", {'.'.join(where[1:])}" if where[1:] else "")
    words = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        words = f"a fault has {', '.join(Rule.model_fields)}"
    given = f"got {first['input']!r:.120}; " if where[1:] else ""
    return " ".join(f"{place}: {given}{words:.500}".split())


@dataclass
class Count:
    """How often something that a rule concerns was asked for, and how often the rule fired."""

    rule: Rule
    seen: int = 0
    fired: int = 0

    def fires(self) -> bool:
        """Count one more, and return whether it is one that fails."""
        self.seen += 1
        if self.seen <= self.rule.after or self.fired >= self.rule.times:
            return False
        self.fired += 1
        return True

    def __str__(self) -> str:
        return json.dumps(self.rule.model_dump(include=self.rule.model_fields_set))


@dataclass
class Faults:
    """The rules of a fault file, and how often each has fired."""

    path: Path | None
    counts: list[Count] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    """Why the file as it was written last holds no rules; those before it hold on."""
    _written: Any = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def check(self, type_name: str, operation: str, logical_id: str, status: str = "") -> None:
        """Fail, or wait, where a rule asks for it.

        Args:
            type_name: the type of the resource.
            operation: what is done to it.
            logical_id: its logical id, or name.
            status: the status of its stack.

        Raises:
            InjectedFaultError: with the rule's message.
        """
        undone = ("rollback",) if "ROLLBACK_IN_PROGRESS" in status else ()
        rule = self._first(lambda each: each.concerns(type_name, (operation, *undone), logical_id))
        if rule is None:
            return
        time.sleep(rule.seconds)
        if rule.fails:
            error = InjectedFaultError(rule.message or DEFAULT)
            error.made = rule.made
            raise error

    def of_call(self, service: str, operation: str) -> Rule | None:
        """Return the rule that fires at a call, by the name that its service signs with."""
        return self._first(lambda rule: rule.concerns_call(service, operation))

    @property
    def of_calls(self) -> bool:
        """Whether any rule is about calls."""
        return any(count.rule.call for count in self._current())

    def waits(self, type_name: str) -> bool:
        """Whether a rule about a type takes its time."""
        rules = [count.rule for count in self._current() if not count.rule.call]
        return any(each.seconds and each.type in ("*", type_name) for each in rules)

    def unfired(self) -> list[str]:
        """Return the rules that have not fired, as they were written, and what is no rule."""
        counts = self._current() or self.counts  # whoever removes the file has seen nothing, too
        return [*self.mistakes, *(str(count) for count in counts if not count.fired)]

    def _first(self, concerns: Any) -> Rule | None:
        with self._lock:
            for count in self._current():
                if concerns(count.rule) and count.fires():
                    return count.rule
        return None

    def _current(self) -> list[Count]:
        if self.path is None or not self.path.exists():
            return []
        stat = self.path.stat()
        written = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        with self._lock:
            if written != self._written:
                self._written, self.mistakes = written, []
                try:
                    self.counts = [Count(rule) for rule in read(self.path)]
                except ValueError as error:
                    self.mistakes = [str(error)]
        return self.counts
