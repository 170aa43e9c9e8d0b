"""A cost sheet for a reader and for a program."""

from collections.abc import Mapping
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ultracluster.cost.estimate import Estimate
from ultracluster.cost.limits import limits
from ultracluster.cost.page import page
from ultracluster.cost.quantities import NOT_COUNTED
from ultracluster.cost.sheet import Amount, Line

COLUMNS: Final = ("USD/hour", "USD/day", "USD/month", "share", "idle/day", "[]")
WIDEST: Final = 132
NARROW: Final = 100
"""Columns of a terminal below which what follows from the others is left out, else the names of
items would be a few letters wide."""
LEFT_OUT: Final = ("USD/hour", "share")


def show(estimate: Estimate, console: Console) -> None:
    """Print the sheet of an environment."""
    sheet, spec = estimate.sheet, estimate.spec
    found = page(sheet)
    if not console.is_terminal:
        # A file or a pipe is as wide as the longest name of an item wants it to be.
        console.width = max(console.width, WIDEST)
    table = Table(
        title=f"{spec.name} in {sheet.region}: what it costs",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("what for", overflow="fold")
    table.add_column("quantity x price", justify="right", overflow="fold")
    shown = [name for name in COLUMNS if console.width >= NARROW or name not in LEFT_OUT]
    for name in shown:
        table.add_column(name, justify="right", no_wrap=True)

    def add(what: str, quantity: str, *cells: str, style: str | None = None) -> None:
        beside = dict(zip(COLUMNS, cells, strict=True))
        table.add_row(what, quantity, *(beside[name] for name in shown), style=style)

    for row in found.rows:
        add(
            f"{row.purpose}\n[dim]{row.item}[/dim]",
            f"{row.quantity}\n[dim]{row.unit_price}[/dim]",
            *(
                row.per_hour,
                row.per_day,
                row.per_month,
                row.share,
                row.idle_per_day,
                f"[{row.source}]",
            ),
        )
    table.add_section()
    add("at full size", "", *found.full, "100 %", found.idle[1], "", style="bold")
    add("idle", "", *found.idle, "", "", "")
    console.print(table)
    if estimate.has_budget:
        for limit in limits(sheet, spec.budget):
            _line(console, limit.replace("`", ""))
    _list(console, "Sources:", [f"[{n}] {text}" for n, text in enumerate(found.sources, start=1)])
    _list(console, "Without a known price, and in no sum:", [f"- {t}" for t in found.unpriced])
    _list(console, "Assumptions:", [f"- {text}" for text in found.assumptions])
    _list(console, "Not counted:", [f"- {text}" for text in found.not_counted])


def _list(console: Console, title: str, texts: list[str]) -> None:
    if texts:
        _line(console, f"\n{title}")
    for text in texts:
        _line(console, f"  {text}")


def _line(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def as_json(estimate: Estimate) -> Mapping[str, Any]:
    """Return the sheet as plain values; numbers are texts, as they are decimals."""
    sheet, spec = estimate.sheet, estimate.spec
    ceiling = spec.budget.ceiling_usd_per_day if estimate.has_budget else None
    return {
        "environment": spec.name,
        "region": sheet.region,
        "ceiling_usd_per_day": ceiling,
        "full": _amount(sheet.full),
        "idle": _amount(sheet.idle),
        "lines": [{**_json_line(line), "share": f"{sheet.share(line):f}"} for line in sheet.lines],
        "unpriced": [
            {"item": q.item.name, "unit": q.item.unit, "quantity": f"{q.full:f}"}
            for q in sheet.unpriced
        ],
        "not_counted": list(NOT_COUNTED),
        "problems": [str(problem) for problem in estimate.problems],
    }


def _json_line(line: Line) -> dict[str, Any]:
    price = line.price
    return {
        "purpose": line.quantity.purpose,
        "item": line.quantity.item.name,
        "unit": line.quantity.item.unit,
        "quantity": f"{line.quantity.full:f}",
        "idle_quantity": f"{line.quantity.idle:f}",
        "assumption": line.quantity.assumption,
        "unit_price_usd": f"{price.usd:f}",
        "price_region": price.region,
        "source": price.source,
        "date": price.date,
        "confidence": price.confidence,
        "gone_since": price.gone_since,
        "full": _amount(line.full),
        "idle": _amount(line.idle),
    }


def _amount(amount: Amount) -> dict[str, str]:
    return {
        "usd_per_hour": f"{amount.per_hour:f}",
        "usd_per_day": f"{amount.per_day:f}",
        "usd_per_month": f"{amount.per_month:f}",
    }
