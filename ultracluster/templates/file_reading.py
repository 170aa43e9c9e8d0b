"""Reading a template, and how that fails; JSON here, YAML in `yaml_document`."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

LARGEST_BYTES: Final = 20_000_000
"""A template is at most 1 MB (CloudFormation quotas); far more is some other file."""

DEEPEST: Final = 300
"""Levels of nesting beyond which a file is refused; templates have some 20."""


_TOKEN: Final = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"\s*(:?)|[{}\[\]]')
"""A text, with the colon that makes it a key, or a bracket."""


class UnreadableError(ValueError):
    """A file that is no template, or cannot be read; one line that says why."""


@dataclass(frozen=True)
class Document:
    """A template as it is written, and where its resources are."""

    body: Mapping[str, Any]
    lines: Mapping[str, int]
    """Line of each resource by logical id."""
    size: int | None = None
    """Bytes of the file."""
    imports: bool = False
    """Whether it names a function that takes a value of another stack."""
    not_judged: tuple[str, ...] = ()
    """What else stands in the file that no rule reads, each with the reason."""


def text_of(path: Path) -> str:
    """Return the text of a file.

    Raises:
        UnreadableError: where it cannot be read, is far too large, or is no UTF-8.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise UnreadableError(f"{path}: it has {size / 1e6:,.0f} MB; a template has 1 at most")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{path}: it is no UTF-8 text (byte {error.start})") from None


def read(path: Path) -> Document:
    """Read a template, JSON or YAML by what is in it.

    Raises:
        UnreadableError: where the file is no template.
    """
    document = parsed(path, text_of(path))
    return replace(document, size=path.stat().st_size)


def parsed(path: Path, text: str) -> Document:
    """Return the template that a text is; the path names it, and by its suffix says YAML.

    Raises:
        UnreadableError: where it is no template.
    """
    if text.lstrip()[:1] == "{" and path.suffix not in {".yaml", ".yml"}:
        document = parsed_json(path, text)
    else:
        # Imported where it is needed: many audits are of JSON alone.
        from ultracluster.templates import yaml_document  # noqa: PLC0415

        document = yaml_document.parse(path, text)
    _check(path, document.body)
    return replace(document, imports="ImportValue" in text or "GetStackOutput" in text)


def _check(path: Path, body: Any) -> None:
    if not isinstance(body, dict):
        raise UnreadableError(f"{path}: it is no CloudFormation template, but {_kind(body)}")
    if not isinstance(body.get("Resources"), dict):
        raise UnreadableError(f"{path}: it is no CloudFormation template: it has no Resources")


def _kind(body: object) -> str:
    if body is None:
        return "empty"
    return "a list" if isinstance(body, list) else "a single value"


def parsed_json(path: Path, text: str) -> Document:
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
