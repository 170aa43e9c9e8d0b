"""Asks AWS: each question once, however many checks want to know and on whatever thread."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from ultracluster.aws import Cloud, CloudError
from ultracluster.preflight.question import Question

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
            self._call(question, answer)
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

    def _call(self, question: Question, answer: Future[Answer]) -> None:
        try:
            found = self.cloud.ask(question.service, question.operation, **question.parameters)
        except BaseException as error:
            # Whoever waits for the answer is told as well, so that no thread waits for ever.
            answer.set_exception(error)
            if not isinstance(error, CloudError):
                raise
        else:
            answer.set_result(found)
