"""What services show of an environment, and what is left, and why, when it is destroyed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from ultracluster.aws import Cloud, CloudError
from ultracluster.prove.deployment import Resource
from ultracluster.prove.proof import Check, Evidence, all_there, unanswered
from ultracluster.prove.services import CALLS, REASONS, described

GONE_STATES: Final = ("cancelled", "deleted", "deleting", "expired", "pendingdeletion")
STATES: Final = ("State", "Status", "KeyState", "Lifecycle", "status")


@dataclass(frozen=True)
class Leftover:
    """A resource after its environment was destroyed."""

    resource: Resource
    there: bool

    @property
    def expected(self) -> bool:
        """Whether it is there because it is kept, or gone because it is not."""
        return self.there == self.resource.kept

    @property
    def reason(self) -> str:
        """Why it is there, or should be."""
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
        CloudError: where the caller may not ask, or nobody answers.
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
        if error.refused or not error.answered:
            raise
        return False  # "does not exist" has a different code in every service
    states = [[str(row.get(name)).lower() for name in STATES] for row in rows]
    return any(not set(each) & set(GONE_STATES) for each in states)
