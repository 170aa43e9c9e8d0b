"""Asks AWS: each question once, however many checks want to know and on whatever thread.

A question is one API call that reads, for boto3 and as the same call of the AWS CLI.
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
"""What concerns paging alone, which the CLI does by itself."""


@dataclass(frozen=True)
class Question:
    """A call that reads."""

    service: str
    operation: str
    parameters: Mapping[str, Any]

    @property
    def key(self) -> str:
        """What is the same for two questions that have one answer."""
        return f"{self.service} {self.operation} {json.dumps(self.parameters, sort_keys=True)}"

    @property
    def action(self) -> str:
        return iam_action(self.service, self.operation)

    def command(self, region: str) -> str:
        words = [
            "aws",
            CLI_SERVICES.get(self.service, self.service),
            self.operation.replace("_", "-"),
        ]
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
"""Calls that one check has under way. A dozen such checks stay below EC2's and IAM's request
rates, and what AWS throttles nevertheless is asked again after a pause."""


class UnansweredError(Exception):
    """A question that AWS refused, or that never reached it."""

    def __init__(self, question: Question, error: CloudError) -> None:
        self.question = question
        self.code = error.code
        self.message = error.message
        self.refused = error.refused
        super().__init__(str(error))


Answer = dict[str, Any]


@dataclass
class Inquiry:
    """The answers of one account so far."""

    cloud: Cloud
    answers: dict[str, Future[Answer]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, question: Question) -> Answer:
        """Return the answer, by a call or from one that was made before.

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
                # Whoever waits for the answer is told as well, so that no thread waits for ever.
                answer.set_exception(error)
        try:
            return answer.result()
        except CloudError as error:
            raise UnansweredError(question, error) from error

    def together(self, questions: Sequence[Question]) -> list[Answer]:
        """Return the answers of several questions, asked at once.

        Raises:
            UnansweredError: where one is not answered.
        """
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(self.ask, questions))
