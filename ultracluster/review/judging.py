"""The two judges of a review: what a change does, and what a policy allows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ultracluster.review.access.statement import Escalation, Statement
from ultracluster.review.access.statements import escalations, statements
from ultracluster.review.changes.change import Change
from ultracluster.review.changes.comparison import changes

Bodies = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Access:
    """What all policies say."""

    statements: Sequence[Statement] = ()
    escalations: Sequence[Escalation] = ()


def judged_changes(before: Bodies, after: Bodies, region: str | None) -> Sequence[Change]:
    """Return every change, the most dangerous first."""
    return changes(before, after, region=region)


def judged_access(templates: Bodies, region: str | None) -> Access:
    """Return every statement in words, and the ways from some rights to more."""
    return Access(statements(templates, region=region), escalations(templates, region=region))
