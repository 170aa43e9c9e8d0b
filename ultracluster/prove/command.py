"""The command `ultracluster prove`.

Exit code 1 where something is not as it was asked for; 2 where the caller may not look at
something and all that was looked at is right: what is not shown is no pass.
"""

import argparse
from typing import Any, Final

from rich.console import Console

from ultracluster.aws import Account, Cloud, caller_of
from ultracluster.command_line import add_environment, add_format, print_json, progress, say
from ultracluster.environments import find
from ultracluster.exit_status import ALL_WELL, COULD_NOT_RUN, SOME_FAIL, CommandError
from ultracluster.prove.deployment import Deployment, stack_templates
from ultracluster.prove.proof import Evidence, Results, as_document, failures, prove, table_of
from ultracluster.prove.proofs import PROOFS
from ultracluster.synthesis import Synthesis

READING: Final = ("describe_", "get_", "head_", "list_")
"""How the names of operations begin that a proof may use; each of them only reads."""
VERDICTS: Final = {
    ALL_WELL: "every check passed",
    SOME_FAIL: "some checks failed; see above",
    COULD_NOT_RUN: "every check that could run passed, and some could not run; see above",
}


class ReadOnly:
    """An account of which nothing is asked but what it has.

    Raises:
        RuntimeError: where a proof would call another operation.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def ask(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if not operation.startswith(READING):
            raise RuntimeError(f"{service} {operation} is no call that only reads")
        return self._cloud.ask(service, operation, **parameters)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_environment(parser)
    add_format(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Compare a deployed environment with what was asked for; change nothing."""
    spec, path = find(arguments.environment)
    cloud = ReadOnly(Account(spec.region, account=spec.account))
    with Synthesis(spec, path) as synthesis, progress("asking AWS"):
        caller = caller_of(cloud, spec.region)
        deployment = Deployment(cloud, stack_templates(synthesis.stage().parent, spec.name))
        if not any(resource.physical_id for resource in deployment.resources):
            raise CommandError(
                f"{spec.name}: account {caller.account} has none of its stacks in {spec.region}; "
                f"deploy it: npx cdk deploy '{spec.name}/*'"
            )
        results = prove(PROOFS, Evidence(spec, deployment, cloud))
    status = exit_status(results)
    if arguments.json:
        about = {"environment": spec.name, **caller.document(), "exit_status": status}
        print_json({**about, "checks": as_document(results)})
        return status
    say(console, f"{spec.name} in {caller.place}")
    console.print(table_of(results, "Proved by API calls"))
    verdict = f"{spec.name}: {VERDICTS[status]}. Nothing was changed."
    say(console, *failures(results), verdict)
    return status


def exit_status(results: Results) -> int:
    checks = [check for each in results.values() for check in each if not check.ok]
    if any(not check.lacks for check in checks):
        return SOME_FAIL
    return COULD_NOT_RUN if checks else ALL_WELL
