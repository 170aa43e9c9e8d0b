"""Whether a service quota leaves room for what an environment adds to what is in use."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from ultracluster.catalogue.quotas import Quota
from ultracluster.preflight.finding import (
    Examination,
    Finding,
    Situation,
    failed,
    passed,
    skipped,
    unanswered,
)
from ultracluster.preflight.inquiry import Question, UnansweredError, question
from ultracluster.preflight.usage import Usage

NO_SERVICE: Final = "NoSuchResourceException"
"""Service Quotas knows nothing of the service in this Region."""


@dataclass(frozen=True)
class Need:
    """What an environment adds to the usage of a quota."""

    quota: Quota
    amount: int
    made_of: str
    """How the amount comes about, for a reader: `2 x p4d.24xlarge of 96 vCPU`."""
    in_use: Usage
    """What the account uses beside the environment."""


Needs = Callable[[Situation], Iterator[Need | Finding]]


def fitting(needs: Needs) -> Examination:
    """Return the examination of needs by their quotas; what is no need is said as it is."""

    def examine(situation: Situation) -> Iterator[Finding]:
        for each in needs(situation):
            yield fits(each, situation) if isinstance(each, Need) else each

    return examine


def fits(need: Need, situation: Situation) -> Finding:
    """Return whether a quota leaves room for a need."""
    quota = need.quota
    row = limit(situation, quota)
    if row is None or row.get("Value") is None:
        return skipped(
            quota.name,
            f"Service Quotas lists no such quota of {quota.service} in this Region",
            "look at the service's quotas in the console",
            listing(quota),
        )
    named = {"ServiceCode": quota.service, "QuotaCode": str(row["QuotaCode"])}
    shown = question("service-quotas", "get_service_quota", **named)
    allowed = int(row["Value"])
    try:
        used, usage = need.in_use(situation), ""
    except UnansweredError as error:
        # What is in use need not be known to see that the need alone is too much.
        if need.amount <= allowed:
            why = f"current usage could not be read ({error.code})"
            why = "no permission to read current usage" if error.refused else why
            return replace(unanswered(error), subject=quota.name, found=f"limit {allowed:,}; {why}")
        used, usage = 0, f" (not known: {error.question.action} was not answered)"
    found = f"limit {allowed:,}, in use {used:,}{usage}"
    # What adds nothing fits, whatever was granted and taken back before.
    if not need.amount or used + need.amount <= allowed:
        return passed(quota.name, f"{found}, to come {need.amount:,}", shown)
    wanted, code = used + need.amount, named["QuotaCode"]
    fix = f"ask for {code} to be {wanted:,}; AWS may take days to grant it"
    asking = "request_service_quota_increase"
    increase = question("service-quotas", asking, **named, DesiredValue=wanted)
    command = increase.command(situation.spec.region)
    if row.get("Adjustable") is False:
        fix = f"{code} cannot be raised; delete what is not needed, or ask for less"
        command = ""
    more = f"{need.amount:,} more ({need.made_of})"
    return failed(quota.name, found, more, fix, shown, fix_command=command)


def limit(situation: Situation, quota: Quota) -> dict[str, Any] | None:
    """Return the applied quota; its default where none was ever applied; None where unknown.

    ListServiceQuotas leaves out what has no applied value (Service Quotas API reference).
    """
    for each in (listing(quota), listing(quota, "list_aws_default_service_quotas")):
        answer = situation.ask_unless(each, NO_SERVICE)
        for row in answer["Quotas"] if answer else ():
            if quota.is_row(row):
                found: dict[str, Any] = row
                return found
    return None


def listing(quota: Quota, operation: str = "list_service_quotas") -> Question:
    """Return the question for all quotas of a service, in the largest pages there are."""
    return question("service-quotas", operation, ServiceCode=quota.service, MaxResults=100)
