"""What a planner finds: outcomes, and the plan that they make."""

from dataclasses import dataclass

from ultracluster.planner.devices import Gpu
from ultracluster.planner.goodput import Goodput
from ultracluster.planner.price import Bill
from ultracluster.planner.question import Question
from ultracluster.planner.runners_up import RunnerUp
from ultracluster.planner.setup import Setup
from ultracluster.planner.step import Step
from ultracluster.planner.storage import Lustre


@dataclass(frozen=True)
class Outcome:
    """What so many nodes achieve."""

    nodes: int
    """That train."""
    step: Step
    """The layout that is used, and its step."""
    goodput: Goodput
    """What failures leave."""
    lustre: Lustre
    """The file system."""
    days: float
    """Until the last token."""

    @property
    def node_hours(self) -> float:
        """Hours of all nodes that train; spares are not counted."""
        return self.days * 24 * self.nodes


@dataclass(frozen=True)
class Point:
    """One point of the scaling curve; the rate is None where the model does not fit."""

    nodes: int
    tokens_per_second: float | None
    efficiency: float | None
    """Tokens per second of a GPU, over those of the smallest number of nodes that fits."""


@dataclass(frozen=True)
class Alternative:
    """The same training on another instance type, in as many days or fewer."""

    instance_type: str
    gpu: Gpu
    outcome: Outcome | None
    bill: Bill | None
    why_not: str = ""
    """Why there is no outcome."""


@dataclass(frozen=True)
class Plan:
    """A plan."""

    question: Question
    setup: Setup
    outcome: Outcome
    bills: tuple[Bill, ...]
    """Of every way to buy the nodes, the chosen one first."""
    runners_up: tuple[RunnerUp, ...]
    curve: tuple[Point, ...]
    smallest_groups: dict[int, int | None]
    """Fewest GPUs that hold one copy of the model, by tensor-parallel degree; None: none do."""
    notes: tuple[str, ...]
    """What must be known to read the plan."""

    @property
    def bill(self) -> Bill:
        return self.bills[0]
