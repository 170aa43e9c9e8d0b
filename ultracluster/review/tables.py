"""The tables of this package, which stand in TOML beside it."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final


def table(name: str) -> dict[str, Any]:
    return tomllib.loads(files("ultracluster.review").joinpath(f"{name}.toml").read_text())


NAMES: Final[Mapping[str, Any]] = table("template_names")
"""Names of templates that the comparison knows, of every type."""
DRAWN: Final[Mapping[str, Any]] = table("drawn_types")
"""What the picture calls the types that it draws."""
