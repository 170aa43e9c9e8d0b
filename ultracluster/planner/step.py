"""Seconds of one optimizer step, and what they are spent on."""

from dataclasses import dataclass

from ultracluster.planner.communication import Communication, communicate
from ultracluster.planner.compute import Compute, compute
from ultracluster.planner.layout import Layout, Setup
from ultracluster.planner.memory import Memory, memory


@dataclass(frozen=True, slots=True)
class Step:
    """One optimizer step."""

    setup: Setup
    layout: Layout
    computing: Compute
    """Of one pass."""
    sending: Communication
    """Of one pass, and the second hop."""
    holding: Memory
    micro: float
    """Seconds of one pass, overlap and shortage of memory counted."""
    last: float
    """Seconds of the pass that ends the step, with the second hop."""
    optimizer: float
    shortage: float
    """Seconds of the step that scarce memory costs."""

    @property
    def seconds(self) -> float:
        return (self.layout.accumulation - 1) * self.micro + self.last + self.optimizer

    @property
    def computed(self) -> float:
        return self.layout.accumulation * self.computing.seconds

    @property
    def exposed(self) -> float:
        """Seconds of the step that wait for the network, or are slowed down by it."""
        rest = self.seconds - self.computed - self.optimizer - self.shortage
        return max(0.0, rest)

    @property
    def tokens_per_second(self) -> float:
        """Of all GPUs."""
        return self.layout.sequences * self.setup.shape.sequence / self.seconds

    @property
    def model_tflops(self) -> float:
        """TFLOPS per GPU that the model needs: recomputation not counted."""
        rate = self.tokens_per_second / self.layout.gpus
        return rate * self.setup.shape.model_flops_per_token / 1e12

    @property
    def hardware_tflops(self) -> float:
        """TFLOPS per GPU as papers count them that add a recomputed forward pass."""
        rate = self.tokens_per_second / self.layout.gpus
        checkpointing = self.layout.checkpointing
        flops = self.setup.shape.hardware_flops_per_token(checkpointing=checkpointing)
        return rate * flops / 1e12


def overlapped(computing: float, sending: float, exposed: float) -> float:
    """Return the seconds of two things at once: the longer, and a share of the shorter."""
    if computing > sending:
        return computing + exposed * sending
    return sending + exposed * computing


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


def optimizing(setup: Setup, group: int) -> float:
    """Return the seconds of the optimizer, and of what surrounds a step."""
    states, stack = setup.shape.parameters / group, setup.stack
    return stack.optimizer_traffic * states / setup.gpu.memory_bandwidth + stack.step_overhead


def step(setup: Setup, layout: Layout) -> Step:
    """Return one optimizer step of a layout, whether or not it fits into memory."""
    computing, sending = compute(setup, layout), communicate(setup, layout)
    holding, stack = memory(setup, layout), setup.stack
    busy = computing.seconds + sending.tensor
    short = busy * stack.shortage * holding.shortage(stack.live_layers)
    micro, last = passes(
        busy,
        sending.gather + sending.reduce_scatter,
        sending.second_hop,
        layers=setup.shape.layers,
        exposed=stack.exposed,
    )
    return Step(
        setup=setup,
        layout=layout,
        computing=computing,
        sending=sending,
        holding=holding,
        micro=micro + short,
        last=last + short,
        optimizer=optimizing(setup, layout.group),
        shortage=short * layout.accumulation,
    )
