"""LUSTRE rules about who reaches a file system."""

from collections.abc import Iterator, Sequence
from typing import Final

from constructs_lib.catalogue import lustre
from constructs_lib.rules.groups import Admission, Direction
from constructs_lib.rules.lustre_file_systems import DESCRIBE, SUBJECTS
from constructs_lib.rules.nodes import Node, catalogued, described
from constructs_lib.rules.picture import Picture
from constructs_lib.rules.reading import (
    Key,
    UndeterminedError,
    key,
    known,
    links,
    part,
    shown,
)
from constructs_lib.rules.rule import Fault, rule
from constructs_lib.rules.storage import FileSystem

DIRECTIONS: Final[tuple[Direction, ...]] = ("in", "out")
LNET: Final = 988
"""Port that clients and servers begin with, and that FSx looks for in a group."""
GROUPS: Final = (
    "aws ec2 describe-security-groups --group-ids <group> --query 'SecurityGroups[].IpPermissions'"
)
PORTS: Final = "aws-hpc-recipes#50; FSx guide, security groups, read 2026-11-23"
ADDED_LATER: Final = range(1018, 1021)
"""Ports that templates of AWS's own leave out which open 988 and 1021-1023 (aws-hpc-recipes,
storage/fsx_lustre, 2026-08-07); the guide of today names them."""


def _closed(picture: Picture, system: FileSystem, direction: Direction) -> list[int]:
    wanted = [port for first, last in lustre.PORTS for port in range(first, last + 1)]
    return picture.groups.closed_ports(system.groups(), direction, wanted)


def _fault(system: FileSystem, direction: Direction, closed: Sequence[int]) -> Fault:
    ranges = [words for first, last in lustre.PORTS for words in _part(first, last, closed)]
    return Fault(f"{shown(system.groups())} does not open TCP {' and '.join(ranges)} {direction}")


def _missing_ports(picture: Picture, system: FileSystem, direction: Direction) -> Iterator[Fault]:
    closed = _closed(picture, system, direction)
    if not set(closed) <= set(ADDED_LATER):
        yield _fault(system, direction, closed)


def _part(first: int, last: int, closed: Sequence[int]) -> Iterator[str]:
    """Yield the closed part of a range of ports; the first to the last where it has several."""
    within = [port for port in closed if first <= port <= last]
    if within:
        yield f"{within[0]}" if len(within) == 1 else f"{within[0]}-{within[-1]}"


@rule(
    "LUSTRE-13",
    "error",
    SUBJECTS,
    what="The security group of a Lustre file system does not admit Lustre.",
    why="Clients and servers speak TCP 988 and 1018-1023; FSx refuses the create without 988, and "
    "with 988 alone clients mount and then hang.",
    source=PORTS,
    fix="add ingress of tcp 988-988 and 1018-1023 from the group itself and from its clients",
    check=GROUPS,
)
def ports_closed_inward(picture: Picture, system: FileSystem) -> Iterator[Fault]:
    """Add up the ingress rules of its groups."""
    yield from _missing_ports(picture, system, "in")


@rule(
    "LUSTRE-14",
    "error",
    SUBJECTS,
    what="The security group of a Lustre file system does not let Lustre out.",
    why="Servers open connections to each other and to clients as well: without egress of TCP 988 "
    "and 1018-1023 a mount hangs.",
    source=PORTS,
    fix="add egress of tcp 988-988 and 1018-1023 to the group itself and to its clients",
    check=f"{GROUPS}Egress",
)
def ports_closed_outward(picture: Picture, system: FileSystem) -> Iterator[Fault]:
    """Add up the egress rules of its groups."""
    yield from _missing_ports(picture, system, "out")


@rule(
    "LUSTRE-24",
    "warning",
    SUBJECTS,
    what="The security group of a Lustre file system opens only some of the ports of Lustre.",
    why="The guide names 1018-1023; groups that open 988 and 1021-1023 alone are of an older day "
    "and mount as a rule, until a connection takes one of the other ports.",
    source=f"{PORTS}; aws-hpc-recipes storage/fsx_lustre, 2026-08-07",
    fix="write 1018-1023 in place of 1021-1023, in both directions",
    check=GROUPS,
)
def older_ports(picture: Picture, system: FileSystem) -> Iterator[Fault]:
    """Add up the rules of its groups, where everything else is open."""
    for direction in DIRECTIONS:
        closed = _closed(picture, system, direction)
        if closed and set(closed) <= set(ADDED_LATER):
            yield _fault(system, direction, closed)


@rule(
    "LUSTRE-15",
    "warning",
    SUBJECTS,
    what="A file system does not wait for the rules of its security group.",
    why="CloudFormation makes both at once, and FSx refuses a group that does not yet admit "
    "Lustre: the create fails now and then.",
    source="aws-parallelcluster#6181 and PR 1198; aws-cdk-lib 2.275 run on 2026-11-23",
    fix="write DependsOn with the logical id of every ingress and egress rule of the group",
    check="aws cloudformation describe-stack-events --stack-name <stack>",
)
def race_with_its_rules(picture: Picture, system: FileSystem) -> Iterator[Fault]:
    """Look for rules of its own stack that FSx needs at creation and that nothing waits for."""
    groups = {key(group) for group in system.groups()}
    waited = picture.dependencies(system.key)
    missing: list[str] = []
    for direction in DIRECTIONS:
        late: list[str] = []
        for admission in _between_servers(picture, groups, direction):
            place = admission.place
            if not admission.separate or (place.stack, place.logical_id) in waited:
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


def _in_the_templates(picture: Picture, group: Key) -> None:
    if group not in picture.groups.known:
        raise UndeterminedError(
            f"security group {shown(group)} is not in the given templates"
            if known(group)
            else group[-1]
        )


def _between_servers(
    picture: Picture, groups: set[Key], direction: Direction
) -> Iterator[Admission]:
    """Yield the rules that let the servers' first connection pass, which FSx looks for."""
    for group in sorted(groups, key=str):
        _in_the_templates(picture, group)
        for admission in picture.groups.known[group].of(direction):
            if LNET not in admission.ports():
                continue
            if admission.kind != "group" or key(admission.peer) in groups:
                yield admission


def _mounts(node: Node, system: FileSystem) -> bool:
    """Whether the user data of a node names a file system."""
    return any(
        (link.stack, link.logical_id) == system.key for link in links(part(node.launch, "UserData"))
    )


@rule(
    "LUSTRE-16",
    "error",
    SUBJECTS,
    what="Nodes mount a file system whose security group does not admit theirs.",
    why="The mount hangs at boot, on every node.",
    source=PORTS,
    fix="add ingress of tcp 988-988 and 1018-1023 from a group of the nodes",
    check=GROUPS,
)
def clients_shut_out(picture: Picture, system: FileSystem) -> Iterator[Fault]:
    """Look for a rule that names a group of the node, or any block of addresses."""
    for node in picture.nodes:
        if not _mounts(node, system):
            continue
        clients = {key(group) for group in node.groups()}
        groups = [key(group) for group in system.groups()]
        if clients.intersection(groups):
            continue
        for group in groups:
            _in_the_templates(picture, group)
        admitted = any(
            LNET in admission.ports()
            and (admission.kind != "group" or key(admission.peer) in clients)
            for group in groups
            for admission in picture.groups.known[group].of("in")
        )
        if not admitted:
            yield Fault(f"{described(node)} mounts it; no rule admits {shown(node.groups())}")


@rule(
    "LUSTRE-17",
    "warning",
    SUBJECTS,
    what="Nodes that mount an EFA-enabled file system cannot speak EFA to it.",
    why="Clients need Nitro v4 or later, which P4d, P4de and Trn2 are not: the capacity that EFA "
    "asks for is paid for nothing.",
    source="FSx guide, EFA-enabled file systems; AWS facts sheet 0.5; read 2026-11-23",
    fix="remove EfaEnabled; the nodes reach the file system over TCP",
    check=f"{DESCRIBE} --query 'FileSystems[].LustreConfiguration.EfaEnabled'",
)
def clients_without_nitro_4(picture: Picture, system: FileSystem) -> Iterator[Fault]:
    """Ask the catalogue about the nodes that mount it."""
    if not system.over_efa():
        return
    for node in picture.nodes:
        if _mounts(node, system):
            for name in node.type_names():
                instance = catalogued(name)
                if instance is not None and not instance.lustre_over_efa:
                    yield Fault(f"{described(node)} launches {name}")


@rule(
    "LUSTRE-18",
    "error",
    SUBJECTS,
    what="The security group of an EFA-enabled file system is closed to EFA.",
    why="Servers speak EFA with each other: the group must admit all traffic from and to itself; "
    "the create fails otherwise.",
    source="FSx guide, EFA-enabled file systems, read 2026-11-23",
    fix="add ingress and egress with IpProtocol -1 between the group and itself",
    check=GROUPS,
    acknowledgeable=False,
)
def efa_servers_shut_off(picture: Picture, system: FileSystem) -> Iterator[Fault]:
    """Look for a rule between members, both ways."""
    if not system.over_efa():
        return
    groups = system.groups()
    for direction in DIRECTIONS:
        if not picture.groups.members_exchange(groups, direction):
            yield Fault(f"{shown(groups)} has no rule {direction} between members, IpProtocol -1")


@rule(
    "LUSTRE-19",
    "warning",
    SUBJECTS,
    what="A file system is in another zone than the nodes that mount it.",
    why="Every read crosses zones: it is slower, and each gigabyte is billed both ways.",
    source="FSx guide, performance; EC2 data transfer; read 2026-11-23",
    fix="write a subnet for the file system in the zone of the nodes",
    check=f"{DESCRIBE} --query 'FileSystems[].SubnetIds'",
)
def far_from_its_clients(picture: Picture, system: FileSystem) -> Iterator[Fault]:
    """Compare the zones."""
    for node in picture.nodes:
        if not _mounts(node, system):
            continue
        subnets = node.subnets()
        if system.subnet() in subnets:
            continue
        every = picture.networks.zones([system.subnet(), *subnets])
        (own,) = picture.networks.zones([system.subnet()])
        if own not in picture.networks.zones(subnets):
            zones = ", ".join(sorted(zone.name for zone in every - {own}))
            yield Fault(f"it is in {own.name}, {described(node)} in {zones}")
