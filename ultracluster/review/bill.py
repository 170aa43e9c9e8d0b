"""Cost of templates without an environment, as far as it is known from them.

Nodes, file systems, NAT gateways, interface endpoints and Slurm. Not counted is what no template
tells: traffic, and how much lies in buckets, volumes and logs.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from ultracluster.catalogue import prices
from ultracluster.catalogue.prices import Item, Unit
from ultracluster.cost.sheet import NOTHING, CostSheet, Quantity, cost_sheet, kept
from ultracluster.review.resolved import NotKnown
from ultracluster.review.topology.nodes import BLOCK, Nodes, Reservation
from ultracluster.review.topology.services import Scheduler
from ultracluster.review.topology.survey import Topology

if TYPE_CHECKING:
    from ultracluster.spec.environment import EnvironmentSpec

NOT_TOLD: Final = "traffic, and what lies in buckets, volumes and logs, is in no template"


@dataclass(frozen=True)
class Money:
    """What templates buy, in USD a day with every node running."""

    after: Decimal
    before: Decimal | None
    """None where the templates are compared with nothing, or with something of unknown Region."""
    left_out: Sequence[str]
    """What is bought and not in `after`, because its price or its amount is not known."""
    left_out_before: Sequence[str] = ()
    """The same of `before`."""
    alike: bool = True
    """Whether as much is left out of both sums, so that their difference is that of the change."""
    cost_sheet: Decimal | None = None
    """What the environment's cost sheet says of it, where there is an environment."""

    @property
    def difference(self) -> Decimal | None:
        """What more is paid; None where it would be that of the prices that are known."""
        return self.after - self.before if self.before is not None and self.alike else None


def money(
    after: Sequence[Topology],
    before: Sequence[Topology] | None,
    spec: "EnvironmentSpec | None" = None,
) -> Money | None:
    """Return what is bought now and before, None where a Region is not known."""
    now, missing = _per_day(after, spec)
    if now is None:
        return None
    was, former = _per_day(before or (), spec) if before is not None else (None, missing)
    whole = spec.cost_sheet().full.per_day if spec is not None else None
    left_out, before_that = (list(dict.fromkeys(n for n, _ in each)) for each in (missing, former))
    alike = Counter(missing) == Counter(former)
    return Money(now, was, left_out, before_that, alike=alike, cost_sheet=whole)


def _per_day(
    topologies: Sequence[Topology], spec: "EnvironmentSpec | None"
) -> tuple[Decimal | None, list[tuple[str, str]]]:
    """Return what is bought for the price that is known; and what is not, with how much of it."""
    missing: list[tuple[str, str]] = []
    total = NOTHING
    for topology in topologies:
        sheet = sheet_of(topology, spec)
        if sheet is None:
            return None, []
        missing += [(name, "") for name in uncounted(topology)]
        missing += [(q.purpose, f"{q.full} of {q.item.name}") for q in sheet.unpriced]
        total += sheet.full.per_day
    return total, missing


def sheet_of(topology: Topology, spec: "EnvironmentSpec | None" = None) -> CostSheet | None:
    """Return what a topology costs; None where its Region is not known.

    Args:
        topology: what is bought.
        spec: the environment that it is of, whose budget may state prices.
    """
    if isinstance(topology.region, NotKnown):
        return None
    stated = spec.budget.stated(spec.region) if spec is not None else {}
    return cost_sheet(bill(topology), topology.region, stated=stated)


def uncounted(topology: Topology) -> list[str]:
    """Return what a topology buys of which it does not tell how much."""
    nodes = (n for n in topology.nodes if n.count is not None and _count(n) is None)
    systems = (f for f in topology.file_systems if not (f.sold_as and isinstance(f.gib, int)))
    return [*(f"nodes {n.name}" for n in nodes), *(f"{f.kind} {f.name}" for f in systems)]


def bill(topology: Topology) -> Iterator[Quantity]:
    yield from _nodes(topology)
    for file_system in topology.file_systems:
        if file_system.sold_as is not None and isinstance(file_system.gib, int):
            yield kept(file_system.sold_as, max(file_system.gib, 0), f"Lustre {file_system.name}")
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
