"""What security groups let pass before and after."""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from ultracluster.model.security_groups import (
    ANYWHERE,
    DEFAULT_EGRESS,
    EVERYTHING,
    PEERS,
    SEPARATE,
    Admission,
    Direction,
)
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.sources import EFA, GROUP_RULES, NO_EGRESS
from ultracluster.review.changes.update import Key, Side
from ultracluster.review.changes.verdict import Site, Verdict, changed, coming, going
from ultracluster.review.changes.words import count, known_part, known_text, named
from ultracluster.templates.reading import UndeterminedError, key, known, shown
from ultracluster.templates.resolved import ResolvedResource, Unknown

GROUP: Final = "AWS::EC2::SecurityGroup"
CLOSED: Final = "255.255.255.255/32"
"""The block that CDK writes for a group that lets nothing out."""


class Pass(NamedTuple):
    """One thing that a rule lets pass."""

    direction: Direction
    peer: object
    """A key, a block, or None where the rule says something that is not known."""
    protocol: str
    first: int
    last: int

    def covers(self, other: "Pass") -> bool:
        """Whether everything that another lets pass also passes here."""
        if self.direction != other.direction or self.peer is None or other.peer is None:
            return False
        if self.protocol not in (EVERYTHING, other.protocol):
            return False
        if self.protocol != EVERYTHING and not (
            self.first <= other.first and other.last <= self.last
        ):
            return False
        return self.peer == other.peer or _within(other.peer, self.peer)

    def words(self, side: Side) -> str:
        """Return it as a sentence has it, with the names of a side's resources."""
        what = "everything" if self.protocol == EVERYTHING else f"{self.protocol}{self._ports()}"
        return f"{what} {'from' if self.direction == 'in' else 'to'} {self.whom(side)}"

    def whom(self, side: Side) -> str:
        """Return the peer in words."""
        if self.peer is None:
            return "a peer that the templates do not tell"
        if self.peer in ANYWHERE:
            return f"anybody on the internet ({self.peer})"
        found = side.resources.get(self.peer)  # type: ignore[call-overload]
        return named(found) if found else shown(self.peer)

    def _ports(self) -> str:
        if self.first <= 0 and self.last >= LAST_PORT:
            return " on all ports"
        if self.first == self.last:
            return f" {self.first}"
        return f" {self.first}-{self.last}"


LAST_PORT: Final = 65535


def _within(inner: object, outer: object) -> bool:
    if not (isinstance(inner, str) and isinstance(outer, str)):
        return False
    try:
        small, large = ipaddress.ip_network(inner), ipaddress.ip_network(outer)
    except ValueError:
        return False
    return small.version == large.version and small.subnet_of(large)  # type: ignore[arg-type]


def read(rule: Admission) -> Pass | None:
    """Return what a rule lets pass, None for one that lets nothing pass."""
    if isinstance(rule.stated, Unknown):
        return Pass(rule.direction, None, EVERYTHING, 0, LAST_PORT)
    if not any(name in rule.stated for name in PEERS):
        # EC2 refuses a rule without a peer; it lets nobody pass.
        return None
    protocol = (known_text(known_part(rule.stated, "IpProtocol")) or EVERYTHING).lower()
    first = count(known_part(rule.stated, "FromPort"))
    last = count(known_part(rule.stated, "ToPort"))
    try:
        peer: Any = key(rule.peer)
    except UndeterminedError:
        peer = None
    if peer == CLOSED:
        return None
    if peer is not None and not known(peer):
        peer = peer[:2]
    all_ports = first is None or first < 0
    return Pass(
        rule.direction,
        peer,
        {"6": "tcp", "17": "udp", "1": "icmp"}.get(protocol, protocol),
        0 if all_ports else first or 0,
        LAST_PORT if all_ports else (first or 0) if last is None else last,
    )


def _all(side: Side, group: Key | str, *, made_here: bool) -> list[Pass]:
    """Return everything that a group lets pass.

    Args:
        side: before or after.
        group: the group.
        made_here: whether the group is made with these rules. EC2's default egress comes with a
            new group alone; a group that is there does not get it when its rules go.
    """
    found = side.groups.known.get(group)
    rules: Iterable[Admission] = found.admissions if found else ()
    rules = (*rules, *side.groups.outside.get(group, ()))
    return _passes(rule for rule in rules if made_here or rule.stated is not DEFAULT_EGRESS)


def _passes(rules: Iterable[Admission]) -> list[Pass]:
    return [passage for rule in rules if (passage := read(rule)) is not None]


def _of_group(site: Site) -> tuple[list[Pass], list[Pass]]:
    """Return what a group itself says in the direction that changed, before and after."""
    direction: Direction = "in" if site.path[0] == "SecurityGroupIngress" else "out"

    def own(side: Side, at: Key | None) -> list[Pass]:
        found = side.groups.known.get(at) if at else None
        rules = found.admissions if found else ()
        return _passes(
            rule
            for rule in rules
            if rule.direction == direction
            and not rule.separate
            and (side is site.moment.old or rule.stated is not DEFAULT_EGRESS)
        )

    return own(site.moment.old, site.old_key), own(site.moment.new, site.new_key)


def _group_of(rule: ResolvedResource | None) -> Key | str | None:
    try:
        name = key(rule.properties.get("GroupId")) if rule else None
    except UndeterminedError:
        return None
    return (name[0], name[1]) if isinstance(name, tuple) else name


def _of_rule(rule: ResolvedResource | None) -> list[Pass]:
    if rule is None or rule.resource_type not in SEPARATE:
        return []
    found = read(Admission(rule.place, SEPARATE[rule.resource_type], rule.properties))
    return [found] if found else []


def _verdicts(
    site: Site,
    name: str,
    group: Key | str | None,
    gained: Sequence[Pass],
    lost: Sequence[Pass],
    *,
    new: bool = False,
) -> Iterator[Verdict]:
    for passage in gained:
        variant = passage.peer in ANYWHERE
        if new and not (variant and passage.direction == "in"):
            continue
        side = "in" if passage.direction == "in" else "out"
        yield Verdict(
            Danger.LOOSENS_SECURITY,
            f"{name} lets {passage.words(site.moment.new)} {side}",
            GROUP_RULES,
            "name the group or the block that needs it" if variant else "",
        )
    for passage in lost:
        fabric = passage.protocol == EVERYTHING and passage.peer == group
        yield Verdict(
            Danger.INTERRUPTS,
            f"{name} no longer lets {passage.words(site.moment.old)} pass"
            + (": EFA stops between the nodes" if fabric else ""),
            EFA
            if fabric
            else GROUP_RULES
            if passage.direction == "in"
            else f"{GROUP_RULES}; {NO_EGRESS}",
            "keep the rule, in both directions" if fabric else "",
        )


def _compared(
    site: Site, before: Sequence[Pass], after: Sequence[Pass], groups: tuple[Any, Any]
) -> Iterator[Verdict]:
    old_group, new_group = groups
    had = _all(site.moment.old, old_group, made_here=True) if old_group else []
    has = _all(site.moment.new, new_group, made_here=False) if new_group else []
    if old_group != new_group:
        # Of a group that has another name now the rules that name it are compared by that name.
        before = [_renamed(p, old_group, new_group) for p in before]
        had = [_renamed(p, old_group, new_group) for p in had]
    gained = [p for p in after if not any(q.covers(p) for q in had)]
    lost = [p for p in before if not any(q.covers(p) for q in has)]
    holder = site.moment.new.resources.get(new_group) or site.moment.old.resources.get(old_group)
    name = named(holder) if holder else f"the security group {shown(new_group or old_group)}"
    yield from _verdicts(site, name, new_group, gained, lost)


def _renamed(passage: Pass, old: Any, new: Any) -> Pass:
    return passage._replace(peer=new) if new and passage.peer == old else passage


@changed(GROUP)
def inline_rules(site: Site) -> Iterator[Verdict]:
    """Judge the rules that stand in a group."""
    if not site.touches("SecurityGroupIngress") and not site.touches("SecurityGroupEgress"):
        return
    before, after = _of_group(site)
    found = list(_compared(site, before, after, (site.old_key, site.new_key)))
    yield from found
    if not found:
        yield Verdict(
            Danger.HARMLESS,
            f"{site.name} lets the same pass as before",
            GROUP_RULES,
        )


@changed(*SEPARATE)
def rule_changed(site: Site) -> Iterator[Verdict]:
    """Judge a rule that is a resource of its own."""
    if site.path[0].startswith("@"):
        return
    groups = (_group_of(site.old), _group_of(site.new))
    before, after = _of_rule(site.old), _of_rule(site.new)
    if groups[0] == groups[1]:
        found = list(_compared(site, before, after, groups))
    else:
        found = [
            *_compared(site, before, [], (groups[0], groups[0])),
            *_compared(site, [], after, (groups[1], groups[1])),
        ]
    yield from found
    if not found:
        yield Verdict(
            Danger.HARMLESS,
            f"{site.name} lets the same pass as before",
            GROUP_RULES,
        )


@coming(*SEPARATE)
def rule_added(site: Site) -> Iterator[Verdict]:
    """Judge a rule that is new."""
    group = _group_of(site.new)
    after = _of_rule(site.new)
    had = _all(site.moment.old, group, made_here=True) if group else []
    gained = [p for p in after if not any(q.covers(p) for q in had)]
    holder = site.moment.new.resources.get(group) if isinstance(group, tuple) else None
    name = named(holder) if holder else f"the security group {shown(group)}"
    yield from _verdicts(site, name, group, gained, (), new=_is_new(site, group))


def _is_new(site: Site, group: Any) -> bool:
    """Whether a group was not there before: nothing that runs is in it."""
    return group in site.update.pairing.added


@coming(GROUP)
def group_added(site: Site) -> Iterator[Verdict]:
    """Judge the rules within a group that is new."""
    assert site.new is not None and site.new_key is not None  # noqa: S101, PT018
    group = site.moment.new.groups.known.get(site.new_key)
    own = _passes(r for r in (group.admissions if group else ()) if not r.separate)
    yield from _verdicts(site, site.name, site.new_key, own, (), new=True)


@going(*SEPARATE)
def rule_removed(site: Site) -> Iterator[Verdict]:
    """Judge a rule that goes."""
    group = _group_of(site.old)
    has = _all(site.moment.new, group, made_here=False) if group else []
    lost = [p for p in _of_rule(site.old) if not any(q.covers(p) for q in has)]
    holder = site.moment.old.resources.get(group) if isinstance(group, tuple) else None
    name = named(holder) if holder else f"the security group {shown(group)}"
    yield from _verdicts(site, name, group, (), lost)
    if not lost:
        yield Verdict(
            Danger.HARMLESS,
            f"{name} lets the same pass without this rule",
            GROUP_RULES,
        )
