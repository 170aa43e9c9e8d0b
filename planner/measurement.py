"""Measurements that replace assumptions: of the network by nccl-tests, of a run by its metrics.

A log tells the network's efficiency and hop latency (or NVLink's bandwidth, from one node); a
metrics file tells how fast the software really is.
"""

import json
import math
import re
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from planner.devices import BY_ROW, GPUS, Gpu, Network
from planner.layout import Layout
from planner.shape import ModelShape
from planner.stack import Stack, faster
from planner.step import step

WARM_UP: Final = 10
"""Steps at the beginning of a run that are left out: compilation, allocation, first files."""
SMALL: Final = 1024
"""Bytes below which a collective's time is all latency."""


class MeasurementError(ValueError):
    """A file that holds no measurement; says what was looked for."""


@dataclass(frozen=True, slots=True)
class NetworkMeasurement:
    """What one log of nccl-tests says.

    Attributes:
        collective: `all_reduce`, or `all_gather` for that and a reduce-scatter.
        nodes: Hosts that took part.
        ranks: GPUs that took part.
        size: Bytes of the largest collective.
        algorithm_bandwidth: Bytes/s at that size.
        smallest_seconds: Time of the smallest size, or None.
        gpu_name: As the log's ranks call their GPU; empty where they do not.
    """

    collective: str
    nodes: int
    ranks: int
    size: int
    algorithm_bandwidth: float
    smallest_seconds: float | None
    gpu_name: str = ""

    def may_be_of(self, gpu: Gpu) -> bool:
        """Return whether the log may be of such GPUs.

        Memory does not tell: A100 of 40 and of 80 GB have the same links and cards.
        """
        return not self.gpu_name or gpu.name.split()[0] in self.gpu_name

    @property
    def carried(self) -> float:
        """Bytes/s that crossed each node's cards."""
        twice = 2 if self.collective == "all_reduce" else 1
        return self.algorithm_bandwidth * twice * (self.nodes - 1) / self.nodes

    def applied(self, network: Network) -> Network:
        """Return a network with the measured values instead of the assumed ones.

        The efficiency is the bytes that must cross a node's cards over what they could carry: of
        an all-reduce 2(N-1)/N of the size for N nodes, of the others (N-1)/N.
        """
        if self.nodes == 1:
            return network
        twice = 2 if self.collective == "all_reduce" else 1
        changed = replace(network, efficiency=self.carried / network.node_bandwidth)
        if self.smallest_seconds is None:
            return changed
        hops = twice * (self.nodes - 1)
        inside = twice * (self.ranks - self.nodes) * network.link_hop_latency
        latency = (self.smallest_seconds - network.launch_latency - inside) / hops
        return replace(changed, hop_latency=max(1e-6, latency))

    def applied_to_gpu(self, gpu: Gpu) -> Gpu:
        """Return a GPU with the measured bandwidth of NVLink, where the log is of one node."""
        if self.nodes > 1:
            return gpu
        share = (self.ranks - 1) / self.ranks
        bus = self.algorithm_bandwidth * (2 if self.collective == "all_reduce" else 1) * share
        return replace(gpu, link_bandwidth=bus)


ROW: Final = re.compile(
    r"^\s*(\d+)\s+(\d+)\s+(\w+)\s+(?:(\w+)\s+)?(-?\d+)\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)"
)
RANK: Final = re.compile(
    r"Rank\s+(\d+)\s+.*?\bon\s+(\S+)\s+device(?:[ \t]+\d+[ \t]+\[[^\]]*\][ \t]*(.*))?",
    re.IGNORECASE,
)


def nccl_tests(text: str) -> NetworkMeasurement:
    """Read the output of nccl-tests' all_reduce_perf, all_gather_perf or reduce_scatter_perf.

    Raises:
        MeasurementError: where it holds no result or names no ranks.
    """
    ranks = list(RANK.finditer(text))
    hosts = {match[1]: match[2] for match in ranks}
    results = [match for match in map(ROW.match, text.splitlines()) if match]
    if not results:
        raise MeasurementError(
            "it holds no row of nccl-tests (size, count, type, redop, root, time, algbw, busbw)"
        )
    if not hosts:
        raise MeasurementError(
            "it does not say which ranks ran on which host; keep the lines `# Rank ... on ...`"
        )
    largest = max(results, key=lambda match: int(match[1]))
    small = [match for match in results if 0 < int(match[1]) <= SMALL]
    bandwidth = float(largest[7]) * 1e9
    if bandwidth <= 0:
        raise MeasurementError("the largest size has a bandwidth of 0 GB/s")
    # nccl-tests' own factor of bus over algorithm bandwidth: 2(n-1)/n of all-reduces, else (n-1)/n.
    reduces = float(largest[8]) / float(largest[7]) >= 1
    return NetworkMeasurement(
        collective="all_reduce" if reduces else "all_gather",
        nodes=len(set(hosts.values())),
        ranks=len(hosts),
        size=int(largest[1]),
        algorithm_bandwidth=bandwidth,
        smallest_seconds=min(float(match[6]) for match in small) * 1e-6 if small else None,
        gpu_name=next((match[3].strip() for match in ranks if match[3]), ""),
    )


@dataclass(frozen=True, slots=True)
class RunMeasurement:
    """What one metrics file of the training program says.

    Attributes:
        shape: The model that ran.
        layout: How it was laid out.
        gpu_name: As CUDA calls the GPU.
        tokens_per_second: Median over all GPUs.
        memory: Most bytes held.
        steps: Steps that the median is of.
    """

    shape: ModelShape
    layout: Layout
    gpu_name: str
    tokens_per_second: float
    memory: float
    steps: int

    def factor(self, gpu: Gpu, network: Network, stack: Stack) -> float:
        """Return how many times longer than assumed the software computes."""
        wanted = self.layout.sequences * self.shape.sequence / self.tokens_per_second
        low, high = 0.2, 20.0
        for _ in range(60):
            middle = math.sqrt(low * high)
            seconds = step(self.shape, self.layout, gpu, network, faster(stack, middle)).seconds
            low, high = (middle, high) if seconds < wanted else (low, middle)
        return math.sqrt(low * high)

    def gpu(self) -> Gpu | None:
        """Return the GPU that the run was on, or None where it is not known."""
        for key, row in (("A100", "a100"), ("H100", "h100")):
            if key in self.gpu_name:
                size = "40gb" if "40GB" in self.gpu_name else "80gb"
                return BY_ROW.get(f"{row}_{size}")
        return next((gpu for (name, _), gpu in GPUS.items() if name in self.gpu_name), None)


def metrics(text: str) -> RunMeasurement:
    """Read a metrics file of the training program (training/metrics.py).

    Raises:
        MeasurementError: where it holds no run, no finished steps or no model.
    """
    start: Mapping[str, Any] | None = None
    rates: list[float] = []
    memory = 0.0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise MeasurementError(f"line {number} is not JSON") from error
        if not isinstance(record, dict):
            raise MeasurementError(f"line {number} is not a JSON object")
        if record.get("event") == "start":
            start, rates = record, []
        elif record.get("event") == "step" and not record.get("skipped"):
            rates.append(float(record.get("tokens_per_s") or 0))
            memory = max(memory, float(record.get("memory_gib") or 0) * 2**30)
    if start is None:
        raise MeasurementError("it holds no line with event `start`; give a whole metrics.jsonl")
    rates = rates[WARM_UP:] if len(rates) > 2 * WARM_UP else rates[len(rates) // 2 :]
    if not rates or min(rates) <= 0:
        raise MeasurementError("it holds no finished step")
    try:
        return _run(start, rates, memory)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise MeasurementError(f"its settings lack the model or the layout ({error})") from error


def _run(start: Mapping[str, Any], rates: list[float], memory: float) -> RunMeasurement:
    settings = start["settings"]
    model, data = settings["model"], settings["data"]
    parallel, numerics = settings["parallel"], settings["numerics"]
    gpus, micro = int(start["gpus"]), int(data["micro_batch"])
    tensor = int(parallel.get("tensor_parallel", 1))
    recomputed = int(numerics["checkpoint_every"])
    if recomputed > 1:
        raise MeasurementError(
            f"it recomputed every {recomputed} blocks; measure with checkpoint_every 0 or 1"
        )
    if numerics["dtype"] != "bf16":
        raise MeasurementError(f"it ran in {numerics['dtype']}; measure a run in bf16")
    return RunMeasurement(
        shape=ModelShape(
            int(model["layers"]),
            int(model["width"]),
            int(model["heads"]),
            int(model["vocabulary"]),
            int(model["sequence"]),
        ),
        layout=Layout(
            gpus=gpus,
            partition=int(parallel["partition_size"]) // tensor,
            tensor=tensor,
            micro_batch=micro,
            accumulation=max(1, int(data["global_batch"]) // (micro * gpus // tensor)),
            checkpointing=recomputed == 1,
            hierarchical=bool(parallel.get("hierarchical_gather", False)),
            reshard=bool(parallel.get("reshard_after_forward", True)),
        ),
        gpu_name=str(start["gpu"]),
        tokens_per_second=statistics.median(rates),
        memory=memory,
        steps=len(rates),
    )
