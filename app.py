"""The CDK app: every environment, and every gate that its synthesis passes through.

cdk ls
cdk synth 'dev/*'
cdk deploy 'dev/*'
cdk synth 'mine/*' -c environment-file=path/to/mine.py
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks

from constructs_lib.spec.environment import EnvironmentSpec
from constructs_lib.spec.loading import EnvironmentFileError, load
from constructs_lib.spec.problem import SpecError
from stacks.environment import TrainingEnvironment

HERE = Path(__file__).parent
FAILED = re.compile("Validation ?[Ff]ailed")


def build(
    environments: Iterable[EnvironmentSpec],
    *,
    outdir: str | None = None,
    context: Mapping[str, Any] | None = None,
) -> cdk.App:
    """Return the app with all of its gates; `synth()` raises where a gate finds something.

    Args:
        environments: what to define.
        outdir: where the assembly is written.
        context: context beyond that of cdk.json.
    """
    settings = json.loads((HERE / "cdk.json").read_text())["context"]
    # As the CLI has it, so that a template is the same bytes whoever synthesizes it.
    settings |= {"aws:cdk:enable-path-metadata": True}
    app = cdk.App(outdir=outdir, context=settings | dict(context or {}), analytics_reporting=False)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app), NIST80053R5Checks(app))
    for environment in environments:
        TrainingEnvironment(app, spec=environment)
    return app


def environments(environment_file: str | None) -> tuple[EnvironmentSpec, ...]:
    """Return the environments of this repository, and those of a user's own file.

    Raises:
        SpecError: with every problem of all of them.
        EnvironmentFileError: where the user's file holds none.
    """
    from environments import ENVIRONMENTS  # noqa: PLC0415  (its faults are reported by run)

    if environment_file is None:
        return ENVIRONMENTS
    own = load(Path(environment_file))
    names = {environment.name for environment in own}
    return (*(e for e in ENVIRONMENTS if e.name not in names), *own)


def run(environment_file: str | None) -> int:
    """Synthesize, or say in one line each what cannot be; return the exit status."""
    try:
        specs = environments(environment_file)
    except SpecError as error:
        sys.stderr.writelines(f"ERROR {problem}\n" for problem in error.problems)
        return 1
    except EnvironmentFileError as error:
        sys.stderr.write(f"ERROR {error}\n")
        return 1
    try:
        build(specs).synth()
    except RuntimeError as error:
        if not FAILED.search(str(error)):
            raise
        # The findings have been printed; a trace of this program's own would only bury them.
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    # This app only reads the context; the one that is synthesized is made by build().
    given = cdk.App(auto_synth=False).node.try_get_context("environment-file")
    sys.exit(run(given))
