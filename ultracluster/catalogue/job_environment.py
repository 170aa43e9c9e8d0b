"""What variables of a job's environment do to a job over EFA, by version of aws-ofi-nccl.

The data is `job_environment.json`, written by `facts/job_environment.py` from the table with which
the training image chooses its own environment (`training/launch/variables.toml`, where the sources
stand). The image carries nothing of the constructs and the constructs import nothing of the image,
so the table is carried over as data; a test compares both copies and both readers.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from ultracluster.catalogue import values

Version = tuple[int, ...]

NUMBER: Final = re.compile(r"v?(\d+(?:\.\d+)+)")


def version(text: str | None) -> Version | None:
    """Return the first version in a text, None where it holds none."""
    found = NUMBER.search(text or "")
    return tuple(int(part) for part in found[1].split(".")) if found else None


@dataclass(frozen=True, slots=True)
class Row:
    """What one variable, with such a value, means to versions of the plugin in a range."""

    name: str
    """Its name; `*` at the end stands for any ending."""
    standing: str
    """What setting it means; `training.launch.variables.Standing` lists the words."""
    why: str
    fix: str
    source: str
    value: str
    """Regular expression that the whole value matches, in any case; empty for any value."""
    since: str
    """First plugin version that this is true of; empty for all."""
    before: str
    """First plugin version that this is no longer true of; empty for none."""

    def names(self, name: str) -> bool:
        if self.name.endswith("*"):
            return name.startswith(self.name[:-1])
        return name == self.name

    def means(self, value: str) -> bool:
        return not self.value or re.fullmatch(self.value, value, re.IGNORECASE) is not None

    def holds(self, plugin: Version | None) -> bool | None:
        """Whether it is true of a version; None where that depends on an unknown version."""
        if plugin is None:
            return None if self.before else True
        since, before = version(self.since), version(self.before)
        return (since is None or plugin >= since) and (before is None or plugin < before)


@cache
def table() -> tuple[Row, ...]:
    """Return every row, in the order in which they count."""
    return tuple(Row(**row) for row in values.table("job_environment")["variables"])


def known(name: str) -> bool:
    return any(row.names(name) for row in table())


def rows(name: str, value: str, plugin: Version | None) -> Iterator[tuple[Row, bool | None]]:
    """Yield what is true of a variable, and what depends on the plugin's version (None)."""
    for row in table():
        if row.names(name) and row.means(value):
            held = row.holds(plugin)
            if held is not False:
                yield row, held


def missing(environment: Mapping[str, str], plugin: Version | None) -> Iterator[Row]:
    """Yield what this version of the plugin needs and the environment lacks."""
    for row in table():
        if row.standing == "needed" and plugin is not None and row.holds(plugin):
            given = environment.get(row.name)
            if given is None or not row.means(given):
                yield row


def plugin_of_installer(installer: str) -> Version | None:
    """Return the plugin that an EFA installer brings, None where that is not known."""
    return version(values.table("job_environment")["installers"].get(installer))
