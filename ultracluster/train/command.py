"""The command `ultracluster train`.

With --slurm, and for a job that is a number, these are jobs of the environment's Slurm, reached on
a login node by Systems Manager.

Exit code 1 also where a job has failed, 130 where Ctrl-C ended the display; the job goes on.
"""

import argparse

from rich.console import Console

from ultracluster.command_line import add_environment, add_format, add_recipe
from ultracluster.train.actions import ACTIONS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    recipes = verbs.add_parser("recipes", help="show the recipes of this project")
    add_recipe(recipes, nargs="*")
    check = verbs.add_parser("check", help="check a CreateTrainingJob request without sending it")
    check.add_argument("request", help="JSON file with the API's field names; - is standard input")
    add_environment(check, "--environment", help="also check it against this deployed environment")
    submit = verbs.add_parser("submit", help="start a training job")
    add_environment(submit)
    add_recipe(submit)
    submit.add_argument(
        "--run",
        dest="run_name",
        metavar="NAME",
        help="name of the run, by which checkpoints are found (the recipe's)",
    )
    submit.add_argument("--name", help="name of the job (environment, run and time)")
    submit.add_argument("--image", help="tag in the environment's repository, or a URI")
    submit.add_argument("--dry-run", action="store_true", help="print the request; send nothing")
    submit.add_argument("--wait", action="store_true", help="follow the job until it ends")
    submit.add_argument(
        "--unattended",
        action="store_true",
        help="start it by the state machine, and again while there is no capacity",
    )
    status = verbs.add_parser("status", help="show the state of a job")
    status.add_argument("--wait", action="store_true", help="follow the job until it ends")
    logs = verbs.add_parser("logs", help="print the logs of all hosts of a job")
    logs.add_argument("--follow", action="store_true", help="until the job ends")
    logs.add_argument("--minutes", type=float, help="only the last MINUTES minutes")
    stop = verbs.add_parser("stop", help="stop a job; it has 120 s to write a checkpoint")
    jobs = verbs.add_parser("list", help="list the environment's jobs, newest first")
    jobs.add_argument("--all", action="store_true", help="jobs with other names as well")
    for each in (status, logs, stop, jobs):
        add_environment(each)
    for each in (status, logs, stop):
        each.add_argument("job", nargs="?", help="name of the job (the environment's newest)")
    for each in (submit, status, logs, stop, jobs):
        each.add_argument("--slurm", action="store_true", help="jobs of the environment's Slurm")
        each.add_argument("--user", default="ubuntu", help="Unix user on the login node (ubuntu)")
        each.add_argument("--mount", default="/fsx", help="where nodes mount Lustre (/fsx)")
    for each in (check, submit, status, logs, stop, jobs):
        each.add_argument("--region", help="Region of an environment that has no file here")
    for each in (recipes, check, submit, status, stop, jobs):
        add_format(each)


def run(arguments: argparse.Namespace, console: Console) -> int:
    # Names of SageMaker's jobs begin with their environment's.
    job = getattr(arguments, "job", None) or ""
    arguments.slurm = getattr(arguments, "slurm", False) or (job.isascii() and job.isdigit())
    return ACTIONS[arguments.verb](arguments, console)
