"""What torchtitan 0.3.0 misses in PyTorch 2.13, and where there is no GPU.

It takes "cuda" where it finds no accelerator, asks its device module for more than torch.cpu has,
and calls torch.distributed.set_timeout, which only later versions have. Import this before anything
of torchtitan, and call `choose`.
"""

import resource
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
from torch import _utils
from torch.distributed import distributed_c10d

GIB = 2**30


class Processor:
    """What torchtitan asks a device module for, answered for the processor.

    There is one, which caches nothing, and whose peak the system cannot reset.
    """

    device_count = staticmethod(lambda: 1)
    current_device = staticmethod(lambda: 0)
    set_device = empty_cache = reset_peak_memory_stats = staticmethod(lambda *_, **__: None)
    get_device_name = staticmethod(lambda *_, **__: "cpu")
    get_device_properties = staticmethod(
        lambda *_, **__: SimpleNamespace(name="cpu", total_memory=GIB)
    )

    def __getattr__(self, name: str) -> Any:
        return getattr(torch.cpu, name)

    def memory_stats(self, *_: object, **__: object) -> dict[str, int]:
        """Return the most memory that the process has held."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return {"active_bytes.all.peak": peak, "reserved_bytes.all.peak": peak}


def choose() -> torch.device:
    """Return the kind of device that a run uses, and tell torchtitan where it is the processor."""
    if not hasattr(dist, "set_timeout"):
        dist.set_timeout = distributed_c10d._set_pg_timeout  # type: ignore[attr-defined]
    if torch.cuda.is_available():
        return torch.device("cuda")
    _utils._get_available_device_type = lambda: "cpu"
    _utils._get_device_module = lambda _: Processor()  # type: ignore[assignment]
    return torch.device("cpu")
