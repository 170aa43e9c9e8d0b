"""The tables of this package, which stand in TOML beside it.

`from ultracluster.review.tables import ORDER` gives a text of `change_sources.toml`, where what is
said of a change is known from; it fails where there is no such text.
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final


def table(name: str) -> dict[str, Any]:
    return tomllib.loads(files("ultracluster.review").joinpath(f"{name}.toml").read_text("utf-8"))


NAMES: Final[Mapping[str, Any]] = table("template_names")
"""Names of templates that the comparison knows, of every type."""
DRAWN: Final[Mapping[str, Any]] = table("drawn_types")
"""What the picture calls the types that it draws."""
_SOURCES: Final[Mapping[str, str]] = table("change_sources")


def __getattr__(name: str) -> str:
    if name not in _SOURCES:
        raise AttributeError(f"change_sources.toml has no {name}")
    return _SOURCES[name].format_map(_SOURCES)
