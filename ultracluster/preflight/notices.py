"""Whether somebody reads what an environment says about money."""

import re
from collections.abc import Iterator
from typing import Final

from ultracluster.preflight.finding import Check, Finding, Situation, failed, passed, skipped
from ultracluster.spec.budget import TOPIC_ARN

NOBODYS: Final = re.compile(
    r"[@.](example(\.(com|net|org))?|invalid|test|localhost)$", re.IGNORECASE
)
"""Domains that stand for others and belong to nobody (RFC 2606, RFC 6761)."""


def _addresses(situation: Situation) -> Iterator[Finding]:
    notify = situation.spec.budget.notify
    if not notify:
        yield skipped(
            "budget.notify",
            "nobody is named; the environment gets a topic that somebody has to subscribe to",
            f'write notify=("team@your-company.com",) in the budget of {situation.spec.name}',
        )
    for address in notify:
        if TOPIC_ARN.fullmatch(address):
            yield passed(address, "a topic; who subscribes to it is not asked")
        elif NOBODYS.search(address):
            yield failed(
                address,
                "a domain that stands for others: nobody reads what is sent there",
                "an address that somebody reads",
                f"write it into budget.notify of the environment {situation.spec.name}",
            )
        else:
            yield passed(address, "an address of a domain that can be somebody's")


CHECKS: Final = (
    Check("notify-addresses", "Somebody is told of money and idle capacity", _addresses),
)
