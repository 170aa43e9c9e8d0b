"""Seconds of one optimizer step, and what they are spent on."""

from dataclasses import dataclass
from typing import Final

from ultracluster.planner.communication import Communication, InPasses, Sending, communicate
from ultracluster.planner.compute import Compute, compute, forwards
from ultracluster.planner.layout import Layout, Setup
from ultracluster.planner.memory import Memory, memory

BACKWARD: Final = 2 / 3
"""Part of a pass that gradients can be reduced behind: two of three products are backward."""


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
    ending: float
    """Seconds more of a step, for what is sent once in it."""
    optimizer: float
    shortage: float
    """Seconds of the step that scarce memory costs."""

    @property
    def seconds(self) -> float:
        passes = self.layout.accumulation + self.layout.waiting
        return passes * self.micro + self.ending + self.optimizer

    @property
    def times_sharded(self) -> int:
        """How often in a step weights are gathered and gradients reduced inside the group."""
        return 1 if self.layout.pipeline > 1 else self.layout.accumulation

    @property
    def computed(self) -> float:
        return self.layout.accumulation * self.computing.seconds

    @property
    def bubble(self) -> float:
        """Seconds of the step that a stage waits for the others."""
        return self.layout.waiting * self.micro

    @property
    def exposed(self) -> float:
        """Seconds of the step that wait for the network, or are slowed down by it."""
        rest = self.seconds - self.computed - self.optimizer - self.shortage - self.bubble
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
        """TFLOPS per GPU as papers count them that add what is computed again."""
        rate = self.tokens_per_second / self.layout.gpus
        repeated, _ = forwards(self.setup, self.layout)
        return rate * self.setup.shape.hardware_flops_per_token(forwards=repeated) / 1e12


def in_the_way(computing: Compute, sending: InPasses) -> float:
    """Return the seconds of a pass in which a GPU computes, or waits for what nothing hides.

    Attention computes on one block of keys while the next one comes.
    """
    late = max(0.0, sending.context - computing.attention)
    return computing.seconds + sending.tensor + sending.experts + sending.stages + late


def passes(
    setup: Setup, pipeline: int, busy: float, sending: Sending, hop: float
) -> tuple[float, float]:
    """Return the seconds of a pass, and what is sent once adds to a step; memory is plentiful.

    The longer of computing and sending, and what sending costs computing beside it. The first
    layer's weights and the last one's gradients have nothing to hide behind. A pipeline gathers
    before its first micro-batch and reduces after its last, and nothing hides that.
    """
    in_pass, stack = sending.seconds, setup.stack
    if pipeline > 1:
        return busy, in_pass + hop
    slowed = stack.exposed * min(busy, sending.passed_on) + in_pass / setup.shape.layers
    micro = max(busy, in_pass) + slowed + stack.late * min(busy, sending.outside)
    after = max(0.0, in_pass + hop - BACKWARD * busy) if hop else 0.0
    return micro, max(stack.late * hop, after)


def optimizing(setup: Setup, layout: Layout) -> float:
    """Return the seconds of the optimizer, and of what surrounds a step."""
    stack, layers = setup.stack, layout.stage_layers(setup.shape.layers)
    states = setup.shape.parameters * layers / setup.shape.layers / layout.stage_group
    return stack.optimizer_traffic * states / setup.gpu.memory_bandwidth + stack.step_overhead


def step(setup: Setup, layout: Layout) -> Step:
    """Return one optimizer step of a layout, whether or not it fits into memory."""
    computing, sending = compute(setup, layout), communicate(setup, layout)
    holding, stack = memory(setup, layout), setup.stack
    busy = in_the_way(computing, sending.passing)
    short = busy * stack.shortage * holding.shortage(stack.live_layers)
    micro, ending = passes(setup, layout.pipeline, busy, sending.sharded, sending.second_hop)
    return Step(
        setup=setup,
        layout=layout,
        computing=computing,
        sending=sending,
        holding=holding,
        micro=micro + short,
        ending=ending,
        optimizer=optimizing(setup, layout),
        shortage=short * layout.accumulation,
    )
