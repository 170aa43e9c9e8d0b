"""Environments that nobody thought of."""

import tempfile
from pathlib import Path

from hypothesis import given, settings

from tests.spec.strategies import environments
from tests.stacks.invariants import INVARIANTS
from tests.stacks.synthesized import synthesize
from ultracluster.spec.environment import EnvironmentSpec


@settings(max_examples=12, derandomize=True)
@given(environment=environments())
def test_any_valid_environment_synthesizes_and_holds_what_always_holds(
    environment: EnvironmentSpec,
):
    """A spec is valid if it exists; no gate and no construct may think otherwise."""
    with tempfile.TemporaryDirectory() as directory:
        made = synthesize(environment, Path(directory))
    for invariant in INVARIANTS:
        invariant(made)
