"""The types of steps and stages, their access to account and nodes, and the cost of a stage."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from ultracluster.accept.journal import Journal
from ultracluster.aws import Caller, Cloud
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.catalogue.prices import Item
from ultracluster.catalogue.slurm import LOGIN, ROLE_TAG
from ultracluster.cost.page import money
from ultracluster.exit_status import CommandError
from ultracluster.preflight.inquiry import Question
from ultracluster.prove.deployment import Deployment
from ultracluster.prove.proof import Evidence
from ultracluster.run_command import ROOT, CommandResult, RunCommand, instances, login_node
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.slurm import SlurmSpec
from ultracluster.waiting import until

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 10.0


@dataclass(frozen=True)
class Found:
    """What one step measured, beside what was expected."""

    wanted: str
    measured: str
    ok: bool | None
    """None where the caller may not see it."""


def equal(wanted: object, measured: object) -> Found:
    return Found(str(wanted), str(measured), ok=wanted == measured)


@dataclass
class Scene:
    """An environment in an account, and what the acceptance of it remembers."""

    spec: EnvironmentSpec
    cloud: Cloud
    caller: Caller
    deployment: Deployment
    journal: Journal
    run: str
    """Name of everything that is made, `accept-2d4b75` for example."""
    user: str
    """The Unix user that jobs are sent as."""
    program: str
    """Folder on the shared file system with the training program, and `bin` beside it."""
    image: str = ""
    """Image of the SageMaker canary; nothing takes the newest of the environment's repository."""
    patience: float = 1.0
    """What every waiting time is multiplied with."""
    commands: list[str] = field(default_factory=list)
    """What was called since the step began, as an operator would."""
    memory: dict[str, Any] = field(default_factory=dict)
    """What a step tells those after it."""

    def ask(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Ask AWS, and note the call as a command."""
        self.commands.append(Question(service, operation, parameters).command(self.spec.region))
        return self.cloud.ask(service, operation, **parameters)

    def shell(self, command: str, user: str = "", instance: str = "") -> CommandResult:
        """Run a command on an instance, the login node if none is named, as the jobs' user."""
        who = user or self.user
        self.commands.append(f"{who}@{instance or 'login node'}: {command}")
        where = instance or self.login
        return RunCommand(self.cloud, where, comment=self.comment).run(command, who)

    @property
    def comment(self) -> str:
        """What every command on a node is sent with, also by a run that was killed."""
        return f"ultracluster accept {self.spec.name}"

    def root(self, command: str, instance: str = "") -> CommandResult:
        return self.shell(command, ROOT, instance)

    @property
    def evidence(self) -> Evidence:
        """What the proofs of `ultracluster prove` read."""
        return Evidence(self.spec, self.deployment, self.cloud)

    @property
    def slurm(self) -> SlurmSpec:
        if self.spec.slurm is None:
            raise CommandError(f"{self.spec.name} has no Slurm")
        return self.spec.slurm

    @property
    def login(self) -> str:
        """The id of a login node.

        Raises:
            CommandError: where none runs.
        """
        found = login_node(self.cloud, self.spec.name)
        if found is None:
            raise CommandError(f"{self.spec.name}: no login node runs")
        return found

    def nodes(self) -> list[dict[str, Any]]:
        """Return the environment's instances that run or start, but for login nodes."""
        own = {f"tag:{ENVIRONMENT_TAG}": self.spec.name}
        every = instances(self.cloud, {**own, "instance-state-name": ["pending", "running"]})
        return [instance for instance in every if tags(instance).get(ROLE_TAG) != LOGIN]

    def until(self, look: Callable[[], Any], good: Callable[[Any], bool], seconds: float) -> Any:
        """Return what is seen once it is good, or at last; one look says how it is done."""
        noted = len(self.commands)

        def once() -> Any:
            del self.commands[noted:]
            return look()

        return until(once, good, seconds * self.patience, FIRST_PAUSE, LONGEST_PAUSE)


def tags(row: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in row.get("Tags", ())}


@dataclass(frozen=True)
class Step:
    """One thing that is measured."""

    name: str
    look: Callable[[Scene], Found]
    settles: tuple[str, ...] = ()
    """Rows of unverified.toml that the account confirms or refutes by it."""
    refutes: bool = True
    """Whether its failure refutes them; a want of capacity, for one, says nothing of them."""
    concerns: Callable[[Scene], bool] = lambda _: True
    """Whether the environment has what they are about."""


Words = str | Callable[[Scene], str]


def said(text: Words, scene: Scene) -> str:
    return text if isinstance(text, str) else text(scene)


@dataclass(frozen=True)
class Stage:
    """Steps that cost about the same and need the same."""

    name: str
    title: str
    starts: Words
    """What it will start."""
    usd: Callable[[Scene], str]
    """What that costs."""
    steps: tuple[Step, ...]
    needs_slurm: bool = False


Judge = Callable[[str, str], bool]
"""Whether what was measured is what was wanted."""


def same(wanted: str, measured: str) -> bool:
    return wanted == measured


def number(text: str) -> float:
    """Return the number that a text is, below zero for another text."""
    try:
        return float(text)
    except ValueError:
        return -1.0


def at_least(wanted: str, measured: str) -> bool:
    return number(measured) >= number(wanted.rsplit(maxsplit=1)[-1])


def at_most(wanted: str, measured: str) -> bool:
    return 0 <= number(measured) <= number(wanted.rsplit(maxsplit=1)[-1])


def login_step(
    name: str,
    command: Words,
    wanted: Words,
    *,
    user: str = "",
    settles: Sequence[str] = (),
    concerns: Callable[[Scene], bool] = lambda _: True,
) -> Step:
    """Return a step that runs a command on the login node."""

    def look(scene: Scene) -> Found:
        measured, text = scene.shell(said(command, scene), user).text, said(wanted, scene)
        return equal(text, measured)

    return Step(name, look, tuple(settles), concerns=concerns)


JOB: Final = "job"
GRES: Final = "gres"
NODES: Final = 2


def node_step(
    name: str,
    command: Words,
    wanted: Words,
    judge: Judge = same,
    *,
    settles: Sequence[str] = (),
    concerns: Callable[[Scene], bool] = lambda _: True,
) -> Step:
    """Return a step that runs a command once on each node of the allocation."""

    def look(scene: Scene) -> Found:
        text = said(wanted, scene)
        measured = on_nodes(scene, said(command, scene))
        fits = len(measured) == NODES and all(judge(text, each) for each in measured)
        return Found(text, " | ".join(dict.fromkeys(measured)), fits)

    return Step(name, look, tuple(settles), concerns=concerns)


def on_nodes(scene: Scene, command: str) -> list[str]:
    """Return what a command prints on each node, in a step of the job."""
    step = f"srun --jobid={scene.memory[JOB]} --nodes={NODES} --ntasks={NODES} --ntasks-per-node=1"
    # A step gets none of the GPUs that Slurm counts, unless it asks for them.
    step += f" --gres={scene.memory[GRES]}" if scene.memory[GRES] else ""
    answer = scene.shell(f"{step} --label bash -c {shlex.quote(command)}")
    if answer.status:
        return [answer.text]
    lines: dict[str, list[str]] = {}
    for line in answer.stdout.splitlines():
        task, _, text = line.partition(": ")
        lines.setdefault(task, []).append(text.strip())
    return [" ".join(texts) for _, texts in sorted(lines.items())]


def hours(spec: EnvironmentSpec, item: Item, count: int, most: float) -> str:
    """Return what so many of an item cost for at most so many hours, in words."""
    found = spec.price_of(item)
    if found is None:
        return f"unknown: no price of {item.name} is known; state it in budget.prices"
    usd = found.usd * count * Decimal(str(most))
    return f"{money(usd)} USD at most ({count} x {money(found.usd)} USD an hour for {most:.2g} h)"
