"""Where what is said of a change is known from: each text of `change_sources.toml` by its name.

`from ultracluster.review.changes.sources import ORDER` fails where there is no such text.
"""

import tomllib
from importlib.resources import files
from typing import Final

_WRITTEN: Final[dict[str, str]] = tomllib.loads(
    files("ultracluster.review").joinpath("change_sources.toml").read_text()
)


def __getattr__(name: str) -> str:
    if name not in _WRITTEN:
        raise AttributeError(f"change_sources.toml has no {name}")
    return _WRITTEN[name].format_map(_WRITTEN)
