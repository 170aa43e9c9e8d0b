"""What each variable of a job's environment does to a job over EFA, by version of aws-ofi-nccl.

The table itself, with its sources, is `table.toml`. The image reads this folder as it is, and the
command as `ultracluster.catalogue.job_environment`, which is a link to it (decision 0009): it
imports nothing but the standard library.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

Version = tuple[int, ...]

NUMBER: Final = re.compile(r"v?(\d+(?:\.\d+)+)")
"""A version in a text, without suffixes such as `-aws` or `amzn5.0`."""

Standing = Literal[
    "off-fabric", "verbs", "obsolete", "corrupting", "forced", "overriding", "slowing", "unfit",
    "needed", "nameless",
]  # fmt: skip
"""What setting it means: keeps the job off EFA; belongs to libibverbs; has no use any more; can
corrupt data; forces what is better chosen; replaces what the plugin tunes; closes a direct path; is
not known to this version; is needed by this version; names nothing that anybody reads."""

ENDS: Final[tuple[Standing, ...]] = ("off-fabric", "corrupting", "unfit")
"""What a job over EFA does not survive, or survives with wrong results. It is a mistake wherever it
is judged: on a node, in a request, in a recipe and in somebody's templates."""

GRAPHICS: Final = frozenset({"g4dn", "g5", "g6", "g6e", "gr6"})
WITHOUT: Final[Mapping[str, frozenset[str]]] = {
    "FI_EFA_USE_DEVICE_RDMA": frozenset({"g4dn", "g5"}),
    "FI_HMEM_DISABLE_P2P": frozenset({"g4dn", "g5", "p5.4xlarge"}),
    "NCCL_P2P_DISABLE": GRAPHICS,
    "NCCL_P2P_LEVEL": GRAPHICS,
    "NCCL_BUFFSIZE": GRAPHICS,
    "NCCL_P2P_NET_CHUNKSIZE": GRAPHICS,
}
"""Families and types that have no such path: GPUDirect RDMA by EFA, or NVLink between GPUs; and
those for which the plugin tunes nothing, as it does from P4d on (awsome-distributed-ai, comments
of its manifests for g5, 2026-11; EC2 instance types; the table's own reasons)."""


def version(text: str | None) -> Version | None:
    """Return the first version in a text, None where it holds none."""
    found = NUMBER.search(text or "")
    return tuple(int(part) for part in found[1].split(".")) if found else None


def written(value: Version | None) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, value)) if value else "of an unknown version"


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


@cache
def tables() -> Mapping[str, Any]:
    """Return what is in the file, each source by its whole name."""
    found = tomllib.loads(Path(__file__).with_name("table.toml").read_text("utf-8"))
    for entry in (*found["given"], *found["row"]):
        entry["source"] = "; ".join(found["sources"].get(s, s) for s in entry["source"])
    return found


@cache
def table() -> tuple[Row, ...]:
    """Return every row, in the order in which they are asked; all that hold are true."""
    return tuple(Row(**row) for row in tables()["row"])


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
    return version(tables()["installers"].get(installer))


def nothing_to_spoil(name: str, instance_types: Iterable[str]) -> bool:
    """Whether it is known that the instance types have nothing that a variable could spoil."""
    kinds, without = list(instance_types), WITHOUT.get(name, frozenset())
    names = [kind.removeprefix("ml.") for kind in kinds]
    return bool(kinds) and all({each, each.split(".")[0]} & without for each in names)


def ends(
    environment: Mapping[str, Any], plugin: Version | None, instance_types: Iterable[str]
) -> Iterator[tuple[str, Row]]:
    """Yield each variable that a job over EFA does not survive, and what says so."""
    kinds = list(instance_types)
    for name, value in environment.items():
        for row, held in rows(str(name), str(value), plugin):
            if held and row.standing in ENDS and not nothing_to_spoil(row.name, kinds):
                yield str(name), row
