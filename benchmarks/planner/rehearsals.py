"""Write docs/training/rehearsals.md: what a rank of each shipped recipe holds and sends.

    make planner-rehearsals                             # the page, of the traces that are there
    python benchmarks/planner/rehearsals.py gpt-1b ...  # traces these recipes anew before

A trace is `python -m training.launch rehearse` of the recipe's own settings, held against what the
planner says of the same layout. Traces are kept in rehearsals.json beside this file, each with
the settings that it is of: a test refuses one that is of others.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from training import recipes as own  # noqa: E402
from training.torchtitan import recipes as titan  # noqa: E402
from ultracluster.plan.recipe import question_of  # noqa: E402
from ultracluster.planner.communication import communicate  # noqa: E402
from ultracluster.planner.devices import Network  # noqa: E402
from ultracluster.planner.goodput import LONGEST_INTERVAL, SECONDS_PER_DAY  # noqa: E402
from ultracluster.planner.memory import largest  # noqa: E402
from ultracluster.planner.plan import Planner  # noqa: E402
from ultracluster.planner.step import Step  # noqa: E402
from ultracluster.spec.loading import load_folder  # noqa: E402
from ultracluster.spec.recipe import RecipeSpec  # noqa: E402

PAGE: Final = ROOT / "docs" / "training" / "rehearsals.md"
TRACES: Final = Path(__file__).with_suffix(".json")
GIB: Final = 2**30
PYTHON: Final = ROOT / ".venv-torchtitan" / "bin" / "python"
TRILLION, LEAST_SHARE = 1e12, 0.3
ALLOWED: Final = 0.05
"""Part of an item that rehearsal and plan may differ by in a recipe that is shipped."""


OPENING: Final = """
# Rehearsals: one rank at full size, without a GPU

```sh
python -m training.launch rehearse --world 4096 --rank 64 torchtitan llama3-1t    # or --json
make planner-rehearsals RECIPES="gpt-1b"    # traces these anew, and writes this page
```

The program's own code builds one rank of the whole world on fake tensors and fake process groups
(both are PyTorch's), and does one step forward and backward and of the optimizer, after a first
step of the optimizer that leaves its state behind. Of a pipeline as many micro-batches are traced
as fill it, and one; of other layouts two: more find the same. One to two minutes of one core for
a rank.

Below it is held against what `ultracluster plan` says of the same layout (`--software training` or
`torchtitan`), item by item, of the rank that has most of each. Bytes of collectives are what one
rank passes on in a step: (p-1)/p of the whole in a group of p, twice that of an all-reduce. **A
recipe is not shipped** whose rehearsal does not fit its GPU, which differs from its plan by more
than 5 % in any line, whose checkpoints are as rare as a quarter of the time between failures, or,
from a trillion parameters, with less than 30 % of the peak: `tests/planner/test_rehearsals.py`. It
also refuses a trace of other settings than the recipe's (the traces are
`benchmarks/planner/rehearsals.json`); a change of the programs is found by the small traces of
`tests/training/torchtitan/test_rehearse.py`.

What it cannot know: what a kernel or a compiled layer needs or saves for itself, and
fragmentation. CUDA's and NCCL's own memory is the planner's figure. Layers run one operation after
the other here, as without `numerics.compile`, so that compiled ones hold less; the loss of the
training program is taken as compiled. Experts get equal numbers of tokens.

What this comparison found, and is mended: PyTorch 2.13 makes room for what every micro-batch of a
step receives (26 GiB for 512 of `llama3-1t`), and now a stage uses as many places in turn as it has
micro-batches in flight; torchtitan's loss in chunks gathered and reduced the output layer for each
micro-batch of a pipeline (186 GiB a step), and there it is in one piece now; the planner took
gradients that are reduced in fp32 for bf16, forgot the copies that they are reduced from and what a
stage has sent on, counted a reduce-scatter too few, and had other activations under selective
recomputation. Still so: torchtitan reduces the output layer's gradient between replicas after each
micro-batch where there is no pipeline, which the plan counts; and an interleaved pipeline makes
room for every micro-batch, of which a rehearsal sees those that it traces. No recipe has one.

Dropped by the rule: `gpt-1t-p4d` of the training program (3.2 % of the peak), `kimi-1t` on p4d and
on p5 (4.6 % with 16 stages; 32 stages need 43.3 GiB of p4d's 39.4, and 29.7 % on p5), `llama3-8b`
in groups of eight on p4d (40.2 GiB).
"""


def recipes() -> dict[str, RecipeSpec]:
    """Return the recipes that are shipped, by name."""
    return {each.name: each for each in load_folder(ROOT / "recipes", RecipeSpec)}


def plan_of(recipe: RecipeSpec) -> tuple[Planner, Step]:
    """Return the plan of a recipe's own layout."""
    planner = Planner(question_of(recipe))
    found = planner.search.best(recipe.nodes)
    if found is None:
        raise SystemExit(f"{recipe.name}: the planner says that it does not fit")
    return planner, found


@dataclass(frozen=True, slots=True)
class Item:
    """Bytes of one thing, as rehearsed and as planned."""

    name: str
    rehearsed: float
    planned: float
    groups: tuple[int, ...] = ()
    """Ranks of the groups that send."""

    @property
    def difference(self) -> float:
        """Of the plan from the rehearsal, as a part of it."""
        return self.planned / self.rehearsed - 1 if self.rehearsed else 0.0


UNIT: Final = Network(8, 8.0, 1.0, 0.0, 0.0, 0.0)
"""A network on which a second of the planner is a byte that a rank passes on."""
IN_A_STEP: Final = {
    "allgather_base": "gathers of weights",
    "reduce_scatter_base": "reduce-scatters of gradients",
    "allreduce": "all-reduces between replicas",
}
IN_A_PASS: Final = {
    "all_to_all_single": "tokens to experts and back",
    "send": "activations between stages",
    "all_gather_into_tensor": "gathers and reduce-scatters of a layer's parts",
    "reduce_scatter_tensor": "gathers and reduce-scatters of a layer's parts",
}
"""What a collective is for; what belongs to the tokens of a pass repeats with each."""


def sent(traced: Mapping[str, Any], stages: int) -> Iterator[tuple[str, int, float]]:
    """Yield what one rank passes on in a step: what for, in a group of how many, and bytes.

    Of a ring of p ranks each passes on (p-1)/p of the whole, of an all-reduce twice that.
    """
    for call in traced["collectives"]:
        name, ranks = call["name"], max(1, call["ranks"])
        calls = call["calls"] + (traced["of_passes"] - traced["passes"]) * call["again"]
        if stages > 1 and name in IN_A_PASS:
            calls *= traced["of_passes"] / traced["passes"]
        size = calls * call["size"]
        if name == "send":
            yield IN_A_PASS[name], 2, size
        elif name in IN_A_PASS:
            yield IN_A_PASS[name], ranks, size * (ranks - 1) / ranks
        elif name in IN_A_STEP:
            times = 2 if name == "allreduce" else 1
            yield IN_A_STEP[name], ranks, times * size * (ranks - 1) / ranks


def to_send(found: Step) -> dict[str, float]:
    """Return the bytes that the planner has a rank pass on in a step."""
    setup, layout = found.setup, replace(found.layout, hierarchical=False)
    gpu = replace(setup.gpu, link_bandwidth=1.0)
    sending = communicate(replace(setup, gpu=gpu, network=UNIT), layout)
    once, passes = found.times_sharded, layout.accumulation
    names = (*IN_A_STEP.values(), *dict.fromkeys(IN_A_PASS.values()))
    values = (
        sending.sharded.gather * once,
        sending.sharded.reduce_scatter * once,
        sending.second_hop,
        sending.passing.experts * passes,
        sending.passing.stages * passes,
        sending.passing.tensor * passes,
    )
    return dict(zip(names, values, strict=True))


def items(found: Step, traces: Mapping[str, Mapping[str, Any]]) -> Iterator[Item]:
    """Yield what is compared: of each item the rank that has most of it."""

    def most(name: str) -> float:
        return float(max(traced[name] for traced in traces.values()))

    holding, reserve = found.holding, found.holding.reserve
    yield Item("parameters", most("weights"), holding.parameters)
    yield Item("gradients", most("gradients"), holding.gradients)
    yield Item("optimizer state", most("optimizer"), holding.optimizer)
    yield Item("activations kept", most("activations"), holding.activations + holding.logits)
    yield Item("largest temporary", most("largest"), largest(found.setup, found.layout))
    yield Item("most held at once", most("peak"), holding.needed - reserve)
    planned = to_send(found)
    totals: dict[str, float] = {}
    groups: dict[str, set[int]] = {}
    for traced in traces.values():
        of_rank: dict[str, float] = {}
        for name, ranks, size in sent(traced, found.layout.pipeline):
            of_rank[name] = of_rank.get(name, 0.0) + size
            if size > 2**20:
                groups.setdefault(name, set()).add(ranks)
        for name, size in of_rank.items():
            totals[name] = max(totals.get(name, 0.0), size)
    for name, size in planned.items():
        if size or totals.get(name, 0.0) > 2**20:
            who = tuple(sorted(groups.get(name, ())))
            yield Item(name, totals.get(name, 0.0), size, who)


def words(recipe: RecipeSpec) -> list[str]:
    """Return what the program is told of a recipe, as it is after `rehearse`."""
    given = recipe.hyperparameters("run")
    program = ["torchtitan"] if given["engine"] == "torchtitan" else []
    settings = json.loads(given["settings"])
    changes = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    return [*program, given["recipe"], *changes]


def decided(recipe: RecipeSpec) -> dict[str, Any]:
    """Return the settings that a rehearsal depends on, those of the base recipe among them."""
    given = recipe.hyperparameters("run")
    program = titan if given["engine"] == "torchtitan" else own
    settings = program.chosen(given["recipe"], []).override(json.loads(given["settings"]))
    found = {part: asdict(getattr(settings, part)) for part in ("model", "parallel", "numerics")}
    data = settings.data
    return {**found, "data": [data.global_batch, data.micro_batch]}


def ranks(recipe: RecipeSpec) -> list[int]:
    """Return the ranks that are traced: of a pipeline its first two stages and its last."""
    world, stages = recipe.cluster.world, recipe.engine.stages
    return [0] if stages == 1 else [0, world // stages, world - world // stages]


def trace(recipe: RecipeSpec) -> dict[str, Any]:
    """Rehearse a recipe, and return what is kept of it."""
    found = {}
    for rank in ranks(recipe):
        command = (PYTHON, "-W", "ignore", "-m", "training.launch", "rehearse", "--json")
        size = ("--world", str(recipe.cluster.world), "--rank", str(rank))
        done = subprocess.run(
            [*command, *size, *words(recipe)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            text=True,
            stdout=subprocess.PIPE,
            check=True,
        )
        found[str(rank)] = json.loads(done.stdout.splitlines()[-1])
    return {"settings": decided(recipe), "ranks": found}


def traces() -> dict[str, dict[str, Any]]:
    """Return the traces that are there, by recipe."""
    found: dict[str, dict[str, Any]] = json.loads(TRACES.read_text(encoding="utf-8"))
    return found


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A recipe, rehearsed and planned."""

    recipe: RecipeSpec
    kept: Mapping[str, Any]
    planner: Planner
    step: Step

    @classmethod
    def of(cls, recipe: RecipeSpec, kept: Mapping[str, Any]) -> "Rehearsed":
        return cls(recipe, kept, *plan_of(recipe))

    @property
    def share_of_peak(self) -> float:
        return self.step.model_tflops * 1e12 / self.planner.setup.gpu.peak

    @property
    def held(self) -> float:
        """Bytes of a GPU as rehearsed, with what CUDA and NCCL hold by the planner."""
        most = max(traced["peak"] for traced in self.kept["ranks"].values())
        return float(most + self.step.holding.reserve)

    @property
    def interval(self) -> float:
        """Seconds between two checkpoints."""
        return self.recipe.checkpoint.every_steps * self.step.seconds

    @property
    def between_failures(self) -> float:
        """Seconds between two failures of the job."""
        rate = self.planner.question.rate.per_node_day
        return SECONDS_PER_DAY / (self.recipe.nodes * rate)

    def items(self) -> list[Item]:
        return list(items(self.step, self.kept["ranks"]))

    def faults(self) -> Iterator[str]:
        """Yield why it must not be shipped."""
        if self.kept["settings"] != decided(self.recipe):
            yield "its trace is of other settings; make planner-rehearsals RECIPES=..."
        if self.held > self.step.holding.capacity:
            yield f"{self.held / GIB:.1f} GiB do not fit"
        for item in self.items():
            if abs(item.difference) > ALLOWED:
                yield f"{item.name} differ by {item.difference:+.1%}"
        if self.interval >= LONGEST_INTERVAL * self.between_failures:
            yield "a checkpoint is as rare as a quarter of the time between failures"
        if self.recipe.model.parameters > TRILLION and self.share_of_peak < LEAST_SHARE:
            yield f"{self.share_of_peak:.1%} of the peak are less than {LEAST_SHARE:.0%}"

    def lines(self) -> Iterator[str]:
        """Yield its part of the page."""
        recipe, layout = self.recipe, self.step.layout
        gpu, world = self.planner.setup.gpu.name, recipe.cluster.world
        yield f"## `{recipe.name}`: {recipe.model.parameters / 1e9:,.1f} billion parameters"
        yield ""
        degrees = {
            "stages": layout.pipeline,
            "GPUs to a layer": layout.tensor,
            "GPUs to a layer's experts": layout.expert,
        }
        parts = [f"{count} {name}" for name, count in degrees.items() if count > 1]
        parts.append(f"groups of {recipe.partition_size}")
        yield f"{world:,} x {gpu}: {', '.join(parts)}; {layout.accumulation:,} micro-batches."
        yield (
            f"Held {self.held / GIB:.1f} of {self.step.holding.capacity / GIB:.1f} GiB, of which "
            f"{self.step.holding.reserve / GIB:.1f} are CUDA's and NCCL's by the planner. Plan: "
            f"{self.step.seconds:.1f} s a step, {self.share_of_peak:.1%} of the peak; a checkpoint "
            f"every {self.interval / 60:.0f} minutes, a failure every "
            f"{self.between_failures / 3600:.1f} hours. Traced ranks: "
            f"{', '.join(self.kept['ranks'])}."
        )
        yield ""
        yield "| | rehearsed, GiB | planned, GiB | difference |"
        yield "| --- | --- | --- | --- |"
        for item in self.items():
            who = f", groups of {' and '.join(map(str, item.groups))}" if item.groups else ""
            yield (
                f"| {item.name}{who} | {item.rehearsed / GIB:,.3f} | {item.planned / GIB:,.3f} | "
                f"{item.difference:+.1%} |"
            )
        yield ""


def page() -> str:
    """Return docs/training/rehearsals.md."""
    found, known = traces(), recipes()
    lines = [OPENING.strip(), ""]
    for name in sorted(known, key=lambda each: known[each].model.parameters):
        lines += Rehearsed.of(known[name], found[name]).lines()
    return "\n".join(lines).rstrip() + "\n"


def main(names: list[str]) -> None:
    """Trace these recipes anew, and write the page."""
    found, known = traces() if TRACES.exists() else {}, recipes()
    for name in names:
        found[name] = trace(known[name])
        kept = {each: found[each] for each in sorted(found) if each in known}
        TRACES.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")
    for name, recipe in known.items():
        for fault in Rehearsed.of(recipe, found[name]).faults():
            sys.stderr.write(f"{name}: {fault}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
