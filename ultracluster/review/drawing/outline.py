"""The picture in words: the same parts, as a nested list."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ultracluster.review.drawing.subnets import (
    Context,
    address_words,
    association_words,
    fabric_words,
    passages,
    reservation_words,
    size_words,
)
from ultracluster.review.topology.model import (
    Endpoint,
    FileSystem,
    Interface,
    Nodes,
    NotKnown,
    Role,
    Scheduler,
    Subnet,
    Topology,
    words,
    zone_title,
)


@dataclass(frozen=True)
class Item:
    """A line with those below it."""

    says: str
    below: Sequence["Item"] = ()


def outline(topology: Topology, context: Context) -> Item:
    """Return the picture in words."""
    region = f"Region {words(topology.region, 'not known')}"
    return Item(region, tuple(_parts(topology, context)))


def _parts(topology: Topology, context: Context) -> Iterator[Item]:
    for vpc in topology.vpcs:
        title = vpc.name if vpc.outside and vpc.key is None else f"VPC {vpc.name}"
        zones = [
            Item(zone_title(zone), _subnets(subnets, context))
            for zone, subnets in vpc.zones().items()
        ]
        border = [*vpc.gateways, *(f"{e.service} gateway endpoint" for e in vpc.gateway_endpoints)]
        if border:
            zones.append(Item(f"At its border: {', '.join(border)}"))
        yield Item(f"{title}, {words(vpc.block, 'block not known')}", tuple(zones))
    homeless = tuple(_homeless(topology, context))
    if homeless:
        yield Item("In no subnet that is known", homeless)
    idle = [f"placement group {p.name}" for p in topology.idle_placements]
    idle += [reservation_words(r) for r in topology.idle_reservations]
    if idle:
        yield Item(f"Named by no nodes: {', '.join(idle)}")
    if topology.stores:
        stores = [Item(f"{s.kind} {s.name}: {', '.join(s.notes)}") for s in topology.stores]
        yield Item("Outside of the VPC", tuple(stores))
    if topology.roles:
        yield Item("Roles", tuple(_role(role) for role in topology.roles))
    if topology.others:
        counted = ", ".join(f"{n} {kind}" for kind, n in sorted(topology.others.items()))
        yield Item(f"Not drawn: {counted}")


def _subnets(subnets: Sequence[Subnet], context: Context) -> tuple[Item, ...]:
    return tuple(
        Item(
            f"Subnet {subnet.name}, {words(subnet.block, 'block not known')}, "
            f"way out: {subnet.way_out}",
            tuple(_inside(subnet, context)),
        )
        for subnet in subnets
    )


def _inside(subnet: Subnet, context: Context) -> Iterator[Item]:
    for name in subnet.nats:
        yield Item(f"NAT gateway {name}")
    for scheduler in subnet.schedulers:
        yield _scheduler(scheduler)
    for nodes in subnet.nodes:
        yield _nodes(nodes, context)
    for nodes in subnet.also:
        yield Item(f"Also {nodes.name}")
    for file_system in subnet.file_systems:
        mounts = [said for said, _ in passages(subnet, file_system, context)]
        yield _file_system(file_system, mounts)
    for job in subnet.jobs:
        many = f"{job.count:,}" if isinstance(job.count, int) else "as many as jobs ask for"
        yield Item(f"Interfaces of {job.service} ({job.name}): instances {many}, {job.each} each")
    if subnet.endpoints:
        services = ", ".join(endpoint.service for endpoint in subnet.endpoints)
        yield Item(f"{len(subnet.endpoints)} interface endpoints: {services}")
    yield Item(address_words(subnet))


def _nodes(nodes: Nodes, context: Context) -> Item:
    count = words(nodes.count, "an unknown number of")
    below: list[Item] = []
    if nodes.placement is not None:
        placement = nodes.placement
        below.append(
            Item(f"Placement group not known: {placement.because}")
            if isinstance(placement, NotKnown)
            else Item(
                f"Placement group {placement.name}, "
                f"strategy {words(placement.strategy, 'not known')}"
            )
        )
    if nodes.instance is not None:
        accelerator, cards = nodes.instance.accelerator, nodes.instance.network_cards
        below.append(
            Item(
                f"Each has {accelerator.count or 'an unknown number of'} {accelerator.name} and "
                f"{cards.count} network cards with {cards.gbps:,.0f} Gbps together"
            )
        )
    below.append(Item(_interfaces(nodes)))
    fabric = not isinstance(nodes.interfaces, NotKnown) and any(
        entry.carries_fabric for entry in nodes.interfaces
    )
    if fabric:
        below.append(Item(f"Fabric: {fabric_words(nodes, context)[0]}"))
    if nodes.reservation is not None:
        below.append(Item(reservation_words(nodes.reservation)))
    below += [Item(f"Slurm queue {queue}") for queue in nodes.queues]
    if nodes.role:
        below.append(Item(nodes.role))
    type_name = words(nodes.type_name, "nodes of a type that is not known")
    return Item(f"{nodes.name} ({nodes.launcher}): {count} {type_name} at most", tuple(below))


def _interfaces(nodes: Nodes) -> str:
    stated = nodes.interfaces
    if isinstance(stated, NotKnown):
        return f"Interfaces not known: {stated.because}"
    if not stated:
        return "One ordinary interface, which EC2 makes"
    return f"Interfaces: {', '.join(map(_interface, stated))}"


def _interface(entry: Interface) -> str:
    return f"{words(entry.kind)} on card {words(entry.card)}"


def _file_system(file_system: FileSystem, mounts: Sequence[str]) -> Item:
    below = [Item(said) for said in mounts]
    below += [
        Item(f"{a.path} and s3://{a.target}: {association_words(a.imports, a.exports)}")
        for a in file_system.associations
    ]
    return Item(f"{file_system.kind} {file_system.name}: {size_words(file_system)}", tuple(below))


def _scheduler(scheduler: Scheduler) -> Item:
    what = "Pods run" if scheduler.kubernetes else "Queue {}"
    queues = tuple(
        Item(f"{what.format(name)} on {', '.join(groups) or 'no node group'}")
        for name, groups in scheduler.queues
    )
    version = f"{scheduler.program} {words(scheduler.version, 'version not known')}"
    facts = ", ".join(filter(None, [version, scheduler.size_words, *scheduler.notes]))
    return Item(f"{scheduler.title} {scheduler.name}: {facts}", queues)


def _homeless(topology: Topology, context: Context) -> Iterator[Item]:
    for thing in topology.homeless:
        if isinstance(thing, Nodes):
            yield _nodes(thing, context)
        elif isinstance(thing, FileSystem):
            yield _file_system(thing, ())
        elif isinstance(thing, Endpoint):
            yield Item(f"{thing.service} endpoint")
        else:
            yield _scheduler(thing)


def _role(role: Role) -> Item:
    reaches = [
        Item(f"{r.what}: {r.how}{', under conditions' if r.conditional else ''}")
        for r in role.reaches
    ]
    reaches += [Item(f"policy {name}: not in the templates") for name in role.outside]
    return Item(f"{role.name}, taken by {', '.join(role.takers) or 'nobody known'}", tuple(reaches))
