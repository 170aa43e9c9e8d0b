"""How long a plan takes, and how much memory: the whole process, as somebody types it.

    python benchmarks/planner/speed.py

The search with a budget looks at every number of nodes from 1 to 512 (4,096 GPUs), then at every
128th to 8,192, and for each at tensor parallelism, pipelines,
micro-batches, activations and partition sizes.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIFTY = ("plan", "--parameters", "50e9", "--tokens", "700e9", "--format", "json")
TRILLION = (
    *("plan", "--layers", "128", "--hidden", "25600", "--heads", "160"),
    *("--tokens", "629e9", "--format", "json"),
)
EXPERTS = (
    *("plan", "--layers", "61", "--hidden", "7168", "--heads", "128", "--head-size", "128"),
    *("--vocabulary", "129280", "--sequence", "4096", "--feed-forward", "18432", "--gated"),
    *("--experts", "256", "--experts-per-token", "8", "--expert-width", "2048"),
    *("--shared-experts", "1", "--dense-layers", "3", "--tokens", "15e12", "--format", "json"),
    *("--instance", "p5.48xlarge", "--batch-tokens", "67108864"),
)
CASES = {
    "50 B, one number of nodes": (*FIFTY, "--nodes", "64"),
    "50 B, every number, 1 to 8,192": (*FIFTY, "--budget", "5e6"),
    "671 B of experts, 2,500 nodes": (*EXPERTS, "--nodes", "2500"),
    "671 B of experts, every number": (*EXPERTS, "--budget", "1e9"),
    "1 T in stages, 512 nodes": (*TRILLION, "--nodes", "512"),
    "1 T in stages, the fewest for 90 days": (*TRILLION, "--days", "90"),
}
ROUNDS = 5


def measured(words: Sequence[str]) -> tuple[float, float, int]:
    """Return seconds, seconds of processor and KiB of memory of one whole process."""
    begin = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "ultracluster.cli", *words], cwd=ROOT, stdout=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the command ended with {process.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def main() -> None:
    """Print one line a case."""
    print(f"{'plan':36} {'s':>6} {'s of CPU':>9} {'MiB':>6}   (median of {ROUNDS} processes)")
    for name, words in CASES.items():
        runs = [measured(words) for _ in range(ROUNDS)]
        seconds, processor, memory = (statistics.median(part) for part in zip(*runs, strict=True))
        print(f"{name:36} {seconds:6.2f} {processor:9.2f} {memory / 1024:6.1f}")


if __name__ == "__main__":
    main()
