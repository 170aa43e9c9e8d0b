"""Cost sheets of environments, also of those that their own ceiling refuses."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ultracluster.cost.page import Page, Row, limits, page
from ultracluster.cost.quantities import NOT_COUNTED, bill
from ultracluster.cost.sheet import Amount, CostSheet, Line, Quantity, cost_sheet
from ultracluster.environments import project_folder
from ultracluster.problem import Problem, SpecError
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.loading import read
from ultracluster.tables import Column, Rows

MONEY: Final = ("ceiling_usd_per_day", "prices", "price_region")
FIELDS: Final = ("budget", *(f"budget.{name}" for name in MONEY))
"""Where an environment says that its ceiling is missing, too low, or cannot be checked."""


@dataclass(frozen=True)
class Estimate:
    """An environment with its bill, and what is wrong with its ceiling."""

    spec: EnvironmentSpec
    problems: tuple[Problem, ...]

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        return bill(self.spec)

    @property
    def sheet(self) -> CostSheet:
        """What it costs by the table as it is now."""
        if self.has_budget:
            return self.spec.cost_sheet()
        return cost_sheet(self.quantities, self.spec.region)

    @property
    def has_budget(self) -> bool:
        """Whether a ceiling is stated that can be read."""
        return "budget" in vars(self.spec)


def estimates(path: Path) -> tuple[Estimate, ...]:
    """Return the environments of a file that can work but for what they cost.

    Raises:
        EnvironmentFileError: where the file holds none.
        SpecError: with every problem, where one cannot work for another reason.
    """
    specs, problems = read(path, EnvironmentSpec, project=project_folder())
    of_money = {f"{vars(s).get('name')}.{field}" for s in specs for field in FIELDS}
    if any(problem.field not in of_money for problem in problems):
        raise SpecError(list(problems))
    return tuple(
        Estimate(spec, tuple(p for p in problems if p.field.startswith(f"{spec.name}.")))
        for spec in specs
    )


WIDEST: Final = 132
NARROW: Final = 120
"""Columns of a terminal below which the names and prices of items stand under the table: they are
copied into environments, so that none is broken. What follows from other columns is left out."""

NARROWEST: Final = 76
"""Columns below which numbers of the table would be cut."""


def show(estimate: Estimate, console: Console) -> None:
    sheet, spec = estimate.sheet, estimate.spec
    found = page(sheet)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        # A file or a pipe is as wide as the longest name of an item wants it to be.
        console.width = max(console.width, WIDEST)
    narrow = console.width < NARROW
    title = f"{spec.name} in {sheet.region}: what it costs"
    table = _rows if console.width < NARROWEST else partial(_table, narrow=narrow)
    console.print(table(found, title))
    if estimate.has_budget:
        for limit in limits(sheet, spec.budget):
            console.out(limit.replace("`", ""), highlight=False)
    if narrow:
        prices = [f"{row.purpose}: {row.item}, {row.unit_price} {row.source}" for row in found.rows]
        _list(console, "Price of one", prices)
    _list(console, "Sources", [f"[{n}] {text}" for n, text in enumerate(found.sources, start=1)])
    for title, texts in found.lists:
        _list(console, title, [f"- {text}" for text in texts])


def _rows(found: Page, title: str) -> Rows:
    """Return the narrow table for a terminal in which its numbers would be cut."""
    names = ("quantity", "USD/day", "USD/month", "idle/day")
    rows = Rows([Column("what for"), *(Column(name, "number") for name in names)], title=title)
    for row in found.rows:
        rows.add(row.purpose, row.quantity, *row.full[1:], row.idle_per_day)
    rows.add("at full size", "", *found.full[1:], found.idle[1])
    rows.add("idle", "", *found.idle[1:], "")
    return rows


def _table(found: Page, title: str, *, narrow: bool) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("what for")
    table.add_column("quantity" if narrow else "quantity x price", justify="right")
    wide = ("USD/hour", "USD/day", "USD/month", "share", "idle/day", "[]")
    for name in ("USD/day", "USD/month", "idle/day") if narrow else wide:
        table.add_column(name, justify="right", no_wrap=True)

    def add(what: str, quantity: str, row: Row, style: str | None = None) -> None:
        cells: Sequence[str] = (*row.full, row.share, row.idle_per_day, row.source)
        if narrow:
            cells = (*row.full[1:], row.idle_per_day)
        table.add_row(what, quantity, *cells, style=style)

    for row in found.rows:
        if narrow:
            add(row.purpose, row.quantity, row)
        else:
            price = f"{row.quantity}\n[dim]{row.unit_price}[/dim]"
            add(f"{row.purpose}\n[dim]{row.item}[/dim]", price, row)
    table.add_section()
    add("at full size", "", Row("", "", "", "", found.full, "100 %", found.idle[1], ""), "bold")
    add("idle", "", Row("", "", "", "", found.idle, "", "", ""))
    return table


def _list(console: Console, title: str, texts: Sequence[str]) -> None:
    if texts:
        console.out(f"\n{title}:", highlight=False)
    for text in texts:
        console.out(f"  {text}", highlight=False)


def as_json(estimate: Estimate) -> Mapping[str, Any]:
    """Return the sheet as plain values; quantities and money are numbers."""
    sheet, spec = estimate.sheet, estimate.spec
    ceiling = spec.budget.ceiling_usd_per_day if estimate.has_budget else None
    return {
        "environment": spec.name,
        "region": sheet.region,
        "ceiling_usd_per_day": ceiling,
        "full": _amount(sheet.full),
        "idle": _amount(sheet.idle),
        "lines": [{**_line(line), "share": float(sheet.share(line))} for line in sheet.lines],
        "unpriced": [
            {"item": q.item.name, "unit": q.item.unit, "quantity": float(q.full)}
            for q in sheet.unpriced
        ],
        "not_counted": list(NOT_COUNTED),
        "problems": [str(problem) for problem in estimate.problems],
    }


def _line(line: Line) -> dict[str, Any]:
    price, quantity = line.price, line.quantity
    return {
        "purpose": quantity.purpose,
        "item": quantity.item.name,
        "unit": quantity.item.unit,
        "quantity": float(quantity.full),
        "idle_quantity": float(quantity.idle),
        "assumption": quantity.assumption,
        "unit_price_usd": float(price.usd),
        "price_region": price.region,
        **{name: getattr(price, name) for name in ("source", "date", "confidence", "gone_since")},
        "full": _amount(line.full),
        "idle": _amount(line.idle),
    }


def _amount(amount: Amount) -> dict[str, float]:
    times = ("hour", "day", "month")
    return {f"usd_per_{time}": float(getattr(amount, f"per_{time}")) for time in times}
