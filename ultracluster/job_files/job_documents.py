"""Requests and manifests in JSON or YAML that start jobs, as templates that the rules can ask."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from ultracluster.model.containers import LISTS
from ultracluster.model.job_environments import JOB_DOCUMENT, LINES
from ultracluster.templates.document import DEEPEST, Document, UnreadableError

TEMPLATE: Final = re.compile(r"""^\s*\{?\s*["']?Resources["']?\s*:""", re.MULTILINE)
KUBERNETES: Final = re.compile(r"""^\s*["']?apiVersion["']?\s*:""", re.MULTILINE)
MARKS: Final = re.compile(
    r"""["']?(?:TrainingJobName|AlgorithmSpecification|TrainingJobDefinition|containerProperties"""
    r"""|nodeProperties|containerDefinitions|jobDefinitionName|apiVersion|services|env_vars)["']?\s*:"""
)
NAMED: Final = re.compile(r"""["']?(?:[Nn]ame["']?\s*:\s*)?["']?(\b[A-Z][A-Z0-9_]{2,}\b)""")
"""A name of a variable as it stands in a line: as a key, or as the value of `name`."""

GIVEN: Final = re.compile(r"(?<![A-Za-z0-9_$.{])([A-Z][A-Z0-9_]{2,})=")
"""A name that a line of a command gives a value."""


def document(path: Path, text: str) -> Document | None:
    """Return the template that a request or manifest stands for, None where it is neither.

    Raises:
        UnreadableError: where it says that it is one and cannot be read.
    """
    # A template may carry manifests; that it has resources decides.
    if TEMPLATE.search(text) or not MARKS.search(text):
        return None
    parts = [part for part in _parts(path, text) if isinstance(part, Mapping)]
    if any(isinstance(part.get("Resources"), Mapping) for part in parts):
        return None  # a template all on one line
    lines = _lines(text)
    resources: dict[str, Any] = {}
    for number, part in enumerate(parts):
        name = f"Document{number + 1}"
        found = _resource(part)
        if found is not None:
            resources[name] = {**found, "Metadata": {LINES: lines}}
    if not resources:
        return None
    return Document({"Resources": resources}, dict.fromkeys(resources, 1))


def _parts(path: Path, text: str) -> list[Any]:
    try:
        found = (
            [json.loads(text)]
            if text.lstrip()[:1] == "{"
            else list(yaml.safe_load_all(_shallow(path, text)))
        )
    except json.JSONDecodeError as error:
        raise UnreadableError(
            f"{path}:{error.lineno}: it is no JSON: {error.msg} (column {error.colno})"
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark is not None else str(path)
        raise UnreadableError(f"{where}: it is no YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise UnreadableError(f"{path}: it is no YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise UnreadableError(f"{path}: it is nested too deeply for a job") from None
    for part in found:
        _measure(path, part)
    return found


def _shallow(path: Path, text: str) -> str:
    """Return a text that is not nested beyond what a parser survives."""
    depth = deepest = 0
    for event in yaml.parse(text):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            deepest = max(deepest, depth)
            if deepest > DEEPEST:
                raise UnreadableError(f"{path}: it is nested too deeply for a job")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return text


def _measure(path: Path, value: Any) -> None:
    """Refuse what is nested too deeply or, by its anchors, holds itself."""
    level = [value]
    for _ in range(DEEPEST):
        level = (
            [
                child
                for parent in level
                for child in (parent.values() if isinstance(parent, dict) else parent)
                if isinstance(child, dict | list)
            ]
            if level and isinstance(level[0], dict | list)
            else []
        )
        if not level:
            return
        if len(level) > 100_000:  # noqa: PLR2004 - anchors that multiply
            break
    raise UnreadableError(f"{path}: it is nested too deeply for a job")


def _resource(part: Mapping[str, Any]) -> Mapping[str, Any] | None:
    request = part.get("TrainingJobDefinition", part)
    if isinstance(request, Mapping) and (
        "AlgorithmSpecification" in request or "TrainingJobName" in request
    ):
        return {"Type": "AWS::SageMaker::TrainingJob", "Properties": request}
    if any(True for _ in _environments(part)):
        return {"Type": JOB_DOCUMENT, "Properties": part}
    kinds = ("containerProperties", "nodeProperties", "containerDefinitions", "apiVersion")
    return {"Type": JOB_DOCUMENT, "Properties": part} if any(k in part for k in kinds) else None


def _environments(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name in LISTS and isinstance(inner, list | Mapping):
                yield inner
            else:
                yield from _environments(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _environments(inner)


def _lines(text: str) -> dict[str, int]:
    """Return the first line on which each name of a variable stands."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip().lstrip("-{ ")
        match = NAMED.match(bare)
        if match:
            found.setdefault(match[1], number)
        for name in re.findall(r"""["']?[Nn]ame["']?\s*:\s*["']?([A-Z][A-Z0-9_]{2,})""", bare):
            found.setdefault(name, number)
        for name in GIVEN.findall(bare):
            found.setdefault(name, number)
    return found
