"""Protocols and ports that rules let pass, and what two rules let pass together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ultracluster.model.security_groups import EVERYTHING, Admission
from ultracluster.templates.reading import number, part, text

LAST_PORT: Final = 65535
NAMES: Final = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6"}
"""Protocols by their number (IANA)."""
PORTED: Final = ("tcp", "udp")


@dataclass(frozen=True, order=True)
class Traffic:
    """Ports of one protocol; every protocol is `all`."""

    protocol: str
    first: int = 0
    last: int = LAST_PORT

    def __str__(self) -> str:
        """Return it for a reader."""
        if self.protocol == "all":
            return "everything"
        if self.protocol not in PORTED:
            return self.protocol
        if (self.first, self.last) == (0, LAST_PORT):
            return f"{self.protocol}, all ports"
        ports = f"{self.first}" if self.first == self.last else f"{self.first}–{self.last}"
        return f"{self.protocol} {ports}"

    def common(self, other: "Traffic") -> "Traffic | None":
        """Return what both let pass."""
        if self.protocol == "all":
            return other
        if other.protocol == "all":
            return self
        first, last = max(self.first, other.first), min(self.last, other.last)
        if self.protocol != other.protocol or first > last:
            return None
        return Traffic(self.protocol, first, last)


def traffic(rule: Admission) -> Traffic:
    """Return what a rule lets pass.

    Raises:
        UndeterminedError: where it is not known.
    """
    stated = text(part(rule.stated, "IpProtocol")) or EVERYTHING
    if stated == EVERYTHING:
        return Traffic("all")
    protocol = NAMES.get(stated, stated)
    if protocol not in PORTED:
        return Traffic(protocol)
    first, last = number(part(rule.stated, "FromPort")), number(part(rule.stated, "ToPort"))
    if first is None or first < 0:
        return Traffic(protocol)
    return Traffic(protocol, first, first if last is None else last)


def merged(found: Iterable[Traffic]) -> Sequence[Traffic]:
    """Return traffic without what is in it twice; ranges that touch become one."""
    every = sorted(set(found))
    if Traffic("all") in every:
        return [Traffic("all")]
    merged_: list[Traffic] = []
    for each in every:
        before = merged_[-1] if merged_ else None
        if before and before.protocol == each.protocol and each.first <= before.last + 1:
            merged_[-1] = Traffic(each.protocol, before.first, max(before.last, each.last))
        else:
            merged_.append(each)
    return merged_
