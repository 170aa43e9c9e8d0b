"""What is printed of recipes, requests and jobs, once or until a job ends."""

import codecs
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ultracluster.command_line import say
from ultracluster.problem import Problem
from ultracluster.safe_output import console as new_console
from ultracluster.spec.recipe import RecipeSpec
from ultracluster.tables import Column, Rows
from ultracluster.train.jobs import EXECUTION, TRAINING, Described, Jobs, Run
from ultracluster.train.slurm_jobs import BLOCK, SlurmJobs
from ultracluster.waiting import until

COLOURS: Final[Mapping[str, str]] = {
    "Completed": "green",
    "SUCCEEDED": "green",
    "Failed": "bold red",
    "FAILED": "bold red",
    "Stopped": "yellow",
    "ABORTED": "yellow",
}
OF_SLURM: Final = ("JobId", "JobName", "JobState", "Reason", "ExitCode", "NumNodes", "NodeList")
"""What is shown of a job of Slurm's."""
LISTED: Final = ("JobId", "JobName", "JobState", "NumNodes", "UserId")
"""What is shown of several."""
HOSTS: Final = ("cyan", "magenta", "blue", "yellow", "green", "white")


def row(problem: Problem) -> dict[str, object]:
    return {"field": problem.field, "got": problem.got, "fix": problem.fix}


def say_problem(problem: Problem, word: str = "ERROR") -> None:
    """Write a problem, or advice, to standard error: one line."""
    faults = new_console(stderr=True, soft_wrap=True, highlight=False)
    faults.print(f"{word} {problem}", markup=False)


def recipe_table(recipe: RecipeSpec, request: Mapping[str, Any]) -> Group:
    groups = recipe.cluster.world // recipe.partition_size
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
    lines = (Text.assemble((f"{name:<18}", "dim"), str(value)) for name, value in facts.items())
    return Group(*map(_whole, lines))


def _whole(line: Text) -> Text:
    """Let the terminal break a line that is too wide: what it shows is copied."""
    line.no_wrap, line.overflow = True, "ignore"
    return line


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
        ended, done = TRAINING.is_over(job), Text("✓", style="green")
        table = Table(box=None, pad_edge=False, show_header=False)
        for index, each in enumerate(transitions):
            begin = with_zone(each["StartTime"])
            end = with_zone(each["EndTime"]) if each.get("EndTime") else None
            last = index == len(transitions) - 1
            # The end of a job takes no time, and nobody may have written when it was over.
            over = last and end is None and str(each["Status"]) in TRAINING.over
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
        parts.append(_whole(Text(f"output: {artifacts}")))
    return Group(*parts)


def with_zone(value: object) -> datetime:
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def jobs_table(rows: Iterable[Mapping[str, Any]]) -> Rows:
    table = Rows((Column("job"), Column("status"), Column("began"), Column("took", "number")))
    for each in rows:
        status = str(each["TrainingJobStatus"])
        begin = with_zone(each["CreationTime"])
        end = each.get("TrainingEndTime") or datetime.now(UTC)
        table.add(
            str(each["TrainingJobName"]),
            Text(str(each.get("SecondaryStatus") or status), style=COLOURS.get(status, "cyan")),
            f"{begin:%Y-%m-%d %H:%M}",
            duration((with_zone(end) - begin).total_seconds()),
        )
    return table


def slurm_table(rows: Iterable[Mapping[str, str]]) -> Rows:
    table = Rows([Column(name) for name in LISTED])
    for each in rows:
        table.add(*(each[name] for name in LISTED))
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


def is_live(run: Run, console: Console) -> bool:
    """Whether a run is shown in place while it is followed."""
    return run.kind is TRAINING and console.is_terminal


def until_over(run: Run, console: Console, *, quiet: bool) -> Described:
    """Show a run until it has ended, and return it as it was described last.

    A terminal shows a training job in place. A file or a pipe keeps what was, and a state has
    nothing to move: there is one line for each change.
    """
    if is_live(run, console) and not quiet:
        with Live(console=console, refresh_per_second=8, transient=False) as live:

            def shown() -> Described:
                job = next(run.looks)
                live.update(job_view(job, datetime.now(UTC), moving=True))
                return job

            return followed(shown, run.kind.is_over)
    last = ""

    def seen() -> Described:
        nonlocal last
        found = next(run.looks)
        words = run.kind.words(found)
        if words != last and not quiet:
            say(console, f"{datetime.now(UTC):%H:%M:%S}  {run.name}  {words}")
        last = words
        return found

    return followed(seen, run.kind.is_over)


def show(run: Run, found: Described, console: Console) -> None:
    """Print a run as it was described."""
    if run.kind is TRAINING:
        console.print(job_view(found, datetime.now(UTC)))
    elif run.kind is EXECUTION:
        say(console, f"{found['name']}  unattended: {found['status']}")
        said = [part for part in ("error", "cause") if found.get(part)]
        say(console, *(f"  {part}: {found[part]}" for part in said))
    else:
        given = [name for name in OF_SLURM if found.get(name) not in (None, "", "None", "(null)")]
        say(console, *(f"{name:<10} {found[name]}" for name in given))


Printer = Callable[[], int]
"""Prints what a job has written since it was called last, and returns how much that is."""


def lines_of(jobs: Jobs, name: str, console: Console, since: datetime | None) -> Printer:
    """Print what all hosts of a training job write."""
    hosts: dict[str, str] = {}

    def printed() -> int:
        nonlocal since
        entries = list(jobs.lines(name, since))
        for entry in entries:
            colour = hosts.setdefault(entry.host, HOSTS[len(hosts) % len(HOSTS)])
            at, host = (f"{entry.at:%H:%M:%S} ", "dim"), (f"{entry.host} ", colour)
            text = Text.assemble(at, host, entry.text)
            console.print(text, soft_wrap=True, highlight=False)
            # Hosts' lines arrive out of order; what is older has been read.
            since = entry.at - LATEST_ARRIVAL
        return len(entries)

    return printed


def output_of(jobs: SlurmJobs, number: str, console: Console) -> Printer:
    """Print a Slurm job's output; also of one that is forgotten, as its file is still there."""
    offset = 0
    text = codecs.getincrementaldecoder("utf-8")("replace")

    def printed() -> int:
        nonlocal offset
        before = offset
        while block := jobs.output(number, offset):
            offset += len(block)
            console.out(text.decode(block), end="")
            if len(block) < BLOCK:
                break
        return offset - before

    return printed


@contextmanager
def display_of(environment: str, name: str) -> Iterator[None]:
    """Let Ctrl-C end what is shown of a job, and say that the job goes on."""
    try:
        yield
    except KeyboardInterrupt:
        verbs = "ultracluster train"
        raise KeyboardInterrupt(
            f"{name} goes on: {verbs} status {environment} {name} shows it, and "
            f"{verbs} stop {environment} {name} stops it"
        ) from None
