"""What a plan says to people: facts and sections of rows, written to a terminal or to a page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ultracluster.tables import Column

Document = Mapping[str, Any]
Cell = str | float
"""A text; in a column of bars the share of the longest bar, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under a title, the same numbers as a picture, and lines to copy from."""

    title: str
    columns: tuple[Column, ...] = ()
    rows: Sequence[tuple[Cell, ...]] = ()
    lines: Sequence[str] = ()
    parts: Sequence[tuple[str, Mapping[str, float]]] = ()
    """Parts of wholes that are drawn beside each other, one bar to each whole."""
    limit: float = 0.0
    """Where a line stands across these bars."""
    picture: Callable[[], str] | None = None
    """As SVG."""


@dataclass(frozen=True, slots=True)
class Report:
    """A plan in words."""

    title: str
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    notes: Sequence[str]
    days: tuple[float, float, float]
    """The least that is likely, what is planned, the most that is likely."""


def duration(*days: float) -> str:
    """Return a time, or the ends of a range of it, in hours where days would be noughts."""
    unit, each = ("days", 1) if max(days) >= 1 else ("hours", 24)
    return f"{' to '.join(f'{time * each:,.1f}' for time in days)} {unit}"


def counted(number: int, of: str) -> str:
    """Return a number of things, one of which has no plural."""
    return f"{number:,} {of}{'' if number == 1 else 's'}"


def activations(layout: Document) -> str:
    return f"activations {layout['activations']}"


def degrees(layout: Document) -> str:
    """Return how a layout divides the model, but for its partition groups."""
    ways = {
        "tensor_parallel": "{} GPUs to a layer (tensor parallel)",
        "pipeline_stages": "{} stages",
        "chunks_per_stage": "{} chunks each",
        "context_parallel": "{} ranks to a sequence",
        "expert_parallel": "experts over {} GPUs",
    }
    return "".join(f", {words.format(layout[n])}" for n, words in ways.items() if layout[n] > 1)
