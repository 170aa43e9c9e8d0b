"""Whether logs of all_reduce_perf show a sound network, and which node it is where they do not.

    python -m training.launch acceptance nccl.log --instance p4d.24xlarge --nodes 2
    python -m training.launch acceptance pair-*.log --instance p4d.24xlarge --nodes 2

Ends with 0 where they do, 1 where a bandwidth is too low, a result wrong or a run over TCP, and 2
where that cannot be told. One log is judged by floors; several logs of groups of nodes (pairs, or
blocks of some) also by each other: a group far below the median of all is an outlier, and a node
that is in outliers alone, while others of its groups are not, is named.

Floors are shares of what the cards can move. An all-reduce of S bytes over N nodes moves 2(N-1)/N
* S through each node's cards, so with n GPUs its bus bandwidth is at most B * N/(N-1) * (n-1)/n:
93.75 GB/s for two P4d nodes (B = 50 GB/s), 50 for many. A floor of 300 GB/s for P4d, which a widely
copied health check has, can be met by one node alone.
"""

import errno
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from training.launch.instances import Instance, instance
from training.launch.nccl_log import Log, read

MIB: Final = 1 << 20
GIB: Final = 1 << 30
MOST_BYTES: Final = 50_000_000
"""Of a log; one of 512 nodes with NCCL_DEBUG=INFO has some 20 MB."""
JUDGED: Final = 8 * GIB
"""The size that any number of nodes is judged at: latency no longer counts, and it fits 40 GB."""
SOUND, UNSOUND, MISTAKEN = 0, 1, 2

SHARES: Final = {"p4d.": 0.75, "p4de.": 0.75, "p5": 0.55, "p6": 0.55}
"""Least share of the ceiling at 8 GiB and more, by the beginning of the instance type. Measured on
two nodes: p4de 78.3 of 93.75 GB/s at 2 GiB, p5 487 of 750 at 16 GiB (awslabs/awsome-distributed-ai,
micro-benchmarks/nccl-tests/README.md, read 2026-11); the shares are some 90 % of these. P5e, P5en
and P6 are taken for P5; nobody here has measured them."""

ONE_NODE: Final = {"p4d.24xlarge": {GIB: 200.0}, "p4de.24xlarge": {GIB: 200.0}}
"""GB/s inside a node. 230.8 was measured (NVIDIA/nccl#527, 2022); the floor is 87 % of it."""

SMALLER: Final = {
    "p4d.24xlarge": {128 * MIB: 60.0, GIB: 70.0},
    "p4de.24xlarge": {128 * MIB: 60.0, GIB: 70.0},
    "p5.48xlarge": {GIB: 390.0},
}
"""GB/s on two nodes below 8 GiB: measured were p4de 64.3 at 128 MiB and 76.8 at 1 GiB, p5 437 at 1
GiB (the same source)."""
MOST_AT_ONE_GIB: Final = 16
"""Nodes up to which 1 GiB says something: beyond, the latency of a ring takes the larger part."""
LATENCY_SECONDS: Final = 75e-6
"""Between two nodes of P4d; AWS's plugin tunes NCCL with it (aws-ofi-nccl src/platform-aws.cpp)."""

ROUNDING: Final = 1.02
"""How far above the ceiling a figure may lie: times are of one rank, not of the slowest."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What logs show."""

    status: int
    lines: tuple[str, ...]
    """A sentence for each thing that was looked at."""
    nodes: tuple[str, ...] = ()
    """Nodes at fault, by name."""


class UnjudgeableError(Exception):
    """A log that shows neither a sound network nor an unsound one, and why."""


def ceiling(kind: Instance, nodes: int) -> float:
    """Return the highest bus bandwidth in GB/s that an all-reduce over several nodes can show."""
    gpus = nodes * kind.gpus
    return kind.gbps / 8 * nodes / (nodes - 1) * (gpus - 1) / gpus


def floors(kind: Instance, nodes: int) -> dict[int, float]:
    """Return the least bus bandwidth in GB/s by size in bytes; empty where none is known."""
    share = next((s for name, s in SHARES.items() if kind.name.startswith(name)), None)
    if share is None or nodes == 1:
        return dict(ONE_NODE.get(kind.name, {})) if nodes == 1 else {}
    found = {JUDGED: round(ceiling(kind, nodes) * share, 1)}
    for size, floor in SMALLER.get(kind.name, {}).items():
        if nodes == 2:  # noqa: PLR2004 - what was measured
            found[size] = floor
        elif size >= GIB and nodes <= MOST_AT_ONE_GIB:
            moving = size * 2 * (nodes - 1) / nodes / (kind.gbps / 8 * 1e9)
            waiting = 2 * (nodes - 1) * LATENCY_SECONDS
            of_two = floor / ceiling(kind, 2)
            found[size] = round(ceiling(kind, nodes) * of_two * moving / (moving + waiting), 1)
    return found


def written(size: int) -> str:
    """Return a size as people write it."""
    return f"{size // GIB} GiB" if size >= GIB else f"{size // MIB} MiB"


def judge(text: str, instance_type: str, nodes: int) -> Verdict:
    """Return what one log shows."""
    try:
        kind, wanted = _wanted(instance_type, nodes)
        log = read(text)
        _of_that_run(log, kind, nodes)
        problems = list(_problems(log))
        compared = list(_compared(log, kind, nodes, wanted))
    except UnjudgeableError as error:
        return Verdict(MISTAKEN, (str(error),))
    slow = any("LESS THAN" in line for line in compared)
    unsound = bool(problems) or slow
    return Verdict(UNSOUND if unsound else SOUND, (*problems, *compared))


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


def _of_that_run(log: Log, kind: Instance, nodes: int) -> None:
    """Refuse a log of nothing, of another collective, number of nodes or instance type."""
    if not log.rows:
        because = f" ({log.broken})" if log.broken else ""
        raise UnjudgeableError(
            f"the log has no line of nccl-tests: the run ended before it measured{because}"
        )
    gpus = nodes * kind.gpus
    if log.ranks and log.ranks != gpus:
        raise UnjudgeableError(
            f"the log is of {log.ranks} ranks on {len(log.hosts)} hosts, and {nodes} nodes of "
            f"{kind.name} have {gpus} GPUs; run one rank for each, or say how many nodes it was"
        )
    if (collective := log.collective(gpus)) != "all_reduce":
        raise UnjudgeableError(
            f"the log is of {collective} and floors are known for all_reduce; run all_reduce_perf"
        )
    top = ceiling(kind, nodes) if nodes > 1 else float("inf")
    for row in log.rows:
        if row.busbw > top * ROUNDING:
            raise UnjudgeableError(
                f"{row.busbw:.1f} GB/s at {row.size:,} bytes is more than {nodes} nodes of "
                f"{kind.name} can move ({top:.1f}): it was another number of nodes, or "
                "another instance type"
            )


def _problems(log: Log) -> Iterator[str]:
    if log.over_tcp:
        yield "NCCL used TCP sockets and not EFA (NET/Socket); run the start-up check"
    wrong = max(sum(row.wrong for row in log.rows), log.out_of_bounds)
    if wrong:
        yield f"{wrong:,} results are wrong: memory, NVLink or network corrupts data"


def _compared(log: Log, kind: Instance, nodes: int, wanted: dict[int, float]) -> Iterator[str]:
    """Yield how the log's bandwidths compare with the floors of sizes that it has."""
    end = max(row.size for row in log.rows)
    lines = []
    for size in sorted({row.size for row in log.rows if row.size in wanted or row.size == end}):
        known = [floor for least, floor in sorted(wanted.items()) if least <= size]
        if not known:
            continue
        busbw, floor = log.busbw(size), known[-1]
        top = f"; {ceiling(kind, nodes):.1f} is the physical ceiling" if nodes > 1 else ""
        compared = "at least" if busbw >= floor else "LESS THAN"
        lines.append(
            f"{written(size)}: {busbw:.1f} GB/s bus bandwidth, {compared} {floor:.1f}{top}"
        )
    # What is too slow is so without the larger sizes; what is fast enough needs the largest.
    needed = min(size for size in wanted if size >= GIB)
    if end < needed and not any("LESS THAN" in line for line in lines):
        raise UnjudgeableError(
            f"the log has no {written(needed)} (it ends at {end:,} bytes); run with -b 8 -e "
            f"{JUDGED // GIB}G -f 2"
        )
    yield from lines


def _read(log: str) -> str:
    """Return the text of a log, or of standard input where it is `-`."""
    with open(0 if log == "-" else log, "rb", closefd=log != "-") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise OSError(errno.EFBIG, f"it has more than {MOST_BYTES / 1e6:g} MB")
    return data.decode(errors="replace")


def main(logs: Sequence[str], instance_type: str, nodes: int, *, as_json: bool = False) -> int:
    """Judge logs by their paths and return the exit status."""
    texts = {}
    for log in logs:
        try:
            texts[log] = _read(log)
        except OSError as error:
            sys.stderr.write(f"ERROR {log}: {error.strerror}\n")
            return MISTAKEN
    from training.launch.groups import judge_groups  # noqa: PLC0415 - it judges by this module

    several = len(texts) > 1
    verdict = (
        judge_groups(texts, instance_type, nodes)
        if several
        else judge(texts[logs[0]], instance_type, nodes)
    )
    if as_json:
        answer = {"status": verdict.status, "lines": verdict.lines, "nodes": verdict.nodes}
        sys.stdout.write(f"{json.dumps(answer)}\n")
    else:
        word = {SOUND: "sound", UNSOUND: "UNSOUND", MISTAKEN: "ERROR"}[verdict.status]
        stream = sys.stderr if verdict.status == MISTAKEN else sys.stdout
        stream.write("".join(f"{word}: {line}\n" for line in verdict.lines))
    return verdict.status
