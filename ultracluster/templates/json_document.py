"""JSON templates, with the line of every resource."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ultracluster.templates.document import DEEPEST, Document, UnreadableError

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_DECODER: Final = json.JSONDecoder()


def parse(path: Path, text: str) -> Document:
    """Return the template of a text that begins with a brace.

    Raises:
        UnreadableError: where the text is no JSON.
    """
    body: dict[str, Any] = {}
    lines: dict[str, int] = {}
    try:
        walk = _Members(text, _past(text, 0))
        for key, start in walk:
            if key == "Resources" and text[start : start + 1] == "{":
                resources = _Members(text, start)
                body[key] = {}
                counted, line = 0, 1
                for logical_id, value in resources:
                    line += text.count("\n", counted, resources.key_at)
                    counted = resources.key_at
                    lines[logical_id] = line
                    body[key][logical_id], resources.at = _DECODER.raw_decode(text, value)
                walk.at = resources.at
            else:
                body[key], walk.at = _DECODER.raw_decode(text, start)
        walk.end()
    except json.JSONDecodeError as error:
        raise UnreadableError(
            f"{path}:{error.lineno}: it is no JSON: {error.msg} (column {error.colno})"
        ) from None
    except RecursionError:
        raise UnreadableError(f"{path}: it is nested too deeply") from None
    if _deeper_than(DEEPEST, body):
        raise UnreadableError(f"{path}: it is nested too deeply")
    return Document(body, lines)


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


class _Members:
    """Iterates over an object's members; whoever does decodes each value and sets `at` behind."""

    def __init__(self, text: str, at: int) -> None:
        self._text = text
        self.at = at + 1
        """Behind the value that was decoded last."""
        self.key_at = at
        """Where the current key begins."""

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Yield each key and where its value begins; afterwards `at` is behind the object."""
        text = self._text
        self.at = _past(text, self.at)
        if text[self.at : self.at + 1] == "}":
            self.at += 1
            return
        while True:
            if text[self.at : self.at + 1] != '"':
                raise json.JSONDecodeError(
                    "Expecting property name enclosed in double quotes", text, self.at
                )
            self.key_at = self.at
            key, end = _DECODER.raw_decode(text, self.at)
            end = _past(text, end)
            if text[end : end + 1] != ":":
                raise json.JSONDecodeError("Expecting ':' delimiter", text, end)
            yield key, _past(text, end + 1)
            end = _past(text, self.at)
            mark = text[end : end + 1]
            if mark == "}":
                self.at = end + 1
                return
            if mark != ",":
                raise json.JSONDecodeError("Expecting ',' delimiter", text, end)
            self.at = _past(text, end + 1)

    def end(self) -> None:
        """Make sure that nothing comes behind the object.

        Raises:
            JSONDecodeError: where something does.
        """
        rest = _past(self._text, self.at)
        if rest != len(self._text):
            raise json.JSONDecodeError("Extra data", self._text, rest)


def _past(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()
