"""No check of a proof is true whatever AWS answers.

The answers about a deployed environment are kept; then each value in them is another one, alone. A
check that no such answer makes false proves nothing.
"""

import pytest

from environments.dev import DEV
from environments.staging import STAGING
from environments.ultracluster import ULTRACLUSTER
from tests.rehearse.conftest import Deployer
from tests.rehearse.kept_answers import Answered, Answers, checks, never_false
from ultracluster.prove.proofs import PROOFS

CHECKS = {
    "every resource of every stack": (5, 5),
    "every service": (1, 1),
    "network": (12, 12),
    "security groups": (16, 16),
    "launch template": (8, 8),
    "placement and capacity": (3, 9),
    "nodes": (5, 16),
    "Slurm": (1, 21),
    "Lustre": (10, 14),
    "homes": (1, 1, 9),
    "data bucket": (5, 5),
    "roles": (7, 7),
    "policies": (14, 16),
    "image repository": (2, 2),
    "job parameters": (7, 8),
    "unattended training": (9, 9),
    "budget": (8, 8),
    "idle capacity": (1, 7),
    "alarms": (4, 4),
}
"""How many checks of `dev` and of `ultracluster` each area has, and of the storage of `staging`
where it alone has something: nobody misses one that is gone."""


@pytest.fixture(scope="module")
def answered(deployer: Deployer) -> list[Answered]:
    """Environments, deployed once, and all that was answered of them."""
    found = []
    for spec, but, areas in (
        (DEV, "", tuple(PROOFS)),
        (ULTRACLUSTER, "", tuple(PROOFS)),
        (STAGING, "Cluster", ("homes",)),
    ):
        deployed = deployer.deploy(spec, but=but)
        stacks = tuple(stack for stack in deployed.stacks if stack.construct_id != but)
        cloud = Answers(deployed.cloud)
        for area in areas:
            checks((spec, stacks, cloud), area)
        cloud.cloud = None
        found.append((spec, stacks, cloud))
    return found


@pytest.mark.parametrize("area", PROOFS)
def test_every_check_is_false_for_some_answer(answered: list[Answered], area: str):
    """In each environment by itself."""
    for given, count in zip(answered, CHECKS[area], strict=False):
        assert never_false(given, area) == set()
        assert len(checks(given, area)) == count
