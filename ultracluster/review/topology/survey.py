"""A variant of resolved resources, read as a topology."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from ultracluster.model.launchers import LAUNCHERS
from ultracluster.model.model import Model
from ultracluster.model.security_groups import SecurityGroup
from ultracluster.review.naming import Names
from ultracluster.review.resolved import NotKnown, or_none, read
from ultracluster.review.tables import DRAWN
from ultracluster.review.topology import nodes, services, storage
from ultracluster.review.topology.networks import Contents, Subnet, Vpc, read_nats, read_vpcs
from ultracluster.review.topology.nodes import Nodes, Placement, Reservation
from ultracluster.review.topology.services import Endpoint, Scheduler
from ultracluster.review.topology.storage import FileSystem, Store
from ultracluster.templates.resolved import Unknown

DRAWN_TYPES: Final = frozenset({*DRAWN["parts"], *DRAWN["gateways"], *DRAWN["stores"], *LAUNCHERS})
"""Types that have a place in the picture; the others are counted."""


@dataclass(frozen=True)
class Topology:
    """Everything that the templates place, in one variant."""

    names: Sequence[str]
    """The templates."""
    region: str | NotKnown
    vpcs: Sequence[Vpc] = ()
    fabrics: Sequence[SecurityGroup] = ()
    """Groups whose members let everything pass among themselves, both ways."""
    homeless: Sequence[Nodes | FileSystem | Scheduler | Endpoint] = ()
    """What lies in no subnet that is known."""
    idle_reservations: Sequence[Reservation] = ()
    idle_placements: Sequence[Placement] = ()
    """Reservations and placement groups that no node names."""
    stores: Sequence[Store] = ()
    others: Mapping[str, int] = field(default_factory=dict)
    """Resources that are not drawn, by type."""
    assumptions: Sequence[str] = ()
    """What was assumed about open conditions."""

    @cached_property
    def subnets(self) -> Sequence[Subnet]:
        return [subnet for vpc in self.vpcs for subnet in vpc.subnets]

    @property
    def nodes(self) -> Sequence[Nodes]:
        inside = [n for subnet in self.subnets for n in subnet.nodes]
        return [*inside, *(n for n in self.homeless if isinstance(n, Nodes))]

    @property
    def reservations(self) -> Sequence[Reservation]:
        """All reservations, each once, those that no node names first."""
        named = [n.reservation for n in self.nodes if isinstance(n.reservation, Reservation)]
        return list({each.name: each for each in (*self.idle_reservations, *named)}.values())

    @property
    def file_systems(self) -> Sequence[FileSystem]:
        """All file systems, each once."""
        inside = [f for subnet in self.subnets for f in subnet.file_systems]
        found = [*inside, *(f for f in self.homeless if isinstance(f, FileSystem))]
        # One with interfaces in several subnets is drawn in each of them.
        return list({file_system.place: file_system for file_system in found}.values())


def survey(names: Sequence[str], model: Model, called: Names) -> Topology:
    """Return the topology of a variant, and what had to be assumed for it."""
    variant = model.variant
    contents = Contents(
        nodes=list(nodes.read_nodes(model, called)),
        file_systems=storage.read_all_file_systems(model, called),
        schedulers=[
            *services.read_schedulers(model, called),
            *services.read_control_planes(model),
        ],
        endpoints=list(services.read_endpoints(model)),
        jobs=list(services.read_job_interfaces(model)),
        nats=read_nats(model),
    )
    region, doors = variant.region, [e for e in contents.endpoints if not e.gateway]
    things: list[Nodes | FileSystem | Scheduler | Endpoint] = [
        *contents.nodes,
        *contents.file_systems,
        *contents.schedulers,
        *doors,
    ]
    reserved = {
        n.reservation.place for n in contents.nodes if isinstance(n.reservation, Reservation)
    }
    every = map(nodes.reservation, model.of(nodes.RESERVATION))
    groups = model.of(nodes.PLACEMENT)
    placed = {n.placement.key for n in contents.nodes if isinstance(n.placement, Placement)}
    resources = [r for r in variant.resources if r.resource_type not in DRAWN_TYPES]
    return Topology(
        names=names,
        region=NotKnown(region.because) if isinstance(region, Unknown) else region,
        vpcs=list(read_vpcs(model, called, contents)),
        fabrics=[group for group in model.security_groups if _is_fabric(model, group)],
        homeless=[thing for thing in things if not or_none(thing.subnets)],
        idle_reservations=[r for r in every if r.place not in reserved],
        idle_placements=[p for p in map(nodes.placement, groups) if p.key not in placed],
        stores=storage.read_stores(model),
        others=Counter(r.resource_type or "no type" for r in resources),
        assumptions=[
            f"{name.rpartition('/')[2]} is {str(held).lower()}"
            for name, held in sorted(variant.choices.items())
        ],
    )


def _is_fabric(model: Model, group: SecurityGroup) -> bool:
    exchange = model.groups.members_exchange
    return all(read(exchange, [group.key], direction) is True for direction in ("in", "out"))
