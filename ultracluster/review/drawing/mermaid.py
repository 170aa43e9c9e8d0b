"""The picture in Mermaid, for places that draw it from text: a README, a pull request."""

import re
from collections.abc import Iterator
from typing import Final

from ultracluster.review.drawing.subnets import Context, association_words, size_words
from ultracluster.review.topology.model import (
    FileSystem,
    Nodes,
    NotKnown,
    Placement,
    Scheduler,
    Subnet,
    Topology,
    Vpc,
    words,
)

MOST_SUBNETS: Final = 12
"""Mermaid lays out on its own, and badly beyond some fifty boxes."""
LONGEST: Final = 60


def mermaid(topology: Topology, context: Context) -> str:
    """Return a flowchart."""
    return "\n".join(_Chart(topology, context).lines())


def label(text: str) -> str:
    """Return a text as a label: whatever could end it or mean something is written as a code."""
    cut = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    return re.sub(r"[^\w .,:/()×·…–+\-]", lambda m: f"#{ord(m[0])};", cut)


class _Chart:
    """Lines of a flowchart, with ids for what is in it."""

    def __init__(self, topology: Topology, context: Context) -> None:
        self._topology, self._context = topology, context
        self._ids: dict[object, str] = {}
        self._edges: list[str] = []

    def _id(self, thing: object) -> str:
        return self._ids.setdefault(thing, f"n{len(self._ids)}")

    def lines(self) -> Iterator[str]:
        """Yield every line."""
        yield "flowchart TB"
        region = label(f"Region {words(self._topology.region, 'not known')}")
        yield f'  subgraph region["{region}"]'
        for number, vpc in enumerate(self._topology.vpcs):
            yield from self._vpc(number, vpc)
        for thing in self._topology.homeless:
            if isinstance(thing, Nodes):
                yield from self._nodes(thing, "    ")
            elif isinstance(thing, FileSystem):
                yield from self._file_system(thing, "    ")
        for store in self._topology.stores:
            if store.kind == "S3 bucket":
                yield f'    {self._id(store.key)}[("{label(f"S3 {store.name}")}")]'
        yield "  end"
        yield from self._edges

    def _vpc(self, number: int, vpc: Vpc) -> Iterator[str]:
        title = f"{vpc.name}, {words(vpc.block, 'block not known')}"
        yield f'    subgraph vpc{number}["{label(title)}"]'
        full = [s for s in vpc.subnets if not s.empty][:MOST_SUBNETS]
        for index, subnet in enumerate(full):
            yield from self._subnet(f"s{number}x{index}", subnet)
        left = len(vpc.subnets) - len(full)
        if left:
            yield f'      rest{number}["{left} more subnets"]'
        if "internet gateway" in vpc.gateways:
            yield f'      igw{number}(["internet gateway"])'
            for subnet in full:
                for name in subnet.nats:
                    self._edges.append(f"  {self._id(('nat', name))} --> igw{number}")
        for subnet in full:
            target = next((s for s in full if s.key == subnet.nat_subnet), None)
            if target is not None and target.nats and subnet is not target:
                place = f"s{number}x{full.index(subnet)}"
                self._edges.append(f"  {place} --> {self._id(('nat', target.nats[0]))}")
        yield "    end"

    def _subnet(self, own: str, subnet: Subnet) -> Iterator[str]:
        title = f"{subnet.name}, {words(subnet.block, 'block not known')}"
        yield f'      subgraph {own}["{label(title)}"]'
        for scheduler in subnet.schedulers:
            yield from self._scheduler(scheduler)
        for nodes in subnet.nodes:
            yield from self._nodes(nodes, "        ")
        for file_system in subnet.file_systems:
            yield from self._file_system(file_system, "        ")
            for nodes in subnet.nodes:
                said, _ = self._context.mounts(nodes, file_system)
                ends = self._id(nodes.place), self._id(file_system.place)
                self._edges.append(f'  {ends[0]} <-- "{label(said)}" --> {ends[1]}')
        for name in subnet.nats:
            yield f'        {self._id(("nat", name))}(["{label(f"NAT {name}")}"])'
        if subnet.endpoints:
            yield f'        {own}e["{len(subnet.endpoints)} interface endpoints"]'
        for job in subnet.jobs:
            yield f'        {self._id(("job", job.name))}["{label(f"for {job.service}")}"]'
        if not any((subnet.nodes, subnet.file_systems, subnet.nats, subnet.endpoints)):
            yield f'        {own}x["{words(subnet.addresses)} addresses"]'
        yield "      end"

    def _nodes(self, nodes: Nodes, indent: str) -> Iterator[str]:
        own = self._id(nodes.place)
        count = f"{nodes.count:,} × " if isinstance(nodes.count, int) else ""
        title = label(f"{count}{words(nodes.type_name, 'nodes of unknown type')}")
        if nodes.instance is not None:
            cards = nodes.instance.network_cards
            accelerator = nodes.instance.accelerator
            title += f"<br/>{accelerator.count} {label(accelerator.name)}, {cards.gbps:,.0f} Gbps"
        if isinstance(nodes.placement, Placement):
            title += f"<br/>{label(f'placement group {nodes.placement.name}')}"
        yield f'{indent}{own}["{title}"]'
        if not isinstance(nodes.groups, NotKnown):
            for fabric in self._topology.fabrics:
                if fabric.key in nodes.groups:
                    self._edges.append(f'  {own} -- "{label(f"EFA: {fabric.name}")}" --> {own}')

    def _file_system(self, file_system: FileSystem, indent: str) -> Iterator[str]:
        own = self._id(file_system.place)
        title = f"{label(file_system.kind)}<br/>{label(size_words(file_system))}"
        yield f'{indent}{own}[("{title}")]'
        for association in file_system.associations:
            said = association_words(association.imports, association.exports)
            target = (
                self._id(association.bucket)
                if association.bucket is not None
                else f'{self._id(association.target)}[("{label(f"s3 {association.target}")}")]'
            )
            arrow = "<-->" if association.imports and association.exports else "-->"
            ends = (own, target) if association.exports else (target, own)
            edge = f'{arrow}|"{label(f"{association.path} {said}")}"|'
            self._edges.append(f"  {ends[0]} {edge} {ends[1]}")

    def _scheduler(self, scheduler: Scheduler) -> Iterator[str]:
        own = self._id(scheduler.place)
        called = f"{scheduler.program} {words(scheduler.version)} {scheduler.name}"
        yield f'        {own}["{label(called)}"]'
        by_name = {nodes.name: nodes for nodes in self._topology.nodes}
        for queue, groups in scheduler.queues:
            for group in groups:
                if group in by_name:
                    edge = f'-->|"{label(queue if scheduler.kubernetes else f"queue {queue}")}"|'
                    self._edges.append(f"  {own} {edge} {self._id(by_name[group].place)}")
