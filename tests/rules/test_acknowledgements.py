"""Acknowledgements of rules that there are not."""

from ultracluster.rules.acknowledgements import OF_NOTHING, Acknowledgement, objections
from ultracluster.rules.engine import FORBIDDEN, RULES

REASON = "Two of the four cards are free for another job on the same node."


def test_a_misspelt_rule_is_told_from_one_that_finds_nothing():
    """Whoever mistypes an id learns which was meant, and where it is acknowledged."""
    misspelt = Acknowledgement("dev/Cluster/Template", "FABRC-13", REASON, above=False)
    (objection,) = objections([misspelt], [], RULES, FORBIDDEN)

    assert (objection.rule, objection.path) == (OF_NOTHING, "dev/Cluster/Template")
    assert objection.message == "there is no rule FABRC-13 (did you mean FABRIC-13?)"
