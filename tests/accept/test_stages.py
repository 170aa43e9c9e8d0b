"""Every stage passes on a healthy account, and each step fails where its subject is not right."""

from tests.accept.conftest import World
from ultracluster.accept.session import PASS, STAGES


def test_a_healthy_account_is_accepted(world: World):
    """All stages, one after the other, and nothing is left of them."""
    session = world.accept(*(stage.name for stage in STAGES))

    assert [(r.step, r.measured) for r in session.results if r.verdict != PASS] == []
    assert len(session.results) == sum(len(stage.steps) for stage in STAGES)
    assert session.status == 0
    assert world.left_in_account() == []
    assert world.scene().journal.entries == []
