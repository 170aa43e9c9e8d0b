"""Where each rank's time goes in a step, and which rank holds the others up.

A step is divided by marks: events in the GPU's own stream, so that nobody waits for the GPU, or the
clock where there is no GPU. Between two marks a rank computes, waits for its data, or waits for
others; FSDP2 waits in hooks of its own, and the marks lie inside of them. With the sum of the
losses every rank learns these seconds of all others, two steps late, and comes to the same verdict.

Collectives inside a layer (tensor parallelism) count as computing: of a tensor group all ranks look
alike, and the verdict says so.
"""

import statistics
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final

import torch
from torch import Tensor, nn

COMPUTES, DATA, OTHERS = range(3)
KINDS: Final = 3
COLUMNS: Final = KINDS + 1
AGREE: Final = 5
"""Steps that must agree before anybody is told, of so many and one."""
SLOW: Final = 1.15
"""Times the median of all ranks; the alarm `job-straggles` has the same."""
MATTERS: Final = 0.05
"""Part of a step that a rank must cost the others."""
LEAST_SECONDS: Final = 0.005
"""Below this it is the noise of a machine."""
BEFORE: Final = 32
"""Steps whose wait for the network is the usual one."""
NETWORK: Final = 0.25
"""Part of a usual step that the network must take longer: it varies more than GPUs do."""
IN_FLIGHT: Final = 2048
"""Marks that a device may still be before: a host is two steps ahead at most."""
NOBODY: Final = (-1, "")
SAYS: Final = {
    "clock": "computes {0:.2f} times as long as the median rank: look at its GPU's clock, and at "
    "its processor",
    "data": "takes {0:.2f} times the median rank's time, for it waits for its data: look at its "
    "file system",
    "network": "is slow, and steps take {0:.2f} times as long as before: look at its network card",
}


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


@dataclass(frozen=True, slots=True)
class Straggler:
    """A rank that the others wait for."""

    rank: int
    """-1 where it is the network, and no rank's in particular."""
    together: int
    """Ranks from that one on that share their layers and cannot be told apart; mostly 1."""
    cause: str
    """`clock`, `data` or `network`."""
    times: float
    """The median of all ranks; of a network the steps before."""
    seconds: float
    """That it costs each step."""

    def text(self, node: str) -> str:
        """Say it to people."""
        last = self.rank + self.together - 1
        whose = f"one of ranks {self.rank} to {last}" if self.together > 1 else f"rank {self.rank}"
        where = f"{whose} on {node}" if self.rank >= 0 else "the network, of no single rank,"
        does = SAYS[self.cause].format(self.times)
        return f"STRAGGLER {where} {does}; {self.seconds:.3f} s of each step"


class Pace:
    """What the last steps say of all ranks; each rank comes to the same result.

    Args:
        together: Ranks that share their layers, `parallel.tensor_parallel`.
    """

    def __init__(self, together: int = 1) -> None:
        self.together = max(1, together)
        self.suspects: deque[tuple[int, str]] = deque(maxlen=AGREE + 1)
        self.usual: deque[float] = deque(maxlen=BEFORE)
        """What the network took of earlier steps, on the rank that waited least."""
        self.named: tuple[int, str] | None = None
        self.seen: Tensor | None = None

    def saw(self, table: Tensor) -> Straggler | None:
        """Take in a step, a row of `Blame` for each rank. Return whom it convicts, once."""
        table, writes = table[:, :KINDS], bool(table[:, KINDS].any())
        if self.seen is not None and torch.equal(table, self.seen):
            return None  # After a pause the same figures come twice.
        self.seen = table
        table = table.reshape(-1, self.together, KINDS).mean(1)
        both = filter(None, (self._slowest(table), None if writes else self._network(table)))
        found = max(both, key=lambda each: each.seconds, default=None)
        self.suspects.append((found.rank, found.cause) if found else NOBODY)
        [(most, often)] = Counter(self.suspects).most_common(1)
        if often < AGREE:
            return None
        if most == NOBODY:
            self.named = None
        if not found or (found.rank, found.cause) != most or most == self.named:
            return None
        self.named = most
        return found

    def _slowest(self, table: Tensor) -> Straggler | None:
        own = table[:, COMPUTES] + table[:, DATA]
        rank = int(own.argmax())
        median = float(own.median())  # of two ranks the lower one: the slow one is no part of it
        excess, step = float(own[rank]) - median, float(table[rank].sum())
        if excess < max(LEAST_SECONDS, MATTERS * step, (SLOW - 1) * median):
            return None
        by = [
            float(table[rank, kind]) - float(table[:, kind].median()) for kind in (COMPUTES, DATA)
        ]
        cause = "data" if by[DATA] > by[COMPUTES] else "clock"
        times = float(own[rank]) / max(median, 1e-9)
        return Straggler(rank * self.together, self.together, cause, times, excess)

    def _network(self, table: Tensor) -> Straggler | None:
        """Return whether even the rank that waits least waits for longer than it did."""
        least = float(table[:, OTHERS].min())
        usual = statistics.median(self.usual) if len(self.usual) >= AGREE else least
        step = float(table[0].sum())
        if least - usual < max(LEAST_SECONDS, NETWORK * (step - least + usual)):
            self.usual.append(least)
            return None
        times = step / max(step - (least - usual), 1e-9)
        return Straggler(-1, 1, "network", times, least - usual)


def saw(paces: Sequence[Pace], table: Tensor) -> Straggler | None:
    """Take in a step of all ranks, a part of them for each `Pace`; return whom it convicts, once.

    Stages of a pipeline have different work, so that each has a `Pace` of its own.
    """
    parts = table.view(len(paces), -1, COLUMNS)
    found = [
        replace(slow, rank=slow.rank + number * len(part)) if slow.rank >= 0 else slow
        for number, (pace, part) in enumerate(zip(paces, parts, strict=True))
        if (slow := pace.saw(part))
    ]
    return max(found, key=lambda each: each.seconds, default=None)
