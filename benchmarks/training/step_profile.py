"""Where the time of one training step goes, by kind of kernel. Run by throughput.py --profile."""

import argparse
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from torch.profiler import ProfilerActivity, profile  # noqa: E402

from training.data import Prefetch  # noqa: E402
from training.mesh import Launch  # noqa: E402
from training.recipes import GPT_1B  # noqa: E402
from training.train import Trainer, attention_order  # noqa: E402

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


def main() -> int:
    """Profile three steps and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=Path, required=True)
    parser.add_argument("--batch", type=int, required=True)
    given = parser.parse_args()
    launch = Launch()
    launch.join()
    with tempfile.TemporaryDirectory() as folder:
        settings = GPT_1B.override({
            "data.path": str(given.tokens), "data.global_batch": str(given.batch),
            "data.micro_batch": str(given.batch), "checkpoint.path": "none",
            "checkpoint.every": "0", "run.path": folder,
        })
        with attention_order(settings.numerics.attention, launch.device()):
            trainer = Trainer(settings, launch)
            feed = Prefetch(trainer.batches.from_step(0), launch.device())
            for _ in range(5):
                trainer._step(feed)  # noqa: SLF001
            torch.cuda.synchronize()
            steps = 3
            with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as seen:
                begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                begin.record()
                for _ in range(steps):
                    trainer._step(feed)  # noqa: SLF001
                end.record()
                torch.cuda.synchronize()
            feed.close()
    kinds: dict[str, float] = defaultdict(float)
    kernels: dict[str, list[float]] = defaultdict(list)
    for event in seen.events():
        if event.device_type == torch.autograd.DeviceType.CUDA and event.device_time_total:
            kinds[kind(event.name)] += event.device_time_total / 1e3 / steps
            kernels[event.name].append(event.device_time_total / 1e3)
    wall = begin.elapsed_time(end) / steps
    sys.stdout.write(f"\none step: {wall:.1f} ms, kernels {sum(kinds.values()):.1f} ms\n")
    for name, ms in sorted(kinds.items(), key=lambda item: -item[1]):
        sys.stdout.write(f"  {name:24}{ms:8.1f} ms{ms / wall:8.1%}\n")
    for name, times in sorted(kernels.items(), key=lambda item: -sum(item[1]))[:30]:
        sys.stdout.write(f"    {sum(times) / steps:7.2f} ms {len(times) / steps:6.0f} x "
                         f"{kind(name):22} {name[:90]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
