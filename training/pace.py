"""Where a rank's time goes in a step.

A step is divided by marks: events in the GPU's own stream, so that nobody waits for the GPU, or the
clock where there is no GPU. Between two marks a rank computes, waits for its data, or waits for
others; FSDP2 waits in hooks of its own, and the marks lie inside of them. With the sum of the
losses every rank learns these seconds of all others, two steps late, and comes to the same verdict.

Collectives inside a layer (tensor parallelism) count as computing: of a tensor group all ranks look
alike, and the verdict says so.
"""

import time
from collections import deque
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Final

import torch
from torch import Tensor, nn

COMPUTES, DATA, OTHERS = range(3)
KINDS: Final = 3
AGREE: Final = 5
"""Steps that must agree before anybody is told, of so many and one."""
IN_FLIGHT: Final = 2048
"""Marks that a device may still be before: a host is two steps ahead at most."""


class Mark:
    """A moment in the device's work: on a GPU, when everything enqueued so far is done."""

    def __init__(self, device: torch.device) -> None:
        self.at = time.perf_counter()
        self.event: torch.cuda.Event | None = None
        if device.type == "cuda":
            self.event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        if self.event:
            self.event.record()

    def passed(self) -> bool:
        """Whether the device is through with it; waits for nothing."""
        return self.event is None or bool(self.event.query())  # type: ignore[no-untyped-call]

    def seconds_since(self, earlier: "Mark") -> float:
        """Return the seconds between two moments, waiting for this one to come."""
        if self.event is None or earlier.event is None:
            return self.at - earlier.at
        self.event.synchronize()
        return float(earlier.event.elapsed_time(self.event)) / 1e3


Marks = tuple[list[int], list[Mark]]
"""Of one step: what was done between each two of them, and the marks, which are one more."""


class Watch:
    """The marks of one rank."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.kinds: list[int] = []
        self.marks = [Mark(device)]
        self.count = 0
        """Marks so far."""
        self.last = "the start"
        """What the newest of them is the end of."""
        self.recent: deque[Mark] = deque(maxlen=IN_FLIGHT)
        self.longest: deque[float] = deque([0.0], maxlen=AGREE)
        """Most seconds between two marks, of each of the last steps: the first one compiles."""

    def __call__(self, kind: int, what: str) -> None:
        """Say what this rank has done since the mark before."""
        mark = Mark(self.device)
        self.kinds.append(kind)
        self.marks.append(mark)
        self.recent.append(mark)
        self.last = what
        self.count += 1

    def restart(self) -> None:
        """Forget what was marked since the last step: a pause, which is nobody's fault."""
        self.kinds, self.marks = [], [Mark(self.device)]

    def taken(self) -> Marks:
        """Return the marks of the step that ends now."""
        taken = self.kinds, self.marks
        self.kinds, self.marks = [], [self.marks[-1]]
        return taken

    def passed(self) -> int:
        """Return how many marks the device has passed; any thread may ask."""
        count = self.count
        return count - sum(not mark.passed() for mark in list(self.recent))

    def seconds(self, step: Marks) -> list[float]:
        """Return the seconds of a step by kind, once the device is through with it."""
        found = [0.0] * KINDS
        kinds, marks = step
        spent = [after.seconds_since(before) for before, after in pairwise(marks)]
        for kind, each in zip(kinds, spent, strict=True):
            found[kind] += each
        self.longest.append(max(spent))
        return found

    def follow(self, blocks: Iterable[nn.Module]) -> None:
        """Mark where each block computes; FSDP2's own hooks must be there already."""
        for number, block in enumerate(blocks):
            self._follow(block, f"block {number}")

    def _follow(self, block: nn.Module, name: str) -> None:
        # FSDP2 has waited when a hook runs that was added later. In the backward pass hooks of a
        # tensor run in the same order, and those of the input before FSDP2 sends gradients.
        @torch.compiler.disable  # type: ignore[untyped-decorator]
        def before(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
            self(OTHERS, f"the wait for the weights of {name}")
            self._when_backward(inputs[0], COMPUTES, f"the backward pass of {name}")

        @torch.compiler.disable  # type: ignore[untyped-decorator]
        def after(_module: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> None:
            self(COMPUTES, f"the forward pass of {name}")
            self._when_backward(output, OTHERS, f"the wait for {name} in the backward pass")

        block.register_forward_pre_hook(before)
        block.register_forward_hook(after)

    def _when_backward(self, tensor: Tensor, kind: int, what: str) -> None:
        if tensor.requires_grad:
            tensor.register_hook(lambda _: self(kind, what))  # type: ignore[no-untyped-call]
