"""Names of templates that the comparison knows, of every type: `template_names.toml`."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

NAMES: Final[Mapping[str, Any]] = tomllib.loads(
    files("ultracluster.review").joinpath("template_names.toml").read_text()
)
