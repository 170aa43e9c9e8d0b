"""The golden templates, and edits of them by construct path."""

import copy
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ultracluster.review.access import statements as access
from ultracluster.review.access.statement import Escalation, ExplainedStatement
from ultracluster.review.changes import comparison
from ultracluster.review.changes.change import Change
from ultracluster.review.resolved import ResolvedTemplates, of_templates
from ultracluster.templates.resolved import Template

ROOT = Path(__file__).parents[2]
Templates = dict[str, dict[str, Any]]


@functools.cache
def _read(environment: str) -> str:
    found = {
        path.name.removesuffix(".template.json"): json.loads(path.read_text())
        for path in sorted((ROOT / "golden" / environment).glob("*.template.json"))
    }
    return json.dumps(found)


def golden(environment: str = "ultracluster") -> Templates:
    """Return a fresh copy of an environment's templates by stack."""
    templates: Templates = json.loads(_read(environment))
    return templates


def logical_id(templates: Templates, path: str) -> tuple[str, str]:
    """Return stack and logical id of a construct: `Storage/Lustre` is the file system."""
    stack, *rest = path.split("/")
    for name, body in templates[stack]["Resources"].items():
        written = body.get("Metadata", {}).get("aws:cdk:path", "").split("/")[2:]
        if [part for part in written if part != "Resource"] == rest:
            return stack, name
    raise LookupError(path)


def resource(templates: Templates, path: str) -> dict[str, Any]:
    """Return a resource by its construct path."""
    stack, name = logical_id(templates, path)
    found: dict[str, Any] = templates[stack]["Resources"][name]
    return found


def put(path: str, where: str, value: Any):
    """Return an edit that sets a property, or an attribute as `@DeletionPolicy`."""

    def edit(templates: Templates) -> None:
        target: Any = resource(templates, path)
        parts = where.removeprefix("@").split(".")
        if not where.startswith("@"):
            parts = ["Properties", *parts]
        for part in parts[:-1]:
            target = target[int(part)] if part.isdigit() else target.setdefault(part, {})
        last: Any = int(parts[-1]) if parts[-1].isdigit() else parts[-1]
        target[last] = copy.deepcopy(value)

    return edit


def drop(path: str, where: str | None = None):
    """Return an edit that removes a resource, or a part of it."""

    def edit(templates: Templates) -> None:
        if where is None:
            stack, name = logical_id(templates, path)
            del templates[stack]["Resources"][name]
            return
        target: Any = resource(templates, path)
        parts = where.removeprefix("@").split(".")
        if not where.startswith("@"):
            parts = ["Properties", *parts]
        for part in parts[:-1]:
            target = target[int(part)] if part.isdigit() else target[part]
        del target[int(parts[-1]) if parts[-1].isdigit() else parts[-1]]

    return edit


def add(stack: str, name: str, kind: str, **body: Any):
    """Return an edit that adds a resource."""

    def edit(templates: Templates) -> None:
        templates[stack]["Resources"][name] = {"Type": kind, "Properties": body}

    return edit


def append(path: str, where: str, value: Any):
    """Return an edit that adds an item to a list."""

    def edit(templates: Templates) -> None:
        target: Any = resource(templates, path)["Properties"]
        for part in where.split("."):
            target = target[int(part)] if part.isdigit() else target[part]
        target.append(copy.deepcopy(value))

    return edit


def edited(*edits: Any, environment: str = "ultracluster") -> Templates:
    """Return an environment's templates after edits."""
    templates = golden(environment)
    for edit in edits:
        edit(templates)
    return templates


def resolved(
    templates: Mapping[str, Any], region: str | None = None, **parameters: str
) -> ResolvedTemplates:
    """Return templates, given by the name of their stack, with their functions resolved."""
    given = [
        Template(name, body if isinstance(body, dict) else {}) for name, body in templates.items()
    ]
    return of_templates(given, parameters, region)


def changes(
    before: Mapping[str, Any], after: Mapping[str, Any], *, region: str | None = None
) -> tuple[Change, ...]:
    """Return every change between two sets of templates, given by the names of their stacks."""
    return comparison.changes(resolved(before, region), resolved(after, region))


def statements(templates: Mapping[str, Any]) -> tuple[ExplainedStatement, ...]:
    """Return every statement of templates, given by the names of their stacks."""
    return access.explained(resolved(templates).variants)[0]


def escalations(templates: Mapping[str, Any]) -> tuple[Escalation, ...]:
    """Return every way to more rights of templates, given by the names of their stacks."""
    return access.explained(resolved(templates).variants)[1]
