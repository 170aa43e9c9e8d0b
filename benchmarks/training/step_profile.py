"""Where the time of one training step goes, by kind of kernel. Run by throughput.py --profile."""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from torch._C._autograd import DeviceType  # noqa: E402
from torch.profiler import ProfilerActivity, profile  # noqa: E402

from training.data import Prefetch  # noqa: E402
from training.mesh import Launch  # noqa: E402
from training.recipes import GPT_1B  # noqa: E402
from training.train import attention_order  # noqa: E402
from training.trainer import Trainer  # noqa: E402

STATE = [
    "nvidia-smi",
    "--format=csv,noheader",
    "--query-gpu=clocks.sm,power.draw,power.limit,clocks_event_reasons.sw_power_cap",
]
KINDS = (
    ("attention", ("cudnn_generated", "flash", "fmha", "sdpa", "attention")),
    ("optimizer", ("fused_adam", "FusedAdam", "multi_tensor")),
    ("matrix products", ("gemm", "nvjet", "cutlass", "xmma", "cublas")),
    ("compiled element-wise", ("triton_",)),
    ("copies", ("Memcpy", "Memset", "copy", "CatArray", "chunk_cat", "split_with_sizes")),
    ("embedding", ("embedding", "indexing_backward", "Radix", "sort")),
)


def kind(kernel: str) -> str:
    """Return which part of the work a kernel does."""
    return next((k for k, words in KINDS if any(w in kernel for w in words)), "other")


def mark() -> torch.cuda.Event:
    """Return an event that knows when the GPU came by it."""
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call] # untyped in torch


def ceiling(batch: int, seconds: float) -> tuple[float, str]:
    """Return TFLOP/s of the blocks' matrix products alone, and the GPU's state at their end.

    Args:
        batch: Sequences.
        seconds: How long each of the four shapes is repeated.
    """
    h, tokens = GPT_1B.model.width, batch * GPT_1B.model.sequence
    work, spent, state = 0.0, 0.0, ""
    for n, k in ((3 * h, h), (h, h), (4 * h, h), (h, 4 * h)):
        left = torch.randn(tokens, k, device="cuda", dtype=torch.bfloat16)
        right = torch.randn(n, k, device="cuda", dtype=torch.bfloat16) * 0.02
        left @ right.t()
        torch.cuda.synchronize()
        repeats = max(3, int(seconds / (2 * tokens * n * k / 650e12)))
        begin, end = mark(), mark()
        begin.record()
        for _ in range(repeats):
            left @ right.t()
        end.record()
        if seconds >= 1:
            time.sleep(seconds / 2)
            state = subprocess.run(STATE, stdout=subprocess.PIPE, text=True, check=False).stdout
        torch.cuda.synchronize()
        time_of_one = begin.elapsed_time(end) / repeats / 1e3
        work, spent = work + 2 * tokens * n * k, spent + time_of_one
    return work / spent / 1e12, state.strip()


def main() -> int:
    """Profile three steps and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=Path, required=True)
    parser.add_argument("--batch", type=int, required=True)
    given = parser.parse_args()
    launch = Launch()
    launch.join()
    with tempfile.TemporaryDirectory() as folder:
        settings = GPT_1B.override(
            {
                "data.path": str(given.tokens),
                "data.global_batch": str(given.batch),
                "data.micro_batch": str(given.batch),
                "checkpoint.path": "none",
                "checkpoint.every": "0",
                "run.path": folder,
            }
        )
        with attention_order(settings.numerics.attention, launch.device()):
            trainer = Trainer(settings, launch)
            feed = Prefetch(trainer.batches.from_step(0), launch.device())
            for _ in range(5):
                trainer._step(feed)  # noqa: SLF001
            torch.cuda.synchronize()
            steps = 3
            with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as seen:
                begin, end = mark(), mark()
                begin.record()
                enqueued = time.perf_counter()
                for _ in range(steps):
                    trainer._step(feed)  # noqa: SLF001
                enqueued = (time.perf_counter() - enqueued) * 1e3 / steps
                end.record()
                torch.cuda.synchronize()
            feed.close()
    spans: list[tuple[float, float]] = []
    kinds: dict[str, float] = defaultdict(float)
    kernels: dict[str, list[float]] = defaultdict(list)
    for event in seen.events():
        is_kernel = event.device_type == DeviceType.CUDA and "#" not in event.name
        if is_kernel and event.device_time_total:
            spans.append((event.time_range.start, event.time_range.end))
            kinds[kind(event.name)] += event.device_time_total / 1e3 / steps
            kernels[event.name].append(event.device_time_total / 1e3)
    busy, last = 0.0, 0.0
    for start, stop in sorted(spans):
        busy += max(0.0, stop - max(start, last)) / 1e3 / steps
        last = max(last, stop)
    wall = begin.elapsed_time(end) / steps
    sys.stdout.write(
        f"\none step: {wall:.1f} ms, the GPU works {busy:.1f} ms of it, "
        f"on kernels of {sum(kinds.values()):.1f} ms\n"
    )
    sys.stdout.write(f"  enqueued by the host in {enqueued:.1f} ms a step\n")
    for name, ms in sorted(kinds.items(), key=lambda item: -item[1]):
        sys.stdout.write(f"  {name:24}{ms:8.1f} ms{ms / wall:8.1%}\n")
    for name, times in sorted(kernels.items(), key=lambda item: -sum(item[1]))[:30]:
        sys.stdout.write(
            f"    {sum(times) / steps:7.2f} ms {len(times) / steps:6.0f} x "
            f"{kind(name):22} {name[:90]}\n"
        )
    time.sleep(3)
    burst, _ = ceiling(given.batch, 0.005)
    lasting, state = ceiling(given.batch, 2.0)
    sys.stdout.write(
        f"  the blocks' matrix products alone: {burst:.0f} TFLOPS for some milliseconds, "
        f"{lasting:.0f} for seconds; then clock, power, limit, throttling: {state}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
