"""Slurm jobs of an environment: sent to a login node by Run Command, and followed there."""

import base64
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Final

from ultracluster.aws import Cloud, CloudError
from ultracluster.catalogue.training_engines import ENGINE, RECIPE, SETTINGS
from ultracluster.catalogue.training_settings import OWN
from ultracluster.command_line import progress
from ultracluster.exit_status import CommandError, UsageError
from ultracluster.problem import Problem
from ultracluster.run_command import GONE, RunCommand, login_node
from ultracluster.spec.engines import TorchrunEngine, TorchtitanEngine
from ultracluster.spec.recipe import LOCAL_CHECKPOINTS, MOUNT, RecipeSpec
from ultracluster.train.deployed import Deployed
from ultracluster.train.jobs import Kind, NoSuchJobError, Run
from ultracluster.train.submission import base_name

USER: Final = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
"""Names of Unix users, as useradd takes them, and those of directories with a dot."""


class LoginNodeError(CommandError):
    """A login node that is not there, or on which a command failed; holds its exit status."""

    def __init__(self, message: str, status: int = -1) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class LoginNode:
    """Runs programs as a user on a login node of an environment."""

    cloud: Cloud
    environment: str
    region: str
    user: str

    def __post_init__(self) -> None:
        if not USER.fullmatch(self.user):
            fix = "Unix users have small letters, digits, _ . and -, 32 at most"
            raise UsageError(f"--user {self.user}: {fix}")

    def run(self, program: str, *arguments: str) -> str:
        """Run a bash program with arguments, and return what it prints.

        Raises:
            LoginNodeError: where there is no node, or the program ends with another status than 0.
        """
        instance = self._instance()
        words = shlex.join(["bash", "-c", program, "ultracluster", *arguments])
        try:
            with progress("asking a login node"):
                said = RunCommand(self.cloud, instance).run(words, self.user)
        except CloudError as error:
            if error.code == GONE:
                raise LoginNodeError(
                    f"{instance}: Systems Manager does not reach it; a node that just started "
                    "needs a minute, and a closed network the endpoints of ssm and ssmmessages"
                ) from error
            raise
        if said.status:
            lines = said.stderr.strip().splitlines()
            why = lines[-1] if lines else f"the command ended with status {said.status}"
            raise LoginNodeError(f"{instance}: {why}", said.status)
        return said.stdout

    def _instance(self) -> str:
        found = login_node(self.cloud, self.environment)
        if found is None:
            raise LoginNodeError(
                f"{self.environment}: no login node of it runs in {self.region}; its file needs "
                "slurm=SlurmSpec(...) with a login_instance_type, and a deployment"
            )
        return found


def _words(job: Mapping[str, str]) -> str:
    reason = job.get("Reason", "None")
    return job["JobState"] + ("" if reason in ("None", "") else f" ({reason})")


SLURM: Final = Kind(
    "JobState",
    over={
        *("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY"),
        *("BOOT_FAIL", "DEADLINE", "PREEMPTED"),
    },
    well="COMPLETED",
    stopped="CANCELLED",
    words=_words,
)
"""States by Slurm's squeue, job state codes."""
BUSY: Final = 3
BLOCK: Final = 15_000
"""Bytes of an answer: Run Command gives back 24,000 characters, and base64 takes 4 for 3 bytes."""
FIELD: Final = re.compile(r"(?:^|\s)([A-Z][A-Za-z:/]*)=(\S*)")
LISTED: Final = re.compile(
    r"JobId=(?P<JobId>[0-9]{1,18}) JobState=(?P<JobState>\S*) NumNodes=(?P<NumNodes>\S*) "
    r"UserId=(?P<UserId>\S*) JobName=(?P<JobName>.*)"
)
"""A line of `slurm.sh list`: the name, which may hold anything, stands last."""
SENT: Final = re.compile(r"([0-9]{1,18})(;.*)?")
"""What `sbatch --parsable` prints: the number, and the cluster's name where there is one."""

Job = dict[str, str]
"""A job in Slurm's own words, as `scontrol show job` has them."""


@dataclass
class SlurmJobs:
    """The Slurm jobs of one environment."""

    none = "no Slurm jobs"
    stopped = "is cancelled; its last whole checkpoint stays"
    node: LoginNode
    deployed: Deployed
    mount: str
    """Where nodes mount the environment's file system."""

    def _ask(self, *words: str) -> str:
        """Run a part of slurm.sh on the login node, and return what it says."""
        return self.node.run((files("ultracluster.train") / "slurm.sh").read_text("utf-8"), *words)

    def command(self, recipe: RecipeSpec, run: str) -> list[str]:
        """Return a recipe as words of slurm.sh: variables, options and arguments of a job file."""
        given = recipe.engine.hyperparameters(recipe, run)
        settings: Mapping[str, str] = json.loads(given[SETTINGS])
        folder = f"{self.mount}/{self.node.user}"
        placed = {
            name: value.replace(MOUNT, self.mount).replace(LOCAL_CHECKPOINTS, folder)
            if value.startswith((MOUNT, LOCAL_CHECKPOINTS))
            else value
            for name, value in settings.items()
        }
        minutes = -(-recipe.limits.max_runtime_seconds // 60)
        return [
            *("submit", self.mount, f"{folder}/runs/{run}", base_name(self.deployed.name, run)),
            *(f"{name}={value}" for name, value in recipe.environment),
            "--",
            f"--partition={self.deployed['slurm-queue']}",
            f"--nodes={recipe.nodes}",
            f"--ntasks-per-node={recipe.cluster.gpus_per_node}",
            f"--time={minutes}",
            "--",
            *(() if given[ENGINE] == OWN else (given[ENGINE],)),
            given[RECIPE],
            *(word for name, value in placed.items() for word in ("--set", f"{name}={value}")),
        ]

    def problems(self, recipe: RecipeSpec) -> Iterator[Problem]:
        """Yield why a recipe cannot be a Slurm job of the environment."""
        if not isinstance(recipe.engine, TorchrunEngine | TorchtitanEngine):
            fix = "train submit writes the settings of two programs alone; write TorchrunEngine or "
            fix += "TorchtitanEngine"
            yield Problem("engine", recipe.engine.kind, fix)
        if recipe.instance_type != self.deployed["instance-type"]:
            fix = f"the environment's nodes are {self.deployed['instance-type']}; write that"
            yield Problem("instance_type", recipe.instance_type, fix)

    def submit(self, recipe: RecipeSpec, run: str) -> int | Problem:
        """Submit a recipe, and return the job's number, or that its run is running already."""
        try:
            said = self._ask(*self.command(recipe, run))
        except LoginNodeError as error:
            if error.status != BUSY:
                raise
            job = str(error).rpartition(" ")[2]
            fix = f"job {job} is running it, and writes its checkpoints; write another"
            return Problem("--run", run, fix)
        number = SENT.fullmatch(said.strip())
        if number is None:
            raise _no_answer(said)
        return int(number[1])

    def describe(self, number: str) -> Job:
        """Return a job as Slurm knows it.

        Raises:
            NoSuchJobError: where Slurm knows it not, or no longer.
        """
        found = dict(FIELD.findall(self._ask("state", number)))
        if "JobState" not in found:
            raise NoSuchJobError(
                f"{number}: Slurm of {self.deployed.name} knows no such job; without accounting it "
                "forgets one minutes after its end, and its output stays: ultracluster train logs "
                f"{self.deployed.name} {number}"
            )
        return found

    def rows(self, *, everything: bool = False) -> list[Job]:
        """Return the jobs that the controller knows, newest first."""
        lines, prefix = self._ask("list").split("\n"), f"{self.deployed.name}-"
        found = [row.groupdict() for row in map(LISTED.fullmatch, lines) if row]
        own = [row for row in found if everything or row["JobName"].startswith(prefix)]
        return sorted(own, key=lambda row: int(row["JobId"]), reverse=True)

    def newest(self) -> str:
        for row in self.rows():
            return row["JobId"]
        raise NoSuchJobError(
            f"{self.deployed.name}: Slurm knows no job of this environment; start one: "
            f"ultracluster train submit {self.deployed.name} RECIPE --slurm"
        )

    def output(self, number: str, offset: int) -> bytes:
        """Return what a job has written from a byte on, as much as one answer holds."""
        words = (self.mount, number, str(offset), str(BLOCK))
        said = self._ask("output", *words)
        try:
            return base64.b64decode(said.strip(), validate=True)
        except ValueError:
            raise _no_answer(said) from None

    def run(self, number: str) -> Run:
        return Run.of(SLURM, number, partial(self.describe, number))

    def stop(self, number: str) -> str:
        """Cancel a job: its tasks get SIGTERM, and after Slurm's KillWait SIGKILL."""
        job = self.describe(number)
        if SLURM.is_over(job):
            state = job["JobState"]
            raise NoSuchJobError(f"{number}: it has ended ({state}); there is nothing to stop")
        self._ask("cancel", number)
        return number


def _no_answer(said: str) -> LoginNodeError:
    return LoginNodeError(
        f"the login node answered {said[:80]!r}, which no part of slurm.sh says; a profile of the "
        "user's shell may print it: let it print to terminals alone"
    )
