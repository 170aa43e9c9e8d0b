"""What a check says of an account."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from ultracluster.audit.report import Report
from ultracluster.aws import Caller
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.preflight.inquiry import Answer, Inquiry, Question, UnansweredError
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.recipe import RecipeSpec


class Verdict(StrEnum):
    """Whether the environment fits into the account."""

    PASS = "PASS"  # noqa: S105 - no password
    FAIL = "FAIL"
    SKIP = "SKIP"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    verdict: Verdict
    subject: str
    found: str
    wanted: str = ""
    fix: str = ""
    """What to do, as a sentence; empty where there is nothing to do."""
    fix_command: str = ""
    """The AWS CLI call that does it, where one call does."""
    question: Question | None = None
    """The call that confirms it."""
    by_hand: str = ""
    """How to confirm it where no single call does, as a rule says it."""
    missing_action: str = ""
    """The IAM action that the caller would need, where that is why the check was skipped."""
    unanswered: bool = False
    """Whether AWS gave no answer for another reason than a missing permission."""


@dataclass(frozen=True)
class Situation:
    """An environment, and the account that it is meant for."""

    spec: EnvironmentSpec
    inquiry: Inquiry
    caller: Caller
    now: datetime
    templates: Callable[[], Report] | None = None
    """What the fabric rules say of its templates, once these are made."""
    recipes: tuple[RecipeSpec, ...] = ()
    """Jobs that are to run on it; an environment itself names none."""

    def ask(self, question: Question) -> Answer:
        """Return the account's answer.

        Raises:
            UnansweredError: where there is none.
        """
        return self.inquiry.ask(question)

    def ask_unless(self, question: Question, *codes: str) -> Answer | None:
        """Return the account's answer; None where its error's code begins with one of some codes.

        Raises:
            UnansweredError: where there is none for another reason.
        """
        try:
            return self.ask(question)
        except UnansweredError as error:
            if not error.code.startswith(codes):
                raise
            return None

    def of_environment(self, row: dict[str, Any]) -> bool:
        """Whether a resource belongs to the environment, which is then deployed already."""
        tags = row.get("Tags") or ()
        own = (ENVIRONMENT_TAG, self.spec.name)
        return any((tag.get("Key"), tag.get("Value")) == own for tag in tags)

    def arn(self, service: str, resource: str) -> str:
        partition, account = self.caller.partition, self.caller.account
        return f"arn:{partition}:{service}:{self.spec.region}:{account}:{resource}"

    def iam_arn(self, resource: str) -> str:
        return f"arn:{self.caller.partition}:iam::{self.caller.account}:{resource}"

    def role_arn(self, name: str) -> str:
        return self.iam_arn(f"role/{name}")


Examination = Callable[[Situation], Iterator[Finding]]


@dataclass(frozen=True)
class Check:
    """One thing to look at, under a name that stays."""

    name: str
    what: str
    examine: Examination

    def findings(self, situation: Situation) -> tuple[Finding, ...]:
        """Return what there is to say; a question without an answer is one of the things."""
        found: list[Finding] = []
        try:
            for finding in self.examine(situation):
                found.append(finding)  # noqa: PERF402 - what came before an error is kept
        except UnansweredError as error:
            found.append(unanswered(error))
        return tuple(found)


Frame = Callable[[Any], Examination]
"""What turns a function into an examination: it says of what, or where there is nothing to do."""


def check(
    name: str, what: str, frame: Frame = lambda examine: examine
) -> Callable[[Callable[..., Any]], Check]:
    """Return what makes the function below it a check."""
    return lambda examine: Check(name, what, frame(examine))


def of_each_fabric(examine: Examination) -> Examination:
    """Return the examination of the environment's nodes and, as if they were, of each group's."""

    def examined(situation: Situation) -> Iterator[Finding]:
        yield from examine(situation)
        for field, nodes in situation.spec.fabrics().items():
            if nodes is situation.spec.nodes:
                continue
            spec = situation.spec.model_construct(**{**vars(situation.spec), "nodes": nodes})
            for finding in examine(replace(situation, spec=spec)):
                subject = f"{finding.subject}, {field}"
                fix = re.sub(r"\bnodes\.", f"{field}.", finding.fix)
                yield replace(finding, subject=subject, fix=fix)

    return examined


def passed(subject: str, found: str, question: Question | None = None) -> Finding:
    """Return that something is as it must be."""
    return Finding(Verdict.PASS, subject, found, question=question)


def failed(
    subject: str,
    found: str,
    wanted: str,
    fix: str,
    question: Question | None = None,
    *,
    fix_command: str = "",
) -> Finding:
    """Return that something is not as it must be."""
    return Finding(Verdict.FAIL, subject, found, wanted, fix, fix_command, question)


def skipped(subject: str, why: str, fix: str = "", question: Question | None = None) -> Finding:
    """Return that something does not apply, or that nobody can tell."""
    return Finding(Verdict.SKIP, subject, why, fix=fix, question=question)


def unanswered(error: UnansweredError) -> Finding:
    """Return that AWS did not say, and what would make it say."""
    action = error.question.action
    if error.refused:
        return Finding(
            Verdict.SKIP,
            action,
            "no permission to read it",
            fix=f"allow {action} to the caller, or run this as somebody who has it",
            question=error.question,
            missing_action=action,
        )
    return Finding(
        Verdict.SKIP,
        action,
        f"no answer: {error.code}: {error.message}",
        fix="try again; the check says nothing either way",
        question=error.question,
        unanswered=True,
    )
