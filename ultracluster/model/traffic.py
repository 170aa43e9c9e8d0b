"""What rules of security groups let pass: protocols, ports and addresses."""

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from ultracluster.templates.resolved_values import Key, UndeterminedError, number, text

Direction = Literal["in", "out"]
EVERY_PROTOCOL: Final = "-1"
ALL: Final = "all"
PROTOCOLS: Final = {EVERY_PROTOCOL: ALL, "1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}
"""Names that EC2 takes in place of numbers (EC2 API, IpPermission, read 2026-11-27)."""
WITH_PORTS: Final = ("tcp", "udp")
ICMP: Final = ("icmp", "icmpv6")
LAST_PORT: Final = 65535
CODES: Final = 256
"""Codes of an ICMP type. The range of an ICMP rule counts type and code as one number."""

ANYWHERE: Final = ("0.0.0.0/0", "::/0")
NOBODY: Final = "255.255.255.255/32"
"""What CDK writes for a group without egress: no host has the address."""


@dataclass(frozen=True, order=True)
class Traffic:
    """Ports of one protocol; every protocol is `all`."""

    protocol: str
    first: int = 0
    last: int = LAST_PORT

    def __str__(self) -> str:
        if self.protocol == ALL:
            return "everything"
        if self.protocol in ICMP and not self.every_port:
            (kind, code), whole = divmod(self.first, CODES), self.last > self.first
            return f"{self.protocol} type {kind}" + ("" if whole else f" code {code}")
        if self.protocol not in WITH_PORTS:
            return self.protocol
        if self.every_port:
            return f"{self.protocol}, all ports"
        ports = f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.protocol} {ports}"

    @property
    def every_port(self) -> bool:
        return (self.first, self.last) == (0, LAST_PORT)

    @property
    def tcp_ports(self) -> range:
        return range(self.first, self.last + 1) if self.protocol in (ALL, "tcp") else range(0)

    def common(self, other: "Traffic") -> "Traffic | None":
        """Return what both let pass."""
        if self.protocol == ALL:
            return other
        if other.protocol == ALL:
            return self
        first, last = max(self.first, other.first), min(self.last, other.last)
        if self.protocol != other.protocol or first > last:
            return None
        return Traffic(self.protocol, first, last)

    def covers(self, other: "Traffic") -> bool:
        return self.common(other) == other


def traffic(rule: Any) -> Traffic:
    """Return what the properties of a security group rule let pass."""
    stated = text(rule, "IpProtocol")
    if stated is None:
        raise UndeterminedError("a rule names no protocol")
    protocol = PROTOCOLS.get(stated, stated.lower())
    if protocol not in (*WITH_PORTS, *ICMP):
        return Traffic(protocol)
    first, last = number(rule, "FromPort"), number(rule, "ToPort")
    if first is None or first < 0:
        return Traffic(protocol)
    if protocol in ICMP:
        codes = (0, CODES - 1) if last is None or last < 0 else (last, last)
        return Traffic(protocol, *(first * CODES + code for code in codes))
    return Traffic(protocol, first, first if last is None else last)


def merged(found: Iterable[Traffic]) -> Sequence[Traffic]:
    """Return traffic without what is in it twice; ranges that touch become one."""
    every = sorted(set(found))
    if Traffic(ALL) in every:
        return [Traffic(ALL)]
    ranges: list[Traffic] = []
    for each in every:
        before = ranges[-1] if ranges else Traffic("")
        touch = before.protocol == each.protocol and each.first <= before.last + 1
        if touch and each.protocol in WITH_PORTS:
            ranges[-1] = Traffic(each.protocol, before.first, max(before.last, each.last))
        elif not before.covers(each):
            ranges.append(each)
    return ranges


def common(ours: Sequence[Traffic], theirs: Sequence[Traffic]) -> Iterator[Traffic]:
    """Yield what both let pass of what `merged` returned, in one go through both."""
    one = other = 0
    while one < len(ours) and other < len(theirs):
        mine, its = ours[one], theirs[other]
        if both := mine.common(its):
            yield both
        # Everything is one range alone, and goes with each range of the other side.
        first = its.protocol == ALL or (mine.protocol, mine.last) <= (its.protocol, its.last)
        if first and mine.protocol != ALL:
            one += 1
        else:
            other += 1


def covered(wanted: Traffic, by: Sequence[Traffic]) -> bool:
    """Whether traffic is in what `merged` returned: in the last range that begins before it."""
    found = bisect_right(by, (wanted.protocol, wanted.first, LAST_PORT), key=_order)
    return any(each.covers(wanted) for each in (*by[:1], *by[max(found - 1, 0) : found]))


def _order(traffic: Traffic) -> tuple[str, int, int]:
    return traffic.protocol, traffic.first, traffic.last


class Block(NamedTuple):
    """A block of addresses."""

    version: int
    length: int
    """Of its prefix, in bits."""
    prefix: int

    def shortened(self, length: int) -> "Block":
        """Return the block with a shorter prefix that it is in."""
        return Block(self.version, length, self.prefix >> (self.length - length))


@lru_cache(maxsize=65_536)
def block(written: str) -> Block | None:
    """Return a block as it is written, None for what is none."""
    try:
        found = ipaddress.ip_network(written, strict=False)
    except ValueError:
        return None
    first, bits = int(found.network_address), found.max_prefixlen - found.prefixlen
    return Block(found.version, found.prefixlen, first >> bits)


def block_within(inner: object, outer: object) -> bool:
    """Whether all addresses of one block are in another; False for what is no block."""
    small, large = block(str(inner)), block(str(outer))
    if small is None or large is None or (small.version, small.length) < large[:2]:
        return False
    return small.version == large.version and small.shortened(large.length) == large


@dataclass(frozen=True)
class Flow:
    """Traffic from or to one peer."""

    direction: Direction
    peer: Key | None
    """None where it is not known."""
    traffic: Traffic


class Passing:
    """What flows let pass together, asked for one flow after the other."""

    def __init__(self, flows: Iterable[Flow]) -> None:
        found: dict[tuple[Direction, Any], list[Traffic]] = {}
        self._lengths: dict[tuple[Direction, int], set[int]] = {}
        for flow in flows:
            peer = None if flow.peer is None else _peer(flow.peer)
            found.setdefault((flow.direction, peer), []).append(flow.traffic)
            if isinstance(peer, Block):
                self._lengths.setdefault((flow.direction, peer.version), set()).add(peer.length)
        self._found = {place: merged(each) for place, each in found.items()}

    def covers(self, flow: Flow) -> bool:
        """Whether everything of a flow passes; of a peer that is not known nothing is sure."""
        if flow.peer is None:
            return False
        peer = _peer(flow.peer)
        lengths = self._lengths.get((flow.direction, getattr(peer, "version", 0)), ())
        around = (peer.shortened(length) for length in lengths if length <= peer.length)
        return any(
            covered(flow.traffic, self._found.get((flow.direction, each), ()))
            for each in (peer, *around)
        )


def _peer(peer: Key) -> Any:
    """Return what is equal for one peer: the reason why one is not known is no part of it."""
    return peer[:2] if isinstance(peer, tuple) else block(peer) or peer
