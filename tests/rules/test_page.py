"""The rule catalogue that people read."""

from golden.rules_page import PAGE, page


def test_the_committed_page_is_the_generated_one():
    """A rule that changed without its page would be explained wrongly."""
    assert PAGE.read_text() == page(), "run python -m golden.rules_page"
