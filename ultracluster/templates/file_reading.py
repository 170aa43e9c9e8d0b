"""Reads a template file; JSON here, YAML in `yaml_document`."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from json import JSONDecoder
from pathlib import Path
from typing import Any, Final

from ultracluster.untrusted_file import UnreadableError, json_of, plain_json, text_of

LONGEST_NAME: Final = 255
"""Characters of the name of a resource, a parameter, a mapping or an output (CloudFormation
quotas, read 2026-11-27)."""
_NAME: Final = re.compile(r'[\s,]*"([^"\\]*(?:\\.[^"\\]*)*)"\s*:\s*')
"""The name of a member of an object, up to where its value begins."""


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


def read(path: Path, *, of_app: bool = False) -> Document:
    """Read a template, JSON or YAML by what is in it.

    Args:
        path: its file.
        of_app: whether a CDK app made it: a stack of an app may have no resources at all.

    Raises:
        UnreadableError: where the file is no template.
    """
    return parsed(path, text_of(path), of_app=of_app)


def parsed(path: Path, text: str, *, of_app: bool = False) -> Document:
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
    if of_app and isinstance(document.body, dict):
        document.body.setdefault("Resources", {})
    _check(path, document.body)
    size = len(text.encode())
    return replace(document, size=size, imports="ImportValue" in text or "GetStackOutput" in text)


def _check(path: Path, body: Any) -> None:
    if not isinstance(body, dict):
        raise UnreadableError(f"{path}: not a CloudFormation template, but {_kind(body)}")
    if not isinstance(body.get("Resources"), dict):
        raise UnreadableError(f"{path}: not a CloudFormation template: it has no Resources")
    for title, section in body.items():
        longest = max(map(len, map(str, section)), default=0) if isinstance(section, dict) else 0
        if longest > LONGEST_NAME:
            raise UnreadableError(
                f"{path}: a name in {str(title)[:LONGEST_NAME]} has {longest:,} characters; "
                f"CloudFormation takes {LONGEST_NAME}"
            )


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
    """Yield each key of Resources with its line, of a text that is JSON."""
    line, counted = 1, 0
    for section in _members(text, text.index("{") + 1):
        if section[1] != "Resources" or text[section.end()] != "{":
            continue
        for name in _members(text, section.end() + 1):
            line += text.count("\n", counted, name.start(1))
            counted = name.start(1)
            yield plain_json(f'"{name[1]}"'), line


def _members(text: str, start: int) -> Iterator[re.Match[str]]:
    """Yield the names of an object's members; values are passed over at the speed of C."""
    value = JSONDecoder(parse_int=str, parse_float=str).raw_decode
    while name := _NAME.match(text, start):
        yield name
        _, start = value(text, name.end())
