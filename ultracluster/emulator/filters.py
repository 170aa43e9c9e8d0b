"""EC2's `Filters` and id lists, applied to rows in the form of the API's answers.

Filter names are the kebab-case forms of member names ("vpc-id" is `VpcId`, "group-id" on an
interface is `Groups[].GroupId`); the few that are not are listed. A filter that is not known
matches nothing rather than everything, so that a typing error does not look like success.
"""

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ultracluster.emulator.provisioning import ec2_refusal

Row = Mapping[str, Any]

OTHER_NAMES: Final = {
    "state": ("State", "FlowLogStatus"),
    "group-id": ("GroupId", "Groups.GroupId", "SecurityGroups.GroupId"),
    "cidr": ("CidrBlock",),
    "cidrBlock": ("CidrBlock",),
}


def chosen(
    rows: Sequence[Row], arguments: Mapping[str, Any], *, key: str, missing: str
) -> list[Row]:
    """Return the rows that a describe call asks for.

    Args:
        rows: everything there is.
        arguments: the call's request members.
        key: the row's member that holds its id, whose plural the request lists.
        missing: the error code for an id that does not exist; empty where AWS raises none.

    Raises:
        ServiceError: for an id that does not exist.
    """
    wanted = list(arguments.get(f"{key}s") or ())
    unknown = sorted(set(wanted) - {row[key] for row in rows})
    if unknown and missing:
        raise ec2_refusal(missing, f"The ID '{', '.join(unknown)}' does not exist")
    return [
        row
        for row in rows
        if (not wanted or row[key] in wanted)
        and all(_passes(row, each) for each in arguments.get("Filters") or ())
    ]


def _passes(row: Row, condition: Mapping[str, Any]) -> bool:
    values = [str(value) for value in condition.get("Values") or ()]
    actual = list(_values(row, str(condition.get("Name", ""))))
    return any(fnmatch.fnmatchcase(text, pattern) for text in actual for pattern in values)


def _values(row: Row, name: str) -> Iterator[str]:
    tags = {str(tag["Key"]): str(tag.get("Value", "")) for tag in row.get("Tags") or ()}
    if name.startswith("tag:"):
        yield from (value for key, value in tags.items() if key == name.removeprefix("tag:"))
    elif name == "tag-key":
        yield from tags
    else:
        camel = "".join(part[:1].upper() + part[1:] for part in name.split("-"))
        for path in OTHER_NAMES.get(name, (camel,)):
            yield from _texts(row, path.split("."))


def _texts(value: Any, path: Sequence[str]) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _texts(item, path)
    elif path:
        if isinstance(value, Mapping):
            yield from _texts(value.get(path[0]), path[1:])
    elif value is not None:
        yield str(value).lower() if isinstance(value, bool) else str(value)
