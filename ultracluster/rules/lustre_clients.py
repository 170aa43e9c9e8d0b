"""LUSTRE rules about the nodes that mount a file system."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from ultracluster.catalogue import lustre
from ultracluster.model.model import Model
from ultracluster.model.nodes import Node, catalogued, described
from ultracluster.model.security_groups import Direction
from ultracluster.model.storage import FileSystem
from ultracluster.rules.lustre_access import ADDED_LATER, access, ranges
from ultracluster.rules.lustre_file_systems import DESCRIBE
from ultracluster.rules.rule import Fault
from ultracluster.templates.reading import Key, UndeterminedError, key, shown

WANTED: Final = [port for first, last in lustre.PORTS for port in range(first, last + 1)]
WORDS: Final = {"in": "admits", "out": "leads to"}


def _clients(model: Model, system: FileSystem) -> Sequence[Node]:
    """Return the nodes whose user data names a file system."""
    return model.clients.get(system.key, ())


def _closed(
    model: Model, members: Sequence[Any], direction: Direction, peers: Sequence[Any]
) -> Iterator[str]:
    """Yield what is closed between groups and their peers, as the rest of a message."""
    named = {key(peer) for peer in peers}
    closed = model.groups.closed_ports(members, direction, WANTED, named)
    if not set(closed) <= set(ADDED_LATER):
        yield (
            f"no rule of {shown(members)} {WORDS[direction]} {shown(peers)} by TCP "
            f"{' and '.join(ranges(closed))}"
        )


def zones_apart(model: Model, system: FileSystem, subnets: Sequence[Key]) -> tuple[str, str] | None:
    """Return the zone of a file system and those of subnets, None where one of them is in it."""
    if system.subnet() in subnets:
        return None
    every = model.networks.zones([system.subnet(), *subnets])
    (own,) = model.networks.zones([system.subnet()])
    if own in model.networks.zones(subnets):
        return None
    return own.name, ", ".join(sorted(zone.name for zone in every - {own}))


@access.error(
    "LUSTRE-16",
    what="Security groups keep nodes from the file system that they mount.",
    why="A client connects by TCP 988 and 1018-1023: the group of the file system must admit a "
    "group of the nodes, and theirs must let it out; otherwise the mount hangs at boot, on every "
    "node.",
    fix="add ingress of tcp 988-988 and 1018-1023 from a group of the nodes to that of the file "
    "system, and egress from theirs to it",
)
def clients_reach_servers(model: Model, system: FileSystem) -> Iterator[Fault]:
    for node in _clients(model, system):
        clients, servers = node.groups(), system.groups()
        for closed in (
            *_closed(model, servers, "in", clients),
            *_closed(model, clients, "out", servers),
        ):
            yield Fault(f"{described(node)} mounts it; {closed}")


@access.warning(
    "LUSTRE-26",
    what="A file system cannot connect to the nodes that mount it.",
    why="Lustre connects in both directions: where a connection was lost the servers open it anew, "
    "and a client that they cannot reach is evicted.",
    fix="add egress of tcp 988-988 and 1018-1023 from the group of the file system to one of the "
    "nodes, and ingress to theirs from it",
)
def servers_reach_clients(model: Model, system: FileSystem) -> Iterator[Fault]:
    for node in _clients(model, system):
        clients, servers = node.groups(), system.groups()
        for closed in (
            *_closed(model, servers, "out", clients),
            *_closed(model, clients, "in", servers),
        ):
            yield Fault(f"{described(node)} mounts it; {closed}")


@access.warning(
    "LUSTRE-17",
    what="Nodes that mount an EFA-enabled file system cannot speak EFA to it.",
    why="Clients need Nitro v4 or later, which P4d, P4de and Trn2 are not: the capacity that EFA "
    "asks for is paid for nothing.",
    source="FSx guide, EFA-enabled file systems; AWS facts sheet 0.5; read 2026-11-23",
    fix="remove EfaEnabled; the nodes reach the file system over TCP",
    check=f"{DESCRIBE} --query 'FileSystems[].LustreConfiguration.EfaEnabled'",
)
def clients_of_nitro_4(model: Model, system: FileSystem) -> Iterator[Fault]:
    if not system.over_efa():
        return
    for node in _clients(model, system):
        for name in node.type_names():
            instance = catalogued(name)
            if instance is None:
                continue
            if instance.lustre_over_efa is None:
                raise UndeterminedError(f"it is not known whether {name} can be a client over EFA")
            if not instance.lustre_over_efa:
                yield Fault(f"{described(node)} launches {name}")


@access.warning(
    "LUSTRE-19",
    what="A file system is in another zone than the nodes that mount it.",
    why="Every read crosses zones: it is slower, and each gigabyte is billed both ways.",
    source="FSx guide, performance; EC2 data transfer; read 2026-11-23",
    fix="write a subnet for the file system in the zone of the nodes",
    check=f"{DESCRIBE} --query 'FileSystems[].SubnetIds'",
)
def clients_in_the_zone(model: Model, system: FileSystem) -> Iterator[Fault]:
    for node in _clients(model, system):
        if apart := zones_apart(model, system, node.subnets()):
            yield Fault(f"it is in {apart[0]}, {described(node)} in {apart[1]}")
