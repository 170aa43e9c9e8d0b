"""Security groups as a matrix: what passes from a source to a target.

Between two groups something passes where the source's egress and the target's ingress both admit
it. Of addresses and groups outside of the templates one side is known, and is said to be.
"""

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ultracluster.model.model import Model
from ultracluster.model.security_groups import Admission, Direction, Group
from ultracluster.review.security.traffic import Traffic, merged, traffic
from ultracluster.review.topology.naming import Names
from ultracluster.templates.reading import Key, UndeterminedError, key, known, text

NOBODY: Final = "255.255.255.255/32"
"""What CDK writes for a group without egress: no host has the address."""
ANYWHERE: Final = ("0.0.0.0/0", "::/0")

Kind = Literal["group", "addresses"]


@dataclass(frozen=True)
class Party:
    """A row or a column: a group of the templates, or addresses that a rule names."""

    name: str
    kind: Kind
    key: Key
    description: str = ""


@dataclass(frozen=True)
class Cell:
    """What passes from one party to another."""

    passes: Sequence[Traffic]
    one_side: Sequence[Traffic] = ()
    """What only one of the two groups admits, so that nothing of it passes."""

    def words(self) -> str:
        """Return it for a reader."""
        return ", ".join(map(str, self.passes))


@dataclass(frozen=True)
class Matrix:
    """Sources, targets, and what passes between them."""

    sources: Sequence[Party]
    targets: Sequence[Party]
    cells: dict[tuple[Key, Key], Cell]
    unknown: Sequence[str] = ()
    """Rules of which something is not known, and why."""

    def passes(self, sources: Sequence[Key], targets: Sequence[Key], asked: Traffic) -> bool:
        """Whether traffic passes from some of the sources to some of the targets."""
        return any(
            each.common(asked) == asked
            for source in sources
            for target in targets
            for each in self.cells.get((source, target), Cell(())).passes
        )


@dataclass(frozen=True)
class _Rule:
    """A rule of a group, as far as a matrix needs it."""

    group: Key
    direction: Direction
    peer: Key
    passes: Traffic
    is_group: bool


def matrix(model: Model, names: Names) -> Matrix:
    """Return the matrix of a variant."""
    unknown: list[str] = []
    rules = list(_rules(model, names, unknown))
    groups = [_party(group, names, model) for group in model.security_groups]
    named = dict.fromkeys(rule.group for rule in rules)
    groups += [Party(names.key(k), "group", k) for k in named if k not in {g.key for g in groups}]
    blocks = _blocks(model)
    cells: dict[tuple[Key, Key], Cell] = {}
    for source in groups:
        for target in groups:
            cell = _between(source.key, target.key, rules, blocks)
            if cell.passes or cell.one_side:
                cells[source.key, target.key] = cell
    outside: dict[Key, Party] = {}
    own = {group.key for group in groups}
    for rule in rules:
        if rule.is_group and rule.peer in own:
            continue
        outside.setdefault(rule.peer, Party(_called(rule.peer, names), "addresses", rule.peer))
        ends = (rule.peer, rule.group) if rule.direction == "in" else (rule.group, rule.peer)
        before = cells.get(ends, Cell(()))
        cells[ends] = Cell(merged([*before.passes, rule.passes]))
    sources = [*groups, *(p for p in outside.values() if any(p.key == s for s, _ in cells))]
    targets = [*groups, *(p for p in outside.values() if any(p.key == t for _, t in cells))]
    return Matrix(sources, targets, cells, unknown)


def _called(peer: Key, names: Names) -> str:
    if peer in ANYWHERE:
        return f"anybody ({peer})"
    return names.key(peer)


def _party(group: Group, names: Names, model: Model) -> Party:
    resource = model.found(group.key, "AWS::EC2::SecurityGroup")
    described = resource.properties.get("GroupDescription") if resource else None
    return Party(
        names.of(group.place), "group", group.key, described if isinstance(described, str) else ""
    )


def _rules(model: Model, names: Names, unknown: list[str]) -> Iterator[_Rule]:
    found = model.groups
    owned = [(g.key, rule) for g in found.known.values() for rule in g.admissions]
    owned += [(own, rule) for own, rules in found.outside.items() for rule in rules]
    for own, rule in owned:
        if not known(own):
            unknown.append(f"{names.of(rule.place)}: {own[-1]}")
            continue
        try:
            made = _rule(own, rule)
        except UndeterminedError as error:
            unknown.append(f"{names.of(rule.place)}: {error.because}")
            continue
        if made is not None:
            yield made
    unknown.extend(f"{names.of(rule.place)}: its group is not known" for rule in found.stray)


def _rule(own: Key, rule: Admission) -> _Rule | None:
    if not rule.certain:
        # Rules of their own may have replaced EC2's default one; they say what passes.
        return None
    is_group = rule.kind == "group"
    peer: Key = key(rule.peer) if is_group or rule.kind == "prefix list" else _block(rule)
    if not known(peer):
        raise UndeterminedError(peer[-1])
    return None if peer == NOBODY else _Rule(own, rule.direction, peer, traffic(rule), is_group)


def _block(rule: Admission) -> str:
    if rule.kind == "unknown":
        return text(rule.peer) or "not known"
    return text(rule.peer) or "addresses that are not known"


def _blocks(model: Model) -> dict[Key, list[ipaddress.IPv4Network]]:
    """Return the blocks of each group's VPC."""
    found: dict[Key, list[ipaddress.IPv4Network]] = {}
    for group in model.security_groups:
        resource = model.found(group.key, "AWS::EC2::SecurityGroup")
        try:
            vpc = model.given(resource and resource.properties.get("VpcId"), "AWS::EC2::VPC")
            stated = text(vpc.properties.get("CidrBlock")) or ""
            found[group.key] = [ipaddress.IPv4Network(stated, strict=False)]
        except (UndeterminedError, ValueError):
            continue
    return found


def _between(
    source: Key,
    target: Key,
    rules: Sequence[_Rule],
    blocks: dict[Key, list[ipaddress.IPv4Network]],
) -> Cell:
    out = [
        r.passes
        for r in rules
        if r.group == source and r.direction == "out" and _covers(r, target, blocks)
    ]
    into = [
        r.passes
        for r in rules
        if r.group == target and r.direction == "in" and _covers(r, source, blocks)
    ]
    passes = merged(both for a in out for b in into if (both := a.common(b)) is not None)
    named = [
        r.passes
        for r in rules
        if r.is_group
        and (
            (r.group == source and r.direction == "out" and r.peer == target)
            or (r.group == target and r.direction == "in" and r.peer == source)
        )
    ]
    lost = [n for n in named if not any(n.common(p) == n for p in passes)]
    return Cell(passes, merged(lost))


def _covers(rule: _Rule, group: Key, blocks: dict[Key, list[ipaddress.IPv4Network]]) -> bool:
    """Whether a rule's peer is a group, or addresses that hold all of its VPC."""
    if rule.is_group:
        return rule.peer == group
    if rule.peer == "0.0.0.0/0":
        return True
    try:
        stated = ipaddress.IPv4Network(str(rule.peer), strict=False)
    except ValueError:
        return False
    own = blocks.get(group)
    return bool(own) and all(block.subnet_of(stated) for block in own or ())
