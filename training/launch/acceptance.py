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
16 GiB (awslabs/awsome-distributed-ai, micro-benchmarks/nccl-tests/README.md, read 2026-11). The floors
are some 90 % of these."""

ROW: Final = re.compile(r"^\s*\d+\s+\d+\s+[a-z]\w+\s+[a-z]\w*\s+-?\d+\s+[\d.]")
"""A line of nccl-tests: size, count, type, operation, root, then time, algbw, busbw, #wrong, out of
place and in place; with per-iteration figures (v2.19.5 and later) four more columns each."""

PER_ITERATION: Final = "i_min"
"""Column of the heading where a run tells each iteration (nccl-tests v2.19.6 src/util.cu)."""

MEMBER: Final = re.compile(r"#?\s*Rank\s+(\d+)\s+(?:Group\s+\d+\s+)?Pid\s+\d+\s+on\s+(\S+)")
OVER_TCP: Final = re.compile(r"Using network Socket|NET/Socket : Using|via NET/Socket/")
BROKEN: Final = re.compile(r"(Test NCCL failure.*|.*NCCL WARN.*(?:error|fail).*|Out of bounds.*FAILED)",
                           re.IGNORECASE)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """One size of a run.

    Attributes:
        size: Bytes.
        busbw: Bus bandwidth in GB/s, the better of out of place and in place.
        wrong: Results that were wrong.
    """

    size: int
    busbw: float
    wrong: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a log shows.

    Attributes:
        status: Exit status.
        lines: A sentence for each thing that was looked at.
    """

    status: int
    lines: tuple[str, ...]


def measured(log: str) -> list[Measured]:
    """Return every size of a log."""
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


def judge(log: str, instance_type: str, nodes: int) -> Verdict:
    """Return what a log shows.

    Args:
        log: Output of all_reduce_perf.
        instance_type: EC2 or SageMaker name.
        nodes: Nodes that the run was on.
    """
    kind = instance(instance_type)
    if kind is None or not kind.gpus:
        return Verdict(MISTAKEN, (f"{instance_type}: no instance type with GPUs and EFA; write its "
                                  "EC2 name, p4d.24xlarge for example",))  # fmt: skip
    if nodes < 1:
        return Verdict(MISTAKEN, (f"--nodes {nodes}: a run has at least one node",))
    wanted = floors(kind, nodes)
    if not wanted:
        return Verdict(MISTAKEN, (f"{kind.name} on {nodes} nodes: no bandwidth is known that it "
                                  "must reach; compare with a log of your own",))  # fmt: skip
    rows = measured(log)
    if not rows:
        return Verdict(MISTAKEN, ("the log has no line of nccl-tests: the run ended before it "
                                  f"measured{_because(log)}",))  # fmt: skip
    problems = list(_problems(log, rows, kind, nodes))
    if any(status == MISTAKEN for status, _ in problems):
        return Verdict(MISTAKEN, tuple(text for _, text in problems))
    said = [text for _, text in problems]
    status = UNSOUND if problems else SOUND
    for size, floor in sorted(wanted.items()):
        at = [row for row in rows if row.size == size]
        if not at:
            largest = max(row.size for row in rows)
            return Verdict(MISTAKEN, (*said, f"the log has no {written(size)} (it ends at {largest:,} "
                                      f"bytes); run with -b 8 -e {written(max(wanted))[:-4]}G "
                                      "-f 2"))  # fmt: skip
        best = max(row.busbw for row in at)
        good = best >= floor
        status = status if good else UNSOUND
        top = f"; {ceiling(kind, nodes):.1f} is the physical ceiling" if nodes > 1 else ""
        said.append(f"{written(size)}: {best:.1f} GB/s bus bandwidth, "
                    f"{'at least' if good else 'LESS THAN'} {floor:.1f}{top}")  # fmt: skip
    return Verdict(status, tuple(said))


def _because(log: str) -> str:
    found = BROKEN.search(log)
    return f" ({found[1].strip()[:200]})" if found else ""


def _problems(
    log: str, rows: list[Measured], kind: Instance, nodes: int
) -> Iterator[tuple[int, str]]:
    members = {(int(rank), host) for rank, host in MEMBER.findall(log)}
    if members:
        ranks, hosts = len(members), len({host for _, host in members})
        if ranks != nodes * kind.gpus:
            yield MISTAKEN, (f"the log is of {ranks} ranks on {hosts} hosts, and {nodes} nodes of "
                             f"{kind.name} have {nodes * kind.gpus} GPUs; run one rank for each, or "
                             "say how many nodes it was")  # fmt: skip
    if OVER_TCP.search(log):
        yield UNSOUND, "NCCL used TCP sockets and not EFA (NET/Socket); run the start-up check"
    wrong = sum(row.wrong for row in rows)
    if wrong:
        yield UNSOUND, f"{wrong:,} results are wrong: memory, NVLink or network corrupts data"
    top = ceiling(kind, nodes) if nodes > 1 else None
    over = [row for row in rows if top is not None and row.busbw > top * 1.02]
    if over:
        yield MISTAKEN, (f"{over[0].busbw:.1f} GB/s at {over[0].size:,} bytes is more than "
                         f"{nodes} nodes of {kind.name} can move ({top:.1f}): it was another number "
                         "of nodes, or another instance type")  # fmt: skip


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
