"""What rules of security groups let pass: protocols, ports and addresses."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from ultracluster.templates.resolved_values import UndeterminedError, number, text

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


def block_within(inner: object, outer: object) -> bool:
    """Whether all addresses of one block are in another; False for what is no block."""
    return _within(str(inner), str(outer))


@lru_cache(maxsize=4096)
def _within(inner: str, outer: str) -> bool:
    try:
        small, large = (ipaddress.ip_network(each, strict=False) for each in (inner, outer))
    except ValueError:
        return False
    return small.version == large.version and small.subnet_of(large)  # type: ignore[arg-type]
