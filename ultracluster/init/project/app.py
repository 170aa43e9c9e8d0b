"""The CDK app of this project: every file of environments/, through every gate."""

import sys
from pathlib import Path

import aws_cdk as cdk

from constructs_lib.gates import add_gates
from constructs_lib.stacks.environment import TrainingEnvironment
from ultracluster.environments import registered
from ultracluster.synthesis import run


def build() -> cdk.App:
    """Return the app; the CDK CLI calls it by `cdk.json`."""
    app = cdk.App(analytics_reporting=False)
    add_gates(app)
    for environment in registered(Path(__file__).parent):
        TrainingEnvironment(app, spec=environment)
    return app


if __name__ == "__main__":
    sys.exit(run(build))
