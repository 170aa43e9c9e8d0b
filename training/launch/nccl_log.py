"""What a log of nccl-tests says. Pure.

A row has size, count, type and operation, a root in newer versions, and then for out of place and
for in place: time, algbw, busbw, and #wrong (older: error, a deviation); with per-iteration figures
(v2.19.5 and later) four more columns each. The public log of aws-samples/aws-efa-eks (NCCL 2.8.3,
README.md at 043dbe74, read 2026-11-27) has no root and an error column.
"""

import re
from dataclasses import dataclass
from typing import Final

ACTS: Final = re.compile(
    "\x1b\\[[\\d;?]*[A-Za-z]|[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f]"
)
"""Colours, and whatever else acts on the terminal of who reads."""
LONGEST_LINE: Final = 1_000
"""Characters of a line that are looked at; a row has some 200."""
ROW: Final = re.compile(r"\b(\d{1,18})\s+\d+\s+[a-z]\w*\s+(?:([a-z]\w*)\s+)?(-?[\d.].*)")
"""A line of figures, whatever srun, mpirun or Kubernetes have written before it."""
PER_ITERATION: Final = "i_min"
ERRORS: Final = re.compile(r"busbw\s+error")
"""The last column of a side in older versions: how far sums are off, which is no count."""
MEMBER: Final = re.compile(r"Rank\s+(\d{1,9})\s+(?:Group\s+\d+\s+)?Pid\s+\d+\s+on\s+(\S+)")
STARTED: Final = re.compile(r"Collective test starting:\s*(\w+?)_perf")
OVER_TCP: Final = re.compile(r"Using network Socket|NET/Socket : Using|via NET/Socket/")
OUT_OF_BOUNDS: Final = re.compile(r"Out of bounds values\s*:\s*(\d{1,18})\s+FAILED")
BROKEN: Final = re.compile(
    r"(Test NCCL failure.*|^.*NCCL WARN.*(?:error|fail).*|Out of bounds.*FAILED)",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Measured:
    """One size of a run."""

    size: int
    """Bytes."""
    operation: str
    """`sum` and its like, or `none`."""
    algbw: float
    busbw: float
    """Bus bandwidth in GB/s, the better of out of place and in place, and its own algbw."""
    wrong: int
    """Results that were wrong."""

    def collective(self, ranks: int) -> str:
        """Return which collective has such a ratio; see `Log.collective`."""
        if self.operation == "none":
            return "all_gather, broadcast or alltoall"
        ratio, share = self.busbw / self.algbw, (ranks - 1) / ranks
        known = {"all_reduce": 2 * share, "reduce_scatter": share, "reduce": 1.0}
        return min(known, key=lambda name: abs(known[name] - ratio))


@dataclass(frozen=True, slots=True)
class Log:
    """What a log says."""

    rows: tuple[Measured, ...]
    hosts: tuple[str, ...]
    """Nodes, in the order of their ranks; empty where the log does not list them."""
    ranks: int
    """Ranks that it lists; 0 where it lists none."""
    started: str
    """The collective that it names, or several with `and` between them; empty where none."""
    over_tcp: bool
    out_of_bounds: int
    """Results out of bounds as its last lines count them."""
    broken: str
    """Why the run ended early, where it says so."""

    def busbw(self, size: int) -> float:
        """Return the bus bandwidth of a size; of several runs in a log that of the slowest."""
        return min(row.busbw for row in self.rows if row.size == size)

    def collective(self, ranks: int) -> str:
        """Return which collective the figures are of, by their own ratio of busbw to algbw.

        It is 2(n-1)/n for an all-reduce over n ranks, (n-1)/n for all-gather, reduce-scatter and
        all-to-all, and 1 for the rest (nccl-tests doc/PERFORMANCE.md, read 2026-11-27).
        """
        some = [row for row in self.rows if row.algbw]
        large = [row for row in some if row.algbw >= 1] or some[-1:]
        if self.started or not large or ranks < 2:  # noqa: PLR2004 - nobody to talk to
            return self.started or "all_reduce"
        return " and ".join(sorted({row.collective(ranks) for row in large}))


def read(text: str) -> Log:
    """Return what a log says."""
    lines = [line[:LONGEST_LINE] for line in ACTS.sub("", text.replace("\r", "\n")).split("\n")]
    bare = "\n".join(lines)
    width = 8 if PER_ITERATION in bare else 4
    counted = ERRORS.search(bare) is None
    members = {(int(rank), host) for rank, host in MEMBER.findall(bare)}
    outside = OUT_OF_BOUNDS.search(bare)
    found = BROKEN.search(bare)
    return Log(
        rows=tuple(r for line in lines if (r := _row(line, width, counted=counted))),
        hosts=tuple(dict.fromkeys(host for _, host in sorted(members))),
        ranks=len(members),
        started=" and ".join(sorted(set(STARTED.findall(bare)))),
        over_tcp=OVER_TCP.search(bare) is not None,
        out_of_bounds=int(outside[1]) if outside else 0,
        broken=found[1].strip()[:200] if found else "",
    )


def _row(line: str, width: int, *, counted: bool) -> Measured | None:
    found = ROW.search(line)
    if not found:
        return None
    figures = found[3].split()
    # A root is there or not; the sides are as wide as the heading says.
    first = 1 if figures[0] == "-1" else len(figures) % width
    sides = [figures[at : at + 4] for at in range(first, len(figures), width)]
    if first > 1 or not sides or (len(figures) - first) % width:
        return None  # a line that was cut
    try:
        lost = [int(float(side[3])) for side in sides if counted and side[3] != "N/A"]
        busbw, algbw = max((float(side[2]), float(side[1])) for side in sides)
        return Measured(int(found[1]), found[2] or "none", algbw, busbw, sum(lost))
    except (ValueError, OverflowError):
        return None  # a line that two processes wrote at once
