"""Logs of groups of nodes beside each other: which group is an outlier, and which node it is. Pure.

Two rounds of pairs, each node with the one before it and the one after, name a node that is slow:
it is slow with both, and each of its partners is not slow with its other one.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from training.launch.acceptance import MISTAKEN, SOUND, UNSOUND, Verdict, judge, written
from training.launch.nccl_log import read

OUTLIER: Final = 0.05
"""Least share below the median that makes an outlier."""
DEVIATIONS: Final = 3 * 1.4826
"""Median absolute deviations below the median that do: three sigma of a normal law."""
ENOUGH: Final = 3
"""Groups of nodes that can be compared."""


@dataclass(frozen=True, slots=True)
class Group:
    """Some nodes that were measured together."""

    name: str
    """Of its log."""
    hosts: tuple[str, ...]
    busbw: float
    """GB/s at the largest size that all groups have."""
    unsound: bool
    """By its own floors."""


def judge_groups(logs: dict[str, str], instance_type: str, nodes: int) -> Verdict:
    """Return what logs of groups of so many nodes show, by themselves and beside each other.

    Args:
        logs: Texts by name.
        instance_type: EC2 or SageMaker name.
        nodes: Nodes of each group.
    """
    verdicts = {name: judge(text, instance_type, nodes) for name, text in logs.items()}
    lines = [
        f"{name}: {line}"
        for name, verdict in verdicts.items()
        for line in verdict.lines
        if verdict.status == MISTAKEN or (verdict.status == UNSOUND and "at least" not in line)
    ]
    parsed = {n: read(t) for n, t in logs.items() if verdicts[n].status != MISTAKEN}
    sizes = [{row.size for row in log.rows} for log in parsed.values()]
    common = set.intersection(*sizes) if sizes else set()
    if not parsed or not common:
        return Verdict(MISTAKEN, (*lines, "the logs have no size in common; run all of them alike"))
    size = max(common)
    groups = [
        Group(name, log.hosts, log.busbw(size), verdicts[name].status == UNSOUND)
        for name, log in parsed.items()
    ]
    slow = list(_outliers(groups))
    lines += [
        f"{group.name}: {group.busbw:.1f} GB/s at {written(size)} is far below the median of "
        f"{statistics.median(g.busbw for g in groups):.1f} of {len(groups)} groups"
        for group in slow
        if not group.unsound
    ]
    bad = [group for group in groups if group.unsound or group in slow]
    named, suspected = _at_fault(groups, bad)
    lines += [f"{node} is at fault: it is slow with every partner that is not" for node in named]
    lines += [
        f"{' or '.join(sorted(hosts))} is at fault; measure each with a node that is sound"
        for hosts in suspected
    ]
    if bad:
        return Verdict(UNSOUND, tuple(lines), tuple(named))
    if len(parsed) < len(logs):
        return Verdict(MISTAKEN, tuple(lines))
    least = min(group.busbw for group in groups)
    return Verdict(
        SOUND,
        (f"{len(groups)} groups of {nodes} nodes: {least:.1f} GB/s or more at {written(size)}",),
    )


def _outliers(groups: Sequence[Group]) -> Iterator[Group]:
    """Yield what lies far below the median, by the spread of the others and by a share of it."""
    if len(groups) < ENOUGH:
        return
    middle = statistics.median(group.busbw for group in groups)
    spread = statistics.median(abs(group.busbw - middle) for group in groups)
    for group in groups:
        if middle - group.busbw > max(DEVIATIONS * spread, OUTLIER * middle):
            yield group


def _at_fault(
    groups: Sequence[Group], bad: Sequence[Group]
) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return nodes that must be at fault, and groups of which one node must be.

    A node that is in a group that is not slow is sound; where that leaves one node of a slow group,
    it is that one. Nodes that several slow groups share are suspected before those of one.
    """
    sound = {host for group in groups if group not in bad for host in group.hosts}
    left = [tuple(host for host in group.hosts if host not in sound) for group in bad]
    named = sorted({hosts[0] for hosts in left if len(hosts) == 1})
    open_groups = [hosts for hosts in left if hosts and not set(hosts) & set(named)]
    while open_groups:
        counts = {
            h: sum(h in hosts for hosts in open_groups) for hosts in open_groups for h in hosts
        }
        host, most = max(counts.items(), key=lambda item: item[1])
        if most < 2 or list(counts.values()).count(most) > 1:  # noqa: PLR2004 - shared by two
            break
        named.append(host)
        open_groups = [hosts for hosts in open_groups if host not in hosts]
    return sorted(named), sorted(set(open_groups))
