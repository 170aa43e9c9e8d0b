"""Ways to more rights that the field knows; the table is `escalation_paths.json`.

Those that are `published` are of pathfinding.cloud (Datadog), as cloudsplaining 0.9.1 lists them,
read 2026-11-24. The others are this project's: the same way with a service that starts what a role
is passed to, or with Systems Manager's shell.
"""

import json
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

TABLE: Final = Path(__file__).with_suffix(".json")
PUBLISHED: Final = "pathfinding.cloud/paths/{} (by cloudsplaining 0.9.1, read 2026-11-24)"
OWN: Final = "this project: what one starts, or gets into, has the rights of its role"


class Way(NamedTuple):
    """Actions that together are more than they look."""

    name: str
    actions: tuple[str, ...]
    says: str
    source: str
    service: str | None = None
    """To whom a role is passed; None where no role is passed."""
    target: str | None = None
    """Type of the resources of which one gets the rights, None where that is not bound."""


@cache
def ways() -> tuple[Way, ...]:
    return tuple(
        Way(
            entry["name"],
            tuple(entry["actions"]),
            entry["says"],
            PUBLISHED.format(entry["published"]) if "published" in entry else OWN,
            entry.get("service"),
            entry.get("target"),
        )
        for entry in json.loads(TABLE.read_text())
    )
