"""What is printed of recipes, requests and jobs, once or until a job ends."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ultracluster.command_line import print_json, say
from ultracluster.problem import Problem
from ultracluster.spec.recipe import RecipeSpec
from ultracluster.tables import Column, Rows
from ultracluster.train.jobs import EXECUTION_OVER, OVER, Jobs, NoSuchJobError, is_over
from ultracluster.visible import console as new_console
from ultracluster.waiting import until

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
        "checkpoints": f"every {recipe.checkpoint.every_steps:,} steps",
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
        share = each.partition_size * each.engine.stages
        table.add(
            each.name,
            f"{each.model.parameters / 1e9:,.2f} B",
            f"{each.nodes:,} x {each.instance_type}",
            f"{each.partition_size:,} of {each.cluster.world:,}",
            each.engine.kind,
            f"{16 * each.model.parameters / share / 1e9:,.1f} GB",
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
        going: RenderableType = Spinner("dots") if moving else Text("…")
        ended, done = is_over(dict(job)), Text("✓", style="green")
        table = Table(box=None, pad_edge=False, show_header=False)
        for index, each in enumerate(transitions):
            begin = with_zone(each["StartTime"])
            end = with_zone(each["EndTime"]) if each.get("EndTime") else None
            last = index == len(transitions) - 1
            # The end of a job takes no time, and nobody may have written when it was over.
            over = last and end is None and str(each["Status"]) in OVER
            took = "" if over else duration(((end or now) - begin).total_seconds())
            message = Text(str(each.get("StatusMessage", "")))
            mark = going if last and not ended else done
            table.add_row(mark, Text(str(each["Status"])), Text(took), message)
        parts.append(table)
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


SECONDS_BETWEEN: Final = 15.0
"""Between two looks: SageMaker's own SDK looks every 10 to 30 s."""
FIRST_SECONDS: Final = 1.0
"""Between the first two: what cannot start says so soon. Each pause is half as long again."""
LATEST_ARRIVAL: Final = timedelta(minutes=2)
"""How much later than another host's a line may arrive, an assumption of this project."""
T = TypeVar("T")


def followed(look: Callable[[], T], good: Callable[[T], object]) -> T:
    """Look until what is seen is good, soon at first, and return it."""
    first = min(FIRST_SECONDS, SECONDS_BETWEEN)
    return until(look, good, pause=first, longest=SECONDS_BETWEEN)


def followed_in_lines(
    console: Console,
    name: str,
    look: Callable[[], T],
    words: Callable[[T], str],
    good: Callable[[T], object],
    *,
    quiet: bool,
) -> T:
    """Write one line for each change, until it is good: a file or a pipe keeps what was."""
    last = ""

    def seen() -> T:
        nonlocal last
        found = look()
        if words(found) != last and not quiet:
            say(console, f"{datetime.now(UTC):%H:%M:%S}  {name}  {words(found)}")
        last = words(found)
        return found

    return followed(seen, good)


@dataclass
class Following:
    """One terminal that follows jobs of an environment."""

    jobs: Jobs
    console: Console

    def until_over(self, name: str, *, quiet: bool = False) -> dict[str, Any]:
        """Show a job's progress until it has ended, and return it as it was described last."""
        look = partial(self.jobs.describe, name)
        if quiet or not self.console.is_terminal:
            return followed_in_lines(self.console, name, look, _words, is_over, quiet=quiet)
        with Live(console=self.console, refresh_per_second=8, transient=False) as live:

            def shown() -> dict[str, Any]:
                job = look()
                live.update(job_view(job, datetime.now(UTC), moving=True))
                return job

            return followed(shown, is_over)

    def until_execution_over(self, name: str, *, quiet: bool = False) -> dict[str, Any]:
        """Wait until an unattended run has ended, and return it as it was described last."""

        def look() -> dict[str, Any]:
            execution = self.jobs.execution(name)
            if execution is None:
                raise NoSuchJobError(f"{name}: there is no unattended run of that name")
            return execution

        return followed_in_lines(
            self.console,
            name,
            look,
            lambda execution: str(execution["status"]),
            lambda execution: execution["status"] in EXECUTION_OVER,
            quiet=quiet,
        )

    def logs(self, name: str, *, follow: bool, since: datetime | None) -> int:
        """Print what all hosts write, until the job has ended if asked; return how many lines."""
        hosts: dict[str, str] = {}
        count = 0

        def look() -> bool:
            nonlocal count, since
            # Asked before the lines are read: what is written after the end is still printed.
            over = not follow or is_over(self.jobs.describe(name))
            for entry in self.jobs.lines(name, since):
                colour = hosts.setdefault(entry.host, HOSTS[len(hosts) % len(HOSTS)])
                at, host = (f"{entry.at:%H:%M:%S} ", "dim"), (f"{entry.host} ", colour)
                text = Text.assemble(at, host, entry.text)
                self.console.print(text, soft_wrap=True, highlight=False)
                count += 1
                # Hosts' lines arrive out of order; what is older has been read.
                since = entry.at - LATEST_ARRIVAL
            return over

        followed(look, bool)
        return count


def _words(job: Mapping[str, Any]) -> str:
    return f"{job['TrainingJobStatus']}: {job.get('SecondaryStatus', '')}"


class DisplayEndedError(Exception):
    """Somebody does not look at a job any more, which goes on; how to find it again was said."""


@contextmanager
def display_of(console: Console, environment: str, name: str) -> Iterator[None]:
    """Let Ctrl-C end what is shown of a job, and say that the job goes on.

    Raises:
        DisplayEndedError: in the place of the interruption.
    """
    try:
        yield
    except KeyboardInterrupt:
        say(
            console,
            f"\n{name} goes on; only the display has ended.",
            f"  ultracluster train status {environment} {name}",
            f"  ultracluster train stop {environment} {name}",
        )
        raise DisplayEndedError from None


def told(console: Console, document: Any, words: str, *, as_json: bool) -> None:
    """Print a document for programs, or words for people."""
    if as_json:
        print_json(document)
    else:
        say(console, words)
