"""JSON documents that a template carries as text, with its references in them.

`Fn::Join` and `Fn::Sub` put references into a document, so that it is JSON only with something
in their place; they are put back where they stood once it is read.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from ultracluster.given_file import json_of
from ultracluster.templates.resolved import Link, Text, Unknown
from ultracluster.templates.texts import LONGEST, marked, parts_of, restored

SUBSTITUTION: Final = re.compile(r"\$\{([A-Za-z0-9_]+)\}")
RUNNING: Final = Unknown("it is chosen only when the state machine runs")

Piece = Link | Unknown


def document(value: Any, substitutions: Mapping[str, Any] | None = None) -> Any:
    """Return the document that a text holds, None where it is none.

    Args:
        value: a resolved value; one that is no text is a document already.
        substitutions: `DefinitionSubstitutions`, by the name that `${name}` has in the text.
    """
    pieces: list[Piece] = []
    if isinstance(value, str | Text):
        marked = _marked(value, pieces)
        for name, given in (substitutions or {}).items():
            place, put = "${" + name + "}", _escaped(_marked(given, pieces))
            if len(marked) + marked.count(place) * len(put) > LONGEST:
                return None
            marked = marked.replace(place, put)
        try:
            value = json_of("", marked)
        except ValueError:
            return None
    return _restored(value, pieces, substitutions or {})


def _marked(value: Any, pieces: list[Piece]) -> str:
    return marked(parts_of(value, "a substitution"), pieces)


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _restored(value: Any, pieces: list[Piece], substitutions: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        return {
            name.removesuffix(".$"): RUNNING
            if name.endswith(".$")
            else _restored(inner, pieces, substitutions)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_restored(inner, pieces, substitutions) for inner in value]
    return _restored_text(value, pieces, substitutions) if isinstance(value, str) else value


def _restored_text(value: str, pieces: list[Piece], substitutions: Mapping[str, Any]) -> Any:
    if value.startswith("{%"):
        return RUNNING
    whole = SUBSTITUTION.fullmatch(value)
    if whole and whole[1] in substitutions:
        return substitutions[whole[1]]
    parts = restored(value, pieces)
    if len(parts) == 1:
        return parts[0]
    return Text(tuple(parts)) if parts else ""
