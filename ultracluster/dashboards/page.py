"""Dashboards as HTML pages, from CloudWatch or any Prometheus, without Grafana."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from itertools import pairwise
from typing import Any, Final

from ultracluster.prometheus import Prometheus
from ultracluster.style_sheet import style_sheet

POINTS: Final = 240
"""Of a line, at most."""
WIDTH, HEIGHT = 560, 150
"""Of a chart, in the units of its picture."""
NAMED: Final = 8
"""Series that have a colour and a name; those of more are drawn without."""
COLOURS: Final = ("--c0", "--c2", "--c4", "--c3", "--c5", "--c8", "--c1", "--c7")
PREFIXES: Final = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3))
GAP: Final = 2.5
"""Steps without a value, from which on a line is interrupted."""


Points = tuple[tuple[float, float], ...]
"""Unix times and values."""


def series(
    asked: Prometheus, query: str, legend: str, since: float, until: float
) -> list[tuple[str, Points]]:
    """Return the names and points of what a query gives between two Unix times.

    Raises:
        UsageError: If nobody answers, or the query is refused.
    """
    step = max(1.0, (until - since) / POINTS)
    found = asked.ask("query_range", query=query, start=since, end=until, step=step)
    return [(_named(legend, each.labels), each.points) for each in found]


def _named(legend: str, labels: Mapping[str, str]) -> str:
    """Return a legend with the labels' values in their places, as Grafana fills it in."""
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), legend).strip()


def with_unit(value: float, unit: str) -> str:
    """Return a value with the unit that Grafana has for it."""
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    prefix, size = next((p for p in PREFIXES if abs(value) >= p[1]), ("", 1.0))
    name = {"Bps": "B/s", "pps": "/s", "watt": "W", "celsius": "°C", "hertz": "Hz", "s": "s"}
    return f"{value / size:.3g} {prefix}{name.get(unit, '')}".strip()


def page(title: str, panels: Iterable[Mapping[str, Any]], since: float, until: float) -> str:
    """Return a page of charts.

    Args:
        title: Its heading.
        panels: Each with `title`, `unit`, `kind` and `series`.
        since: Unix time at which the charts begin.
        until: Unix time at which they end.
    """
    # Imported here: only pages need it.
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415

    templates = Environment(autoescape=True, trim_blocks=True, undefined=StrictUndefined)
    source = (files("ultracluster.dashboards") / "page.html.jinja").read_text("utf-8")
    return templates.from_string(source).render(
        title=title,
        charts=[_chart(panel, since, until) for panel in panels],
        since=_time(since),
        until=_time(until),
        named=NAMED,
        style=style_sheet(),
    )


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _chart(panel: Mapping[str, Any], since: float, until: float) -> dict[str, Any]:
    lines = sorted(panel["series"], key=lambda each: each[0])
    values = [value for _, points in lines for _, value in points]
    low, high = min([0.0, *values]), max([0.0, *values])
    high = high if high > low else low + 1.0
    step = GAP * max(1.0, (until - since) / POINTS)

    def place(at: float, value: float) -> str:
        x = WIDTH * (at - since) / max(1.0, until - since)
        return f"{x:.1f} {HEIGHT * (high - value) / (high - low):.1f}"

    def path(points: Points) -> str:
        parts = [f"M{place(*points[0])}"] if points else []
        for before, after in pairwise(points):
            parts.append(f"{'L' if after[0] - before[0] < step else 'M'}{place(*after)}")
        # A value without a neighbour is a dot: round ends draw lines of no length.
        return "".join(parts) + ("h0" if parts else "")

    return {
        "title": panel["title"],
        "kind": panel["kind"],
        "low": with_unit(low, panel["unit"]),
        "high": with_unit(high, panel["unit"]),
        "lines": [
            {
                "name": name,
                "path": path(points),
                "colour": COLOURS[number] if number < NAMED else "--line",
                "now": with_unit(points[-1][1], panel["unit"]) if points else "",
            }
            for number, (name, points) in enumerate(lines)
        ],
    }
