"""LUSTRE rules about who reaches a file system."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from ultracluster.catalogue import lustre
from ultracluster.model.model import Model
from ultracluster.model.security_groups import Direction, GroupRule
from ultracluster.model.storage import FileSystem
from ultracluster.rules.rule import Fault
from ultracluster.rules.subjects import file_systems
from ultracluster.templates.reading import (
    Key,
    UndeterminedError,
    key,
    known,
    shown,
)

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
    wanted = [port for first, last in lustre.PORTS for port in range(first, last + 1)]
    return model.groups.closed_ports(system.groups(), direction, wanted)


def _fault(system: FileSystem, direction: Direction, closed: Sequence[int]) -> Fault:
    words = " and ".join(ranges(closed))
    return Fault(f"{shown(system.groups())} does not open TCP {words} {direction}")


def _missing_ports(model: Model, system: FileSystem, direction: Direction) -> Iterator[Fault]:
    closed = _closed(model, system, direction)
    if not set(closed) <= set(ADDED_LATER):
        yield _fault(system, direction, closed)


def ranges(closed: Sequence[int]) -> Iterator[str]:
    """Yield closed ports as Lustre's ranges; the first to the last where one has several."""
    for first, last in lustre.PORTS:
        within = [port for port in closed if first <= port <= last]
        if within:
            yield f"{within[0]}" if len(within) == 1 else f"{within[0]}-{within[-1]}"


@access.error(
    "LUSTRE-13",
    what="The security group of a Lustre file system does not admit Lustre.",
    why="Clients and servers speak TCP 988 and 1018-1023; FSx refuses the create without 988, and "
    "with 988 alone clients mount and then hang.",
    fix="add ingress of tcp 988-988 and 1018-1023 from the group itself and from its clients",
)
def ports_open_inward(model: Model, system: FileSystem) -> Iterator[Fault]:
    yield from _missing_ports(model, system, "in")


@access.error(
    "LUSTRE-14",
    what="The security group of a Lustre file system does not let Lustre out.",
    why="Servers open connections to each other and to clients as well: without egress of TCP 988 "
    "and 1018-1023 a mount hangs.",
    fix="add egress of tcp 988-988 and 1018-1023 to the group itself and to its clients",
    check=f"{GROUPS}Egress",
)
def ports_open_outward(model: Model, system: FileSystem) -> Iterator[Fault]:
    yield from _missing_ports(model, system, "out")


@access.warning(
    "LUSTRE-24",
    what="The security group of a Lustre file system opens only some of the ports of Lustre.",
    why="The guide names 1018-1023; groups that open 988 and 1021-1023 alone are of an older day "
    "and mount as a rule, until a connection takes one of the other ports.",
    source=f"{PORTS}; aws-hpc-recipes storage/fsx_lustre, 2026-08-07",
    fix="write 1018-1023 in place of 1021-1023, in both directions",
)
def every_port_open(model: Model, system: FileSystem) -> Iterator[Fault]:
    for direction in DIRECTIONS:
        closed = _closed(model, system, direction)
        if closed and set(closed) <= set(ADDED_LATER):
            yield _fault(system, direction, closed)


@access.warning(
    "LUSTRE-15",
    what="A file system does not wait for the rules of its security group.",
    why="CloudFormation makes both at once, and FSx refuses a group that does not yet admit "
    "Lustre: the create fails now and then.",
    source="aws-parallelcluster#6181 and PR 1198; aws-cdk-lib 2.275 run on 2026-11-23",
    fix="write DependsOn with the logical id of every ingress and egress rule of the group",
    check="aws cloudformation describe-stack-events --stack-name <stack>",
)
def rules_before_the_file_system(model: Model, system: FileSystem) -> Iterator[Fault]:
    # Rules of its own stack that FSx needs at creation and that nothing waits for.
    groups = {key(group) for group in system.groups()}
    waited = model.dependencies(system.key)
    missing: list[str] = []
    for direction in DIRECTIONS:
        late: list[str] = []
        for admission in _between_servers(model, groups, direction):
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


def _in_the_templates(model: Model, group: Key) -> None:
    if group not in model.groups.known:
        raise UndeterminedError(
            f"security group {shown(group)} is not in the given templates"
            if known(group)
            else group[-1]
        )


def _between_servers(model: Model, groups: set[Key], direction: Direction) -> Iterator[GroupRule]:
    """Yield the rules that let the servers' first connection pass, which FSx looks for."""
    for group in sorted(groups, key=str):
        _in_the_templates(model, group)
        for admission in model.groups.known[group].of(direction):
            if LNET not in admission.traffic.tcp_ports:
                continue
            if admission.kind != "group" or key(admission.peer) in groups:
                yield admission


@access.fatal(
    "LUSTRE-18",
    what="The security group of an EFA-enabled file system is closed to EFA.",
    why="Servers speak EFA with each other: the group must admit all traffic from and to itself; "
    "the create fails otherwise.",
    source="FSx guide, EFA-enabled file systems, read 2026-11-23",
    fix="add ingress and egress with IpProtocol -1 between the group and itself",
)
def efa_between_servers(model: Model, system: FileSystem) -> Iterator[Fault]:
    if not system.over_efa():
        return
    groups = system.groups()
    for direction in DIRECTIONS:
        if not model.groups.members_exchange(groups, direction):
            yield Fault(f"{shown(groups)} has no rule {direction} between members, IpProtocol -1")
