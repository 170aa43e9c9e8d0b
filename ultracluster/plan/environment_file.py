"""A plan as an environment file, with the arithmetic as comments, checked by loading it."""

import re
import tempfile
import textwrap
from decimal import ROUND_CEILING, Decimal
from importlib.resources import files
from pathlib import Path
from typing import Final

from jinja2 import Environment, StrictUndefined

from ultracluster.command_line import STANDARD_OUTPUT
from ultracluster.plan.document import nodes_and_jobs, quotas
from ultracluster.planner.outcome import Plan
from ultracluster.planner.price import CAPACITY_BLOCK, other_region
from ultracluster.planner.question import PlanError
from ultracluster.problem import EnvironmentFileError, SpecError
from ultracluster.spec.cidr import LARGEST_PREFIX, prefix_for
from ultracluster.spec.environment import LONGEST_NAME, EnvironmentSpec
from ultracluster.spec.loading import load

WIDTH: Final = 100
MARGIN: Final = Decimal("1.05")
"""Room of the ceiling over the sheet: what is not counted, and rounding."""
UNLIMITED: Final = 1_000_000_000
SMALLEST_SUBNET: Final = 24
RESERVED_FROM: Final = 8
"""Nodes from which on-demand capacity is reserved: fewer are usually found when they are asked."""


def environment_of(plan: Plan, path: Path) -> tuple[str, list[str]]:
    """Return a plan as the text of the file that is to be written, and what to say about it."""
    printed = str(path) == STANDARD_OUTPUT
    if path.suffix != ".py" and not printed:
        raise PlanError(f"--write: got {path}; an environment is a Python file; write {path}.py")
    if path.exists() and not printed:
        raise PlanError(f"--write: got {path}; it exists; write another path, or remove it")
    question = plan.question
    if not plan.bill.nodes_known:
        what = f"{question.instance_type} by {question.purchase} in {question.region}"
        raise PlanError(
            f"--write: no price of {what} is known, which the cost ceiling needs; write another "
            f"--purchase or --region"
        )
    nodes, jobs = nodes_and_jobs(plan)
    stem = "" if printed else path.stem
    draft = _loaded(_text(plan, stem, nodes, jobs, addresses=0, ceiling=UNLIMITED))
    addresses = sum(draft.address_demand().values())
    sum_per_day = draft.cost_sheet().full.per_day
    ceiling = int((sum_per_day * MARGIN / 100).to_integral_value(ROUND_CEILING) * 100)
    text = _text(plan, stem, nodes, jobs, addresses=addresses, ceiling=ceiling)
    _loaded(text)
    what = f"{nodes:,} nodes, {jobs:,} SageMaker instances, at most {ceiling:,} USD a day"
    written = f"environment: {path} ({what}); try it with `make rehearse ENV={path}`"
    asked = [f"quota to ask for: {line}" for line in quotas(plan, nodes, jobs)]
    return text, [written, *asked]


def _loaded(source: str) -> EnvironmentSpec:
    """Load a file's text as anybody would."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "environment.py"
        path.write_text(source, encoding="utf-8")
        try:
            (environment,) = load(path, EnvironmentSpec)
        except SpecError as error:
            why = f"no environment is possible: {error.problems[0]}"
            raise PlanError(f"--write: {why}; write other --nodes or --purchase") from error
        except EnvironmentFileError as error:
            raise PlanError(f"--write: {error}") from error
    return environment


def _text(plan: Plan, stem: str, nodes: int, jobs: int, *, addresses: int, ceiling: int) -> str:
    """Return the file; without a number of addresses its subnet is the largest that there is."""
    question, outcome = plan.question, plan.outcome
    zones = question.instance.zones(question.region)
    if not zones:
        raise PlanError(
            f"--write: the zones of {question.region} are not known; write the environment by "
            "hand, or another --region"
        )
    name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-").lstrip("0123456789-")
    # Python, not HTML: nothing is escaped.
    templates = Environment(  # noqa: S701
        trim_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined
    )
    templates.filters["comment"] = _comment
    source = (files("ultracluster.plan") / "environment.py.jinja").read_text("utf-8")
    return templates.from_string(source).render(
        question=question,
        outcome=outcome,
        shape=question.shape,
        step=outcome.step,
        layout=outcome.step.layout,
        lustre=outcome.lustre,
        good=outcome.goodput,
        name=name[:LONGEST_NAME].rstrip("-") or "planned",
        zone=zones[0],
        addresses=addresses,
        prefix=min(SMALLEST_SUBNET, prefix_for(addresses)) if addresses else LARGEST_PREFIX + 1,
        block=question.purchase == CAPACITY_BLOCK,
        reserved=nodes >= RESERVED_FROM,
        jobs=jobs,
        ceiling=ceiling,
        price_region=_price_region(plan),
    )


def _price_region(plan: Plan) -> str | None:
    """Return the Region whose prices stand in, where the own one lacks some."""
    lacks = any(line.price.region != plan.question.region for line in plan.bill.sheet.lines)
    return other_region(plan.question.region) if lacks or plan.bill.sheet.unpriced else None


def _comment(words: str, indent: int = 0) -> str:
    prefix = " " * indent + "# "
    width = WIDTH - indent
    return textwrap.fill(words, width, initial_indent=prefix, subsequent_indent=prefix) + "\n"
