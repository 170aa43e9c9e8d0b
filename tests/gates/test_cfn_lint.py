"""cfn-lint finds nothing in any template, for the Region it goes to."""

from pathlib import Path

import pytest
from cfnlint.api import lint_file
from cfnlint.config import ManualArgs

from golden.generate import GOLDEN
from tests.repository import ENVIRONMENTS

CASES = [
    (path, environment.region)
    for environment in ENVIRONMENTS
    for path in sorted((GOLDEN / environment.name).glob("*.template.json"))
]


@pytest.mark.parametrize(
    ("template", "region"), CASES, ids=[f"{p.parent.name}-{p.stem}" for p, _ in CASES]
)
def test_cfn_lint_passes(template: Path, region: str):
    """AWS's registry schemas and cfn-lint's rules, warnings included."""
    assert [str(match) for match in lint_file(template, ManualArgs(regions=[region]))] == []


def test_cfn_lint_is_given_every_stack():
    """No template, no finding: the parameters above must not be empty."""
    assert len(CASES) == 4 * len(ENVIRONMENTS)
