"""Security groups and their rules."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

from ultracluster.model.traffic import (
    ANYWHERE,
    EVERY_PROTOCOL,
    NOBODY,
    Direction,
    Flow,
    Traffic,
    traffic,
)
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import Place, ResolvedResource, Unknown
from ultracluster.templates.resolved_values import Key, UndeterminedError

PeerKind = Literal["group", "cidr", "prefix list", "unknown"]

GROUP: Final = "AWS::EC2::SecurityGroup"
INLINE: Final[Mapping[str, Direction]] = {
    "SecurityGroupIngress": "in",
    "SecurityGroupEgress": "out",
}
SEPARATE: Final[Mapping[str, Direction]] = {
    "AWS::EC2::SecurityGroupIngress": "in",
    "AWS::EC2::SecurityGroupEgress": "out",
}
PEERS: Final[Mapping[str, PeerKind]] = {
    "SourceSecurityGroupId": "group",
    "DestinationSecurityGroupId": "group",
    "CidrIp": "cidr",
    "CidrIpv6": "cidr",
    "SourcePrefixListId": "prefix list",
    "DestinationPrefixListId": "prefix list",
}
DEFAULT_EGRESS: Final = {"IpProtocol": EVERY_PROTOCOL, "CidrIp": "0.0.0.0/0"}


@dataclass(frozen=True)
class GroupRule:
    """One rule of a group: ports, protocol and peer."""

    place: Place
    direction: Direction
    stated: Mapping[str, Any] | Unknown
    separate: bool = False
    """Whether the rule is a separate resource."""
    certain: bool = True
    """False for EC2's default egress rule where other egress rules may have replaced it."""

    @cached_property
    def kind(self) -> PeerKind:
        if not isinstance(self.stated, Mapping):
            return "unknown"
        return next((PEERS[name] for name in PEERS if name in self.stated), "unknown")

    @cached_property
    def peer(self) -> Any:
        if isinstance(self.stated, Unknown):
            return self.stated
        if not isinstance(self.stated, Mapping):
            return Unknown(f"{read.shown(self.stated)} is no rule")
        peers = [self.stated[name] for name in PEERS if name in self.stated]
        return peers[0] if peers else Unknown("a rule names its peer in a way that is not known")

    @cached_property
    def traffic(self) -> Traffic:
        """What it lets pass."""
        return traffic(self.stated)

    def passes_everything(self) -> bool:
        return read.text(self.stated, "IpProtocol") == EVERY_PROTOCOL

    def flow(self) -> Flow | None:
        """Return what it lets pass and the peer, None where no host is that peer."""
        peer = read.key(self.peer)
        return None if peer == NOBODY else Flow(self.direction, peer, self.traffic)

    def is_open_to_the_internet(self) -> bool:
        """Whether it allows all traffic from or to the whole internet."""
        return self.kind == "cidr" and self.passes_everything() and read.text(self.peer) in ANYWHERE


@dataclass(frozen=True)
class SecurityGroup:
    """A security group of the templates."""

    place: Place
    key: Key
    rules: tuple[GroupRule, ...]

    def of(self, direction: Direction) -> Iterator[GroupRule]:
        return (rule for rule in self.rules if rule.direction == direction)


@dataclass(frozen=True)
class SecurityGroups:
    """The security groups of all templates, and rules whose group is not known."""

    known: Mapping[Key, SecurityGroup]
    outside: Mapping[Key, tuple[GroupRule, ...]]
    """Rules that the templates add to groups outside of the templates."""
    stray: tuple[GroupRule, ...]
    """Rules whose group is not known."""

    @cached_property
    def _answers(self) -> dict[tuple[object, ...], Any]:
        """What was asked of sets of groups: thousands of nodes may be in one."""
        return {}

    def members_exchange(self, members: Sequence[Any], direction: Direction) -> bool:
        """Whether a set of groups allows all traffic between its members, in one direction.

        A card is in all groups of the set, and so are the cards of its peers: it is enough that
        one of them names any of them.

        Raises:
            UndeterminedError: where no member does and one is not known well enough.
        """
        unknown: list[str] = []
        named: set[Key] = set()
        for member in members:
            try:
                named.add(read.key(member))
            except UndeterminedError as error:
                unknown.append(error.because)
        asked = (direction, frozenset(named))
        if asked not in self._answers:
            self._answers[asked] = self._exchange(frozenset(named), direction)
        exchange, more = self._answers[asked]
        if not exchange and (unknown or more):
            raise UndeterminedError([*unknown, *more][0])
        return bool(exchange)

    def _exchange(self, named: frozenset[Key], direction: Direction) -> tuple[bool, list[str]]:
        """Return whether a rule of some groups names one of them, else what is not known."""
        unknown: list[str] = []
        for rule in self._rules(named, direction, unknown):
            try:
                if rule.kind not in ("group", "unknown") or not rule.passes_everything():
                    continue
                peer = read.key(rule.peer)
                if peer in named:
                    return True, []
                if not read.known(peer):
                    unknown.append(peer[-1])
            except UndeterminedError as error:
                unknown.append(error.because)
        return False, unknown

    def closed_ports(
        self,
        members: Sequence[Any],
        direction: Direction,
        wanted: Iterable[int],
        peers: set[Key] | None = None,
    ) -> list[int]:
        """Return those of some TCP ports that a set of groups lets pass from or to nobody.

        Args:
            members: the groups.
            direction: in or out.
            wanted: the ports.
            peers: groups of whoever is on the other side, None for anybody. A block of addresses
                or a prefix list may hold it.

        Raises:
            UndeterminedError: where some seem closed, and a group or a rule is not known.
        """
        named, ports = frozenset(read.key(member) for member in members), tuple(wanted)
        asked = (named, direction, ports, None if peers is None else frozenset(peers))
        if asked not in self._answers:
            self._answers[asked] = self._closed(*asked)
        closed, unknown = self._answers[asked]
        if closed and unknown:
            raise UndeterminedError(unknown[0])
        return list(closed)

    def _closed(
        self,
        named: frozenset[Key],
        direction: Direction,
        wanted: tuple[int, ...],
        peers: frozenset[Key] | None,
    ) -> tuple[list[int], list[str]]:
        """Return the ports that seem closed, and what is not known of the rules."""
        unknown: list[str] = []
        closed = list(wanted)
        for rule in self._rules(named, direction, unknown):
            if not rule.certain:
                unknown.append("egress rules of their own may have replaced EC2's default one")
                continue
            try:
                if peers is not None and rule.kind == "group":
                    peer = read.key(rule.peer)
                    if not read.known(peer):
                        unknown.append(peer[-1])
                    if peer not in peers:
                        continue
                open_ = rule.traffic.tcp_ports
            except UndeterminedError as error:
                unknown.append(error.because)
                continue
            closed = [port for port in closed if port not in open_]
            if not closed:
                break
        return closed, unknown

    def _rules(
        self, named: frozenset[Key], direction: Direction, unknown: list[str]
    ) -> Iterator[GroupRule]:
        for name in sorted(named, key=str):
            group = self.known.get(name)
            if group is not None:
                yield from group.of(direction)
            else:
                yield from (r for r in self.outside.get(name, ()) if r.direction == direction)
                unknown.append(read.not_given(name, "security group").because)
        # Within its own stack a rule that belongs to one of the groups would refer to it.
        stacks = {name[0] for name in named if isinstance(name, tuple)}
        unknown.extend(
            f"{rule.place.logical_id} adds a rule to a group that is not known"
            for rule in self.stray
            if rule.direction == direction and stacks != {rule.place.stack}
        )


def read_groups(resources: Sequence[ResolvedResource]) -> SecurityGroups:
    separate: dict[Key, list[GroupRule]] = defaultdict(list)
    stray: list[GroupRule] = []
    for resource in resources:
        direction = SEPARATE.get(resource.resource_type)
        if direction is None:
            continue
        rule = GroupRule(resource.place, direction, resource.properties, separate=True)
        try:
            separate[read.key(resource.properties, "GroupId")].append(rule)
        except UndeterminedError:
            stray.append(rule)
    known: dict[Key, SecurityGroup] = {}
    for resource in resources:
        if resource.resource_type == GROUP:
            name = resource.place.key
            rules = (*_inline(resource, separate.get(name, [])), *separate.pop(name, []))
            known[name] = SecurityGroup(resource.place, name, rules)
    return SecurityGroups(
        known, {name: tuple(rules) for name, rules in separate.items()}, tuple(stray)
    )


def _inline(resource: ResolvedResource, added: Sequence[GroupRule]) -> Iterator[GroupRule]:
    for name, direction in INLINE.items():
        stated = resource.properties.get(name)
        for entry in [stated] if isinstance(stated, Unknown) else read.items(stated):
            yield GroupRule(resource.place, direction, entry)
        if direction == "out" and stated is None:
            # EC2 lets everything out of a group without rules. Where rules are added as resources
            # of their own that one may be removed (aws-cdk#987), and the guide does not say.
            certain = not any(rule.direction == "out" for rule in added)
            yield GroupRule(resource.place, "out", DEFAULT_EGRESS, certain=certain)
