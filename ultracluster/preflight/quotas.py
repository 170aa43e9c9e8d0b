"""Service quotas: what an environment adds, beside what is in use and what is allowed.

Codes and names are those of `facts/quotas.json` (compiled 2026-11-23). A quota is found in what
Service Quotas lists, by its code or its name; SageMaker's by name alone, as there are hundreds of
one form, and a code that is wrong by a digit would name another type.
"""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from ultracluster.preflight.finding import Finding, Situation, failed, passed, skipped, unanswered
from ultracluster.preflight.inquiry import UnansweredError
from ultracluster.preflight.question import Question, question

NO_SERVICE: Final = "NoSuchResourceException"
"""Service Quotas knows nothing of the service in this Region."""


@dataclass(frozen=True)
class Quota:
    """A quota of a service, as Service Quotas names it."""

    service: str
    name: str
    code: str = ""
    other_names: tuple[str, ...] = ()
    """What it may be called as well, where no source that was found says its name."""

    def is_row(self, row: dict[str, Any]) -> bool:
        """Whether a row of Service Quotas is of this quota."""
        if self.code and row.get("QuotaCode") == self.code:
            return True
        given = " ".join(str(row.get("QuotaName", "")).casefold().split())
        return given in {name.casefold() for name in (self.name, *self.other_names)}


@dataclass(frozen=True)
class Demand:
    """What an environment adds to the usage of a quota."""

    quota: Quota
    amount: int
    made_of: str
    """How the amount comes about, for a reader: `2 x p4d.24xlarge of 96 vCPU`."""

    usage: Callable[[Situation], int]
    """What the account uses beside the environment."""


def judged(demand: Demand, situation: Situation) -> Iterator[Finding]:
    """Yield whether a quota leaves room for a demand."""
    quota = demand.quota
    row = limit(situation, quota)
    if row is None or row.get("Value") is None:
        yield skipped(
            quota.name,
            f"Service Quotas lists no such quota of {quota.service} in this Region",
            "look at the service's quotas in the console",
            listing(quota),
        )
        return
    shown = question(
        "service-quotas",
        "get_service_quota",
        ServiceCode=quota.service,
        QuotaCode=row["QuotaCode"],
    )
    allowed = int(row["Value"])
    try:
        used, usage = demand.usage(situation), ""
    except UnansweredError as error:
        # What is in use need not be known to see that the demand alone is too much.
        if demand.amount <= allowed:
            yield replace(
                unanswered(error),
                subject=quota.name,
                found=f"limit {allowed:,}; what is in use may not be asked"
                if error.refused
                else f"limit {allowed:,}; what is in use was not answered ({error.code})",
            )
            return
        used, usage = 0, f" (not known: {error.question.action} was not answered)"
    found = f"limit {allowed:,}, in use {used:,}{usage}"
    # What adds nothing fits, whatever was granted and taken back before.
    if not demand.amount or used + demand.amount <= allowed:
        yield passed(quota.name, f"{found}, to come {demand.amount:,}", shown)
        return
    yield failed(
        quota.name,
        found,
        f"{demand.amount:,} more ({demand.made_of})",
        fix(row, used + demand.amount),
        question=shown,
        fix_command=increase(quota, row, used + demand.amount, situation.spec.region),
    )


def limit(situation: Situation, quota: Quota) -> dict[str, Any] | None:
    """Return the applied quota; its default where none was ever applied; None where unknown.

    ListServiceQuotas leaves out what has no applied value (Service Quotas API reference).
    """
    for each in (listing(quota), listing(quota, "list_aws_default_service_quotas")):
        try:
            rows = situation.ask(each)["Quotas"]
        except UnansweredError as error:
            if error.code != NO_SERVICE:
                raise
            return None
        for row in rows:
            if quota.is_row(row):
                found: dict[str, Any] = row
                return found
    return None


def listing(quota: Quota, operation: str = "list_service_quotas") -> Question:
    """Return the question for all quotas of a service, in the largest pages there are."""
    return question("service-quotas", operation, ServiceCode=quota.service, MaxResults=100)


def fix(row: dict[str, Any], wanted: int) -> str:
    """Return what to do about a quota that is too low."""
    if row.get("Adjustable") is False:
        return f"{row['QuotaCode']} cannot be raised; delete what is not needed, or ask for less"
    return f"ask for {row['QuotaCode']} to be {wanted:,}; AWS may take days to grant it"


def increase(quota: Quota, row: dict[str, Any], wanted: int, region: str) -> str:
    """Return the AWS CLI call that asks for a quota; empty where it cannot be raised."""
    if row.get("Adjustable") is False:
        return ""
    words = ["aws", "service-quotas", "request-service-quota-increase"]
    words += ["--service-code", quota.service, "--quota-code", str(row["QuotaCode"])]
    return shlex.join([*words, "--desired-value", str(wanted), "--region", region])
