"""The CDK app: every environment, and every gate that its synthesis passes through.

cdk ls
cdk synth 'dev/*'
cdk deploy 'dev/*'
cdk synth 'mine/*' -c environment-file=path/to/mine.py
cdk synth -c environment=dev               # nothing but that environment
"""

import gc
import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# The modules below are a million objects that live to the end. Collecting while they are read
# finds nothing and takes a twentieth of the whole; afterwards they are set aside.
gc.disable()

if __name__ == "__main__":
    # Node takes four threads to compile WebAssembly and collect garbage, also on two cores, where
    # they are in the way of the thread that they work for.
    threads = min(os.cpu_count() or 1, 4)
    os.environ["NODE_OPTIONS"] = f"--v8-pool-size={threads} {os.environ.get('NODE_OPTIONS', '')}"

    # jsii compares each argument of each call with its annotation, an eighth of the time that
    # constructs take. mypy has done so for every call of this program; what a user writes, a
    # spec, is judged by itself. Whoever imports the constructs keeps the checks.
    from jsii import _type_checking

    _type_checking.cached_type_hints = lambda stub: defaultdict(object)  # noqa: ARG005
    _type_checking.check_type = lambda **_: None

import aws_cdk as cdk  # noqa: E402

# CDK's own template validator is WebAssembly that Node compiles for most of a second. It is asked
# for first, and Python reads the rest of the program meanwhile. Until its answer is there nothing
# else may call into Node, as importing cdk_nag does.
with ThreadPoolExecutor(max_workers=1) as _meanwhile:
    _validator = _meanwhile.submit(cdk.CloudFormationValidatePlugin)
    from constructs_lib.stacks.environment import TrainingEnvironment
    from constructs_lib.ultracluster_rules import UltraClusterRules
    from ultracluster.spec.environment import EnvironmentSpec
    from ultracluster.spec.loading import EnvironmentFileError, load
    from ultracluster.spec.problem import SpecError

    VALIDATOR = _validator.result()

from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks  # noqa: E402

gc.freeze()
gc.enable()

HERE = Path(__file__).parent
FAILED = re.compile("Validation ?[Ff]ailed")


def gated(*, outdir: str | None = None) -> cdk.App:
    """Return an app with all gates and no environment.

    Args:
        outdir: where the assembly is written; the CDK CLI says it where it runs this.
    """
    context = json.loads((HERE / "cdk.json").read_text())["context"]
    # As the CLI has it, so that a template is the same bytes whoever synthesizes it.
    context |= {"aws:cdk:enable-path-metadata": True, "aws:cdk:enable-asset-metadata": True}
    app = cdk.App(outdir=outdir, context=context, analytics_reporting=False)
    cdk.Validations.of(app).add_plugins(
        VALIDATOR, AwsSolutionsChecks(app), NIST80053R5Checks(app), UltraClusterRules()
    )
    return app


def build(environments: Iterable[EnvironmentSpec], *, outdir: str | None = None) -> cdk.App:
    """Return the app of some environments; `synth()` raises where a gate finds something."""
    app = gated(outdir=outdir)
    for environment in environments:
        TrainingEnvironment(app, spec=environment)
    return app


def known(environment_file: str | None, name: str | None = None) -> tuple[EnvironmentSpec, ...]:
    """Return the environments of this repository, and those of a user's own file.

    Args:
        environment_file: the user's file.
        name: of the one environment that is wanted; None takes all.

    Raises:
        SpecError: with every problem of all of them.
        EnvironmentFileError: where the user's file holds none, or nothing has that name.
    """
    from environments import ENVIRONMENTS  # noqa: PLC0415  (its faults are reported by run)

    own = () if environment_file is None else load(Path(environment_file))
    names = {environment.name for environment in own}
    found = (*(e for e in ENVIRONMENTS if e.name not in names), *own)
    if name is None:
        return found
    wanted = tuple(e for e in found if e.name == name)
    if not wanted:
        every = ", ".join(e.name for e in found)
        raise EnvironmentFileError(f"environment {name}: no such environment; write {every}")
    return wanted


def run(environment_file: str | None = None) -> int:
    """Synthesize, or say in one line each what cannot be; return the exit status.

    Args:
        environment_file: a user's own file; None takes what `-c environment-file=...` names.
    """
    app = gated()
    try:
        specs = known(
            environment_file or app.node.try_get_context("environment-file"),
            app.node.try_get_context("environment"),
        )
    except SpecError as error:
        sys.stderr.writelines(f"ERROR {problem}\n" for problem in error.problems)
        return 1
    except EnvironmentFileError as error:
        sys.stderr.write(f"ERROR {error}\n")
        return 1
    for spec in specs:
        TrainingEnvironment(app, spec=spec)
    try:
        app.synth()
    except RuntimeError as error:
        if not FAILED.search(str(error)):
            raise
        # The findings have been printed; a trace of this program's own would only bury them.
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    # Once more: the program is over before there is anything to collect.
    gc.disable()
    sys.exit(run())
