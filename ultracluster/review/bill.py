"""What is bought by templates that no environment stands behind, as far as they tell it.

Nodes, file systems, NAT gateways, interface endpoints and Slurm. Not counted is what no template
tells: traffic, and how much lies in buckets, volumes and logs.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ultracluster.catalogue import prices
from ultracluster.catalogue.prices import Item, Unit
from ultracluster.cost.sheet import NOTHING, CostSheet, Quantity, cost_sheet, kept
from ultracluster.model.storage import GIB_PER_TIB
from ultracluster.review.resolved import NotKnown
from ultracluster.review.topology.nodes import BLOCK, Nodes, Reservation
from ultracluster.review.topology.services import Scheduler
from ultracluster.review.topology.survey import Topology

NOT_TOLD: Final = "traffic, and what lies in buckets, volumes and logs, is in no template"


@dataclass(frozen=True)
class Money:
    """What templates buy, in USD a day with every node running."""

    after: Decimal
    before: Decimal | None
    """None where the templates are compared with nothing, or with something of unknown Region."""
    left_out: Sequence[str]
    """What is bought and in neither sum, because its price or its amount is not known."""


def money(after: Sequence[Topology], before: Sequence[Topology] | None) -> Money | None:
    """Return what is bought now and before, None where a Region is not known."""
    sheets = [sheet_of(topology) for topology in after]
    now = _per_day(sheets)
    if now is None:
        return None
    left_out = [name for topology in after for name in uncounted(topology)]
    left_out += [quantity.purpose for sheet in sheets if sheet for quantity in sheet.unpriced]
    was = None if before is None else _per_day([sheet_of(topology) for topology in before])
    return Money(now, was, list(dict.fromkeys(left_out)))


def _per_day(sheets: Sequence[CostSheet | None]) -> Decimal | None:
    known = [sheet.full.per_day for sheet in sheets if sheet is not None]
    return sum(known, Decimal(0)) if len(known) == len(sheets) else None


def sheet_of(topology: Topology) -> CostSheet | None:
    """Return what a topology costs; None where its Region is not known."""
    if isinstance(topology.region, NotKnown):
        return None
    return cost_sheet(bill(topology), topology.region)


def uncounted(topology: Topology) -> list[str]:
    """Return what a topology buys of which it does not tell how much."""
    found = [n.name for n in topology.nodes if n.count is not None and _count(n) is None]
    systems = topology.file_systems
    return found + [f.name for f in systems if not (f.sold_as and isinstance(f.tebibytes, float))]


def bill(topology: Topology) -> Iterator[Quantity]:
    yield from _nodes(topology)
    for file_system in topology.file_systems:
        if file_system.sold_as is not None and isinstance(file_system.tebibytes, float):
            gib = Decimal(str(file_system.tebibytes)) * GIB_PER_TIB
            yield kept(file_system.sold_as, max(gib, NOTHING), f"Lustre {file_system.name}")
    gateways = sum(len(subnet.nats) for subnet in topology.subnets)
    if gateways:
        yield kept(prices.NAT_GATEWAY, gateways, "NAT gateways")
        yield kept(prices.PUBLIC_ADDRESS, gateways, "addresses of the NAT gateways")
    endpoints = sum(len(subnet.endpoints) for subnet in topology.subnets)
    if endpoints:
        yield kept(prices.ENDPOINT, endpoints, "interface endpoints")
    for scheduler in topology.schedulers:
        yield from _slurm(scheduler, topology.nodes)


def _count(nodes: Nodes) -> int | None:
    """Return how many nodes of one type there are at most, None where that is not known."""
    one_type = isinstance(nodes.type_name, str) and " or " not in nodes.type_name
    return nodes.count if one_type and isinstance(nodes.count, int) else None


def _nodes(topology: Topology) -> Iterator[Quantity]:
    inside: Counter[str] = Counter()
    for nodes in topology.nodes:
        count, own = _count(nodes), nodes.reservation
        if count is None:
            continue
        purpose, least = f"nodes {nodes.name}", 0
        if isinstance(own, Reservation) and isinstance(own.count, int):
            inside[own.name] += count
            count = min(inside[own.name] - own.count, count)
            purpose = f"{nodes.name} beyond their reservation"
        elif nodes.alone or nodes.launcher.startswith("HyperPod"):
            least = count
        if count > 0:
            yield Quantity(hour(nodes), Decimal(count), Decimal(least), purpose)
    for reservation in topology.reservations:
        if isinstance(reservation.count, int) and isinstance(reservation.type_name, str):
            item = prices.on_demand(reservation.type_name)
            yield kept(item, max(reservation.count, 0), f"reserved by {reservation.name}")


def hour(nodes: Nodes) -> Item:
    """Return an hour of a node; HyperPod's and Spot's are items of which no price is known."""
    name, own = str(nodes.type_name), nodes.reservation
    if nodes.launcher.startswith("HyperPod"):
        return Item(f"sagemaker/{name}/cluster", Unit.HOUR)
    if nodes.market == "spot":
        return Item(f"ec2/{name}/spot", Unit.HOUR)
    block = isinstance(own, Reservation) and own.kind == BLOCK
    if block or nodes.market == "capacity-block":
        return prices.capacity_block(name)
    return prices.on_demand(name)


def _slurm(scheduler: Scheduler, nodes: Sequence[Nodes]) -> Iterator[Quantity]:
    size, name = scheduler.size, scheduler.name
    if size is None:
        yield kept(Item("eks/cluster", Unit.HOUR), 1, f"Kubernetes {name}")
    elif not isinstance(size, NotKnown):
        yield kept(prices.slurm_controller(size), 1, f"Slurm controller {name}")
        mine = [n.count for n in nodes if n.launcher.startswith("PCS")]
        managed = Decimal(sum(count for count in mine if isinstance(count, int)))
        if managed > 0:
            fee = prices.slurm_node(size)
            yield Quantity(fee, managed, Decimal(0), "instances that PCS manages")
