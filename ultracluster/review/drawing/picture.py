"""The whole picture: Region, VPCs, and what lies outside of them."""

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from ultracluster.review.drawing import blocks, boxes
from ultracluster.review.drawing.blocks import Block, Chips, Frame, Grid, Item, Say, Stack
from ultracluster.review.drawing.boxes import Context
from ultracluster.review.drawing.lines import WithLines
from ultracluster.review.drawing.mermaid import mermaid
from ultracluster.review.drawing.svg import LARGE, SMALL, Canvas, text_of
from ultracluster.review.matrix import Matrix
from ultracluster.review.naming import group_by
from ultracluster.review.resolved import NotKnown, words
from ultracluster.review.tables import DRAWN
from ultracluster.review.topology.networks import Vpc
from ultracluster.review.topology.nodes import Nodes
from ultracluster.review.topology.services import Scheduler
from ultracluster.review.topology.storage import FileSystem
from ultracluster.review.topology.survey import Topology
from ultracluster.style_sheet import picture_style

CLASSES: Final = re.compile('class="([^"]*)"')
WIDTH: Final = 960.0
MARGIN: Final = 1.0
MOST_SUBNETS: Final = 24
"""Subnets of a zone with something in them that are drawn in full."""
MOST_LINES: Final = 4
SMALL_SUBNET: Final = 250.0
STORE: Final = 170.0
MOST_STORES: Final = 36


@dataclass(frozen=True)
class Legend:
    """What the signs mean that are drawn above it; neither the words nor the chart need it."""

    def draw(self, canvas: Canvas, x: float, y: float, width: float) -> float:
        drawn = set(" ".join(CLASSES.findall(canvas.body())).split())
        changed = [blocks.changed_chip("changed")] if "changed" in drawn else []
        signs = DRAWN["legend"].items()
        chips = changed + [(says, sign) for sign, says in signs if sign.split()[-1] in drawn]
        return Chips(chips, "Legend" if chips else "").draw(canvas, x, y, width)

    def words(self) -> Iterator[Item]:
        return iter(())


@dataclass(frozen=True)
class Figure:
    """Templates that are deployed together: their picture, and who reaches whom on which port."""

    topology: Topology
    blocks: Sequence[Block]
    matrix: Matrix
    number: int
    """Of the figure in its page; ids begin with it."""

    @property
    def names(self) -> Sequence[str]:
        return self.topology.names

    @cached_property
    def whole(self) -> Frame:
        place = f"Region {words(self.topology.region, 'not known')}"
        return Frame(place, ", ".join(self.names), Stack(self.blocks, 14), "region", LARGE)

    @property
    def svg(self) -> str:
        """The picture as a file of its own, which carries its own style."""
        return self._svg("topology", f"<style>{picture_style()}</style>")

    @property
    def inline(self) -> str:
        """The picture as a part of a page."""
        return self._svg(f"topology-{self.number}")

    @cached_property
    def mermaid(self) -> str:
        return mermaid(self.whole)

    @cached_property
    def words(self) -> Item:
        return next(self.whole.words())

    def _svg(self, own: str, style: str = "") -> str:
        canvas = Canvas()
        inner = WIDTH - 2 * MARGIN
        height = self.whole.draw(canvas, MARGIN, MARGIN, inner) + 2 * MARGIN
        topic = f"Topology of {', '.join(self.names)}"
        head = f"{own}-head"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="topology" role="img" '
            f'aria-labelledby="{own}-title {own}-words" viewBox="0 0 {WIDTH:g} {height:.0f}">'
            f'<title id="{own}-title">{text_of(topic)}</title>'
            f'<desc id="{own}-words">The same in words stands below the picture.</desc>{style}'
            f'<defs><marker id="{head}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            'markerHeight="7" orient="auto-start-reverse" markerUnits="userSpaceOnUse">'
            '<path d="M0 0L8 4L0 8z" class="head"/></marker></defs>\n'
            f"{canvas.body().replace('url(#head)', f'url(#{head})')}\n</svg>"
        )


def picture_blocks(topology: Topology, context: Context) -> Iterator[Block]:
    if topology.assumptions:
        said = f"Drawn with {', '.join(topology.assumptions)}; other conditions build other stacks."
        yield Say(said, "warn", SMALL, lines=3)
    for vpc in topology.vpcs:
        yield vpc_box(vpc, context)
    without_subnet = list(_without_subnet(topology, context))
    if without_subnet:
        yield Frame("Subnet not known", "", Stack(without_subnet), "unknown")
    idle = [(f"placement group {p.name}", "reserved") for p in topology.idle_placements]
    idle += [boxes.reservation_chip(r, context) for r in topology.idle_reservations]
    if idle:
        yield Frame("Used by no nodes", "", Chips(idle), "unknown")
    if not any((topology.vpcs, without_subnet, idle, topology.stores)):
        yield Say("Nothing that has a place in this picture is defined by these templates.", "m")
    elif not any((topology.vpcs, without_subnet, idle)):
        yield Say("No VPC, no nodes and no file system in these templates.", "m")
    else:
        yield Legend()
    yield from _outside(topology, context)


def _outside(topology: Topology, context: Context) -> Iterator[Block]:
    stores: list[Block] = []
    for each in topology.stores:
        note, change = Say(each.note, "m", SMALL), context.change(each.key)
        stores.append(Frame(each.name, each.kind, note, "store", key=each.key, change=change))
    if stores:
        shown = Grid(blocks.at_most(MOST_STORES, stores, "stores"), STORE)
        yield Frame("Outside of the VPC", "", shown, "plain")
    if topology.others:
        counted = [
            f"{count} × {kind.removeprefix('AWS::')}"
            for kind, count in sorted(topology.others.items(), key=lambda item: (-item[1], item[0]))
        ]
        yield Say(f"Not drawn: {', '.join(counted)}", "m", SMALL, lines=3)


def vpc_box(vpc: Vpc, context: Context) -> Block:
    content: list[Block] = []
    for zone, subnets in vpc.zones().items():
        full = [s for s in subnets if s.uses][:MOST_SUBNETS]
        rest = [s for s in subnets if s not in full]
        drawn = [boxes.subnet_box(subnet, context) for subnet in full]
        if rest:
            drawn.append(Grid([boxes.small_subnet(s, context) for s in rest], SMALL_SUBNET))
        # `zone 0 of the Region` and `zone not known` say that they are zones.
        title = zone if zone.startswith("zone not") else f"Zone {zone.removeprefix('zone ')}"
        content.append(Frame(title, "", Stack(drawn), "zone"))
    ways = [(name, "way") for name in vpc.gateways]
    ways += [(f"{e.service} gateway endpoint", "endpoint") for e in vpc.gateway_endpoints]
    if ways:
        content.append(Chips(ways, "At the border of the VPC", key=("border", vpc.key)))
    if not vpc.subnets:
        content.insert(0, Say("No subnet of it is in the given templates.", "m", SMALL))
    note = "not in the given templates" if vpc.outside else words(vpc.block, "block not known")
    if isinstance(vpc.block, NotKnown) and not vpc.outside:
        note = f"block not known: {vpc.block.because}"
    style = "vpc unknown" if vpc.outside else "vpc"
    title = vpc.name if vpc.outside and vpc.key is None else f"VPC {vpc.name}"
    body, change = WithLines(Stack(content), _lines_out(vpc)), context.change(vpc.key)
    return Frame(title, note, body, style, LARGE, change=change)


def _lines_out(vpc: Vpc) -> Mapping[Hashable, Sequence[Hashable]]:
    """Return the ways out: to each NAT gateway, and from there to the internet gateway."""
    full = [subnet for subnet in vpc.subnets if subnet.uses]
    private = (subnet for subnet in full if subnet.nat_subnet not in (None, subnet.key))
    by_nat = group_by(private, lambda subnet: subnet.nat_subnet)
    lines: dict[Hashable, list[Hashable]] = {nat: [s.key for s in by_nat[nat]] for nat in by_nat}
    public = [subnet.key for subnet in full if subnet.way_out == "internet gateway"]
    if public and "internet gateway" in vpc.gateways:
        lines["border", vpc.key] = list(public)
    # More lines than these would say less than the words in each subnet do.
    return lines if len(lines) <= MOST_LINES else {}


def _without_subnet(topology: Topology, context: Context) -> Iterator[Block]:
    for thing in topology.without_subnet:
        own = thing.subnets
        because = own.because if isinstance(own, NotKnown) else "none is written"
        match thing:
            case Nodes():
                block = boxes.nodes_box(thing, context)
            case FileSystem():
                block = boxes.file_system_box(thing, context)
            case Scheduler():
                block = boxes.scheduler_box(thing, context)
            case _:
                block = Chips([(f"{thing.service} endpoint", "endpoint")])
        yield Stack([Say(f"Subnet: {because}", "m", SMALL), block], 2)
