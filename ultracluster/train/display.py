"""What is printed of recipes, requests and jobs."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ultracluster.problem import Problem
from ultracluster.spec.recipe import RecipeSpec
from ultracluster.tables import Column, Rows
from ultracluster.train.jobs import OVER, Line, is_over
from ultracluster.visible import console as new_console

COLOURS: Final[Mapping[str, str]] = {
    "Completed": "green",
    "SUCCEEDED": "green",
    "Failed": "bold red",
    "FAILED": "bold red",
    "Stopped": "yellow",
    "ABORTED": "yellow",
}
HOSTS: Final = ("cyan", "magenta", "blue", "yellow", "green", "white")


def row(problem: Problem) -> dict[str, object]:
    return {"field": problem.field, "got": problem.got, "fix": problem.fix}


def say_problem(problem: Problem, word: str = "ERROR") -> None:
    """Write a problem, or advice, to standard error: one line."""
    faults = new_console(stderr=True, soft_wrap=True, highlight=False)
    faults.print(f"{word} {problem}", markup=False)


def recipe_table(recipe: RecipeSpec, request: Mapping[str, Any]) -> Table:
    groups = recipe.cluster.world // recipe.partition_size
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(overflow="fold")  # an image that is cut cannot be copied
    facts = {
        "job": request["TrainingJobName"],
        "model": f"{recipe.model.parameters / 1e9:,.2f} billion parameters",
        "instances": f"{recipe.nodes:,} x {request['ResourceConfig']['InstanceType']}",
        "accelerators": recipe.instance.accelerator.total(recipe.nodes),
        "partition groups": f"{groups:,} of {recipe.partition_size:,}",
        "engine": recipe.engine.kind,
        "image": request["AlgorithmSpecification"]["TrainingImage"],
        "checkpoints": f"every {recipe.checkpoint.every_steps:,} steps, {recipe.checkpoint.place}",
        "at most": duration(request["StoppingCondition"]["MaxRuntimeInSeconds"]),
    }
    for name, value in facts.items():
        table.add_row(Text(name, style="dim"), Text(str(value)))
    return table


def recipes_table(recipes: Iterable[RecipeSpec]) -> Rows:
    table = Rows(
        (
            Column("recipe"),
            Column("parameters", "number"),
            Column("nodes", "number"),
            Column("partition", "number"),
            Column("engine"),
            Column("state per accelerator", "number"),
        )
    )
    for each in recipes:
        table.add(
            each.name,
            f"{each.model.parameters / 1e9:,.2f} B",
            f"{each.nodes:,} x {each.instance_type}",
            f"{each.partition_size:,} of {each.cluster.world:,}",
            each.engine.kind,
            f"{16 * each.model.parameters / each.partition_size / 1e9:,.1f} GB",
        )
    return table


def duration(seconds: float) -> str:
    """Return seconds as people say them."""
    whole = int(seconds)
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (left, "s")]
    said = [f"{value} {unit}" for value, unit in parts if value]
    return " ".join(said[:2]) or "0 s"


def job_view(job: Mapping[str, Any], now: datetime, *, moving: bool = False) -> RenderableType:
    """Return a job: where it is, how long each part took, and its metrics."""
    status = str(job["TrainingJobStatus"])
    head = Table(show_header=False, box=None, pad_edge=False)
    secondary = str(job.get("SecondaryStatus", ""))
    words = status if secondary == status else f"{status}: {secondary}"
    head.add_row(Text(str(job["TrainingJobName"])), Text(words, style=COLOURS.get(status, "cyan")))
    parts: list[RenderableType] = [head]
    if transitions := job.get("SecondaryStatusTransitions"):
        mark: RenderableType = Spinner("dots") if moving else Text("…")
        parts.append(_transitions(transitions, now, is_over(dict(job)), mark))
    if metrics := job.get("FinalMetricDataList"):
        shown = "  ".join(f"{each['MetricName']} {each['Value']:g}" for each in metrics)
        parts.append(Text(shown))
    if reason := job.get("FailureReason"):
        parts.append(Text(str(reason), style="bold red"))
    if pool := job.get("WarmPoolStatus"):
        parts.append(Text(f"warm pool: {pool['Status']}"))
    if artifacts := (job.get("ModelArtifacts") or {}).get("S3ModelArtifacts"):
        parts.append(Text(f"output: {artifacts}"))
    return Group(*parts)


def _transitions(
    rows: Sequence[Mapping[str, Any]],
    now: datetime,
    ended: bool,  # noqa: FBT001 - said by its only caller
    going: RenderableType,
) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for index, each in enumerate(rows):
        begin = with_zone(each["StartTime"])
        end = with_zone(each["EndTime"]) if each.get("EndTime") else None
        last = index == len(rows) - 1
        # The end of a job takes no time, and nobody may have written when it was over.
        over = last and end is None and str(each["Status"]) in OVER
        took = "" if over else duration(((end or now) - begin).total_seconds())
        done = Text("✓", style="green")
        mark = going if last and not ended else done
        table.add_row(
            mark, Text(str(each["Status"])), Text(took), Text(str(each.get("StatusMessage", "")))
        )
    return table


def with_zone(value: object) -> datetime:
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def jobs_table(rows: Iterable[Mapping[str, Any]], now: datetime) -> Rows:
    table = Rows((Column("job"), Column("status"), Column("began"), Column("took", "number")))
    for each in rows:
        status = str(each["TrainingJobStatus"])
        begin = with_zone(each["CreationTime"])
        end = with_zone(each["TrainingEndTime"]) if each.get("TrainingEndTime") else now
        table.add(
            str(each["TrainingJobName"]),
            Text(str(each.get("SecondaryStatus") or status), style=COLOURS.get(status, "cyan")),
            f"{begin:%Y-%m-%d %H:%M}",
            duration((end - begin).total_seconds()),
        )
    return table


def log_line(console: Console, entry: Line, hosts: dict[str, str]) -> None:
    colour = hosts.setdefault(entry.host, HOSTS[len(hosts) % len(HOSTS)])
    text = Text()
    text.append(f"{entry.at:%H:%M:%S} ", style="dim")
    text.append(f"{entry.host} ", style=colour)
    text.append(entry.text)
    console.print(text, soft_wrap=True, highlight=False)
