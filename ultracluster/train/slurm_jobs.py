"""Slurm jobs of an environment: sent to a login node, and followed by what Slurm says there."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.catalogue.training_engines import OWN, RECIPE, SETTINGS
from ultracluster.problem import Problem
from ultracluster.spec.engines import TorchrunEngine
from ultracluster.spec.recipe import LOCAL_CHECKPOINTS, MOUNT, RecipeSpec
from ultracluster.train.deployed import Deployed
from ultracluster.train.jobs import NoSuchJobError
from ultracluster.train.login_node import LoginNode, LoginNodeError
from ultracluster.train.request import base_name

OVER: Final = frozenset(
    {
        *("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY"),
        *("BOOT_FAIL", "DEADLINE", "PREEMPTED"),
    }
)
"""States after which a job runs no more (Slurm, squeue, job state codes)."""
BUSY: Final = 3
BLOCK: Final = 15_000
"""Bytes of one answer: Run Command gives back 24,000 characters, and base64 takes four for three."""
FIELD: Final = re.compile(r"(?:^|\s)([A-Z][A-Za-z:/]*)=(\S*)")

SUBMIT: Final = """
set -euo pipefail
mount=$1 folder=$2 name=$3; shift 3
for home in "$mount/ultracluster" /opt/ultracluster/training ''; do
  [[ -f $home/slurm/train.sbatch ]] && break
done
if [[ -z $home ]]; then
  echo "no $mount/ultracluster/slurm/train.sbatch: run training/slurm/prepare once" >&2
  exit 2
fi
busy=$(squeue --noheader --name="$name" --format=%A)
if [[ -n $busy ]]; then
  echo "$busy" | head -n 1 >&2
  exit 3
fi
mkdir -p "$folder"
export ULTRACLUSTER_PYTHON="$home/venv/bin/python"
[[ ! -x $home/bin/all_reduce_perf ]] || export ULTRACLUSTER_ALL_REDUCE_PERF="$home/bin/all_reduce_perf"
while [[ $1 != -- ]]; do export "$1"; shift; done; shift
options=()
while [[ $1 != -- ]]; do options+=("$1"); shift; done; shift
exec sbatch --parsable --chdir="$folder" --job-name="$name" --output="$folder/$name-%j.out" \\
  "${options[@]}" "$home/slurm/train.sbatch" "$@"
"""
STATE: Final = """
scontrol show job "$1" 2>/dev/null && exit
sacct --noheader --parsable2 --allocations --jobs "$1" --format=JobID,JobName,State,ExitCode,NNodes \\
  2>/dev/null | sed -n '1s/^\\([^|]*\\)|\\([^|]*\\)|\\([^| ]*\\)[^|]*|\\([^|]*\\)|\\(.*\\)$/JobId=\\1 JobName=\\2 JobState=\\3 ExitCode=\\4 NumNodes=\\5/p'
"""
LIST: Final = 'squeue --noheader --states=all --format="JobId=%A JobName=%j JobState=%T NumNodes=%D UserId=%u"'
OUTPUT: Final = """
file=$(scontrol show job "$2" 2>/dev/null | sed -n 's/^ *StdOut=//p')
file=${file//%j/$2}
if [[ -z $file ]]; then
  for file in "$1"/*/runs/*/*-"$2".out; do :; done
fi
[[ -f $file ]] || exit 0
tail --bytes="+$(($3 + 1))" "$file" | head --bytes="$4" | base64 --wrap=0
"""
CANCEL: Final = 'scancel "$1"'

Job = dict[str, str]
"""A job in Slurm's own words, as `scontrol show job` has them."""


@dataclass
class SlurmJobs:
    """The Slurm jobs of one environment."""

    node: LoginNode
    deployed: Deployed
    mount: str
    """Where nodes mount the environment's file system."""

    def command(self, recipe: RecipeSpec, run: str) -> list[str]:
        """Return the arguments of SUBMIT: a recipe as options and arguments of a job file."""
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
            *(self.mount, f"{folder}/runs/{run}", base_name(self.deployed.name, run)),
            *(f"{name}={value}" for name, value in recipe.environment),
            "--",
            f"--partition={self.deployed['slurm-queue']}",
            f"--nodes={recipe.nodes}",
            f"--ntasks-per-node={recipe.cluster.gpus_per_node}",
            f"--time={minutes}",
            "--",
            given[RECIPE],
            *(word for name, value in placed.items() for word in ("--set", f"{name}={value}")),
        ]

    def problems(self, recipe: RecipeSpec) -> Iterator[Problem]:
        """Yield why a recipe cannot be a Slurm job of the environment."""
        if not isinstance(recipe.engine, TorchrunEngine):
            fix = f"the job file starts the program {OWN} alone; write TorchrunEngine, or no --slurm"
            yield Problem("engine", recipe.engine.kind, fix)
        if recipe.instance_type != self.deployed["instance-type"]:
            fix = f"the environment's nodes are {self.deployed['instance-type']}; write that"
            yield Problem("instance_type", recipe.instance_type, fix)

    def submit(self, recipe: RecipeSpec, run: str) -> int | Problem:
        """Submit a recipe, and return the job's number, or that its run is running already."""
        try:
            said = self.node.run(SUBMIT, *self.command(recipe, run))
        except LoginNodeError as error:
            if error.status != BUSY:
                raise
            job = str(error).rpartition(" ")[2]
            fix = f"job {job} is running it, and writes its checkpoints; write another"
            return Problem("--run", run, fix)
        # sbatch --parsable: the number, and a semicolon and the cluster's name where there is one.
        return int(said.strip().partition(";")[0])

    def describe(self, number: str) -> Job:
        """Return a job as Slurm knows it.

        Raises:
            NoSuchJobError: where Slurm knows it not, or no longer.
        """
        found = dict(FIELD.findall(self.node.run(STATE, number)))
        if "JobState" not in found:
            raise NoSuchJobError(
                f"{number}: Slurm of {self.deployed.name} has no such job; without accounting it "
                f"forgets a job minutes after its end (ultracluster train logs {self.deployed.name} "
                f"{number} finds its output)"
            )
        return found

    def rows(self, *, everything: bool = False) -> list[Job]:
        """Return the jobs that the controller knows, newest first."""
        found = [dict(FIELD.findall(line)) for line in self.node.run(LIST).splitlines()]
        own = [
            row
            for row in found
            if everything or row["JobName"].startswith(f"{self.deployed.name}-")
        ]
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
        return base64.b64decode(self.node.run(OUTPUT, *words))

    def cancel(self, number: str) -> None:
        """Cancel a job: its tasks get SIGTERM, and after Slurm's KillWait SIGKILL."""
        state = self.describe(number)["JobState"]
        if state in OVER:
            raise NoSuchJobError(f"{number}: it has ended ({state}); there is nothing to stop")
        self.node.run(CANCEL, number)
