"""Security groups as a matrix: what passes from a source to a target.

Between two groups something passes where the source's egress and the target's ingress both admit
it. Of addresses and groups outside of the templates only one of the two is known.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Final

from ultracluster.model.model import Model
from ultracluster.model.security_groups import GROUP
from ultracluster.model.traffic import (
    ANYWHERE,
    Direction,
    Flow,
    Traffic,
    block_within,
    common,
    covered,
    merged,
)
from ultracluster.review.naming import Names, group_by, short
from ultracluster.templates.resolved_values import Key, UndeterminedError, known, text

MOST_GROUPS: Final = 100
"""Groups of which every pair is looked at. Of more, those pairs are whose rules name each other."""


@dataclass(frozen=True)
class Cell:
    """What passes from a source to a target."""

    passes: Sequence[Traffic]
    one_side: Sequence[Traffic] = ()
    """What only one of the two groups admits, so that nothing of it passes."""

    def words(self) -> str:
        return ", ".join(map(str, self.passes))


@dataclass(frozen=True)
class Matrix:
    """Sources, targets, and what passes between them: groups, and addresses that rules name."""

    names: Mapping[Key, str]
    """What a reader calls them."""
    sources: Sequence[Key]
    targets: Sequence[Key]
    cells: dict[tuple[Key, Key], Cell]
    unknown: Sequence[str] = ()
    """Rules of which something is not known, and why."""

    @property
    def pairs(self) -> list[tuple[str, str, Cell]]:
        """Every pair between which something passes, or is meant to."""
        return [(self.names[a], self.names[b], cell) for (a, b), cell in self.cells.items()]


def matrix(model: Model, called: Names) -> Matrix:
    unknown: list[str] = []
    flows = list(_flows(model, unknown))
    names = {group.key: short(group.place) for group in model.security_groups}
    for key, _ in flows:
        names.setdefault(key, called.key(key))
    groups, blocks = list(names), dict(_blocks(model))
    own = frozenset(groups)
    sayings = _Flows(flows, blocks)
    cells: dict[tuple[Key, Key], Cell] = {}
    for source, target in _pairs(groups, flows):
        cell = _between(source, target, sayings)
        if cell.passes or cell.one_side:
            cells[source, target] = cell
    if len(groups) > MOST_GROUPS:
        unknown.append(
            f"what passes between {len(groups)} groups by addresses alone; pairs that name each "
            "other are shown"
        )
    outside: dict[tuple[Key, Key], list[Traffic]] = {}
    for group, flow in flows:
        peer = flow.peer
        if peer is None or peer in own:
            continue
        names[peer] = f"anybody ({peer})" if peer in ANYWHERE else called.key(peer)
        ends = (peer, group) if flow.direction == "in" else (group, peer)
        outside.setdefault(ends, []).append(flow.traffic)
    cells |= {ends: Cell(merged(found)) for ends, found in outside.items()}
    used = [{*groups, *(ends[side] for ends in cells)} for side in (0, 1)]
    sources, targets = ([key for key in names if key in side] for side in used)
    return Matrix(names, sources, targets, cells, unknown)


def _flows(model: Model, unknown: list[str]) -> Iterator[tuple[Key, Flow]]:
    found = model.groups
    owned = [(g.key, rule) for g in found.known.values() for rule in g.rules]
    owned += [(own, rule) for own, rules in found.outside.items() for rule in rules]
    for own, rule in owned:
        if not rule.certain:
            # Rules of their own may have replaced EC2's default one; they say what passes.
            continue
        try:
            flow = rule.flow()
        except UndeterminedError as error:
            unknown.append(f"{short(rule.place)}: {error.because}")
            continue
        if flow is None:
            continue
        because = [name[-1] for name in (own, flow.peer) if name and not known(name)]
        if because:
            unknown.append(f"{short(rule.place)}: {because[0]}")
        else:
            yield own, flow
    unknown.extend(f"{short(rule.place)}: its group is not known" for rule in found.stray)


def _blocks(model: Model) -> Iterator[tuple[Key, str]]:
    """Yield each group with the block of its VPC."""
    for group in model.security_groups:
        resource = model.find(group.key, GROUP)
        with suppress(UndeterminedError):
            vpc = model.get(resource and resource.properties.get("VpcId"), "AWS::EC2::VPC")
            yield group.key, text(vpc.properties.get("CidrBlock")) or ""


def _pairs(groups: Sequence[Key], flows: Iterable[tuple[Key, Flow]]) -> Iterable[tuple[Key, Key]]:
    if len(groups) <= MOST_GROUPS:
        return product(groups, groups)
    known = frozenset(groups)
    named = (
        (flow.peer, owner) if flow.direction == "in" else (owner, flow.peer)
        for owner, flow in flows
        if flow.peer is not None and flow.peer in known
    )
    return dict.fromkeys(named)


def _between(source: Key, target: Key, flows: "_Flows") -> Cell:
    out, into = flows.towards(source, "out", target), flows.towards(target, "in", source)
    ours, theirs = (merged(flow.traffic for flow in each) for each in (out, into))
    passes = merged(common(ours, theirs))
    named = [f.traffic for f in out if f.peer == target]
    named += [f.traffic for f in into if f.peer == source]
    return Cell(passes, merged(each for each in named if not covered(each, passes)))


class _Flows:
    """What rules of groups say of others, by their name or by addresses around their VPC.

    A group may have a thousand rules, each of which names another group.
    """

    def __init__(self, flows: Sequence[tuple[Key, Flow]], blocks: Mapping[Key, str]) -> None:
        self._blocks = blocks
        self._named = group_by(flows, lambda each: (each[0], each[1].direction, each[1].peer))
        by_address = (each for each in flows if isinstance(each[1].peer, str))
        self._by_address = group_by(by_address, lambda each: (each[0], each[1].direction))
        self._around = cache(self._around_a_block)

    def towards(self, group: Key, direction: Direction, peer: Key) -> list[Flow]:
        """Return what rules of a group say of another."""
        named = self._named.get((group, direction, peer), ())
        around = self._around(group, direction, self._blocks.get(peer))
        return [*(flow for _, flow in named), *around]

    def _around_a_block(self, group: Key, direction: Direction, block: str | None) -> list[Flow]:
        found = (flow for _, flow in self._by_address.get((group, direction), ()))
        return [f for f in found if f.peer == ANYWHERE[0] or block_within(block, f.peer)]
