"""The whole picture: Region, VPCs, what lies outside of them, and roles."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ultracluster.review.drawing.blocks import (
    PAD,
    Block,
    Chips,
    Columns,
    Frame,
    Grid,
    Nothing,
    Say,
    Stack,
)
from ultracluster.review.drawing.ink import LARGE, SMALL, Ink, text_of
from ultracluster.review.drawing.style import STYLE
from ultracluster.review.drawing.subnets import (
    Context,
    file_system_frame,
    nodes_frame,
    reservation_words,
    scheduler_frame,
    small_subnet,
    subnet_frame,
)
from ultracluster.review.drawing.wires import Anchored, Wire, Wired
from ultracluster.review.topology.model import (
    FileSystem,
    Nodes,
    NotKnown,
    Role,
    Scheduler,
    Topology,
    Vpc,
    words,
    zone_title,
)
from ultracluster.templates.reading import Key

WIDTH: Final = 960.0
MARGIN: Final = 1.0
MOST_SUBNETS: Final = 24
"""Subnets of a zone with something in them that are drawn in full."""
MOST_WIRES: Final = 4
BORDER: Final = 28.0
"""Where a line meets the gateways: at the chips, below their label."""
MOST_ROLES: Final = 14
MOST_REACHES: Final = 14
SMALL_SUBNET: Final = 250.0
STORE: Final = 170.0
MOST_STORES: Final = 36


def svg(topology: Topology, context: Context) -> str:
    """Return the picture of a topology as a file of its own, which carries its own style."""
    blocks = [*_placed(topology, context), *_around(topology)]
    return _svg(topology, blocks, own="topology", style=f"<style>{STYLE}</style>", headed=True)


def svgs(topology: Topology, context: Context, number: int) -> list[str]:
    """Return the picture in two parts that a page prints one by one.

    Args:
        topology: what is drawn.
        context: what a subnet must know of the rest.
        number: of the picture in its page; ids begin with it.
    """
    parts = [(list(_placed(topology, context)), True), (list(_around(topology)), False)]
    return [
        _svg(topology, blocks, own=f"topology-{number}-{part}", style="", headed=headed)
        for part, (blocks, headed) in enumerate(parts, start=1)
        if blocks
    ]


def _svg(topology: Topology, blocks: Sequence[Block], *, own: str, style: str, headed: bool) -> str:
    ink = Ink()
    body = Stack(blocks, 14)
    inner = WIDTH - 2 * MARGIN
    place = f"Region {words(topology.region, 'not known')}"
    block: Block = (
        Frame(place, ", ".join(topology.names), body, "region", LARGE) if headed else body
    )
    side = MARGIN if headed else MARGIN + PAD
    inner = WIDTH - 2 * side
    height = block.height(inner) + 2 * MARGIN
    block.draw(ink, side, MARGIN, inner)
    topic = f"Topology of {', '.join(topology.names)}"
    topic += "" if headed else ": what lies outside of the network, and roles"
    head = f"{own}-head"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="topology" role="img" '
        f'aria-labelledby="{own}-title {own}-words" viewBox="0 0 {WIDTH:g} {height:.0f}">'
        f'<title id="{own}-title">{text_of(topic)}</title>'
        f'<desc id="{own}-words">{text_of(summary(topology))}</desc>{style}'
        f'<defs><marker id="{head}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto-start-reverse" markerUnits="userSpaceOnUse">'
        '<path d="M0 0L8 4L0 8z" class="head"/></marker></defs>\n'
        f"{ink.body().replace('url(#head)', f'url(#{head})')}\n</svg>"
    )


def summary(topology: Topology) -> str:
    """Return the picture in a sentence or two."""
    subnets = sum(len(vpc.subnets) for vpc in topology.vpcs)
    nodes = [
        f"{words(n.count, 'an unknown number of')} {words(n.type_name, 'nodes of unknown type')}"
        for n in topology.nodes
    ]
    systems = [f.kind for f in topology.file_systems]
    parts = [
        f"Region {words(topology.region, 'not known')}",
        f"{len(topology.vpcs)} VPC with {subnets} subnets",
        f"nodes: {', '.join(nodes) or 'none'}",
        f"file systems: {', '.join(systems) or 'none'}",
        f"{len(topology.roles)} roles",
    ]
    return f"{'; '.join(parts)}. The same in words stands below the picture."


def _placed(topology: Topology, context: Context) -> Iterator[Block]:
    if topology.assumptions:
        said = f"Drawn with {', '.join(topology.assumptions)}; other choices build other things."
        yield Say(said, "warn", SMALL, lines=3)
    for vpc in topology.vpcs:
        yield vpc_frame(vpc, context)
    homeless = list(_homeless(topology, context))
    if homeless:
        yield Frame("In no subnet that is known", "", Stack(homeless), "unknown")
    idle = [f"placement group {p.name}" for p in topology.idle_placements]
    idle += [reservation_words(r) for r in topology.idle_reservations]
    if idle:
        yield Frame(
            "Named by no nodes", "", Chips([(name, "reserved") for name in idle]), "unknown"
        )
    if not any((topology.vpcs, homeless, idle, topology.stores, topology.roles)):
        yield Say("Nothing that has a place in this picture is defined by these templates.", "m")
    elif not any((topology.vpcs, homeless, idle)):
        yield Say("No VPC, no nodes and no file system in these templates.", "m")


def _around(topology: Topology) -> Iterator[Block]:
    if topology.stores:
        shown = topology.stores[:MOST_STORES]
        stores: list[Block] = [
            Frame(s.name, s.kind, Say(" · ".join(s.notes), "m", SMALL), "store") for s in shown
        ]
        more = len(topology.stores) - len(shown)
        if more:
            stores.append(Say(f"and {more} more", "m"))
        yield Frame("Outside of the VPC", "", Grid(stores, STORE), "plain")
    if topology.roles:
        yield _roles(topology.roles)
    if topology.others:
        counted = [
            f"{count} × {kind.removeprefix('AWS::')}"
            for kind, count in sorted(topology.others.items(), key=lambda item: (-item[1], item[0]))
        ]
        yield Say(f"Not drawn: {', '.join(counted)}", "m", SMALL, lines=3)


def vpc_frame(vpc: Vpc, context: Context) -> Block:
    """Return a VPC with its zones."""
    content: list[Block] = []
    for zone, subnets in vpc.zones().items():
        full = [s for s in subnets if not s.empty][:MOST_SUBNETS]
        rest = [s for s in subnets if s not in full]
        blocks: list[Block] = [Anchored(subnet_frame(s, context), s.key) for s in full]
        if rest:
            blocks.append(Grid([small_subnet(s) for s in rest], SMALL_SUBNET))
        label = zone_title(zone)
        content.append(Frame(label, "", Stack(blocks), "zone"))
    ways = [(name, "way") for name in vpc.gateways]
    ways += [(f"{e.service} gateway endpoint", "endpoint") for e in vpc.gateway_endpoints]
    if ways:
        border = Chips(ways, "At the border of the VPC")
        content.append(Anchored(border, ("border", vpc.key), BORDER))
    if not vpc.subnets:
        content.insert(0, Say("No subnet of it is in the given templates.", "m", SMALL))
    note = "not in the given templates" if vpc.outside else words(vpc.block, "block not known")
    if isinstance(vpc.block, NotKnown) and not vpc.outside:
        note = f"block not known: {vpc.block.because}"
    style = "vpc unknown" if vpc.outside else "vpc"
    title = vpc.name if vpc.outside and vpc.key is None else f"VPC {vpc.name}"
    return Frame(title, note, Wired(Stack(content), _wires(vpc)), style, LARGE)


def _wires(vpc: Vpc) -> Sequence[Wire]:
    """Return the ways out: to each NAT gateway, and from there to the internet gateway."""
    full = [subnet for subnet in vpc.subnets if not subnet.empty]
    by_nat: dict[Key, list[Key]] = {}
    for subnet in full:
        if subnet.nat_subnet is not None and subnet.nat_subnet != subnet.key:
            by_nat.setdefault(subnet.nat_subnet, []).append(subnet.key)
    wires = [Wire(sources, target) for target, sources in by_nat.items()]
    public = [subnet.key for subnet in full if subnet.way_out == "internet gateway"]
    if public and "internet gateway" in vpc.gateways:
        wires.append(Wire(public, ("border", vpc.key)))
    # More lines than these would say less than the words in each subnet do.
    return wires if len(wires) <= MOST_WIRES else []


def _homeless(topology: Topology, context: Context) -> Iterator[Block]:
    for thing in topology.homeless:
        because = (
            thing.subnets.because if isinstance(thing.subnets, NotKnown) else "none is written"
        )
        if isinstance(thing, Nodes):
            block = nodes_frame(thing, context)
        elif isinstance(thing, FileSystem):
            block = file_system_frame(thing)
        elif isinstance(thing, Scheduler):
            block = scheduler_frame(thing)
        else:
            block = Chips([(f"{thing.service} endpoint", "endpoint")])
        yield Stack([Say(f"Subnet: {because}", "m", SMALL), block], 2)


@dataclass(frozen=True)
class _Arrow:
    """A short arrow to the right."""

    def height(self, width: float) -> float:  # noqa: ARG002  (a block)
        """Return how high it is at a width."""
        return 22

    def draw(self, ink: Ink, x: float, y: float, width: float) -> None:
        """Draw it."""
        ink.path(f"M{x:.1f} {y + 11:.1f}H{x + width:.1f}", "line plain-line", arrow=True)


def _roles(roles: Sequence[Role]) -> Block:
    rows: list[Block] = []
    for role in roles[:MOST_ROLES]:
        chips = [
            (
                f"{reach.what}: {reach.how}{' *' if reach.conditional else ''}",
                "wide" if reach.everywhere and not reach.conditional else "",
            )
            for reach in role.reaches[:MOST_REACHES]
        ]
        if len(role.reaches) > MOST_REACHES:
            chips.append((f"and {len(role.reaches) - MOST_REACHES} more", ""))
        chips += [(f"policy {name}: not in the templates", "unknown") for name in role.outside]
        reaches: Block = Chips(chips) if chips else Say("nothing in these templates", "m", SMALL)
        takers = Chips([(taker, "taker") for taker in role.takers or ("nobody known",)])
        rows.append(
            Columns(
                [
                    (takers, 19),
                    (_Arrow(), 4),
                    (Chips([(role.name, "role")]), 26),
                    (_Arrow(), 4),
                    (reaches, 60),
                ],
                8,
            )
        )
    if len(roles) > MOST_ROLES:
        rows.append(Say(f"and {len(roles) - MOST_ROLES} more roles", "m", SMALL))
    if any(r.conditional for role in roles for r in role.reaches):
        rows.append(Say("* under conditions that the statement names", "m", SMALL))
    note = "who may take it → role → what it may reach"
    return Frame("Roles", note, Stack(rows) if rows else Nothing(), "plain")
