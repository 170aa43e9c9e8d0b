"""Texts made of parts, JSON within texts, and when two values are the same.

`Fn::Join` and `Fn::Sub` put references into a document, so that it is JSON only with something
in their place; they are put back where they stood once it is read.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from ultracluster.templates.resolved import Encoded, Link, Text, Unknown
from ultracluster.untrusted_file import json_of

Part = str | Link | Unknown
LONGEST: Final = 1_000_000
"""A template is at most 1 MB (CloudFormation quotas); a text that outgrows it is no template's."""

_REFERENCE: Final = "{{resolve:"
_REFERENCES: Final = re.compile(r"(\{\{resolve:.*?\}\})", re.DOTALL)
_WHOLE: Final = re.compile(r"\{\{resolve:[^{}]*\}\}")
_SUBSTITUTION: Final = re.compile(r"\$\{([A-Za-z0-9_]+)\}")
RUNNING: Final = Unknown("it is chosen only when the state machine runs")
_MARK: Final = re.compile("\ue000(\\d+)\ue001")


def scalar(value: object) -> str | None:
    """Return a number, text or boolean as CloudFormation writes it in a text; else None."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None


def parts_of(value: object, role: str) -> tuple[Part, ...]:
    """Return what a value is within a text; a value that is no text is a part that is unknown."""
    if isinstance(value, Text):
        return value.parts
    if isinstance(value, Link | Unknown):
        return (value,)
    written = scalar(value)
    if written is None:
        return (Unknown(f"{role} is {kind(value)} where a text is needed"),)
    return (written,)


def kind(value: object) -> str:
    """Return what a value is, as a message calls it."""
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    if value is None:
        return "null"
    return "a text" if isinstance(value, str | Text) else "no value"


def joined(parts: Iterable[Part]) -> str | Link | Unknown | Text:
    """Return one text of its parts; a single part stands for itself.

    What `{{resolve:...}}` names is read at deployment, so it is a part that is unknown, also where
    the reference itself is made of several parts.
    """
    merged = _merged(parts)
    if any(isinstance(part, str) and _REFERENCE in part for part in merged):
        merged = _merged(_with_references(merged))
    if sum(len(part) for part in merged if isinstance(part, str)) > LONGEST:
        return Unknown("it is a text of more than a megabyte")
    if not merged:
        return ""
    return merged[0] if len(merged) == 1 else Text(tuple(merged))


def plain(text: str) -> str | Link | Unknown | Text:
    """Return a text as it is written, where it holds no whole dynamic reference."""
    return joined((text,)) if _WHOLE.search(text) else text


def _merged(parts: Iterable[Part]) -> list[Part]:
    """Return parts of which no two texts stand side by side and none is empty."""
    merged: list[Part] = []
    for is_text, run in groupby(parts, lambda part: isinstance(part, str)):
        found = list(run)
        merged += filter(None, ["".join(map(str, found))]) if is_text else found
    return merged


def marked(parts: Iterable[Part], pieces: list[Link | Unknown]) -> str:
    """Return parts as one text, with marks for those that are put into the list of pieces."""
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part.replace("\ue000", "")
        else:
            text += f"\ue000{len(pieces)}\ue001"
            pieces.append(part)
    return text


def restored(text: str, pieces: Sequence[Link | Unknown]) -> list[Part]:
    """Return the parts of a text, with the pieces where their marks stand."""
    split = enumerate(_MARK.split(text))
    return [pieces[int(part)] if index % 2 else part for index, part in split if part]


def _with_references(parts: list[Part]) -> Iterator[Part]:
    """Yield parts in which each dynamic reference is one part that is unknown."""
    pieces: list[Link | Unknown] = []
    whole = marked(parts, pieces)
    # Nothing ends behind the last end: to look for it from every beginning would take long.
    end = whole.rfind("}}") + len("}}")
    split = _REFERENCES.split(whole[:end])
    split[-1] += whole[end:]
    for index, text in enumerate(split):
        found = restored(text, pieces)
        if index % 2:
            written = "".join(part if isinstance(part, str) else "..." for part in found)
            yield Unknown(f"{written} is read at deployment", identity(Text(tuple(found))))
        else:
            yield from found


def identity(value: Any) -> str | None:  # noqa: PLR0911  (one return for each type)
    """Return a key that two values share if they are equal, or None where nothing is known of it.

    Numbers and booleans are the texts that CloudFormation makes of them.
    """
    written = scalar(value)
    if written is not None:
        return "=" + written
    if isinstance(value, Link):
        return f"@{value.stack}/{value.logical_id}/{value.attribute or ''}"
    if isinstance(value, Unknown):
        return None if value.symbol is None else "?" + value.symbol
    if isinstance(value, Encoded):
        inner = identity(value.content)
        return None if inner is None else "#" + inner
    if value is None:
        return "null"
    if isinstance(value, Text):
        return _keys("T", value.parts)
    if isinstance(value, list):
        return _keys("L", value)
    if isinstance(value, dict):
        return _keys("M", [item for name in sorted(value, key=str) for item in (name, value[name])])
    return None


def _keys(mark: str, values: Iterable[Any]) -> str | None:
    keys = [identity(value) for value in values]
    # Lengths and not quotes keep keys apart: quotes within quotes double at every level.
    return None if None in keys else mark + "".join(f"{len(key or '')}:{key}" for key in keys)


def leaves(value: Any) -> Iterator[Any]:
    """Yield everything within a value that is no mapping and no list, in the order written."""
    # Not recursive: every value of every template comes by here.
    left: list[Any] = [value]
    while left:
        value = left.pop()
        if isinstance(value, str):  # most are, and any other question of it takes longer
            yield value
        elif isinstance(value, dict | Mapping):
            left.extend(reversed(list(value.values())))
        elif isinstance(value, list | tuple):
            left.extend(reversed(value))
        elif isinstance(value, Encoded):
            left.append(value.content)
        else:
            yield value


def mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every mapping within a value, and itself if it is one."""
    left: list[Any] = [value]
    while left:
        value = left.pop()
        if isinstance(value, Mapping):
            yield value
            left.extend(value.values())
        elif isinstance(value, list | tuple):
            left.extend(value)


def known(value: Any) -> bool:
    """Whether a value is known with everything within it."""
    return not any(isinstance(leaf, Unknown | Link | Text) for leaf in leaves(value))


def document(value: Any, substitutions: Mapping[str, Any] | None = None) -> Any:
    """Return the document that a text holds, None where it is none.

    Args:
        value: a resolved value; one that is no text is a document already.
        substitutions: `DefinitionSubstitutions`, by the name that `${name}` has in the text.
    """
    pieces: list[Link | Unknown] = []
    given = substitutions or {}
    if isinstance(value, str | Text):
        try:
            value = json_of("", _filled(marked(parts_of(value, "a text"), pieces), given, pieces))
        except ValueError:
            return None

    def entry(name: str, inner: Any) -> Any:
        return RUNNING if name.endswith(".$") else put_back(inner)

    def put_back(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {n.removesuffix(".$"): entry(n, inner) for n, inner in value.items()}
        if isinstance(value, list):
            return [put_back(inner) for inner in value]
        if not isinstance(value, str):
            return value
        if value.startswith("{%"):
            return RUNNING
        whole = _SUBSTITUTION.fullmatch(value)
        if whole and whole[1] in given:
            return given[whole[1]]
        parts = restored(value, pieces)
        return parts[0] if len(parts) == 1 else Text(tuple(parts)) if parts else ""

    return put_back(value)


def _filled(text: str, given: Mapping[str, Any], pieces: list[Link | Unknown]) -> str:
    """Return a text with what is given for each `${name}`, empty where it grows too long."""
    for name, stated in given.items():
        written = marked(parts_of(stated, "a substitution"), pieces)
        place, put = "${" + name + "}", json.dumps(written, ensure_ascii=False)[1:-1]
        if len(text) + text.count(place) * len(put) > LONGEST:
            return ""
        text = text.replace(place, put)
    return text
