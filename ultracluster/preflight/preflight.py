"""Runs the checks in parallel, and prints the results as text or JSON."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from ultracluster.audit.report import Report
from ultracluster.aws import Caller, Cloud, caller_of
from ultracluster.command_line import say
from ultracluster.exit_status import ALL_WELL, COULD_NOT_RUN, SOME_FAIL
from ultracluster.preflight import (
    buckets,
    capacity,
    fabric_rules,
    image,
    needs,
    offerings,
    permissions,
    subnets,
    vpc,
)
from ultracluster.preflight.finding import Check, Finding, Situation, Verdict
from ultracluster.preflight.inquiry import Inquiry
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.recipe import RecipeSpec
from ultracluster.tables import Column, Rows

MODULES: Final = (
    *(needs, offerings, capacity, subnets, vpc, image, buckets, permissions, fabric_rules),
)
CHECKS: Final = tuple(
    each for module in MODULES for each in vars(module).values() if isinstance(each, Check)
)
"""In the order in which they are shown."""
NAMES: Final = tuple(check.name for check in CHECKS)

SIDE_BY_SIDE: Final = 16
"""Number of checks that run in parallel; most of them wait for one or two API calls."""


@dataclass(frozen=True)
class Result:
    """The findings of one check."""

    check: Check
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Preflight:
    """The findings of all checks, with account and Region."""

    environment: str
    region: str
    caller: Caller
    results: tuple[Result, ...]

    def having(self, verdict: Verdict) -> list[tuple[Check, Finding]]:
        every = ((result.check, each) for result in self.results for each in result.findings)
        return [(check, finding) for check, finding in every if finding.verdict is verdict]

    @property
    def exit_status(self) -> int:
        """1 if a check fails; 2 if AWS did not answer a question; else 0."""
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
    """Run all checks of an environment against an account; nothing is changed.

    Args:
        spec: the environment.
        cloud: the account, in the environment's Region.
        now: the current time, for capacity that begins or ends.
        only: names of checks; if empty, all run.
        templates: returns the results of the fabric rules; None without synthesis.
        recipes: recipes of jobs that will run on it.

    Raises:
        CommandError: if the account cannot be determined.
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


NOT_WRITTEN: Final = ("question", "by_hand")
"""Of a finding: `command` says it."""
COLOURS: Final[Mapping[Verdict, str]] = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.SKIP: "yellow",
}


def show(preflight: Preflight, console: Console) -> None:
    """Print account, findings, what to do, and the AWS CLI calls that confirm them."""
    where = f"account {preflight.caller.account}, {preflight.region}"
    say(console, f"{preflight.environment} in {where}, as {preflight.caller.arn}")
    _table(preflight, console)
    for check, finding in (*preflight.having(Verdict.FAIL), *preflight.having(Verdict.SKIP)):
        if not finding.fix:
            continue
        say(console, f"\n{finding.verdict} {check.name}: {finding.subject}")
        for label, words in (
            ("fix", finding.fix),
            ("fix by", finding.fix_command),
            ("confirm by", _command(preflight, finding)),
        ):
            if words:
                say(console, f"  {label}: {words}")
    seen: dict[str, dict[str, None]] = {}
    for check, finding in preflight.having(Verdict.PASS):
        if command := _command(preflight, finding):
            seen.setdefault(command, {})[check.name] = None
    if seen:
        say(console, "\nAWS CLI calls that confirm what passed:")
    for command, names in seen.items():
        say(console, f"  {', '.join(names)}: {command}")
    say(console, f"\n{summary(preflight)}")


def _table(preflight: Preflight, console: Console) -> None:
    # A name is what is written after --only: it stays in one piece.
    table = Rows([Column(""), Column(""), Column("", "prose")], boxed=False)
    # What does not apply is grouped by its reason.
    beside: dict[str, list[str]] = {}
    for result in preflight.results:
        for finding in result.findings:
            if finding.verdict is Verdict.SKIP and not finding.fix:
                beside.setdefault(finding.found, []).append(result.check.name)
                continue
            colour = COLOURS[finding.verdict]
            wanted = f"; wanted: {finding.wanted}" if finding.wanted else ""
            words = Text(f"{finding.subject}: {finding.found}{wanted}")
            table.add(Text(finding.verdict, style=colour), Text(result.check.name), words)
    console.print(table)
    for why, names in beside.items():
        say(console, f"SKIP {', '.join(names)}: {why}")


def summary(preflight: Preflight) -> str:
    counts = _counts(preflight)
    return (
        f"{preflight.environment}: {counts[Verdict.PASS]} pass, {counts[Verdict.FAIL]} fail, "
        f"{counts[Verdict.SKIP]} skipped; nothing was changed."
    )


def document(preflight: Preflight) -> dict[str, Any]:
    counts = _counts(preflight)
    return {
        "environment": preflight.environment,
        "account": preflight.caller.account,
        "caller": preflight.caller.arn,
        "region": preflight.region,
        "exit_status": preflight.exit_status,
        "summary": {verdict.value: counts[verdict] for verdict in Verdict},
        "findings": [
            {"check": result.check.name, "what": result.check.what}
            | {key: value for key, value in asdict(finding).items() if key not in NOT_WRITTEN}
            | {"command": _command(preflight, finding)}
            for result in preflight.results
            for finding in result.findings
        ],
    }


def _command(preflight: Preflight, finding: Finding) -> str:
    if finding.question is not None:
        return finding.question.command(preflight.region)
    return finding.by_hand


def _counts(preflight: Preflight) -> Counter[Verdict]:
    return Counter(finding.verdict for result in preflight.results for finding in result.findings)
