"""docs/unverified.md is unverified.toml, and stages settle what it says that they settle."""

from pathlib import Path

from golden.unverified_page import NONE, PAGE, page
from ultracluster.accept.report import facts
from ultracluster.accept.session import STAGES

ROOT = Path(__file__).parents[2]


def test_the_page_is_the_table():
    """`make unverified` writes it."""
    assert PAGE.read_text() == page()


def test_files_that_rely_on_a_fact_are_there():
    """Whoever looks for the reason of a failure is sent to a file that exists."""
    paths = [path for fact in facts() for path in fact.where]

    assert all(fact.where for fact in facts())
    assert [path for path in paths if not (ROOT / path).is_file()] == []


def test_each_fact_is_settled_where_its_row_says():
    """By at least one step of that stage and of no other; the others say what would."""
    settled = {
        (fact, stage.name) for stage in STAGES for step in stage.steps for fact in step.settles
    }

    assert settled == {
        (fact.id, fact.settled_by) for fact in facts() if not fact.settled_by.startswith(NONE)
    }
