"""Compares service quotas to current usage plus what an environment adds."""

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
"""Error code: Service Quotas does not know the service in this Region."""


@dataclass(frozen=True)
class Need:
    """The amount that an environment adds to the usage of a quota."""

    quota: Quota
    amount: int
    made_of: str
    """The calculation of the amount, as text: `2 x p4d.24xlarge of 96 vCPU`."""
    in_use: Usage
    """Returns the account's usage without the environment's."""


Needs = Callable[[Situation], Iterator[Need | Finding]]


def fitting(needs: Needs) -> Examination:
    """Return a check that compares needs to their quotas; other findings are kept."""

    def examine(situation: Situation) -> Iterator[Finding]:
        for each in needs(situation):
            yield fits(each, situation) if isinstance(each, Need) else each

    return examine


def fits(need: Need, situation: Situation) -> Finding:
    """Return whether a quota is large enough for a need."""
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
    """Return the applied quota, or its default; None if it is not known.

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
