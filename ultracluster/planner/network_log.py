"""Logs of nccl-tests: which collective ran on what, and how fast.

The lines of ranks and results are found behind whatever a launcher puts before them (`mpirun
--tag-output`, `srun --label`), in the layouts of nccl-tests since 2.0: with and without a column
for the root, and for what is reduced.
"""

import math
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from ultracluster.planner.measurement import MeasurementError, NetworkMeasurement

SMALL: Final = 1024
"""Bytes below which a collective's time is all latency."""
LARGE: Final = 64 * 2**20
"""Bytes from which it is bandwidth: two p4de reach 82 % of their best at 128 MiB, 8 % at 1 MiB
(awslabs/awsome-distributed-ai micro-benchmarks/nccl-tests/README.md)."""
ROUNDING: Final = 0.03
"""Of bus over algorithm bandwidth, both printed with two digits."""

TYPES: Final = r"(?:u?int(?:8|32|64)|half|float|double|bfloat16|bf16|f8e\dm\d|float8_?e\dm\d)"
ROW: Final = re.compile(rf"(?:^|[\s>:|\]])(\d{{1,18}})\s+\d+\s+{TYPES}\b(.*)$")
RANK: Final = re.compile(r"Rank\s+(\d+)\s", re.IGNORECASE)
ON: Final = re.compile(
    r"\bon\s+(\S+)\s+device(?:[ \t]+\d+[ \t]+\[[^\]]*\][ \t]*(.*))?", re.IGNORECASE
)
BEGIN: Final = re.compile(r"^.*\bnThreads?\s+\d", re.MULTILINE)
PROGRAM: Final = re.compile(r"\b([a-z_]+)_perf\b")
KNOWN: Final = ("all_reduce", "all_gather", "reduce_scatter")


class Row(NamedTuple):
    """One size of a log: bytes, microseconds, GB/s of the algorithm and of the bus."""

    size: int
    micros: float
    algorithm: float
    bus: float


NO_ROW: Final = Row(0, 0.0, 0.0, 0.0)


def nccl_tests(text: str) -> NetworkMeasurement:
    """Read the output of nccl-tests' all_reduce_perf, all_gather_perf or reduce_scatter_perf.

    Of several tests in one file the last one counts.
    """
    block, before = _last_test(text)
    rows, ranks = list(_rows(block)), list(_ranks(block))
    hosts, largest = {rank: host for rank, host, _ in ranks}, max(rows, default=NO_ROW)
    why = ""
    if not rows:
        why = "it holds no row of nccl-tests (size, count, type, redop, root, time, algbw, busbw)"
    elif not hosts:
        why = "it does not say which ranks ran on which host; keep the lines `# Rank ... on ...`"
    elif largest.size < LARGE:
        why = f"its largest size is {largest.size:,} bytes, where latency is most of the time; "
        why += "measure up to 1 GiB (-b 8 -e 1G -f 2)"
    elif largest.algorithm <= 0:
        why = "the largest size has a bandwidth of 0 GB/s"
    elif len(hosts) == 1:
        why = "it ran on one GPU, which sends nothing; build nccl-tests with MPI=1, or run it with "
        why += "-g 8"
    if why:
        raise MeasurementError(why)
    small = [row for row in rows if 0 < row.size <= SMALL]
    return NetworkMeasurement(
        collective=_collective(largest, len(hosts), [*before, *PROGRAM.findall(block)]),
        nodes=len(set(hosts.values())),
        ranks=len(hosts),
        size=largest.size,
        algorithm_bandwidth=largest.algorithm * 1e9,
        smallest_seconds=min(row.micros for row in small) * 1e-6 if small else None,
        gpu_name=next((gpu for _, _, gpu in ranks if gpu), ""),
    )


def _ranks(block: str) -> Iterator[tuple[str, str, str]]:
    """Yield rank, host and GPU of each line that names them, as far as it says so."""
    for line in block.splitlines():
        rank, on = RANK.search(line), ON.search(line)
        if rank and on and rank.end() <= on.start():
            yield rank[1], on[1], (on[2] or "").strip()


def _last_test(text: str) -> tuple[str, list[str]]:
    """Return the last test that has results, and the programs named between it and the one before.

    A test begins with its line `nThread ... minBytes ...`.
    """
    starts = [match.start() for match in BEGIN.finditer(text)]
    ends = [*starts[1:], len(text)]
    previous = [0, *ends]
    for start, end, begin in reversed(list(zip(starts, ends, previous, strict=False))):
        if any(_rows(text[start:end])):
            return text[start:end], PROGRAM.findall(text[min(begin, start) : start])[-1:]
    return text, []


def _rows(block: str) -> Iterator[Row]:
    for line in block.splitlines():
        match = ROW.search(line)
        if match is None:
            continue
        size = int(match[1])
        words = match[2].split()
        if words and words[0].isalpha():
            words = words[1:]
        for first in (0, 1):  # without and with a column for the root
            row = _row(size, words[first : first + 3])
            if row is not None:
                yield row
                break


def _row(size: int, words: list[str]) -> Row | None:
    """Return a row if its time and bandwidth are those of one collective of that size."""
    try:
        micros, algorithm, bus = map(float, words)
    except ValueError:
        return None
    real = 0 < micros < math.inf and 0 <= algorithm < math.inf and 0 <= bus < math.inf
    same = real and abs(size / micros / 1e3 - algorithm) <= max(0.02, ROUNDING * algorithm)
    return Row(size, micros, algorithm, bus) if same else None


def _collective(largest: Row, ranks: int, named: list[str]) -> str:
    """Return what ran: by its factor of bus over algorithm bandwidth, 2(n-1)/n or (n-1)/n."""
    program = next((name for name in reversed(named) if name), "")
    if program and program not in KNOWN:
        raise MeasurementError(
            f"it is of {program}_perf; measure with all_reduce_perf, all_gather_perf or "
            "reduce_scatter_perf"
        )
    found, share = largest.bus / largest.algorithm, (ranks - 1) / ranks
    for name, factor in (("all_reduce", 2 * share), ("all_gather", share)):
        if abs(found - factor) <= ROUNDING:
            return name if name == "all_reduce" or not program else program
    raise MeasurementError(
        f"its bus bandwidth is {found:.2f} of the algorithm's, where the {ranks} ranks it names "
        f"make {2 * share:.2f} (all-reduce) or {share:.2f} (all-gather, reduce-scatter); give the "
        "whole log of one of these"
    )
