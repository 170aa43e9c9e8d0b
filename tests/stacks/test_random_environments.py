"""Environments that nobody thought of."""

import tempfile
from pathlib import Path
from typing import Final

from hypothesis import given

from tests.drawn import some
from tests.rules.test_rules_on_environments import judged
from tests.spec.strategies import environments
from tests.stacks.invariants import INVARIANTS
from tests.stacks.synthesized import Synthesis, synthesize
from ultracluster.rules.engine import RULES
from ultracluster.spec.environment import EnvironmentSpec

CHOSEN: Final = {"CAPACITY-3": lambda environment: not environment.nodes.placement_group}
"""Warnings about what a spec may choose, and says by a field of its own."""


@some(10, same=True)
@given(environment=environments())
def test_any_valid_environment_synthesizes_and_holds_what_always_holds(
    environment: EnvironmentSpec,
):
    """A spec is valid if it exists; no gate, no construct and no rule may think otherwise."""
    with tempfile.TemporaryDirectory() as directory:
        made = synthesize(environment, Path(directory))
    for invariant in INVARIANTS:
        invariant(made)
    assert refused(made) == set()


def refused(made: Synthesis) -> set[str]:
    """Return what the rules say of an environment, but for infos.

    Specs and rules hold the same knowledge: what one lets pass the other must not refuse. An info
    is a remark about a choice that a spec may make, such as the newest image.
    """
    verdict = judged(made.templates, made.environment.region)
    chosen = {rule for rule, chose in CHOSEN.items() if chose(made.environment)}
    return {
        f"{finding.rule}: {finding.message}"
        for finding in verdict.findings
        if RULES[finding.rule].severity != "info" and finding.rule not in chosen
    }
