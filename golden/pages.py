"""Pages that are compared, from the templates beside this file."""

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

# Markdown, not HTML: nothing is escaped.
TEMPLATES: Final = Environment(  # noqa: S701
    loader=FileSystemLoader(Path(__file__).parent),
    trim_blocks=True,
    keep_trailing_newline=True,
    undefined=StrictUndefined,
)


def rendered(template: str, **values: Any) -> str:
    return TEMPLATES.get_template(template).render(values)
