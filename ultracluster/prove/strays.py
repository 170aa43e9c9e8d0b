"""What services have of an environment that no stack knows of: asked by tag, name and relation."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ultracluster.aws import Cloud, CloudError
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.prove.deployment import Resource
from ultracluster.prove.leftovers import Leftover, is_gone
from ultracluster.prove.services import LISTS, STRAYS, listed

UNMANAGED: Final = "no stack knows of it: it should be gone"
OF_THE_KEPT: Final = "belongs to what is kept"
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
                yield _stray(kind, identifier, related=bool(found & kept))


def _stray(kind: str, name: str, *, related: bool) -> Leftover:
    why = next((why for what, why in STRAYS.items() if f"{kind} {name}".startswith(what)), "")
    why = why or (OF_THE_KEPT if related else "")
    resource = Resource("", "", kind, {}, "", bool(why), name, None)
    return Leftover(resource, there=True, why=why or UNMANAGED)


def _tagged(row: Row, environment: str) -> bool:
    text = json.dumps(
        [row.get(name) for name in ("Tags", "TagSet", "tags", "TagList")], default=str
    )
    return ENVIRONMENT_TAG in text and f'"{environment}"' in text


def words_of(row: Row) -> set[str]:
    """Return the strings of a row by which it may name others, itself included."""
    found: set[str] = set()
    for value in row.values():
        several = value if isinstance(value, list) else [value]
        found |= {each for each in several if isinstance(each, str)}
    return {each for each in found if len(each) >= ID_OF_ITS_OWN}
