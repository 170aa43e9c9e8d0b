"""Pictures of a plan as inline SVG; colours are the page's, so that both themes have theirs."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

WIDTH: Final = 720
COLOURS: Final = 9
"""Colours of the page, `--c0` to `--c8`."""
ROOM: Final = 90
"""Room that a number beside a bar takes: none is written across the line of the limit."""


def _svg(height: float, label: str, body: Sequence[str]) -> str:
    size = f'class="chart" viewBox="0 0 {WIDTH} {height:.0f}"'
    return f'<svg {size} role="img" aria-label="{escape(label)}">{"".join(body)}</svg>'


def _text(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{escape(words)}</text>'


def stacked(
    rows: Sequence[tuple[str, Mapping[str, float]]], *, limit: float, unit: str, label: str
) -> str:
    """Draw parts of a whole beside each other, one bar to a row, one colour to a part.

    Args:
        rows: Name and parts of each bar; all have parts of the same names.
        limit: Where a line stands, such as the memory that there is.
        unit: Of the values.
        label: What a reader who sees no picture is told.
    """
    whole = max(*(sum(parts.values()) for _, parts in rows), limit)
    left, right = 170.0, 90.0
    scale = (WIDTH - left - right) / (whole or 1.0)
    body: list[str] = []
    y = 8.0
    for name, parts in rows:
        body.append(_text(left - 10, y + 20, name, anchor="end"))
        x = left
        for index, (part, value) in enumerate(parts.items()):
            width = value * scale
            title = f"<title>{escape(part)}: {value:,.2f} {unit}</title>"
            body.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="30" '
                f'style="fill:var(--c{index % COLOURS})">{title}</rect>'
            )
            x += width
        if -ROOM < left + limit * scale - x < ROOM:
            x = max(x, left + limit * scale)
        body.append(_text(x + 8, y + 20, f"{sum(parts.values()):,.1f} {unit}", kind="strong"))
        y += 42
    x = left + limit * scale
    body.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="2" y2="{y - 4:.1f}" class="limit"/>')
    body.append(_text(x, y + 12, f"{limit:,.1f} {unit} available", anchor="middle", kind="muted"))
    y += 30
    x = left
    names = list(rows[0][1].items())
    for index, (part, value) in enumerate(names):
        words = f"{part} {value:,.2f}" if value < 10 else f"{part} {value:,.1f}"  # noqa: PLR2004
        wide = 30 + 6.6 * len(words)
        if x + wide > WIDTH and x > left:
            x, y = left, y + 20
        body.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="11" height="11" '
            f'style="fill:var(--c{index % COLOURS})"/>'
        )
        body.append(_text(x + 16, y + 10, words, kind="small"))
        x += wide
    return _svg(y + 20, label, body)


def curve(points: Sequence[Mapping[str, Any]]) -> str:
    """Draw tokens per second over nodes, both doubling from line to line, beside a straight line.

    The straight line is what the first point would give without any loss.
    """
    real = [(p["nodes"], p["tokens_per_second"]) for p in points if p["tokens_per_second"]]
    first_nodes, first_rate = real[0]
    most_nodes = max(2, *(p["nodes"] for p in points))
    ideal = [(n, first_rate * n / first_nodes) for n in (first_nodes, most_nodes)]
    low = math.floor(math.log2(min(rate for _, rate in real)))
    high = math.ceil(math.log2(max(rate for _, rate in [*real, *ideal]) * 1.01))
    left, top, bottom, right = 90.0, 12.0, 250.0, 20.0

    def x(nodes: float) -> float:
        return left + (WIDTH - left - right) * math.log2(nodes) / math.log2(most_nodes)

    def y(rate: float) -> float:
        return bottom - (bottom - top) * (math.log2(rate) - low) / (high - low)

    body: list[str] = []
    every = max(1, (high - low + 7) // 8)
    for exponent in range(low, high + 1, every):
        body.append(
            f'<line x1="{left}" x2="{WIDTH - right}" y1="{y(2.0**exponent):.1f}" '
            f'y2="{y(2.0**exponent):.1f}" class="grid"/>'
        )
        body.append(
            _text(left - 8, y(2.0**exponent) + 4, _short(2.0**exponent), anchor="end", kind="small")
        )
    shown_at = -100.0
    for point in points:
        at = x(point["nodes"])
        if at - shown_at < 34 and point is not points[-1]:  # noqa: PLR2004 - room for a number
            continue
        shown_at = at
        body.append(_text(at, bottom + 18, f"{point['nodes']:,}", anchor="middle", kind="small"))
        if not point["tokens_per_second"]:
            body.append(_text(at, bottom - 6, "x", anchor="middle", kind="muted"))
    if len(real) > 1:
        line = " ".join(f"{x(n):.1f},{y(r):.1f}" for n, r in ideal)
        body.append(f'<polyline points="{line}" class="ideal"/>')
    line = " ".join(f"{x(n):.1f},{y(r):.1f}" for n, r in real)
    body.append(f'<polyline points="{line}" class="curve"/>')
    for nodes, rate in real:
        title = f"<title>{nodes:,} nodes: {rate:,.0f} tokens/s</title>"
        body.append(
            f'<circle cx="{x(nodes):.1f}" cy="{y(rate):.1f}" r="4.5" class="dot">{title}</circle>'
        )
    middle = (left + WIDTH - right) / 2
    body.append(_text(middle, bottom + 40, "nodes", anchor="middle"))
    legend = "tokens/s; broken line: the fewest nodes that fit, multiplied; x: does not fit"
    body.append(_text(middle, bottom + 58, legend, anchor="middle", kind="muted"))
    return _svg(bottom + 66, "tokens per second over the number of nodes", body)


def span(low: float, value: float, high: float, *, unit: str, label: str) -> str:
    """Draw a range, and where in it the plan is."""
    left, right = 40.0, WIDTH - 40.0
    whole = high * 1.08

    def x(of: float) -> float:
        return left + (right - left) * of / whole

    body = [
        f'<line x1="{left}" x2="{right}" y1="30" y2="30" class="grid"/>',
        (
            f'<rect x="{x(low):.1f}" y="20" width="{x(high) - x(low):.1f}" height="20" rx="10" '
            'style="fill:var(--c1)"/>'
        ),
        f'<circle cx="{x(value):.1f}" cy="30" r="10" style="fill:var(--c0)"/>',
        _text(x(low), 60, f"{low:,.1f}", anchor="middle", kind="small"),
        _text(x(value), 14, f"{value:,.1f} {unit}", anchor="middle", kind="strong"),
        _text(x(high), 60, f"{high:,.1f}", anchor="middle", kind="small"),
    ]
    return _svg(70, label, body)


def _short(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.0f}"
