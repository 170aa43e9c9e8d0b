"""Runs the checks, side by side, and says what came of them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ultracluster.audit.report import Report
from ultracluster.aws import Caller, Cloud, caller_of
from ultracluster.exit_status import ALL_WELL, COULD_NOT_RUN, SOME_FAIL
from ultracluster.preflight import (
    buckets,
    capacity,
    fabric_rules,
    image,
    needs,
    offerings,
    permissions,
    slurm,
    subnets,
    vpc,
)
from ultracluster.preflight.finding import Check, Finding, Situation, Verdict
from ultracluster.preflight.inquiry import Inquiry
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.recipe import RecipeSpec

CHECKS: Final[tuple[Check, ...]] = (
    *needs.CHECKS,
    *offerings.CHECKS,
    *slurm.CHECKS,
    *capacity.CHECKS,
    *subnets.CHECKS,
    *vpc.CHECKS,
    *image.CHECKS,
    *buckets.CHECKS,
    *permissions.CHECKS,
    *fabric_rules.CHECKS,
)
NAMES: Final = tuple(check.name for check in CHECKS)

SIDE_BY_SIDE: Final = 16
"""Checks that run at a time: most of them wait for one or two answers."""


@dataclass(frozen=True)
class Result:
    """What one check found."""

    check: Check
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Preflight:
    """What all checks found, and where they looked."""

    environment: str
    region: str
    caller: Caller
    results: tuple[Result, ...]

    def having(self, verdict: Verdict) -> list[tuple[Check, Finding]]:
        return [
            (result.check, finding)
            for result in self.results
            for finding in result.findings
            if finding.verdict is verdict
        ]

    @property
    def exit_status(self) -> int:
        """1 where something fails; 2 where AWS left something unanswered; else 0."""
        if self.having(Verdict.FAIL):
            return SOME_FAIL
        open_ones = any(finding.unanswered for _, finding in self.having(Verdict.SKIP))
        return COULD_NOT_RUN if open_ones else ALL_WELL


def preflight(
    spec: EnvironmentSpec,
    cloud: Cloud,
    now: datetime,
    only: Sequence[str] = (),
    *,
    templates: Callable[[], Report] | None = None,
    recipes: Sequence[RecipeSpec] = (),
) -> Preflight:
    """Return what an account lacks for an environment; nothing in it is changed.

    Args:
        spec: the environment.
        cloud: the account, in the environment's Region.
        now: the time, for what begins and ends.
        only: names of checks; none takes all.
        templates: what the fabric rules say of the environment's templates; None where nobody
            makes any.
        recipes: jobs that are to run on it.

    Raises:
        NoAccountError: where nobody says which account it is.
    """
    caller = caller_of(cloud, spec.region)
    situation = Situation(spec, Inquiry(cloud), caller, now, templates, tuple(recipes))
    checks = [check for check in CHECKS if not only or check.name in only]
    pool = ThreadPoolExecutor(SIDE_BY_SIDE)
    try:
        found = list(pool.map(lambda check: check.findings(situation), checks))
    finally:
        # An interrupted run does not begin what it has not begun.
        pool.shutdown(cancel_futures=True)
    results = tuple(Result(*pair) for pair in zip(checks, found, strict=True))
    return Preflight(spec.name, spec.region, caller, results)
