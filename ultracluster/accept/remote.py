"""Steps that are one shell command each, on the login node or on both nodes."""

import shlex
from collections.abc import Callable, Sequence
from typing import Final

from ultracluster.accept.scene import Found, Scene, Step, Words, said

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
    judge: Judge = same,
    *,
    user: str = "",
    settles: Sequence[str] = (),
) -> Step:
    """Return a step that runs a command on the login node."""

    def look(scene: Scene) -> Found:
        measured, text = scene.shell(said(command, scene), user).text, said(wanted, scene)
        return Found(text, measured, judge(text, measured))

    return Step(name, look, tuple(settles))


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
