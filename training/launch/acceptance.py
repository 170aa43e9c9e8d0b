"""Whether the log of an all_reduce_perf run shows a sound network. Pure but for reading the log.

    python -m training.launch acceptance nccl.log --instance p4d.24xlarge --nodes 2

Ends with 0 where it does, 1 where a bandwidth is too low, a result wrong or the run over TCP, and 2
where the log cannot be judged.

No floor here lies above what physics allows. An all-reduce of S bytes over N nodes moves
2(N-1)/N * S through each node's cards, so with n GPUs its bus bandwidth is at most
B * N/(N-1) * (n-1)/n: 93.75 GB/s for two P4d nodes (B = 50 GB/s), 50 for many. A floor of 300 GB/s
for P4d, which a widely copied health check has, can be met by one node alone.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from training.launch.instances import Instance, instance

MIB: Final = 1 << 20
GIB: Final = 1 << 30
SOUND, UNSOUND, MISTAKEN = 0, 1, 2

LATENCY_SECONDS: Final = 75e-6
"""Between two nodes of P4d; AWS's plugin tunes NCCL with it (aws-ofi-nccl src/platform-aws.cpp)."""

ONE_NODE: Final = {"p4d.24xlarge": {GIB: 200.0}, "p4de.24xlarge": {GIB: 200.0}}
"""GB/s inside a node. 230.8 was measured (NVIDIA/nccl#527, 2022); the floor is 87 % of it."""

TWO_NODES: Final = {
    "p4d.24xlarge": {128 * MIB: 60.0, GIB: 70.0},
    "p4de.24xlarge": {128 * MIB: 60.0, GIB: 70.0},
    "p5.48xlarge": {GIB: 390.0, 16 * GIB: 435.0},
}
"""GB/s. Measured on two nodes: p4de 64.3 at 128 MiB and 76.8 at 1 GiB; p5 437 at 1 GiB and 487 at
16 GiB (awslabs/awsome-distributed-ai, micro-benchmarks/nccl-tests/README.md, read 2026-11). The
floors are some 90 % of these."""

ROW: Final = re.compile(r"^\s*\d+\s+\d+\s+[a-z]\w+\s+[a-z]\w*\s+-?\d+\s+[\d.]")
"""A line of nccl-tests: size, count, type, operation, root, then time, algbw, busbw, #wrong, out of
place and in place; with per-iteration figures (v2.19.5 and later) four more columns each."""

PER_ITERATION: Final = "i_min"
"""Column of the heading where a run tells each iteration (nccl-tests v2.19.6 src/util.cu)."""

ROUNDING: Final = 1.02
"""How far above the ceiling a figure may lie: times are of one rank, not of the slowest."""

MEMBER: Final = re.compile(r"#?\s*Rank\s+(\d+)\s+(?:Group\s+\d+\s+)?Pid\s+\d+\s+on\s+(\S+)")
OVER_TCP: Final = re.compile(r"Using network Socket|NET/Socket : Using|via NET/Socket/")
BROKEN: Final = re.compile(
    r"(Test NCCL failure.*|.*NCCL WARN.*(?:error|fail).*|Out of bounds.*FAILED)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Measured:
    """One size of a run."""

    size: int
    """Bytes."""
    busbw: float
    """Bus bandwidth in GB/s, the better of out of place and in place."""
    wrong: int
    """Results that were wrong."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a log shows."""

    status: int
    lines: tuple[str, ...]
    """A sentence for each thing that was looked at."""


def measured(log: str) -> list[Measured]:
    width = 8 if PER_ITERATION in log else 4
    found = []
    for line in log.splitlines():
        # srun -l and mpirun --tag-output write who speaks before each line.
        bare = re.sub(r"^\s*(?:\d+:|\[[^\]]*\](?:<\w+>)?:?)\s", "", line)
        if not ROW.match(bare):
            continue
        words = bare.split()
        sides = [words[start : start + 4] for start in (5, 5 + width)]
        try:
            found.append(
                Measured(
                    int(words[0]),
                    max(float(side[2]) for side in sides if len(side) == 4),  # noqa: PLR2004
                    sum(int(float(side[3])) for side in sides if side[3:] not in ([], ["N/A"])),
                )
            )
        except ValueError:
            continue  # a line that two processes wrote at once
    return found


def ceiling(kind: Instance, nodes: int) -> float:
    """Return the highest bus bandwidth in GB/s that an all-reduce over several nodes can show."""
    gpus = nodes * kind.gpus
    return kind.gbps / 8 * nodes / (nodes - 1) * (gpus - 1) / gpus


def floors(kind: Instance, nodes: int) -> dict[int, float]:
    """Return the least bus bandwidth in GB/s by size in bytes; empty where none is known.

    Over more than two nodes the share of the ceiling is the one of two nodes, less the latency of a
    ring; that is derived, and nobody here has measured it.
    """
    if nodes == 1:
        return dict(ONE_NODE.get(kind.name, {}))
    known = TWO_NODES.get(kind.name, {})
    if nodes == 2:  # noqa: PLR2004 - what was measured
        return dict(known)
    found = {}
    for size, floor in known.items():
        if size < GIB:
            continue  # latency rules, and no measurement says how much
        moving = size * 2 * (nodes - 1) / nodes / (kind.gbps / 8 * 1e9)
        waiting = 2 * (nodes - 1) * LATENCY_SECONDS
        share = floor / ceiling(kind, 2)
        found[size] = round(ceiling(kind, nodes) * share * moving / (moving + waiting), 1)
    return found


def written(size: int) -> str:
    """Return a size as people write it."""
    return f"{size // GIB} GiB" if size >= GIB else f"{size // MIB} MiB"


class UnjudgeableError(Exception):
    """A log that shows neither a sound network nor an unsound one, and why."""


def judge(log: str, instance_type: str, nodes: int) -> Verdict:
    """Return what a log shows."""
    try:
        kind, wanted = _wanted(instance_type, nodes)
        rows = measured(log)
        _of_that_size(log, rows, kind, nodes)
        said = list(_problems(log, rows))
        slow = False
        for size, floor in sorted(wanted.items()):
            best = _best(rows, size, max(wanted))
            slow = slow or best < floor
            top = f"; {ceiling(kind, nodes):.1f} is the physical ceiling" if nodes > 1 else ""
            compared = "at least" if best >= floor else "LESS THAN"
            said.append(
                f"{written(size)}: {best:.1f} GB/s bus bandwidth, {compared} {floor:.1f}{top}"
            )
    except UnjudgeableError as error:
        return Verdict(MISTAKEN, (str(error),))
    unsound = slow or len(said) > len(wanted)
    return Verdict(UNSOUND if unsound else SOUND, tuple(said))


def _wanted(instance_type: str, nodes: int) -> tuple[Instance, dict[int, float]]:
    kind = instance(instance_type)
    if kind is None or not kind.gpus:
        raise UnjudgeableError(
            f"{instance_type}: no instance type with GPUs and EFA; write its EC2 name, "
            "p4d.24xlarge for example"
        )
    if nodes < 1:
        raise UnjudgeableError(f"--nodes {nodes}: a run has at least one node; write 1 or more")
    wanted = floors(kind, nodes)
    if not wanted:
        raise UnjudgeableError(
            f"{kind.name} on {nodes} nodes: no bandwidth is known that it must reach; compare with "
            "a log of your own"
        )
    return kind, wanted


def _of_that_size(log: str, rows: list[Measured], kind: Instance, nodes: int) -> None:
    """Refuse a log of nothing, of another number of nodes, or of other instances."""
    if not rows:
        raise UnjudgeableError(
            f"the log has no line of nccl-tests: the run ended before it measured{_because(log)}"
        )
    members = {(int(rank), host) for rank, host in MEMBER.findall(log)}
    ranks, hosts = len(members), len({host for _, host in members})
    if members and ranks != nodes * kind.gpus:
        raise UnjudgeableError(
            f"the log is of {ranks} ranks on {hosts} hosts, and {nodes} nodes of {kind.name} have "
            f"{nodes * kind.gpus} GPUs; run one rank for each, or say how many nodes it was"
        )
    top = ceiling(kind, nodes) * ROUNDING if nodes > 1 else float("inf")
    for row in rows:
        if row.busbw > top:
            raise UnjudgeableError(
                f"{row.busbw:.1f} GB/s at {row.size:,} bytes is more than {nodes} nodes of "
                f"{kind.name} can move ({top / ROUNDING:.1f}): it was another number of nodes, or "
                "another instance type"
            )


def _best(rows: list[Measured], size: int, largest: int) -> float:
    at = [row.busbw for row in rows if row.size == size]
    if not at:
        end = max(row.size for row in rows)
        raise UnjudgeableError(
            f"the log has no {written(size)} (it ends at {end:,} bytes); run with -b 8 -e "
            f"{largest // GIB}G -f 2"
        )
    return max(at)


def _problems(log: str, rows: list[Measured]) -> Iterator[str]:
    if OVER_TCP.search(log):
        yield "NCCL used TCP sockets and not EFA (NET/Socket); run the start-up check"
    wrong = sum(row.wrong for row in rows)
    if wrong:
        yield f"{wrong:,} results are wrong: memory, NVLink or network corrupts data"


def _because(log: str) -> str:
    found = BROKEN.search(log)
    return f" ({found[1].strip()[:200]})" if found else ""


def main(log: str, instance_type: str, nodes: int, *, as_json: bool = False) -> int:
    """Judge a log by its path and return the exit status."""
    try:
        text = sys.stdin.read() if log == "-" else Path(log).read_text(errors="replace")
    except OSError as error:
        sys.stderr.write(f"ERROR {log}: {error.strerror}\n")
        return MISTAKEN
    verdict = judge(text, instance_type, nodes)
    if as_json:
        sys.stdout.write(f"{json.dumps({'status': verdict.status, 'lines': verdict.lines})}\n")
    else:
        word = {SOUND: "sound", UNSOUND: "UNSOUND", MISTAKEN: "ERROR"}[verdict.status]
        stream = sys.stderr if verdict.status == MISTAKEN else sys.stdout
        stream.write("".join(f"{word}: {line}\n" for line in verdict.lines))
    return verdict.status
