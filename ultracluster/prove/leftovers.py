"""What services show of an environment, and what is left, and why, when it is destroyed."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.aws import Cloud, CloudError
from ultracluster.prove.deployment import Resource
from ultracluster.prove.proof import Check, Evidence, all_there, unanswered
from ultracluster.prove.services import CALLS, REASONS, described

GONE_STATES: Final = (
    *("cancelled", "delete_complete", "deleted", "deleting", "expired", "pendingdeletion"),
    "terminated",
)
STATES: Final = ("State", "Status", "KeyState", "Lifecycle", "status", "StackStatus")
ABSENT_CODE: Final = re.compile(
    r"not_?found|nosuch|doesnotexist|nonexist|^404$|\.unknown$", re.IGNORECASE
)
ABSENT_WORDS: Final = re.compile(r"does(n't| not) exist|not found|cannot be found", re.IGNORECASE)


@dataclass(frozen=True)
class Leftover:
    """A resource after its environment was destroyed."""

    resource: Resource
    there: bool
    why: str = ""
    """Why it is there, where no stack knows of it."""

    @property
    def expected(self) -> bool:
        """Whether it is there because it is kept, or gone because it is not."""
        return self.there == self.resource.kept

    @property
    def reason(self) -> str:
        """Why it is there, or should be."""
        if self.why:
            return self.why.format(id=self.resource.physical_id)
        if self.resource.kept:
            why = REASONS.get(self.resource.resource_type, "its deletion policy keeps it")
            return why.format(id=self.resource.physical_id)
        return "nothing keeps it: it should be gone"


def leftovers(cloud: Cloud, resources: Iterable[Resource]) -> Iterator[Leftover]:
    """Yield whether each resource that services can be asked for is still there.

    Args:
        cloud: the account.
        resources: what was deployed, as it was read before the stacks were deleted.

    Raises:
        CloudError: where a service answers anything else than what it has, or that it has none:
            a question that was refused says nothing.
    """
    for resource in resources:
        if resource.resource_type in CALLS and resource.physical_id is not None:
            there = _there(cloud, resource.resource_type, resource.physical_id)
            yield Leftover(resource, there=there)


def shown_by_services(evidence: Evidence) -> Iterator[Check]:
    """Every resource that services can be asked for is shown by its service.

    CloudFormation's own list is not enough: an answer that shows nothing now would also be taken
    for an empty account after destroy.
    """
    found: list[Leftover] = []
    hidden: dict[str, Check] = {}
    for resource in evidence.deployment.resources:
        try:
            found += leftovers(evidence.cloud, [resource])
        except CloudError as error:
            if not error.answered:
                raise
            hidden[error.action] = unanswered(f"every {resource.resource_type}", error)
    yield all_there(
        "resources that their services show",
        len(found),
        [entry.resource for entry in found if not entry.there],
    )
    yield from hidden.values()


def _there(cloud: Cloud, resource_type: str, physical_id: str) -> bool:
    try:
        rows = described(cloud, resource_type, physical_id)
    except CloudError as error:
        # "Does not exist" has a different code in every service.
        if ABSENT_CODE.search(error.code) or ABSENT_WORDS.search(error.message):
            return False
        raise
    return any(not is_gone(row) for row in rows)


def is_gone(row: dict[str, Any]) -> bool:
    """Whether a service still shows something that it has given up."""
    found = [row.get(name) for name in STATES]
    states = {str(each.get("Name") if isinstance(each, dict) else each).lower() for each in found}
    return bool(states & set(GONE_STATES))
