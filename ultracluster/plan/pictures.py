"""The scaling curve of a plan as inline SVG.

Colours are the page's, so that both themes have theirs; bars are elements of the page.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

WIDTH: Final = 720


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
    for rate in (2.0**exponent for exponent in range(low, high + 1, every)):
        ends = f'x1="{left}" x2="{WIDTH - right}" y1="{y(rate):.1f}" y2="{y(rate):.1f}"'
        body.append(f'<line {ends} class="grid"/>')
        body.append(_text(left - 8, y(rate) + 4, _short(rate), anchor="end", kind="small"))
    shown_at = -100.0
    for point in points:
        at = x(point["nodes"])
        if at - shown_at < 34 and point is not points[-1]:  # noqa: PLR2004 - room for a number
            continue
        shown_at = at
        body.append(_text(at, bottom + 18, f"{point['nodes']:,}", anchor="middle", kind="small"))
        if not point["tokens_per_second"]:
            body.append(_text(at, bottom - 6, "x", anchor="middle", kind="muted"))
    for kind, points_of in (("ideal", ideal if len(real) > 1 else []), ("curve", real)):
        line = " ".join(f"{x(n):.1f},{y(r):.1f}" for n, r in points_of)
        body += [f'<polyline points="{line}" class="{kind}"/>'] if line else []
    for nodes, rate in real:
        title = f"<title>{nodes:,} nodes: {rate:,.0f} tokens/s</title>"
        place = f'cx="{x(nodes):.1f}" cy="{y(rate):.1f}"'
        body.append(f'<circle {place} r="4.5" class="dot">{title}</circle>')
    middle = (left + WIDTH - right) / 2
    body.append(_text(middle, bottom + 40, "nodes", anchor="middle"))
    legend = "tokens/s; broken line: the fewest nodes that fit, multiplied; x: does not fit"
    body.append(_text(middle, bottom + 58, legend, anchor="middle", kind="muted"))
    size = f'class="chart" viewBox="0 0 {WIDTH} {bottom + 66:.0f}"'
    label = "tokens per second over the number of nodes"
    return f'<svg {size} role="img" aria-label="{label}">{"".join(body)}</svg>'


def _text(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{escape(words)}</text>'


def _short(value: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.0f}"
