"""Where what is said of a change is known from: each text of `change_sources.toml` by its name.

`from ultracluster.review.changes.sources import ORDER` fails where there is no such text.
"""

from typing import Final

from ultracluster.review.tables import table

_WRITTEN: Final[dict[str, str]] = table("change_sources")


def __getattr__(name: str) -> str:
    if name not in _WRITTEN:
        raise AttributeError(f"change_sources.toml has no {name}")
    return _WRITTEN[name].format_map(_WRITTEN)
