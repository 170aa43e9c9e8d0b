"""LUSTRE rules about security groups of a file system, and about the nodes that mount it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from ultracluster.catalogue import lustre
from ultracluster.model.model import Model
from ultracluster.model.nodes import catalogued, described
from ultracluster.model.security_groups import GroupRule
from ultracluster.model.storage import FileSystem
from ultracluster.model.traffic import Direction
from ultracluster.rules.lustre_file_systems import DESCRIBE
from ultracluster.rules.rule import Fault, file_systems, first_of
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved_values import Key, UndeterminedError

WORDS: Final = {"in": "admits", "out": "leads to"}
DIRECTIONS: Final[tuple[Direction, ...]] = ("in", "out")
LNET: Final = 988
"""Port that clients and servers begin with, and that FSx looks for in a group."""
GROUPS: Final = (
    "aws ec2 describe-security-groups --group-ids <group> --query 'SecurityGroups[].IpPermissions'"
)
PORTS: Final = "aws-hpc-recipes#50; FSx guide, security groups, read 2026-11-23"
access: Final = replace(file_systems, source=PORTS, check=GROUPS)
ADDED_LATER: Final = range(1018, 1021)
"""Ports that templates of AWS's own leave out which open 988 and 1021-1023 (aws-hpc-recipes,
storage/fsx_lustre, 2026-08-07); the guide of today names them."""


def _closed(model: Model, system: FileSystem, direction: Direction) -> list[int]:
    return model.groups.closed_ports(system.groups(), direction, lustre.EVERY_PORT)


def _fault(system: FileSystem, direction: Direction, closed: Sequence[int]) -> Fault:
    return Fault(f"{read.shown(system.groups())} does not open TCP {_ranges(closed)} {direction}")


def _missing_ports(model: Model, system: FileSystem, direction: Direction) -> Iterator[Fault]:
    closed = _closed(model, system, direction)
    if not set(closed) <= set(ADDED_LATER):
        yield _fault(system, direction, closed)


def _ranges(closed: Sequence[int]) -> str:
    """Return closed ports as Lustre's ranges; the first to the last where one has several."""
    found = ([p for p in closed if first <= p <= last] for first, last in lustre.PORTS)
    return " and ".join(
        f"{within[0]}" if len(within) == 1 else f"{within[0]}-{within[-1]}"
        for within in found
        if within
    )


def _kept_apart(
    model: Model, system: FileSystem, at_servers: Direction, at_clients: Direction
) -> Iterator[Fault]:
    """Yield where groups of servers and of nodes that mount them let one direction not pass."""
    for node in model.clients.get(system.key, ()):
        clients, servers = node.primary_groups(), system.groups()
        pairs = ((servers, at_servers, clients), (clients, at_clients, servers))
        for members, direction, peers in pairs:
            named = {read.key(peer) for peer in peers}
            closed = model.groups.closed_ports(members, direction, lustre.EVERY_PORT, named)
            if not set(closed) <= set(ADDED_LATER):
                yield Fault(
                    f"{described(node)} mounts it; no rule of {read.shown(members)} "
                    f"{WORDS[direction]} {read.shown(peers)} by TCP {_ranges(closed)}"
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


ports_open = access.error(
    "LUSTRE-13",
    what="Security groups block Lustre, or block it between a file system and its nodes.",
    why="Clients and servers speak TCP 988 and 1018-1023, and servers open connections as well: "
    "FSx refuses the create without 988, with 988 alone clients mount and then hang, and where "
    "the groups do not name each other the mount hangs at boot, on every node.",
    fix="add ingress and egress of tcp 988-988 and 1018-1023 between the group itself and a group "
    "of its clients",
)(
    partial(_missing_ports, direction="in"),
    partial(_missing_ports, direction="out"),
    partial(_kept_apart, at_servers="in", at_clients="out"),
)


def _some_ports(model: Model, system: FileSystem) -> Iterator[Fault]:
    for direction in DIRECTIONS:
        closed = _closed(model, system, direction)
        if closed and set(closed) <= set(ADDED_LATER):
            yield _fault(system, direction, closed)


def _before_the_rules(model: Model, system: FileSystem) -> Iterator[Fault]:
    # Rules of its own stack that FSx needs at creation and that nothing waits for.
    groups = {read.key(group) for group in system.groups()}
    waited = model.dependencies(system.key)
    missing: list[str] = []
    for direction in DIRECTIONS:
        late: list[str] = []
        for admission in _between_servers(model, groups, direction):
            place = admission.place
            if not admission.separate or place.key in waited:
                # This one is there in time, and is enough.
                break
            if place.stack == system.place.stack:
                late.append(place.logical_id)
        else:
            missing += late
    if missing:
        yield Fault(
            f"no DependsOn of {', '.join(missing)}", fix=f"write DependsOn: [{', '.join(missing)}]"
        )


def _between_servers(model: Model, groups: set[Key], direction: Direction) -> Iterator[GroupRule]:
    """Yield the rules that let the servers' first connection pass, which FSx looks for."""
    for group in sorted(groups, key=str):
        if group not in model.groups.known:
            raise read.not_given(group, "security group")
        for admission in model.groups.known[group].of(direction):
            if LNET not in admission.traffic.tcp_ports:
                continue
            if admission.kind != "group" or read.key(admission.peer) in groups:
                yield admission


def _associations_at_once(model: Model, system: FileSystem) -> Iterator[Fault]:
    made: list[tuple[str, str]] = []
    for each in sorted(system.associations, key=lambda a: len(model.dependencies(a.place.key))):
        waited = model.dependencies(each.place.key)
        late = (name for stack, name in made if (stack, name) not in waited)
        others = first_of(late)
        if others and each.place.stack == system.place.stack:
            yield Fault(
                f"it does not wait for {', '.join(others)}",
                fix="write DependsOn with the logical id of the association before it",
                place=each.place,
            )
        made.append(each.place.key)


made_in_order = access.warning(
    "LUSTRE-15",
    what="A file system does not depend on the rules of its group, or one association on another.",
    why="CloudFormation makes all at once: FSx refuses a group that does not yet admit Lustre, and "
    "makes one association at a time, so that others time out: the create fails now and then.",
    source="aws-parallelcluster#6181, PR 1198 and pull request 6649; aws-cdk-lib 2.275 run on "
    "2026-11-23; read 2026-11-26",
    fix="write DependsOn with the logical id of every ingress and egress rule of the group",
    check="aws cloudformation describe-stack-events --stack-name <stack>",
)(_before_the_rules, _associations_at_once)


whole_passage = access.warning(
    "LUSTRE-24",
    what="Security groups allow only some of Lustre's ports, or only one direction.",
    why="Clients mount as a rule, until a connection takes one of the other ports (the guide names "
    "1018-1023, older groups 1021-1023) or was lost, and the servers cannot open it anew and "
    "evict the client.",
    source=f"{PORTS}; aws-hpc-recipes storage/fsx_lustre, 2026-08-07",
    fix="write 1018-1023 in place of 1021-1023, in both directions, also from the group of the "
    "file system to one of the nodes",
)(_some_ports, partial(_kept_apart, at_servers="out", at_clients="in"))


@access.warning(
    "LUSTRE-17",
    what="Nodes that mount an EFA-enabled file system cannot reach it over EFA.",
    why="Clients need Nitro v4 or later, which P4d, P4de and Trn2 are not: the capacity that EFA "
    "asks for is paid for nothing.",
    source="FSx guide, EFA-enabled file systems; AWS facts sheet 0.5; read 2026-11-23",
    fix="remove EfaEnabled; the nodes reach the file system over TCP",
    check=f"{DESCRIBE} --query 'FileSystems[].LustreConfiguration.EfaEnabled'",
)
def clients_of_nitro_4(model: Model, system: FileSystem) -> Iterator[Fault]:
    if not system.over_efa():
        return
    for node in model.clients.get(system.key, ()):
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
    for node in model.clients.get(system.key, ()):
        if apart := zones_apart(model, system, node.subnets()):
            yield Fault(f"it is in {apart[0]}, {described(node)} in {apart[1]}")
