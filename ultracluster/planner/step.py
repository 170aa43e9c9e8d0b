"""Seconds of one optimizer step, and what they are spent on."""

from dataclasses import dataclass

from ultracluster.planner.communication import Communication, communicate
from ultracluster.planner.compute import Compute, compute
from ultracluster.planner.devices import Gpu, Network
from ultracluster.planner.layout import Layout
from ultracluster.planner.memory import Memory, memory
from ultracluster.planner.shape import ModelShape
from ultracluster.planner.stack import Stack


@dataclass(frozen=True, slots=True)
class Step:
    """One optimizer step.

    Attributes:
        layout: What is run.
        computing: Of one pass.
        sending: Of one pass, and the second hop.
        holding: Memory.
        micro: Seconds of one pass, overlap and shortage of memory counted.
        last: Seconds of the pass that ends the step, with the second hop.
        optimizer: Seconds of the optimizer and what surrounds it.
        shortage: Seconds of the step that scarce memory costs.
    """

    layout: Layout
    computing: Compute
    sending: Communication
    holding: Memory
    micro: float
    last: float
    optimizer: float
    shortage: float

    @property
    def seconds(self) -> float:
        """The whole step."""
        return (self.layout.accumulation - 1) * self.micro + self.last + self.optimizer

    @property
    def computed(self) -> float:
        """Seconds of the step in which the GPU computes."""
        return self.layout.accumulation * self.computing.seconds

    @property
    def exposed(self) -> float:
        """Seconds of the step that wait for the network, or are slowed down by it."""
        rest = self.seconds - self.computed - self.optimizer - self.shortage
        return max(0.0, rest)

    def tokens_per_second(self, shape: ModelShape) -> float:
        """Return tokens/s of all GPUs."""
        return self.layout.sequences * shape.sequence / self.seconds

    def model_tflops(self, shape: ModelShape) -> float:
        """Return TFLOPS per GPU that the model needs: recomputation not counted."""
        rate = self.tokens_per_second(shape) / self.layout.gpus
        return rate * shape.model_flops_per_token / 1e12

    def hardware_tflops(self, shape: ModelShape) -> float:
        """Return TFLOPS per GPU as papers count them that add a recomputed forward pass."""
        rate = self.tokens_per_second(shape) / self.layout.gpus
        flops = shape.hardware_flops_per_token(checkpointing=self.layout.checkpointing)
        return rate * flops / 1e12


def overlapped(computing: float, sending: float, exposed: float) -> float:
    """Return the seconds of two things at once: the longer, and a share of the shorter."""
    if computing > sending:
        return computing + exposed * sending
    return sending + exposed * computing


def step(shape: ModelShape, layout: Layout, gpu: Gpu, network: Network, stack: Stack) -> Step:
    """Return one optimizer step of a layout, whether or not it fits into memory."""
    computing = compute(
        shape,
        gpu,
        stack,
        micro_batch=layout.micro_batch,
        tensor=layout.tensor,
        checkpointing=layout.checkpointing,
    )
    sending = communicate(shape, layout, gpu, network, stack)
    holding = memory(shape, layout, gpu, stack, gpus_per_node=network.gpus_per_node)
    return assemble(
        shape, layout, gpu, stack, computing=computing, sending=sending, holding=holding
    )


def passes(
    busy: float, sending: float, second_hop: float, *, layers: int, exposed: float
) -> tuple[float, float]:
    """Return the seconds of a pass, and of the one that ends a step; memory is plentiful.

    The first layer's weights and the last one's gradients have nothing to hide behind.
    """
    ends = sending / layers
    after = sending + second_hop
    return (
        overlapped(busy, sending, exposed) + ends,
        overlapped(busy, after, exposed) + ends,
    )


def optimizing(shape: ModelShape, group: int, gpu: Gpu, stack: Stack) -> float:
    """Return the seconds of the optimizer, and of what surrounds a step."""
    states = shape.parameters / group
    return stack.optimizer_traffic * states / gpu.memory_bandwidth + stack.step_overhead


def assemble(
    shape: ModelShape,
    layout: Layout,
    gpu: Gpu,
    stack: Stack,
    *,
    computing: Compute,
    sending: Communication,
    holding: Memory,
) -> Step:
    """Put a step together of its parts, which a search computes once for many layouts."""
    busy = computing.seconds + sending.tensor
    short = busy * stack.shortage * holding.shortage(stack.live_layers)
    micro, last = passes(
        busy,
        sending.gather + sending.reduce_scatter,
        sending.second_hop,
        layers=shape.layers,
        exposed=stack.exposed,
    )
    micro, last = micro + short, last + short
    optimizer = optimizing(shape, layout.group, gpu, stack)
    return Step(
        layout=layout,
        computing=computing,
        sending=sending,
        holding=holding,
        micro=micro,
        last=last,
        optimizer=optimizer,
        shortage=short * layout.accumulation,
    )
