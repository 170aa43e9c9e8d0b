"""Changes that are planted in the golden templates land where a reviewer looks for them."""

import pytest

from tests.review.changes.planted import PLANTED, TWELVE
from tests.review.goldens import changes, edited, golden, logical_id, resource
from ultracluster.review.changes.change import Danger


def _line(planted, found, old, new):
    """Return the line that speaks of what was planted: the worst one there."""
    if not planted.at:
        own = [c for c in found if c.caused_by is None]
        return own[0]
    names = {
        logical_id(templates, planted.at)
        for templates in (old, new)
        if _there(templates, planted.at)
    }
    own = [c for c in found if (c.stack, c.resource) in names]
    assert own, [c.place for c in found]
    return own[0]


def _there(templates, path):
    try:
        return bool(resource(templates, path))
    except LookupError:
        return False


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_a_planted_change_is_classed_by_what_it_does(planted):
    """A reviewer stops a deployment by its class and acts on its words."""
    old = golden(planted.environment)
    new = edited(planted.edit, environment=planted.environment)
    found = changes(old, new)
    line = _line(planted, found, old, new)
    everything = f"{line.what} {line.why} {line.instead}"

    assert line.worst is planted.worst, (line.dangers, line.what)
    assert set(planted.also) <= set(line.dangers), line.dangers
    for words in planted.says:
        assert words in everything
    assert line.what
    assert line.why or line.worst is Danger.HARMLESS


def test_the_issues_twelve_are_all_here():
    """Security group swap, subnet, tier, reservation, retention, egress, role, node count, tag on a
    placement group, endpoint, log retention and a description."""  # noqa: D205, D209
    assert len(TWELVE) == 12
    assert {planted.worst for planted in TWELVE} == {
        Danger.LOSES_DATA,
        Danger.REPLACES,
        Danger.INTERRUPTS,
        Danger.REDUCES_CAPACITY,
        Danger.LOOSENS_SECURITY,
        Danger.HARMLESS,
    }


def test_the_dangerous_changes_stand_first():
    """Who reads only the first lines has read the worst."""
    new = edited(*(p.edit for p in TWELVE if p.environment == "ultracluster"))
    ranks = [change.worst.rank for change in changes(golden(), new)]
    assert ranks == sorted(ranks)
    assert ranks[0] == 0
