"""MFU of the shipped program on one GPU, beside a plain one-GPU baseline, in the same run.

    python benchmarks/training/throughput.py [--batch 16] [--steps 100] [--profile]

1.31B parameters, sequence 2048, bf16. The shipped program is the command `python -m training.train`
with all that it has: its mesh (of one rank), memory-mapped data in shuffled order, metrics, and an
asynchronous checkpoint in the middle of the measured window. MFU = (6N + 12Lhs) * tokens/s / peak.
Where there is no GPU it says so and does nothing else.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402

from training.metrics import FORMULA, peak_tflops  # noqa: E402
from training.model import flops_per_token, parameter_count  # noqa: E402
from training.prepare import write  # noqa: E402
from training.recipes import GPT_1B  # noqa: E402

WARMUP = 20
"""Steps before the window: compilation, allocator, clocks."""


def make_tokens(folder: Path) -> None:
    """Write 20 million tokens with word-like frequencies (Zipf), so that there is a loss to learn.

    Content does not change the speed of anything but the embedding's gradient, whose rows collide
    as those of a text do.
    """
    random = np.random.default_rng(0)
    ids = random.zipf(1.2, 20_000_000) % GPT_1B.model.vocabulary
    write(folder, [ids.astype(np.int64)], vocabulary=GPT_1B.model.vocabulary)


def shipped(work: Path, batch: int, steps: int, extra: Sequence[str]) -> dict[str, Any]:
    """Run the program and return the figures of its record.

    Raises:
        RuntimeError: If it failed.
    """
    total = WARMUP + steps
    values = [
        f"run.steps={total}",
        f"run.path={work / 'run'}",
        "run.print_every=20",
        f"data.path={work / 'tokens'}",
        f"data.global_batch={batch}",
        f"data.micro_batch={batch}",
        "optimizer.warmup_steps=100",
        f"checkpoint.path={work / 'checkpoints'}",
        f"checkpoint.every={WARMUP + steps // 2}",
        "checkpoint.keep=2",
        *extra,
    ]
    command = [sys.executable, "-m", "training.train", GPT_1B_NAME]
    command += [part for value in values for part in ("--set", value)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
    )
    if done.returncode:
        raise RuntimeError(f"the shipped program ended with {done.returncode}")
    record = [json.loads(line) for line in (work / "run" / "metrics.jsonl").open(encoding="utf-8")]
    window = [r for r in record if r["event"] == "step" and r["step"] > WARMUP]
    seconds = sum(r["seconds"] for r in window)
    return {
        "tokens_per_s": sum(r["tokens"] for r in window) / seconds,
        "median_tokens_per_s": statistics.median(r["tokens_per_s"] for r in window),
        "slowest_s": max(r["seconds"] for r in window),
        "memory_gib": max(r["memory_gib"] for r in window),
        "loss": window[-1]["loss"],
        "data_wait_s": sum(r["data_wait_s"] for r in window),
        "checkpoints": [r["text"] for r in record if r["event"].startswith("checkpoint")],
    }


GPT_1B_NAME = "gpt-1b"


def baseline(work: Path, batch: int, steps: int) -> dict[str, Any]:
    """Run the plain program and return what it prints."""
    model = GPT_1B.model
    sizes = {
        "layers": model.layers,
        "width": model.width,
        "heads": model.heads,
        "vocabulary": model.vocabulary,
        "sequence": model.sequence,
        "batch": batch,
        "steps": steps,
        "warmup": WARMUP,
    }
    command = [sys.executable, str(Path(__file__).with_name("baseline.py"))]
    command += [part for name, size in sizes.items() for part in (f"--{name}", str(size))]
    command += ["--tokens", str(work / "tokens")]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> int:
    """Measure, print a table, and return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--baseline-batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--profile", action="store_true", help="and show where a step's time goes")
    parser.add_argument("--only", choices=("shipped", "baseline"))
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument("--set", action="append", default=[], help="settings of the shipped run")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        sys.stdout.write("bench-training: no GPU here; the MFU is measured on one. Nothing done.\n")
        return 0
    device = torch.device("cuda")
    name, peak = torch.cuda.get_device_name(device), peak_tflops(device, 0.0)
    flops = flops_per_token(GPT_1B.model)
    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        make_tokens(work / "tokens")
        if given.only != "baseline":
            rows[f"shipped, batch {given.batch}"] = shipped(
                work, given.batch, given.steps, given.set
            )
        if given.only != "shipped":
            rows[f"plain baseline, batch {given.baseline_batch}"] = baseline(
                work, given.baseline_batch, given.steps
            )
        if given.profile:
            profiler = Path(__file__).with_name("step_profile.py")
            subprocess.run(
                [
                    sys.executable,
                    str(profiler),
                    "--tokens",
                    str(work / "tokens"),
                    "--batch",
                    str(given.batch),
                ],
                check=True,
            )
    sys.stdout.write(
        f"\n{name}, peak {peak} TFLOPS, torch {torch.__version__}; "
        f"{parameter_count(GPT_1B.model) / 1e9:.3f}B parameters, sequence {GPT_1B.model.sequence}\n"
        f"{FORMULA}\n{'':32}{'tok/s':>10}{'MFU':>9}{'GiB':>8}{'loss':>8}\n"
    )
    for label, row in rows.items():
        row["mfu"] = row["tokens_per_s"] * flops / (peak * 1e12) if peak else None
        share = f"{row['mfu']:9.2%}" if peak else f"{'?':>9}"
        sys.stdout.write(
            f"{label:32}{row['tokens_per_s']:10,.0f}{share}"
            f"{row['memory_gib']:8.1f}{row['loss']:8.3f}\n"
        )
    if given.out:
        given.out.write_text(
            json.dumps({"gpu": name, "torch": torch.__version__, **rows}, indent=1) + "\n",
            encoding="utf-8",
        )
    for row in rows.values():
        for line in row.get("checkpoints", []):
            sys.stdout.write(f"  {line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
