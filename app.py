"""The CDK app: every environment, and every gate that its synthesis passes through.

cdk ls
cdk synth 'dev/*'
cdk deploy 'dev/*'
cdk synth 'mine/*' -c environment-file=path/to/mine.py
cdk synth -c environment=dev               # nothing but that environment
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from ultracluster.synthesis import cdk_context, run, spare_node_threads

spare_node_threads()  # before the CDK is imported, which starts Node

import aws_cdk as cdk

from constructs_lib.gates import add_gates
from constructs_lib.stacks.environment import TrainingEnvironment
from ultracluster.environments import named, registered
from ultracluster.spec.environment import EnvironmentSpec

HERE = Path(__file__).parent


def gated(*, outdir: str | None = None) -> cdk.App:
    """Return an app with all gates and no environment.

    Args:
        outdir: where the assembly is written; the CDK CLI says it where it runs this.
    """
    app = cdk.App(outdir=outdir, context=cdk_context(HERE), analytics_reporting=False)
    add_gates(app)
    return app


def build(environments: Iterable[EnvironmentSpec], *, outdir: str | None = None) -> cdk.App:
    """Return the app of some environments; `synth()` raises where a gate finds something."""
    app = gated(outdir=outdir)
    for environment in environments:
        TrainingEnvironment(app, spec=environment)
    return app


def main() -> cdk.App:
    """Return the app of `environments/`, and of what the context names."""
    app = gated()
    file, name = (app.node.try_get_context(key) for key in ("environment-file", "environment"))
    known = {each.name: each for each in registered(HERE, also=Path(file) if file else None)}
    for environment in known.values() if name is None else [named(name, known)]:
        TrainingEnvironment(app, spec=environment)
    return app


if __name__ == "__main__":
    sys.exit(run(main))
