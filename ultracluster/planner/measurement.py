"""Measurements that replace assumptions: of the network by nccl-tests, of a run by its metrics.

A log tells the network's efficiency and hop latency (or NVLink's bandwidth, from one node); a
metrics file tells how fast the software really is.
"""

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ultracluster.planner.devices import BY_ROW, GPUS, Gpu, Network
from ultracluster.planner.layout import KEPT, RECOMPUTED, Layout, Setup
from ultracluster.planner.shape import ModelShape
from ultracluster.planner.stack import SoftwareStack, faster
from ultracluster.planner.step import step
from ultracluster.untrusted_file import json_of

WARM_UP: Final = 10
"""Steps at the beginning of a run that are left out: compilation, allocation, first files."""
LARGEST_SETTING: Final = 2**30
NVLS: Final = 1.2
"""Bus over ring bandwidth from which an all-reduce went through NVLink's switches: on p5 480 GB/s
where rings reach 360."""
LL_LINK_HOP: Final = 0.6e-6
LL_LAUNCH: Final = 6.7e-6
"""NCCL's own figures of protocol LL for a hop of NVLink and before anything happens (NVIDIA/nccl
src/graph/tuning.cc, hwLat and baseLat, read 2026-11)."""
SLOWEST: Final = 20.0
FASTEST: Final = 0.2
"""How many times as long as expected a program may compute; beyond that something else was run."""


class MeasurementError(ValueError):
    """A file that holds no measurement; says what was looked for."""


@dataclass(frozen=True, slots=True)
class NetworkMeasurement:
    """What one log of nccl-tests says."""

    collective: str
    """`all_reduce`, `all_gather` or `reduce_scatter`."""
    nodes: int
    ranks: int
    size: int
    """Bytes of the largest collective."""
    algorithm_bandwidth: float
    """Bytes/s at that size."""
    smallest_seconds: float | None
    """Time of the smallest size, or None."""
    gpu_name: str = ""
    """As the log's ranks call their GPU; empty where they do not."""

    def may_be_of(self, gpu: Gpu) -> bool:
        """Return whether the log may be of such GPUs.

        Memory does not tell: A100 of 40 and of 80 GB have the same links and cards.
        """
        return not self.gpu_name or gpu.name.split()[0] in self.gpu_name

    def carried(self, line_rate: float) -> float:
        """Return the bytes/s that crossed each node's cards.

        Rings carry (n-1)/n of the size past each of n ranks, in an all-reduce twice. Of two nodes
        all-reduces are trees, as they are where rings would need more than the line rate: what must
        cross is then (N-1)/N for N nodes. Logs of 2, 3 and 4 nodes of one cluster come out alike:
        30.5, 31.8 and 29.6 GB/s (NVIDIA/nccl#527).
        """
        ring = self.algorithm_bandwidth * (self.ranks - 1) / self.ranks
        if self.collective != "all_reduce":
            return ring
        least = 2 * self.algorithm_bandwidth * (self.nodes - 1) / self.nodes
        return least if self.nodes == 2 or 2 * ring > line_rate else 2 * ring  # noqa: PLR2004

    def applied(self, network: Network) -> Network:
        """Return a network with the measured values instead of the assumed ones.

        Collectives of some bytes run by NCCL's protocol LL: all-reduces climb a tree and come down
        again, the others go round a ring.
        """
        if self.nodes == 1:
            return network
        carried = self.carried(network.node_bandwidth)
        changed = replace(network, efficiency=carried / network.node_bandwidth)
        if self.smallest_seconds is None:
            return changed
        if self.collective == "all_reduce":
            hops = 2 * math.floor(math.log2(self.nodes))
            inside = 2 * (self.ranks / self.nodes - 1) * LL_LINK_HOP
        else:
            hops = self.nodes - 1
            inside = (self.ranks - self.nodes) * LL_LINK_HOP
        latency = (self.smallest_seconds - LL_LAUNCH - inside) / hops
        return replace(changed, hop_latency=max(1e-6, latency))

    @property
    def bus_bandwidth(self) -> float:
        twice = 2 if self.collective == "all_reduce" else 1
        return self.algorithm_bandwidth * twice * (self.ranks - 1) / self.ranks

    def by_switches(self, gpu: Gpu) -> bool:
        """Return whether NVLink's switches added up (NVLS): gathers, which add nothing, cannot."""
        return self.collective == "all_reduce" and self.bus_bandwidth > NVLS * gpu.link_bandwidth

    def applied_to_gpu(self, gpu: Gpu) -> Gpu:
        """Return a GPU with the measured bandwidth of NVLink, where the log is of one node."""
        if self.nodes > 1 or self.by_switches(gpu):
            return gpu
        return replace(gpu, link_bandwidth=self.bus_bandwidth)


@dataclass(frozen=True, slots=True)
class RunMeasurement:
    """What one metrics file of the training program says."""

    shape: ModelShape
    layout: Layout
    gpu_name: str
    """As CUDA calls the GPU."""
    tokens_per_second: float
    """Median over all GPUs."""
    memory: float
    """Most bytes held."""
    steps: int
    """Steps that the median is of."""

    def factor(self, gpu: Gpu, network: Network, stack: SoftwareStack) -> float:
        """Return how many times longer than assumed the software computes."""
        wanted = self.layout.sequences * self.shape.sequence / self.tokens_per_second
        # What ran had the memory that it needed, whatever is said of it here.
        setup = Setup(self.shape, gpu, network, stack)
        if not step(setup, self.layout).holding.fits:
            stack = replace(stack, shortage=0.0)
        low, high = FASTEST, SLOWEST
        for _ in range(60):
            middle = math.sqrt(low * high)
            seconds = step(replace(setup, stack=faster(stack, middle)), self.layout).seconds
            low, high = (middle, high) if seconds < wanted else (low, middle)
        return math.sqrt(low * high)

    def utilisation(self, gpu: Gpu) -> float:
        """Return the model FLOPs of the run over the peak of its GPUs."""
        flops = self.tokens_per_second * self.shape.model_flops_per_token
        return flops / (self.layout.gpus * gpu.peak)

    def gpu(self) -> Gpu | None:
        """Return the GPU that the run was on, or None where it is not known."""
        for key, row in (("A100", "a100"), ("H100", "h100")):
            if key in self.gpu_name:
                size = "40gb" if "40GB" in self.gpu_name else "80gb"
                return BY_ROW.get(f"{row}_{size}")
        return next((gpu for (name, _), gpu in GPUS.items() if name in self.gpu_name), None)


def metrics(text: str) -> RunMeasurement:
    """Read a metrics file of the training program (training/metrics.py)."""
    start: Mapping[str, Any] | None = None
    rates: list[float] = []
    memory = 0.0
    for number, record in _records(text):
        try:
            if record.get("event") == "start":
                start, rates = record, []
            elif record.get("event") == "step" and not record.get("skipped"):
                rates.append(float(record.get("tokens_per_s") or 0))
                memory = max(memory, float(record.get("memory_gib") or 0) * 2**30)
        except (TypeError, ValueError, OverflowError) as error:
            raise MeasurementError(f"line {number} has an invalid number") from error
    if start is None:
        raise MeasurementError("it holds no line with event `start`; give a whole metrics.jsonl")
    rates = rates[WARM_UP:] if len(rates) > 2 * WARM_UP else rates[len(rates) // 2 :]
    if not rates or not all(0 < rate < math.inf for rate in rates):
        raise MeasurementError("it holds no finished step")
    try:
        return _run(start, rates, memory)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, MeasurementError):
            raise
        why = f"{error!s:.60}"
        raise MeasurementError(f"its settings have no model or no layout ({why})") from error


def _records(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the objects of a file with their lines; a line that a killed run cut ends them."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    for number, line in lines:
        try:
            record = json_of("", line)
        except ValueError as error:
            if number == lines[-1][0] and len(lines) > 1:
                return
            raise MeasurementError(f"line {number} is not JSON") from error
        if not isinstance(record, dict):
            raise MeasurementError(f"line {number} is not a JSON object")
        yield number, record


def _whole(values: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """Return a whole number from 1 to what fits a file of settings."""
    found = values[name] if default is None else values.get(name, default)
    if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= LARGEST_SETTING:
        raise MeasurementError(
            f"its settings have {name} = {found!s:.60}, which is not a number in that range"
        )
    return found


def _run(start: Mapping[str, Any], rates: list[float], memory: float) -> RunMeasurement:
    settings = start["settings"]
    model, data = settings["model"], settings["data"]
    parallel, numerics = settings["parallel"], settings["numerics"]
    gpus, micro = _whole(start, "gpus"), _whole(data, "micro_batch")
    tensor, group = _whole(parallel, "tensor_parallel", 1), _whole(parallel, "partition_size")
    recomputed, why = int(numerics["checkpoint_every"]), ""
    if group % tensor or gpus % group:
        why = f"its settings divide {gpus} GPUs into groups of {group} with {tensor} to a layer"
    elif recomputed > 1:
        why = f"it recomputed every {recomputed!s:.20} blocks; measure with checkpoint_every 0 or 1"
    elif numerics["dtype"] != "bf16":
        why = f"it ran in {numerics['dtype']!s:.20}; measure a run in bf16"
    if why:
        raise MeasurementError(why)
    sizes = ("layers", "width", "heads", "vocabulary", "sequence")
    layers, width, heads, vocabulary, sequence = (_whole(model, name) for name in sizes)
    shape = ModelShape(layers, width, heads, vocabulary, sequence)
    for problem in shape.problems():
        raise MeasurementError(f"its model is invalid: {problem}")
    return RunMeasurement(
        shape=shape,
        layout=Layout(
            gpus=gpus,
            partition=group // tensor,
            tensor=tensor,
            micro_batch=micro,
            accumulation=max(1, _whole(data, "global_batch") // max(1, micro * gpus // tensor)),
            activations=RECOMPUTED if recomputed else KEPT,
            hierarchical=bool(parallel.get("hierarchical_gather", False)),
            reshard=bool(parallel.get("reshard_after_forward", True)),
        ),
        gpu_name=f"{start['gpu']!s:.60}",
        tokens_per_second=statistics.median(rates),
        memory=memory,
        steps=len(rates),
    )
