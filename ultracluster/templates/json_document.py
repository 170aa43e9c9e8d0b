"""JSON templates, with the line of every resource."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ultracluster.templates.document import DEEPEST, Document, UnreadableError

_TOKEN: Final = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"\s*(:?)|[{}\[\]]')
"""A text, with the colon that makes it a key, or a bracket."""


def parse(path: Path, text: str) -> Document:
    """Return the template of a text that begins with a brace.

    Raises:
        UnreadableError: where the text is no JSON.
    """
    try:
        body = json.loads(text)
    except json.JSONDecodeError as error:
        raise UnreadableError(
            f"{path}:{error.lineno}: it is no JSON: {error.msg} (column {error.colno})"
        ) from None
    except RecursionError:
        raise UnreadableError(f"{path}: it is nested too deeply") from None
    if _deeper_than(DEEPEST, body):
        raise UnreadableError(f"{path}: it is nested too deeply")
    return Document(body, _lines(text))


def _deeper_than(levels: int, value: Any) -> bool:
    """Whether a value is nested more; counted, since an interpreter's own limit is not ours."""
    level = [value]
    for _ in range(levels):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _lines(text: str) -> Mapping[str, int]:
    """Return the line of each key of Resources."""
    found: dict[str, int] = {}
    depth, within = 0, False
    line, counted = 1, 0
    for token in _TOKEN.finditer(text):
        bracket = token[0][0]
        if bracket in "{[":
            depth += 1
        elif bracket in "}]":
            depth -= 1
        elif token[2] and depth == 1:
            within = token[1] == "Resources"
        elif token[2] and within and depth == len(("body", "Resources")):
            line += text.count("\n", counted, token.start())
            counted = token.start()
            found[json.loads(f'"{token[1]}"')] = line
    return found
