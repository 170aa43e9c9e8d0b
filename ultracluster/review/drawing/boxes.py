"""The boxes of a picture: subnets, and what lies in them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ultracluster.model.security_groups import SecurityGroup
from ultracluster.review.changes.change import Danger
from ultracluster.review.drawing import blocks
from ultracluster.review.drawing.blocks import Block, Chips, Edge, Frame, Item, Say, Stack
from ultracluster.review.drawing.lines import Flow, Mount
from ultracluster.review.drawing.node_box import NodeBox
from ultracluster.review.drawing.svg import SMALL, Canvas
from ultracluster.review.naming import counted, group_by, short, tebibytes
from ultracluster.review.resolved import NotKnown, words
from ultracluster.review.topology.networks import Subnet
from ultracluster.review.topology.nodes import Nodes, Placement, Reservation
from ultracluster.review.topology.services import Scheduler
from ultracluster.review.topology.storage import FileSystem
from ultracluster.templates.resolved import Place
from ultracluster.templates.resolved_values import Key

MOST_ASSOCIATIONS: Final = 8
MOST_QUEUES: Final = 10
BAR: Final = 7.0
"""Height of the bar that shows how much of a subnet is taken."""
SHADES: Final = ("use0", "use1", "use2", "use3")


@dataclass(frozen=True)
class Context:
    """What the drawing of a subnet must know of the rest."""

    fabrics: Sequence[SecurityGroup]
    mounts: Callable[[Nodes, FileSystem], tuple[str, bool | None]]
    """What passes between nodes and a file system, and whether that is enough."""
    name: Callable[[Key], str]
    changed: Mapping[Key, Danger] = field(default_factory=dict)
    """The worst that is done to each changed resource."""

    def change(self, *parts: Key | Place | None) -> str:
        """Return the worst that is done to any of the resources that a box stands for."""
        keys = [p.key if isinstance(p, Place) else p for p in parts if p]
        found = [self.changed[key] for key in keys if key in self.changed]
        return min(found, key=lambda danger: danger.rank).value if found else ""


@dataclass(frozen=True)
class Bar:
    """What takes how much of a subnet, as a bar without words."""

    subnet: Subnet

    def draw(self, canvas: Canvas, x: float, y: float, width: float) -> float:
        total = self.subnet.addresses
        if isinstance(total, NotKnown) or not total:
            return 0
        canvas.rect(x, y, width, BAR, "bar", radius=2)
        room, across = width, x
        for number, use in enumerate(u for u in self.subnet.uses if u.count):
            # What is there is seen, however little it is.
            own = min(max(width * (use.count or 0) / total, 2.0), room)
            with canvas.group(f"{use.what}: {use.count:,}"):
                canvas.rect(across, y, own, BAR, SHADES[number % len(SHADES)], radius=0)
            across, room = across + own, room - own
        return BAR + 2

    def words(self) -> Iterator[Item]:
        return iter(())


def address_words(subnet: Subnet) -> str:
    """Return how much of a subnet is taken."""
    if isinstance(subnet.addresses, NotKnown):
        return f"Addresses not known: {subnet.addresses.because}"
    known = [use for use in subnet.uses if use.count]
    parts = [f"{u.what} {u.count:,}{' (assumed)' if u.assumed else ''}" for u in known]
    jobs = {job.service: job.each for job in subnet.jobs if job.count is None}
    named = [use.what for use in subnet.uses if use.count is None and use.what not in jobs]
    taken = f" ({', '.join(parts)})" if parts else ""
    least, most = ("at least ", "at most ") if named else ("", "")
    free = subnet.addresses - subnet.used
    verdict = f"{-free:,} too few" if free < 0 else f"{most}{free:,} free"
    said = f"{least}{subnet.used:,} of {subnet.addresses:,} addresses taken at full size{taken}; "
    said += verdict
    for service, each in jobs.items():
        said += f"; {service} take {each} more for each instance with EFA"
    if named:
        said += f"; how many take {', '.join(dict.fromkeys(named))} is not known"
    return f"{said}."


def subnet_box(subnet: Subnet, context: Context) -> Block:
    content: list[Block] = []
    if subnet.nats:
        chips = [(f"NAT gateway {nat.name}", "way") for nat in subnet.nats]
        content.append(Chips(chips, key=("nat", subnet.key)))
    content += [scheduler_box(scheduler, context) for scheduler in subnet.schedulers]
    content += _placed_nodes(subnet.nodes, context)
    for file_system in subnet.file_systems:
        content += [*mounts(subnet, file_system, context), file_system_box(file_system, context)]
    jobs = []
    for job in subnet.jobs:
        told = isinstance(job.count, int)
        many = f"{job.count:,} instances" if told else "as many as jobs ask for"
        jobs.append((f"{job.name}: {many}, {job.each} addresses each with EFA", "job"))
    if jobs:
        content.append(Chips(jobs, "SageMaker puts interfaces of its jobs here"))
    if subnet.also:
        content.append(Chips([(n.name, "") for n in subnet.also], "also here, and drawn above"))
    if subnet.endpoints:
        chips = [(endpoint.service, "endpoint") for endpoint in subnet.endpoints]
        content.append(Chips(chips, counted(len(chips), "interface endpoint")))
    said = Say(address_words(subnet), "m", SMALL, lines=3)
    content.append(Stack([said, Bar(subnet)], 0))
    note = f"{words(subnet.block, 'block not known')} · way out: {subnet.way_out}"
    title, change = f"Subnet {subnet.name}", context.change(subnet.key)
    return Frame(title, note, Stack(content), "subnet", key=subnet.key, change=change)


def mounts(subnet: Subnet, file_system: FileSystem, context: Context) -> Iterator[Block]:
    """Yield what passes between the nodes of a subnet and a file system, alike ones together."""
    found = group_by(subnet.nodes, lambda nodes: context.mounts(nodes, file_system))
    for (said, works), mine in found.items():
        edges = [Edge(nodes.name, file_system.place, said, both=True) for nodes in mine]
        names = "" if len(subnet.nodes) == 1 else f"{', '.join(nodes.name for nodes in mine)}: "
        yield Mount(f"{names}{said}", works, edges)


def small_subnet(subnet: Subnet, context: Context) -> Block:
    free = words(subnet.addresses, "addresses not known")
    said = f"{free} addresses free" if isinstance(subnet.addresses, int) else free
    block = words(subnet.block, "block not known")
    rows = [Say(row, "m", SMALL, lines=1) for row in (block, said, f"way out: {subnet.way_out}")]
    change = context.change(subnet.key)
    return Frame(f"Subnet {subnet.name}", "", Stack(rows, 0), "subnet", change=change)


def _placed_nodes(found: Sequence[Nodes], context: Context) -> Iterator[Block]:
    """Yield nodes, those of one placement group within its frame."""
    by_placement = group_by(
        found, lambda n: n.placement if isinstance(n.placement, Placement) else id(n)
    )
    for mine in by_placement.values():
        boxes, placement = [nodes_box(nodes, context) for nodes in mine], mine[0].placement
        if not isinstance(placement, Placement):
            yield from boxes
            continue
        note = f"strategy {words(placement.strategy, 'not known')}"
        title, change = f"Placement group {placement.name}", context.change(placement.key)
        yield Frame(title, note, Stack(boxes), "placement", change=change)


def nodes_box(nodes: Nodes, context: Context) -> Block:
    content: list[Block] = [NodeBox(nodes, *fabric_words(nodes, context))]
    facts: list[tuple[str, str]] = []
    if isinstance(nodes.placement, NotKnown):
        facts.append((f"placement group not known: {nodes.placement.because}", "unknown"))
    if nodes.reservation is not None:
        facts.append(reservation_chip(nodes.reservation, context))
    if nodes.market:
        facts.append((f"market: {nodes.market}", ""))
    facts += [(f"Slurm queue {queue}", "") for queue in nodes.queues]
    if nodes.role:
        facts.append((nodes.role, ""))
    if facts:
        content.append(Chips(facts))
    count = f"{nodes.count:,} × " if isinstance(nodes.count, int) else ""
    title = f"{count}{words(nodes.type_name, 'nodes of a type that is not known')}"
    note, change = f"{nodes.launcher} {nodes.name}", context.change(nodes.place, nodes.template)
    return Frame(title, note, Stack(content), "nodes", key=nodes.name, change=change)


def reservation_chip(reservation: Reservation | NotKnown, context: Context) -> tuple[str, str]:
    if isinstance(reservation, NotKnown):
        return f"reservation not known: {reservation.because}", "reserved"
    count, change = reservation.count, context.change(reservation.place)
    many = "" if count is None else f"{words(count, 'an unknown number of')} reserved by "
    ends = f", {reservation.ends}" if reservation.ends else ""
    said = f"{many}{reservation.kind} {reservation.name}{ends}"
    if not change:
        return said, "reserved"
    mark, style = blocks.changed_chip(change)
    return f"{mark}: {said}", f"reserved {style}"


def fabric_words(nodes: Nodes, context: Context) -> tuple[str, bool | None]:
    """Return what the fabric's line says, and whether EFA can work over it."""
    if isinstance(nodes.groups, NotKnown):
        return f"security groups not known: {nodes.groups.because}", None
    mine = [short(fabric.place) for fabric in context.fabrics if fabric.key in nodes.groups]
    if mine:
        return f"{' and '.join(mine)}: its members exchange everything, in both directions", True
    known = ", ".join(context.name(group) for group in nodes.groups)
    if any(isinstance(group, str) or group[0] == "?" for group in nodes.groups):
        return f"{known}: its rules are not in the given templates", None
    return f"{known or 'no group'} does not name itself in both directions", False


def file_system_box(system: FileSystem, context: Context) -> Block:
    rows: list[Block] = []
    for each in system.associations:
        out, into = bool(each.exports), bool(each.imports)
        said = f"imports {each.imports}" if into else f"exports {each.exports}"
        if out is into:
            said = "imports and exports" if out else "by command only"
        bucket, named = each.bucket or (blocks.OUTSIDE, each.target), f"{each.path} {said}"
        source, target = (system.place, bucket) if out else (bucket, system.place)
        edge = Edge(source, target, named, both=out and into)
        rows.append(Flow(each.path, said, f"s3://{each.target}", out, into, edges=[edge]))
    body = Stack(blocks.at_most(MOST_ASSOCIATIONS, rows, "associations"), 4)
    parts = [system.place, *(each.place for each in system.associations)]
    title, note = f"{system.kind} · {system.name}", size_words(system)
    own, change = system.place, context.change(*parts)
    return Frame(title, note, body, "storage", key=own, change=change)


def size_words(file_system: FileSystem) -> str:
    gib, rate = file_system.gib, file_system.gigabytes_per_second
    parts = ["capacity not known" if isinstance(gib, NotKnown) else tebibytes(gib)]
    if isinstance(rate, NotKnown):
        parts.append("throughput not known")
    elif rate is not None:
        parts.append(f"{rate:,.3g} GB/s" if rate < 1 else f"{rate:,.1f} GB/s")
    return " · ".join([*parts, *file_system.notes])


def scheduler_box(scheduler: Scheduler, context: Context) -> Block:
    rows: list[Block] = []
    for queue, groups in scheduler.queues:
        edges = [Edge(scheduler.place, group, queue) for group in groups]
        into = ", ".join(groups) or "no node group"
        rows.append(Flow(queue, scheduler.starts, into, True, False, "job", edges))
    size = "" if scheduler.size is None else words(scheduler.size, "size not known")
    note = " · ".join(filter(None, [scheduler.version, size, *scheduler.notes]))
    title, own = f"{scheduler.title} {scheduler.name}", scheduler.place
    body = Stack(blocks.at_most(MOST_QUEUES, rows, "queues"), 4)
    return Frame(title, note, body, "slurm", key=own, change=context.change(own))
