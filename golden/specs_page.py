"""Write the reference of environments: every field with its type, default and meaning.

python -m golden.specs_page
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, Final, get_args

from pydantic.fields import FieldInfo

from ultracluster.spec.base import Spec, TextFormat
from ultracluster.spec.data_files import spec_kinds
from ultracluster.spec.environment import EnvironmentSpec

FOLDER: Final = Path(__file__).parents[1] / "docs" / "reference"
PAGE: Final = FOLDER / "specs.md"
SCHEMA: Final = FOLDER / "environment.schema.json"
HEAD: Final = """# Environments and specs

Written by `make reference` from the docstrings of `ultracluster/spec`; write nothing here by hand.
`environment.schema.json` beside it is the same as JSON Schema. How an environment is written:
[write an environment](../environments.md).
"""


def specs(kind: type[Spec]) -> Iterator[type[Spec]]:
    """Yield a spec and those that its fields hold, each once, in the order of the fields."""
    waiting, seen = [kind], set()
    while waiting:
        spec = waiting.pop(0)
        if spec in seen:
            continue
        seen.add(spec)
        yield spec
        waiting += [
            part for field in spec.model_fields.values() for part in spec_kinds(field.annotation)
        ]


def shown_type(annotation: Any) -> str:
    """Return a type as a reader writes it, with links to specs."""
    if annotation is NoneType:
        return "None"
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__
    text = re.sub(r"typing\.|ultracluster(\.\w+)+\.", "", str(annotation))
    inner = [shown_type(part) for part in get_args(annotation) if part is not Ellipsis]
    if text.startswith("Literal"):
        return " or ".join(f"`{part!r}`" for part in get_args(annotation))
    if text.startswith("tuple"):
        return f"tuple of {', '.join(inner)}"
    return " or ".join(inner) or text


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        return "see there"
    value = field.default
    return f"`{type(value).__name__}()`" if isinstance(value, Spec) else f"`{value!r}`"


def bounds(field: FieldInfo) -> str:
    """Return what a number or a tuple is bounded by."""
    words = {"ge": "at least", "le": "at most", "gt": "more than", "lt": "less than"}
    words |= {"min_length": "at least", "max_length": "at most"}
    return ", ".join(
        f"{word} {getattr(limit, name):,}"
        for limit in field.metadata
        for name, word in words.items()
        if getattr(limit, name, None) is not None
    )


def page() -> str:
    """Return the page's text."""
    lines = [HEAD]
    for spec in specs(EnvironmentSpec):
        lines += [
            f"## {spec.__name__}",
            "",
            (spec.__doc__ or "").replace("\n    ", "\n").strip(),
            "",
        ]
        lines += ["| field | type | default | what it is |", "| --- | --- | --- | --- |"]
        for name, field in spec.model_fields.items():
            kind = ", ".join(filter(None, (shown_type(field.annotation), bounds(field))))
            cells = (f"`{name}`", kind, default(field), " ".join((field.description or "").split()))
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def schema() -> str:
    """Return the JSON Schema of an environment."""
    document = EnvironmentSpec.model_json_schema()
    for spec in specs(EnvironmentSpec):
        definition = document["$defs"].get(spec.__name__, document)
        properties = definition["properties"]
        for name, field in spec.model_fields.items():
            for written in (each for each in field.metadata if isinstance(each, TextFormat)):
                place = properties[name]
                for part in (place, place.get("items", {}), *place.get("anyOf", ())):
                    if part.get("type") == "string":
                        part["pattern"] = f"^({written.pattern})$"
        # What YAML may write where several specs have the same fields.
        properties["spec"] = {"const": spec.__name__}
    return json.dumps(document, indent=1) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    PAGE.write_text(page())
    SCHEMA.write_text(schema())
