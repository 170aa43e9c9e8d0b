"""What each variable of a job's environment does to a job over EFA, by version of aws-ofi-nccl.

The table itself, with its sources, is `variables.toml`.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any, Final, Literal

from training.launch.versions import Version, version

Standing = Literal[
    "off-fabric", "verbs", "obsolete", "corrupting", "forced", "overriding", "slowing", "unfit",
    "needed", "nameless",
]  # fmt: skip
"""What setting it means: keeps the job off EFA; belongs to libibverbs; has no use any more; can
corrupt data; forces what is better chosen; replaces what the plugin tunes; closes a direct path; is
not known to this version; is needed by this version; names nothing that anybody reads."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one variable, with such a value, means to versions of the plugin in a range."""

    name: str
    """Its name; `*` at the end stands for any ending."""
    standing: Standing
    why: str
    """What happens, as the rest of "NAME=VALUE: ..."."""
    fix: str
    """What to write instead."""
    source: str
    """Document and date."""
    value: str = ""
    """Regular expression that the whole value matches, in any case; empty for any value."""
    since: str = ""
    """First plugin version that this is true of; empty for all."""
    before: str = ""
    """First plugin version that this is no longer true of; empty for none."""

    def names(self, name: str) -> bool:
        if self.name.endswith("*"):
            return name.startswith(self.name[:-1])
        return name == self.name

    def means(self, value: str) -> bool:
        return not self.value or re.fullmatch(self.value, value, re.IGNORECASE) is not None

    def holds(self, plugin: Version | None) -> bool | None:
        """Whether it is true of a version; None where that depends on an unknown version.

        An unknown version is taken for one of today: what began at some version holds, what
        ended at some version cannot be told.
        """
        if plugin is None:
            return None if self.before else True
        since, before = version(self.since), version(self.before)
        return (since is None or plugin >= since) and (before is None or plugin < before)


def _tables() -> dict[str, Any]:
    """Return the tables, each source by its whole name."""
    tables = tomllib.loads((files("training.launch") / "variables.toml").read_text("utf-8"))
    for entry in (*tables["given"], *tables["row"]):
        entry["source"] = "; ".join(tables["sources"].get(s, s) for s in entry["source"])
    return tables


TABLES: Final = _tables()
INSTALLERS: Final[Mapping[str, str]] = TABLES["installers"]
"""Version of aws-ofi-nccl by version of the EFA installer."""
TABLE: Final = tuple(Row(**row) for row in TABLES["row"])
"""Rows are asked in this order; every row of a variable that holds is true."""


def rows(name: str, value: str, plugin: Version | None) -> Iterator[tuple[Row, bool | None]]:
    """Yield what is true of a variable, and what depends on the plugin's version (None)."""
    for row in TABLE:
        if row.names(name) and row.means(value):
            held = row.holds(plugin)
            if held is not False:
                yield row, held


def missing(environment: Mapping[str, str], plugin: Version | None) -> Iterator[Row]:
    """Yield what this version of the plugin needs and the environment lacks."""
    for row in TABLE:
        if row.standing == "needed" and plugin is not None and row.holds(plugin):
            given = environment.get(row.name)
            if given is None or not row.means(given):
                yield row


def as_data() -> list[dict[str, Any]]:
    """Return the table as plain values, for the audit's copy of it."""
    return [asdict(row) for row in TABLE]
