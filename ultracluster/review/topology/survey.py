"""A variant of resolved resources, read as a topology."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from ultracluster.model.launchers import LAUNCHERS
from ultracluster.model.model import Model
from ultracluster.model.security_groups import SecurityGroup
from ultracluster.review.naming import Names
from ultracluster.review.resolved import NotKnown, read
from ultracluster.review.tables import DRAWN
from ultracluster.review.topology import networks, nodes, services, storage
from ultracluster.review.topology.networks import Contents, Subnet, Vpc
from ultracluster.review.topology.nodes import Nodes, Placement, Reservation
from ultracluster.review.topology.services import Endpoint, Scheduler
from ultracluster.review.topology.storage import FileSystem, Store
from ultracluster.templates.resolved import Unknown

DRAWN_TYPES: Final = frozenset({*DRAWN["parts"], *DRAWN["gateways"], *DRAWN["stores"], *LAUNCHERS})
"""Types that have a place in the picture; the others are counted."""
Placed = Nodes | FileSystem | Scheduler | Endpoint
"""What stands in a subnet."""


@dataclass(frozen=True, kw_only=True)
class Topology(Contents):
    """Everything that the templates place, in one variant."""

    names: Sequence[str]
    """The templates."""
    region: str | NotKnown
    vpcs: Sequence[Vpc]
    fabrics: Sequence[SecurityGroup]
    """Groups whose members let everything pass among themselves, both ways."""
    idle_reservations: Sequence[Reservation]
    idle_placements: Sequence[Placement]
    """Reservations and placement groups that no node names."""
    stores: Sequence[Store]
    others: Mapping[str, int]
    """Resources that are not drawn, by type."""
    assumptions: Sequence[str]
    """What was assumed about open conditions."""

    @cached_property
    def subnets(self) -> Sequence[Subnet]:
        return [subnet for vpc in self.vpcs for subnet in vpc.subnets]

    @property
    def without_subnet(self) -> Sequence[Placed]:
        """What lies in no subnet that is known."""
        endpoints = (endpoint for endpoint in self.endpoints if not endpoint.gateway)
        things: list[Placed] = [*self.nodes, *self.file_systems, *self.schedulers, *endpoints]
        return [thing for thing in things if not networks.places(thing)]

    @property
    def reservations(self) -> Sequence[Reservation]:
        """All reservations, each once, those that no node names first."""
        named = [n.reservation for n in self.nodes if isinstance(n.reservation, Reservation)]
        return list({each.name: each for each in (*self.idle_reservations, *named)}.values())


def survey(names: Sequence[str], model: Model, called: Names) -> Topology:
    """Return the topology of a variant, and what had to be assumed for it."""
    variant, region = model.variant, model.variant.region
    found: dict[str, Any] = {
        "nats": list(networks.read_nats(model)),
        "nodes": list(nodes.read_nodes(model, called)),
        "file_systems": storage.read_all_file_systems(model, called),
        "schedulers": [
            *services.read_schedulers(model, called),
            *services.read_control_planes(model),
        ],
        "endpoints": list(services.read_endpoints(model)),
        "jobs": list(services.read_job_interfaces(model)),
    }
    reserved = {getattr(n.reservation, "place", None) for n in found["nodes"]}
    placed = {getattr(n.placement, "key", None) for n in found["nodes"]}
    reservations = map(nodes.reservation, model.of(nodes.RESERVATION))
    placements = map(nodes.placement, model.of(nodes.PLACEMENT))
    resources = [r for r in variant.resources if r.resource_type not in DRAWN_TYPES]
    vpcs = list(networks.read_vpcs(model, called, Contents(**found)))
    # In the order in which they are drawn: by the first subnet that they lie in.
    every = (subnet.key for vpc in vpcs for subnet in vpc.subnets)
    order = {key: number for number, key in enumerate(every)}

    def first(thing: Nodes | FileSystem | Scheduler) -> int:
        own = networks.places(thing)[: 1 if isinstance(thing, Nodes) else None]
        return min((order[key] for key in own), default=len(order))

    for name in ("nodes", "file_systems", "schedulers"):
        found[name].sort(key=first)
    return Topology(
        **found,
        names=names,
        region=NotKnown(region.because) if isinstance(region, Unknown) else region,
        vpcs=vpcs,
        fabrics=[group for group in model.security_groups if _is_fabric(model, group)],
        idle_reservations=[each for each in reservations if each.place not in reserved],
        idle_placements=[each for each in placements if each.key not in placed],
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
