"""Results of preflight checks."""

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
    """The result of a check."""

    PASS = "PASS"  # noqa: S105 - no password
    FAIL = "FAIL"
    SKIP = "SKIP"


@dataclass(frozen=True)
class Finding:
    """One result of a check."""

    verdict: Verdict
    subject: str
    found: str
    wanted: str = ""
    fix: str = ""
    """What to do, as a sentence; empty if there is nothing to do."""
    fix_command: str = ""
    """The AWS CLI call that does it, if one call is enough."""
    question: Question | None = None
    """The API call that confirms the result."""
    by_hand: str = ""
    """How to confirm the result, if no single API call does; taken from a rule."""
    missing_action: str = ""
    """The IAM action that the caller lacks, if the check was skipped for that."""
    unanswered: bool = False
    """Whether AWS gave no answer for another reason than a missing permission."""


@dataclass(frozen=True)
class Situation:
    """An environment and the account that it is checked against."""

    spec: EnvironmentSpec
    inquiry: Inquiry
    caller: Caller
    now: datetime
    templates: Callable[[], Report] | None = None
    """Returns the results of the fabric rules, after the templates were synthesized."""
    recipes: tuple[RecipeSpec, ...] = ()
    """Recipes of jobs that will run on it."""

    def ask(self, question: Question) -> Answer:
        """Return the account's answer.

        Raises:
            UnansweredError: if there is none.
        """
        return self.inquiry.ask(question)

    def ask_unless(self, question: Question, *codes: str) -> Answer | None:
        """Return the account's answer; None if the error code begins with one of the given codes.

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
        """Whether a resource belongs to the environment, by its tag."""
        tags = row.get("Tags") or ()
        own = (ENVIRONMENT_TAG, self.spec.name)
        return any((tag.get("Key"), tag.get("Value")) == own for tag in tags)

    def role_arn(self, name: str) -> str:
        return f"arn:{self.caller.partition}:iam::{self.caller.account}:role/{name}"


Examination = Callable[[Situation], Iterator[Finding]]


@dataclass(frozen=True)
class Check:
    """A check; its name never changes."""

    name: str
    what: str
    examine: Examination

    def findings(self, situation: Situation) -> tuple[Finding, ...]:
        """Return the findings; a question without an answer gives a skipped one."""
        found: list[Finding] = []
        try:
            for finding in self.examine(situation):
                found.append(finding)  # noqa: PERF402 - what came before an error is kept
        except UnansweredError as error:
            found.append(unanswered(error))
        return tuple(found)


Frame = Callable[[Any], Examination]
"""A decorator that passes the subject to a check, or skips the check."""


def check(
    name: str, what: str, frame: Frame = lambda examine: examine
) -> Callable[[Callable[..., Any]], Check]:
    """Return a decorator that makes a function a check."""
    return lambda examine: Check(name, what, frame(examine))


def of_each_fabric(examine: Examination) -> Examination:
    """Return a check that runs for the environment's nodes and for each accelerated group."""

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
    """Return a PASS."""
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
    """Return a FAIL."""
    return Finding(Verdict.FAIL, subject, found, wanted, fix, fix_command, question)


def skipped(subject: str, why: str, fix: str = "", question: Question | None = None) -> Finding:
    """Return a SKIP: the check does not apply, or nobody can tell."""
    return Finding(Verdict.SKIP, subject, why, fix=fix, question=question)


def unanswered(error: UnansweredError) -> Finding:
    """Return a SKIP of a question that AWS did not answer, with what would help."""
    action = error.question.action
    if error.refused:
        fix = f"give the caller the permission {action}, or run it as a caller that has it"
        found = skipped(action, "no permission to read it", fix, error.question)
        return replace(found, missing_action=action)
    why, fix = f"no answer: {error.code}: {error.message}", "try again; the check has no result"
    return replace(skipped(action, why, fix, error.question), unanswered=True)
