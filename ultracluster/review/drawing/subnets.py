"""Subnets and what lies in them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ultracluster.review.bill import GIB_PER_TIB
from ultracluster.review.changes.wording import tebibytes
from ultracluster.review.drawing.arrows import Flow, Mount
from ultracluster.review.drawing.blocks import (
    Block,
    Chips,
    Frame,
    Nothing,
    Say,
    Stack,
)
from ultracluster.review.drawing.ink import SMALL, Ink
from ultracluster.review.drawing.node_detail import NodeDetail
from ultracluster.review.topology.model import (
    Fabric,
    FileSystem,
    Nodes,
    NotKnown,
    Placement,
    Reservation,
    Scheduler,
    Subnet,
    words,
)
from ultracluster.templates.reading import Key

BAR: Final = 7.0
SHADES: Final = ("use0", "use1", "use2", "use3")
MOST_ASSOCIATIONS: Final = 8
MOST_QUEUES: Final = 10


@dataclass(frozen=True)
class Context:
    """What the drawing of a subnet must know of the rest."""

    fabrics: Sequence[Fabric]
    mounts: Callable[[Nodes, FileSystem], tuple[str, bool | None]]
    """What passes between nodes and a file system, and whether that is enough."""
    name: Callable[[Key], str]


@dataclass(frozen=True)
class AddressBar:
    """How much of a subnet is taken, in words and as a bar."""

    subnet: Subnet

    def height(self, width: float) -> float:
        """Return how high it is at a width."""
        return self._said().height(width) + (BAR + 2 if self._total else 0)

    @property
    def _total(self) -> int:
        total = self.subnet.addresses
        return total if isinstance(total, int) and total > 0 else 0

    def _said(self) -> Say:
        return Say(address_words(self.subnet), "m", SMALL, lines=3)

    def draw(self, ink: Ink, x: float, y: float, width: float) -> None:
        """Write the words and draw the bar."""
        self._said().draw(ink, x, y, width)
        if not self._total:
            return
        y += self._said().height(width)
        ink.rect(x, y, width, BAR, "bar", radius=2)
        room = width
        across = x
        for number, use in enumerate(u for u in self.subnet.uses if u.count):
            own = min(width * (use.count or 0) / self._total, room)
            # What is there is seen, however little it is.
            own = min(max(own, 2.0), room)
            with ink.group(f"{use.what}: {use.count:,}"):
                ink.rect(across, y, own, BAR, SHADES[number % len(SHADES)], radius=0)
            across, room = across + own, room - own


def address_words(subnet: Subnet) -> str:
    """Return in words how much of a subnet is taken."""
    if isinstance(subnet.addresses, NotKnown):
        return f"Addresses not known: {subnet.addresses.because}"
    parts = [
        f"{use.what} {use.count:,}{' (assumed)' if use.assumed else ''}"
        for use in subnet.uses
        if use.count
    ]
    jobs = {job.service: job.each for job in subnet.jobs if job.count is None}
    named = [use.what for use in subnet.uses if use.count is None and use.what not in jobs]
    taken = f" ({', '.join(parts)})" if parts else ""
    least, most = ("at least ", "at most ") if named else ("", "")
    free = subnet.addresses - subnet.used
    verdict = f"{-free:,} too few" if free < 0 else f"{most}{free:,} free"
    said = (
        f"{least}{subnet.used:,} of {subnet.addresses:,} addresses taken at full size{taken}; "
        f"{verdict}"
    )
    for service, each in jobs.items():
        said += f"; {service} take {each} more for each instance with EFA"
    if named:
        said += f"; how many take {', '.join(dict.fromkeys(named))} is not known"
    return f"{said}."


def subnet_frame(subnet: Subnet, context: Context) -> Block:
    """Return a subnet with everything in it."""
    content: list[Block] = []
    if subnet.nats:
        content.append(Chips([(f"NAT gateway {name}", "way") for name in subnet.nats]))
    content += [scheduler_frame(scheduler) for scheduler in subnet.schedulers]
    content += list(_groups_of_nodes(subnet.nodes, context))
    for file_system in subnet.file_systems:
        if subnet.nodes:
            # Nodes above and file system below: what passes between them stands in between.
            content += [
                Mount(said, works) for said, works in passages(subnet, file_system, context)
            ]
        content.append(file_system_frame(file_system))
    if subnet.jobs:
        chips = [(_job(job), "job") for job in subnet.jobs]
        content.append(Chips(chips, "SageMaker puts interfaces of its jobs here"))
    if subnet.also:
        content.append(Chips([(f"{n.name}: drawn above", "") for n in subnet.also], "also here"))
    if subnet.endpoints:
        chips = [(endpoint.service, "endpoint") for endpoint in subnet.endpoints]
        label = f"{len(chips)} interface endpoint{'' if len(chips) == 1 else 's'}"
        content.append(Chips(chips, label))
    content.append(AddressBar(subnet))
    note = f"{words(subnet.block, 'block not known')} · way out: {subnet.way_out}"
    return Frame(f"Subnet {subnet.name}", note, Stack(content), "subnet")


def passages(
    subnet: Subnet, file_system: FileSystem, context: Context
) -> list[tuple[str, bool | None]]:
    """Return what passes between the nodes of a subnet and a file system, alike ones together."""
    found: dict[tuple[str, bool | None], list[str]] = {}
    for nodes in subnet.nodes:
        found.setdefault(context.mounts(nodes, file_system), []).append(nodes.name)
    if len(subnet.nodes) < 2:  # noqa: PLR2004  (one needs no name)
        return list(found)
    return [(f"{', '.join(names)}: {said}", works) for (said, works), names in found.items()]


def _job(job: object) -> str:
    name, count = getattr(job, "name", ""), getattr(job, "count", None)
    each = getattr(job, "each", 0)
    many = f"{count:,} instances" if isinstance(count, int) else "as many as jobs ask for"
    return f"{name}: {many}, {each} addresses each with EFA"


def small_subnet(subnet: Subnet) -> Block:
    """Return a subnet that holds nothing."""
    free = words(subnet.addresses, "addresses not known")
    said = f"{free} addresses free" if isinstance(subnet.addresses, int) else free
    content = Stack(
        [
            Say(words(subnet.block, "block not known"), "m", SMALL, lines=1),
            Say(said, "m", SMALL, lines=1),
            Say(f"way out: {subnet.way_out}", "m", SMALL, lines=1),
        ],
        0,
    )
    return Frame(f"Subnet {subnet.name}", "", content, "subnet")


def _groups_of_nodes(nodes: Sequence[Nodes], context: Context) -> Iterator[Block]:
    """Yield nodes, those of one placement group within its frame."""
    done: set[int] = set()
    for number, each in enumerate(nodes):
        if number in done:
            continue
        placement = each.placement
        if not isinstance(placement, Placement):
            yield nodes_frame(each, context)
            continue
        mates = [n for n, other in enumerate(nodes) if other.placement == placement]
        done.update(mates)
        frames = [nodes_frame(nodes[n], context) for n in mates]
        note = f"strategy {words(placement.strategy, 'not known')}"
        yield Frame(f"Placement group {placement.name}", note, Stack(frames), "placement")


def nodes_frame(nodes: Nodes, context: Context) -> Block:
    """Return nodes: one in detail, the rest as a count."""
    said, works = fabric_words(nodes, context)
    content: list[Block] = [NodeDetail(nodes, said, works)]
    facts: list[tuple[str, str]] = []
    if isinstance(nodes.placement, NotKnown):
        facts.append((f"placement group not known: {nodes.placement.because}", "unknown"))
    if nodes.reservation is not None:
        facts.append((reservation_words(nodes.reservation), "reserved"))
    if nodes.market:
        facts.append((f"market: {nodes.market}", ""))
    facts += [(f"Slurm queue {queue}", "") for queue in nodes.queues]
    if nodes.role:
        facts.append((nodes.role, ""))
    if facts:
        content.append(Chips(facts))
    count = f"{nodes.count:,} × " if isinstance(nodes.count, int) else ""
    title = f"{count}{words(nodes.type_name, 'nodes of a type that is not known')}"
    return Frame(title, f"{nodes.launcher} {nodes.name}", Stack(content), "nodes")


def reservation_words(reservation: Reservation | NotKnown) -> str:
    """Return reserved capacity for a reader."""
    if isinstance(reservation, NotKnown):
        return f"reservation not known: {reservation.because}"
    count = reservation.count
    many = "" if count is None else f"{words(count, 'an unknown number of')} reserved by "
    ends = f", {reservation.ends}" if reservation.ends else ""
    return f"{many}{reservation.kind} {reservation.name}{ends}"


def fabric_words(nodes: Nodes, context: Context) -> tuple[str, bool | None]:
    """Return what the fabric's line says, and whether EFA can work over it."""
    if isinstance(nodes.groups, NotKnown):
        return f"security groups not known: {nodes.groups.because}", None
    mine = [fabric.name for fabric in context.fabrics if fabric.key in nodes.groups]
    if mine:
        return f"{' and '.join(mine)}: everything passes, both ways, among members alone", True
    known = [context.name(group) for group in nodes.groups]
    if any(isinstance(group, str) or group[0] == "?" for group in nodes.groups):
        return f"{', '.join(known)}: its rules are not in the given templates", None
    return f"{', '.join(known) or 'no group'} does not name itself in both directions", False


def file_system_frame(file_system: FileSystem) -> Block:
    """Return a file system with its associations."""
    rows: list[Block] = [
        Flow(
            association.path,
            association_words(association.imports, association.exports),
            f"s3://{association.target}",
            towards_right=bool(association.exports),
            towards_left=bool(association.imports),
        )
        for association in file_system.associations[:MOST_ASSOCIATIONS]
    ]
    left = len(file_system.associations) - MOST_ASSOCIATIONS
    if left > 0:
        rows.append(Say(f"and {left} more associations", "m", SMALL))
    content: Block = Stack(rows, 4) if rows else Nothing()
    return Frame(
        f"{file_system.kind} · {file_system.name}", size_words(file_system), content, "storage"
    )


def size_words(file_system: FileSystem) -> str:
    """Return capacity, throughput and fate of a file system."""
    tib, rate = file_system.tebibytes, file_system.gigabytes_per_second
    parts = []
    if isinstance(tib, NotKnown):
        parts.append("capacity not known")
    else:
        parts.append("grows by itself" if tib is None else tebibytes(tib * GIB_PER_TIB))
    if isinstance(rate, NotKnown):
        parts.append("throughput not known")
    elif rate is not None:
        parts.append(f"{rate:,.3g} GB/s" if rate < 1 else f"{rate:,.1f} GB/s")
    return " · ".join([*parts, *file_system.notes])


def association_words(imports: str, exports: str) -> str:
    """Return what goes which way between a directory and a bucket."""
    if imports and exports:
        return "imports and exports"
    if imports:
        return f"imports {imports}"
    return f"exports {exports}" if exports else "by command only"


def scheduler_frame(scheduler: Scheduler) -> Block:
    """Return a scheduler with its queues."""
    rows: list[Block] = [
        Flow(
            name if scheduler.kubernetes else f"queue {name}",
            "run on" if scheduler.kubernetes else "starts jobs on",
            ", ".join(groups) or "no node group",
            towards_right=True,
            towards_left=False,
            style="job",
        )
        for name, groups in scheduler.queues[:MOST_QUEUES]
    ]
    if len(scheduler.queues) > MOST_QUEUES:
        rows.append(Say(f"and {len(scheduler.queues) - MOST_QUEUES} more queues", "m", SMALL))
    version = f"{scheduler.program} {words(scheduler.version, 'version not known')}"
    note = " · ".join(filter(None, [version, scheduler.size_words, *scheduler.notes]))
    content: Block = Stack(rows, 4) if rows else Nothing()
    return Frame(f"{scheduler.title} {scheduler.name}", note, content, "slurm")
