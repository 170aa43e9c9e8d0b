"""Reading a template, and how that fails; JSON here, YAML in `yaml_document`."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ultracluster.given_file import UnreadableError, json_of, plain_json, text_of

_TOKEN: Final = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"\s*(:?)|[{}\[\]]')
"""A text, with the colon that makes it a key, or a bracket."""


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


def read(path: Path) -> Document:
    """Read a template, JSON or YAML by what is in it.

    Raises:
        UnreadableError: where the file is no template.
    """
    return parsed(path, text_of(path))


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
    size = len(text.encode())
    return replace(document, size=size, imports="ImportValue" in text or "GetStackOutput" in text)


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
        UnreadableError: where the text is no JSON, or gives two resources one id.
    """
    return Document(json_of(path, text), by_id(path, _ids(text)))


def by_id(path: Path, ids: Iterable[tuple[str, int]]) -> Mapping[str, int]:
    """Return the line of each resource.

    Raises:
        UnreadableError: where an id is there twice, of which the last alone would count.
    """
    found: dict[str, int] = {}
    for name, line in ids:
        if name in found:
            raise UnreadableError(
                f"{path}:{line}: resource {name} is on line {found[name]} as well, and the last "
                "one alone would count; give each an id of its own"
            )
        found[name] = line
    return found


def _ids(text: str) -> Iterator[tuple[str, int]]:
    """Yield each key of Resources with its line."""
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
            yield plain_json(f'"{token[1]}"'), line
