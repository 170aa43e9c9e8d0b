"""The picture in Mermaid, for places that draw it from text: a README, a pull request."""

import re
from collections.abc import Hashable, Iterator, Sequence
from typing import Final

from ultracluster.review.drawing import blocks
from ultracluster.review.drawing.blocks import Block, Chips, Edge, Frame, Grid, Stack
from ultracluster.review.drawing.lines import Flow, Mount, WithLines
from ultracluster.review.drawing.node_box import NodeBox

MOST_SUBNETS: Final = 12
"""Mermaid lays out on its own, and badly beyond some fifty boxes."""
LONGEST: Final = 60
AROUND: Final = ("region", "vpc", "vpc unknown", "subnet", "placement")
"""Styles of frames that other boxes lie in."""
SHAPES: Final = {"nodes": ("[", "]"), "slurm": ("[", "]"), "storage": ("[(", ")]")}
"""Styles of frames that are one box, and how Mermaid writes it."""
BUCKET: Final = "S3 bucket"


def mermaid(block: Block) -> str:
    chart = _Chart()
    body = list(chart.lines(block, "  "))
    return "\n".join(["flowchart TB", *body, *chart.edges()])


def label(text: str) -> str:
    """Return a text as a label: whatever could end it or mean something is written as a code."""
    cut = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    return re.sub(r"[^\w .,:/()×·…–+\-▲]", lambda m: f"#{ord(m[0])};", cut)


class _Chart:
    """Lines of a flowchart, with ids for what is in it."""

    def __init__(self) -> None:
        self._ids: dict[Hashable, str] = {}
        self._edges: list[Edge] = []

    def _id(self, key: Hashable = None) -> str:
        return self._ids.setdefault(object() if key is None else key, f"n{len(self._ids)}")

    def lines(self, block: Block, indent: str) -> Iterator[str]:
        """Yield the lines of a block, and keep the edges for later."""
        if isinstance(block, Stack | Grid):
            yield from self._several(block.blocks, indent)
        elif isinstance(block, WithLines):
            yield from self.lines(block.block, indent)
            self._edges += [Edge(s, target) for target in block.lines for s in block.lines[target]]
        elif isinstance(block, Mount | Flow):
            self._edges += block.edges
        elif isinstance(block, Chips):
            said = ", ".join(said for said, _ in block.chips)
            text = block.label if block.label and block.key is None else said
            yield f'{indent}{self._id(block.key)}(["{label(text)}"])'
        elif isinstance(block, Frame):
            yield from self._frame(block, indent)

    def _several(self, shown: Sequence[Block], indent: str) -> Iterator[str]:
        left = MOST_SUBNETS
        for block in shown:
            subnet = isinstance(block, Frame) and block.style == "subnet"
            left -= subnet
            if not subnet or left >= 0:
                yield from self.lines(block, indent)
        if left < 0:
            yield f'{indent}{self._id()}["{-left} more subnets"]'

    def _frame(self, frame: Frame, indent: str) -> Iterator[str]:
        said = [frame.title, frame.note, f"{blocks.CHANGED} {frame.change}" if frame.change else ""]
        within = frame.style in AROUND
        inside = list(self.lines(frame.content, f"{indent}  " if within else indent))
        if frame.style in SHAPES:
            before, after = SHAPES[frame.style]
            said.insert(2, self._node(frame))
            title = "<br/>".join(label(each) for each in said if each)
            yield f'{indent}{self._id(frame.key)}{before}"{title}"{after}'
        elif within:
            title = label(", ".join(filter(None, said if frame.style != "region" else said[:1])))
            yield f'{indent}subgraph {self._id(frame.key)}["{title}"]'
            yield from inside or [f'{indent}  {self._id()}["nothing in it"]']
            yield f"{indent}end"
        elif frame.style != "store":
            yield from inside
        elif frame.note == BUCKET:
            said[:2] = [f"S3 {frame.title}"]
            title = "<br/>".join(label(each) for each in said if each)
            yield f'{indent}{self._id(frame.key)}[("{title}")]'

    def _node(self, frame: Frame) -> str:
        """Return what a node computes with; it is an edge to itself where it is on a fabric."""
        for block in frame.content.blocks if isinstance(frame.content, Stack) else ():
            if isinstance(block, NodeBox):
                if block.fabric_works and block.on_fabric:
                    name = block.fabric.partition(":")[0]
                    self._edges.append(Edge(frame.key, frame.key, f"EFA: {name}"))
                return block.accelerators()
        return ""

    def edges(self) -> Iterator[str]:
        """Yield the edges between boxes that are in the chart, and buckets of somebody else."""
        for edge in self._edges:
            for end in (edge.source, edge.target):
                if isinstance(end, tuple) and end[0] == blocks.OUTSIDE and end not in self._ids:
                    yield f'  {self._id(end)}[("{label(f"S3 {end[1]}")}")]'
            if edge.source in self._ids and edge.target in self._ids:
                said = f'|"{label(edge.words)}"|' if edge.words else ""
                arrow = f"{'<-->' if edge.both else '-->'}{said}"
                yield f"  {self._ids[edge.source]} {arrow} {self._ids[edge.target]}"
