"""Finds resources of an environment that are left, by tag and name."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.aws import Cloud, CloudError
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.prove.deployment import CALLS, LISTS, REASONS, STRAYS, Resource, described, listed
from ultracluster.prove.proof import Check, Evidence, all_there, unanswered

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
    gone = [entry.resource for entry in found if not entry.there]
    yield all_there("resources that their services show", len(found), gone)
    yield from hidden.values()


def _there(cloud: Cloud, resource_type: str, physical_id: str) -> bool:
    try:
        rows = described(cloud, resource_type, physical_id)
    except CloudError as error:
        # "Does not exist" has a different code in every service.
        if not error.answered:
            raise
        if ABSENT_CODE.search(error.code) or ABSENT_WORDS.search(error.message):
            return False
        raise
    return any(not is_gone(row) for row in rows)


def is_gone(row: dict[str, Any]) -> bool:
    """Whether a service still shows something that it has given up."""
    found = [row.get(name) for name in STATES]
    states = {str(each.get("Name") if isinstance(each, dict) else each).lower() for each in found}
    return bool(states & set(GONE_STATES))


UNMANAGED: Final = "no stack knows of it: it should be gone"
ID_OF_ITS_OWN: Final = 6
"""Characters that an id has at least that is taken for a relation."""

Row = dict[str, Any]


def strays(
    cloud: Cloud, environment: str, resources: Iterable[Resource], unasked: list[CloudError]
) -> Iterator[Leftover]:
    """Yield everything in the account that is of an environment, and none of the resources given.

    It is of the environment where it has its tag, where its name is one that CloudFormation or a
    service makes of the environment's, or where it names one of the environment's resources.

    Args:
        cloud: the account.
        environment: its name.
        resources: what was deployed, as it was read before the stacks were deleted.
        unasked: is given the questions that were not answered: what they are about is unknown.
    """
    ids = {str(each.physical_id) for each in resources if each.physical_id}
    kept = {str(each.physical_id) for each in resources if each.kept and each.physical_id}
    name = re.escape(environment)
    own = re.compile(rf"(?<![A-Za-z0-9-]){name}(-[A-Z]|-[\w-]+-\d{{12}})|^/ultracluster/{name}/")
    for kind, (*_, key) in LISTS.items():
        try:
            rows = listed(cloud, kind)
        except CloudError as error:
            unasked.append(error)
            continue
        for row in rows:
            found, identifier = words_of(row), str(row.get(key))
            if identifier in ids or is_gone(row):
                continue
            if _tagged(row, environment) or found & ids or any(map(own.search, found)):
                named = f"{kind} {identifier}"
                why = next((why for what, why in STRAYS.items() if named.startswith(what)), "")
                why = why or ("belongs to what is kept" if found & kept else "")
                resource = Resource("", "", kind, {}, "", bool(why), identifier, None)
                yield Leftover(resource, there=True, why=why or UNMANAGED)


def _tagged(row: Row, environment: str) -> bool:
    names = ("Tags", "TagSet", "tags", "TagList")
    text = json.dumps([row.get(name) for name in names], default=str)
    return ENVIRONMENT_TAG in text and f'"{environment}"' in text


def words_of(row: Row) -> set[str]:
    """Return the strings of a row by which it may name others, itself included."""
    found: set[str] = set()
    for value in row.values():
        several = value if isinstance(value, list) else [value]
        found |= {each for each in several if isinstance(each, str)}
    return {each for each in found if len(each) >= ID_OF_ITS_OWN}
