"""Calls AWS for the checks, each API call only once; thread-safe.

A question is one API call that only reads, for boto3 and as a command of the AWS CLI.
"""

import json
import re
import shlex
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from ultracluster.aws import Cloud, CloudError, iam_action

CLI_SERVICES: Final = {"s3": "s3api"}
PAGES: Final = ("MaxResults",)
"""Parameters for paging, which the CLI does by itself."""


@dataclass(frozen=True)
class Question:
    """An API call that only reads."""

    service: str
    operation: str
    parameters: Mapping[str, Any]

    @property
    def key(self) -> str:
        """A key that is equal for questions with the same answer."""
        return f"{self.service} {self.operation} {json.dumps(self.parameters, sort_keys=True)}"

    @property
    def action(self) -> str:
        return iam_action(self.service, self.operation)

    def command(self, region: str) -> str:
        service, operation = CLI_SERVICES.get(self.service, self.service), self.operation
        words = ["aws", service, operation.replace("_", "-")]
        for name, value in self.parameters.items():
            if name not in PAGES:
                words += [f"--{option(name)}", *_values(value)]
        return shlex.join([*words, "--region", region])


def question(service: str, operation: str, **parameters: Any) -> Question:
    """Return a question, with its parameters as boto3 has them."""
    return Question(service, operation, parameters)


def option(name: str) -> str:
    """Return a parameter's name as an option of the CLI: `VpcId` as `vpc-id`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name)
    return re.sub(r"(?<=[A-Z])(?=[A-Z][a-z])", "-", words).lower()


def _values(value: Any) -> list[str]:
    if isinstance(value, list):
        return [text for item in value for text in _values(item)]
    if isinstance(value, Mapping):
        parts = (f"{key}={','.join(_values(item))}" for key, item in value.items())
        return [",".join(parts)]
    return [str(value)]


AT_ONCE: Final = 8
"""Parallel calls of one check. A dozen such checks stay below the request rates of EC2 and IAM;
throttled calls are repeated."""


class UnansweredError(Exception):
    """AWS refused a call, or could not be reached."""

    def __init__(self, question: Question, error: CloudError) -> None:
        self.question = question
        self.code = error.code
        self.message = error.message
        self.refused = error.refused
        super().__init__(str(error))


Answer = dict[str, Any]


@dataclass
class Inquiry:
    """The cached answers of one account."""

    cloud: Cloud
    answers: dict[str, Future[Answer]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, question: Question) -> Answer:
        """Return the answer of a call, from the cache if there is one.

        Raises:
            UnansweredError: where AWS refuses, or cannot be reached.
        """
        with self._lock:
            first = question.key not in self.answers
            answer = self.answers.setdefault(question.key, Future())
        if first:
            try:
                asked = self.cloud.ask(question.service, question.operation, **question.parameters)
                answer.set_result(asked)
            except BaseException as error:  # noqa: BLE001  (`result` raises it)
                # Threads that wait for the answer get the error as well, and do not wait for ever.
                answer.set_exception(error)
        try:
            return answer.result()
        except CloudError as error:
            raise UnansweredError(question, error) from error

    def together(self, questions: Sequence[Question]) -> list[Answer]:
        """Return the answers of several calls, made in parallel.

        Raises:
            UnansweredError: where one is not answered.
        """
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(self.ask, questions))
