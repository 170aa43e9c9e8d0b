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
from ultracluster.review.topology.networks import Contents, Subnet, Vpc, read_nats, read_vpcs
from ultracluster.review.topology.nodes import (
    PLACEMENT,
    RESERVATION,
    Nodes,
    Placement,
    Reservation,
    placement,
    read_nodes,
    reservation,
)
from ultracluster.review.topology.services import (
    Endpoint,
    Scheduler,
    read_control_planes,
    read_endpoints,
    read_job_interfaces,
    read_schedulers,
)
from ultracluster.review.topology.storage import (
    FileSystem,
    Store,
    read_all_file_systems,
    read_stores,
)
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
        nodes=list(read_nodes(model, called)),
        file_systems=list(read_all_file_systems(model, called)),
        schedulers=[*read_schedulers(model, called), *read_control_planes(model)],
        endpoints=list(read_endpoints(model)),
        jobs=list(read_job_interfaces(model)),
        nats=read_nats(model),
    )
    region = variant.region
    reserved = {
        n.reservation.place for n in contents.nodes if isinstance(n.reservation, Reservation)
    }
    placed = {n.placement.key for n in contents.nodes if isinstance(n.placement, Placement)}
    resources = [r for r in variant.resources if r.resource_type not in DRAWN_TYPES]
    return Topology(
        names=names,
        region=NotKnown(region.because) if isinstance(region, Unknown) else region,
        vpcs=list(read_vpcs(model, called, contents)),
        fabrics=[group for group in model.security_groups if _is_fabric(model, group)],
        homeless=[thing for thing in _placed(contents) if not or_none(thing.subnets)],
        idle_reservations=[
            reservation(r) for r in model.of(RESERVATION) if r.place not in reserved
        ],
        idle_placements=[placement(r) for r in model.of(PLACEMENT) if r.place.key not in placed],
        stores=read_stores(model),
        others=Counter(r.resource_type or "no type" for r in resources),
        assumptions=[
            f"{name.rpartition('/')[2]} is {str(held).lower()}"
            for name, held in sorted(variant.choices.items())
        ],
    )


def _placed(contents: Contents) -> list[Nodes | FileSystem | Scheduler | Endpoint]:
    interface_endpoints = [e for e in contents.endpoints if not e.gateway]
    return [*contents.nodes, *contents.file_systems, *contents.schedulers, *interface_endpoints]


def _is_fabric(model: Model, group: SecurityGroup) -> bool:
    exchange = model.groups.members_exchange
    return all(read(exchange, [group.key], direction) is True for direction in ("in", "out"))
