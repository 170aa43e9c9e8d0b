"""Following a job until it ends. Whoever stops looking does not stop the job."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rich.console import Console
from rich.live import Live

from ultracluster.exit_status import INTERRUPTED
from ultracluster.train.display import duration, job_view, log_line
from ultracluster.train.jobs import EXECUTION_OVER, Jobs, NoSuchJobError, is_over

SECONDS_BETWEEN: Final = 15.0
"""Between two looks: SageMaker's own SDK looks every 10 to 30 s."""
LATEST_ARRIVAL: Final = timedelta(minutes=2)
"""How much later than another host's a line may arrive, an assumption of this project."""


@dataclass
class Following:
    """One terminal that follows jobs of an environment."""

    jobs: Jobs
    console: Console
    sleep: Callable[[float], None] = field(default_factory=lambda: time.sleep)
    every: float = field(default_factory=lambda: SECONDS_BETWEEN)

    def until_over(self, name: str, *, quiet: bool = False) -> dict[str, Any]:
        """Show a job's progress until it has ended, and return it as it was described last."""
        if quiet or not self.console.is_terminal:
            return self._in_lines(name, quiet=quiet)
        with Live(console=self.console, refresh_per_second=8, transient=False) as live:
            while True:
                job = self.jobs.describe(name)
                live.update(job_view(job, datetime.now(UTC), moving=True))
                if is_over(job):
                    return job
                self.sleep(self.every)

    def _in_lines(self, name: str, *, quiet: bool) -> dict[str, Any]:
        """Write one line for each change: a file or a pipe keeps what was."""
        last = ""
        while True:
            job = self.jobs.describe(name)
            words = f"{job['TrainingJobStatus']}: {job.get('SecondaryStatus', '')}"
            if words != last and not quiet:
                self.console.out(f"{datetime.now(UTC):%H:%M:%S}  {name}  {words}", highlight=False)
            last = words
            if is_over(job):
                return job
            self.sleep(self.every)

    def until_execution_over(self, name: str, *, quiet: bool = False) -> dict[str, Any]:
        """Wait until an unattended run has ended, and return it as it was described last."""
        began, last = datetime.now(UTC), ""
        while True:
            execution = self.jobs.execution(name)
            if execution is None:
                raise NoSuchJobError(f"{name}: there is no unattended run of that name")
            if execution["status"] != last and not quiet:
                last = execution["status"]
                took = duration((datetime.now(UTC) - began).total_seconds())
                self.console.out(f"{name}  {last}  after {took}", highlight=False)
            if execution["status"] in EXECUTION_OVER:
                return execution
            self.sleep(self.every)

    def logs(self, name: str, *, follow: bool, since: datetime | None) -> int:
        """Print what all hosts write, until the job has ended if asked; return how many lines."""
        hosts: dict[str, str] = {}
        count = 0
        while True:
            # Asked before the lines are read: what is written after the end is still printed.
            over = not follow or is_over(self.jobs.describe(name))
            for entry in self.jobs.lines(name, since):
                log_line(self.console, entry, hosts)
                count += 1
                # Hosts' lines arrive out of order; what is older has been read.
                since = entry.at - LATEST_ARRIVAL
            if over:
                return count
            self.sleep(self.every)


def left_running(console: Console, environment: str, name: str) -> int:
    """Say that a job goes on, and how to find it again; return the exit status."""
    console.out(f"\n{name} goes on; only the display has ended.", highlight=False)
    console.out(f"  ultracluster train status {environment} {name}", highlight=False)
    console.out(f"  ultracluster train stop {environment} {name}", highlight=False)
    return INTERRUPTED
