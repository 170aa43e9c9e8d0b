"""The matrix of who reaches whom, read from security groups.

matrix = security_matrix(templates)
for passage in matrix.between(group, peer): ...
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from constructs_lib.rules.groups import ANYWHERE, EVERYTHING, Admission, Groups, read_groups
from constructs_lib.rules.reading import (
    Key,
    UndeterminedError,
    key,
    known,
    number,
    part,
    shown,
    text,
)
from constructs_lib.rules.resolved import ResolvedResource, Unknown
from operations.review.access.matrix import Matrix, Party, Passage
from operations.review.access.naming import Names
from operations.review.access.statements import worlds

Templates = Mapping[str, Mapping[str, Any]]
CLOSED: Final = "255.255.255.255/32"
PROTOCOLS: Final = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", EVERYTHING: "all"}
LAST: Final = 65535


def security_matrix(templates: Templates, *, region: str | None = None) -> Matrix:
    """Return who reaches whom, as the security groups of the templates say.

    Args:
        templates: by the name of their stack, with long-form functions.
        region: where they go, if the templates do not say it.
    """
    passages: dict[Passage, None] = {}
    groups: dict[Party, None] = {}
    for resources in worlds(templates, region):
        reader = _Reader(resources)
        groups.update(dict.fromkeys(reader.parties()))
        passages.update(dict.fromkeys(reader.passages()))
    peers = {passage.peer: None for passage in passages}
    kinds = ("group", "cidr", "prefix list", "unknown")
    return Matrix(
        tuple(groups),
        tuple(sorted(peers, key=lambda p: (kinds.index(p.kind), p.name))),
        tuple(passages),
    )


class _Reader:
    """Reads the security groups of one world."""

    def __init__(self, resources: Sequence[ResolvedResource]) -> None:
        self._names = Names(resources)
        self._resources = {(r.place.stack, r.place.logical_id): r for r in resources}
        self._groups: Groups = read_groups(resources)

    def parties(self) -> Iterator[Party]:
        """Yield the groups."""
        yield from (self._party(name) for name in self._groups.known)
        yield from (self._party(name) for name in self._groups.outside)

    def passages(self) -> Iterator[Passage]:
        """Yield what each group lets pass."""
        for name, group in self._groups.known.items():
            yield from (self._passage(name, rule) for rule in group.admissions)
        for name, rules in self._groups.outside.items():
            yield from (self._passage(name, rule) for rule in rules)
        for rule in self._groups.stray:
            yield self._passage("a group that is not known", rule)

    def _party(self, name: Key) -> Party:
        if isinstance(name, tuple) and name in self._resources:
            words = self._names.of(name[0], name[1]).removeprefix("the security group ")
            return Party("group", words, "/".join(name))
        if isinstance(name, tuple) and not known(name):
            return Party("unknown", f"not told: {name[-1]}", name[1])
        return Party("group", shown(name), shown(name))

    def _passage(self, name: Key, rule: Admission) -> Passage:
        group, peer = self._party(name), self._peer(rule)
        protocol, ports = _what(rule)
        return Passage(
            group=group,
            direction=rule.direction,
            peer=peer,
            protocol=protocol,
            ports=ports,
            description=_said(rule),
            stack=rule.place.stack,
            resource=rule.place.logical_id,
            answered=self._answered(name, rule),
            marks=tuple(_marks(rule, group, peer, protocol)),
        )

    def _peer(self, rule: Admission) -> Party:
        if rule.kind == "group":
            try:
                return self._party(key(rule.peer))
            except UndeterminedError as error:
                return Party("unknown", f"not told: {error.because}", "?")
        if rule.kind == "unknown":
            because = rule.peer.because if isinstance(rule.peer, Unknown) else ""
            return Party("unknown", f"not told: {because}", "?")
        words = self._names.text(rule.peer)
        return Party(rule.kind, words, words)

    def _answered(self, name: Key, rule: Admission) -> bool | None:
        """Whether the group at the other end lets it pass as well."""
        try:
            other = self._groups.known.get(key(rule.peer)) if rule.kind == "group" else None
        except UndeterminedError:
            return None
        if other is None:
            return None
        mine = _what(rule)
        wanted = "in" if rule.direction == "out" else "out"
        return any(
            answer.direction == wanted and _covers(_what(answer), mine) and self._is(answer, name)
            for answer in other.admissions
        )

    @staticmethod
    def _is(answer: Admission, name: Key) -> bool:
        try:
            if answer.kind == "group":
                return key(answer.peer) == name
            return answer.kind == "cidr" and text(answer.peer) in ANYWHERE
        except UndeterminedError:
            return False


def _what(rule: Admission) -> tuple[str, str]:
    """Return protocol and ports."""
    try:
        protocol = (text(part(rule.stated, "IpProtocol")) or EVERYTHING).lower()
        protocol = PROTOCOLS.get(protocol, protocol)
        first, last = number(part(rule.stated, "FromPort")), number(part(rule.stated, "ToPort"))
    except UndeterminedError:
        return "unknown", "unknown"
    if protocol == "all" or first is None or first < 0 or (first, last) == (0, LAST):
        return protocol, "all"
    return protocol, str(first) if last in (None, first) else f"{first}-{last}"


def _covers(wide: tuple[str, str], narrow: tuple[str, str]) -> bool:
    if wide[0] not in ("all", narrow[0]):
        return False
    if "all" in wide or wide == narrow:
        return True
    try:
        outer, inner = (
            [int(p) for p in (ports.split("-") * 2)[:2]] for ports in (wide[1], narrow[1])
        )
    except ValueError:
        return False
    return outer[0] <= inner[0] and inner[1] <= outer[1]


def _said(rule: Admission) -> str:
    try:
        return text(part(rule.stated, "Description")) or ""
    except UndeterminedError:
        return ""


def _marks(rule: Admission, group: Party, peer: Party, protocol: str) -> Iterator[str]:
    if peer.name == CLOSED:
        yield "nothing"
        return
    if peer.name in ANYWHERE:
        yield "anywhere"
    if protocol == "all":
        yield "everything"
    if group == peer:
        yield "itself"
    if not rule.certain:
        yield "uncertain"
