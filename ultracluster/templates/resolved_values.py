"""Reads resolved values; an unknown value raises UndeterminedError with the reason.

Rules read through these functions only. None of them guesses: where a value is `Unknown`, or a
reference whose value exists only after a deployment, `UndeterminedError` carries the reason to
the engine, which makes "cannot tell, because ..." of it.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping
from itertools import takewhile
from typing import Any, Final

from ultracluster.templates.resolved import Encoded, Link, Text, Unknown
from ultracluster.templates.texts import leaves, scalar

Key = tuple[str, ...] | str
"""What a value refers to: stack and logical id of a resource, or the id or name as written, or
`?`, symbol and reason of a value that is unknown but equal to others of the same symbol."""

UNKNOWN: Final = "?"
OWN: Final = frozenset(
    {
        *(None, "Arn", "CapacityReservationId", "FileSystemId", "GroupId", "GroupName", "Id"),
        *("KeyId", "LaunchTemplateId", "NetworkAclId", "ResourceARN", "RoleId", "RouteTableId"),
        *("SubnetId", "VpcId"),
    }
)
"""Attributes that name the resource itself; any other names something that it made or has."""

LARGEST: Final = 10**15
"""Nothing that AWS counts has as many; what is larger cannot be calculated with."""
LONGEST: Final = 120


class UndeterminedError(LookupError):
    """A value that a rule needs and the templates do not tell."""

    def __init__(self, because: str) -> None:
        self.because = because
        super().__init__(because)


def settled(value: Any, *path: str) -> Any:
    """Return a value, or what lies at a path below it, that is known, at least at its top.

    Raises:
        UndeterminedError: where it is not.
    """
    if path:
        value = part(value, *path)
    if isinstance(value, Unknown):
        raise UndeterminedError(value.because)
    return value


def part(value: Any, *path: str) -> Any:
    """Return what lies below a mapping, None where nothing does; it may itself be unknown.

    Raises:
        UndeterminedError: where something on the way is not known.
    """
    for name in path:
        if isinstance(value, dict):  # it mostly is, and any other question of it takes longer
            value = value.get(name)
            continue
        value = settled(value)
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def text(value: Any, *path: str) -> str | None:
    """Return a value, or what lies at a path below it, as text, None where there is none.

    Raises:
        UndeterminedError: where it is not known before a deployment.
    """
    value = settled(value, *path)
    plain = scalar(value)
    if value is None or plain is not None:
        return plain
    if isinstance(value, Text) and all(isinstance(piece, str) for piece in value.parts):
        return written(value)
    if unknown := isinstance(value, Text) and unknown_within(value):
        raise UndeterminedError(unknown.because)
    if isinstance(value, Link | Text):
        raise UndeterminedError(f"{shown(value)} is known only once it is deployed")
    raise UndeterminedError(f"{shown(value)} is no text")


def number(value: Any, *path: str) -> int | None:
    """Return a value, or what lies at a path below it, as a whole number, None for none.

    Raises:
        UndeterminedError: where it is not known, or is no number.
    """
    written = text(value, *path)
    if written is None:
        return None
    try:
        found = int(float(written))
    except (ValueError, OverflowError):
        found = LARGEST
    if abs(found) >= LARGEST:
        raise UndeterminedError(f"{shown(part(value, *path))} is no number")
    return found


def flag(value: Any, *path: str) -> bool | None:
    """Return a value, or what lies at a path below it, as yes or no, None where there is none."""
    written = text(value, *path)
    return None if written is None else written.lower() == "true"


def items(value: Any, *path: str) -> list[Any]:
    """Return the items of a list, of which each may be unknown; CloudFormation takes one alone."""
    value = settled(value, *path)
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def texts(value: Any, *path: str) -> list[str]:
    """Return the items of a list as texts."""
    return [written for item in items(value, *path) if (written := text(item)) is not None]


def key(value: Any, *path: str) -> Key:
    """Return what a value refers to, or what lies at a path below it.

    Raises:
        UndeterminedError: where that is not known.
    """
    value = part(value, *path)
    if isinstance(value, tuple):
        return value
    if isinstance(value, Unknown) and value.symbol is not None:
        return (UNKNOWN, value.symbol, value.because)
    value = settled(value)
    if isinstance(value, Text):
        # An ARN or a path that is written around one reference stands for what it refers to.
        within = [piece for piece in value.parts if isinstance(piece, Link)]
        value = within[0] if len(within) == 1 else value
    if isinstance(value, Link):
        if value.attribute in OWN:
            return value.key
        return (value.stack, f"{value.logical_id}.{value.attribute}")
    name = text(value)
    if not name:
        raise UndeterminedError("an empty text stands where an id belongs")
    return name


def known(name: Key) -> bool:
    """Whether it is known what a key stands for."""
    return not (isinstance(name, tuple) and name[0] == UNKNOWN)


def not_given(name: Key, what: str) -> UndeterminedError:
    """Return that no given template has what a key stands for, or why that is not known."""
    if not known(name):
        return UndeterminedError(name[-1])
    return UndeterminedError(f"{what} {shown(name)} is not in the given templates".lstrip())


def known_key(value: Any) -> Key:
    """Return what a value refers to.

    Raises:
        UndeterminedError: where that is not known, even if it is equal to something else.
    """
    name = key(value)
    if not known(name):
        raise UndeterminedError(name[-1])
    return name


def same(one: Any, other: Any) -> bool:
    """Whether two values refer to the same thing.

    Raises:
        UndeterminedError: where they may or may not.
    """
    first, second = key(one), key(other)
    if first == second:
        return True
    for name in (first, second):
        if not known(name):
            raise UndeterminedError(name[-1])
    return False


def keys(value: Any, *path: str) -> list[Key]:
    return [key(item) for item in items(value, *path)]


def beginning(value: Any) -> str:
    """Return how a text begins, as far as that is known."""
    value = settled(value)
    parts: Iterable[Any] = value.parts if isinstance(value, Text) else (value,)
    return "".join(takewhile(lambda piece: isinstance(piece, str), parts))


def begins(value: Any, start: str) -> bool:
    """Whether a text begins in a certain way.

    Raises:
        UndeterminedError: where what is known of it leaves that open.
    """
    known = beginning(value)
    if known.startswith(start):
        return True
    if start.startswith(known) and not isinstance(value, str):
        text(value)
    return False


def written(value: Any) -> str:
    """Return a text with a mark in place of what is not known, for a search in it."""
    if isinstance(value, Text):
        return "".join(written(piece) for piece in value.parts)
    return value if isinstance(value, str) else "\x00"


def script(user_data: Any) -> str:
    """Return the script that user data is, with a mark for what is not known.

    Raises:
        UndeterminedError: where nothing of it is known.
    """
    content = user_data.content if isinstance(user_data, Encoded) else settled(user_data)
    if isinstance(content, str):
        try:
            return base64.b64decode(content, validate=True).decode()
        except ValueError:  # not base64, not ASCII, or no text in it
            return content
    return written(settled(content))


def pieces(value: Any) -> Iterator[Any]:
    """Yield the same with the parts of every text."""
    for leaf in leaves(value):
        yield from leaf.parts if isinstance(leaf, Text) else (leaf,)


def texts_within(value: Any) -> Iterator[str]:
    """Yield every text within a value, whatever else is unknown."""
    return (written(leaf) for leaf in leaves(value) if isinstance(leaf, str | Text))


def unknown_within(value: Any) -> Unknown | None:
    """Return the first unknown value within a value, None where there is none."""
    return next((piece for piece in pieces(value) if isinstance(piece, Unknown)), None)


def links(value: Any) -> Iterator[Link]:
    return (piece for piece in pieces(value) if isinstance(piece, Link))


def fields(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield name and value of every entry of the mappings within a value."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name), inner
            yield from fields(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from fields(inner)


def shown(value: Any) -> str:
    """Return a value as a message quotes it."""
    if isinstance(value, Link):
        return value.logical_id
    if isinstance(value, Unknown):
        return "an unknown value"
    if isinstance(value, Text):
        quoted = "".join(
            piece if isinstance(piece, str) else f"<{shown(piece)}>" for piece in value.parts
        )
    elif isinstance(value, tuple) and value and value[0] == UNKNOWN:
        quoted = "an unknown one"
    elif isinstance(value, tuple) and len(value) == 2:  # noqa: PLR2004  (a Key)
        quoted = str(value[1])
    elif isinstance(value, list | tuple):
        quoted = ", ".join(shown(item) for item in value)
    else:
        quoted = scalar(value) or str(value)
    return quoted if len(quoted) <= LONGEST else f"{quoted[: LONGEST - 3]}..."
