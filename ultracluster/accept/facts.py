"""What could not be verified without an account, and the page that shows it.

    python -m ultracluster.accept.facts

writes docs/unverified.md from unverified.toml.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[2] / "docs" / "unverified.md"
NONE: Final = "none: "
INTRODUCTION: Final = """\
# What could not be verified

Written by `make unverified` from `ultracluster/accept/unverified.toml`; write nothing here by hand.
Compiled without an AWS account since 2026-11-23. Each row is a place to look when something fails
on a real one. "Settled by" names the stage of `ultracluster accept` (docs/first-hour.md) that
confirms or refutes it, or what else would.

| what | what this project does | where | settled by |
| --- | --- | --- | --- |
"""


@dataclass(frozen=True)
class Fact:
    """Something that only an account can tell."""

    id: str
    what: str
    does: str
    """What this project takes it for."""
    where: tuple[str, ...]
    """Files that rely on it."""
    settled_by: str
    """A stage of `ultracluster accept`, or "none: " and what else would tell."""


@cache
def facts() -> tuple[Fact, ...]:
    table = tomllib.loads(Path(__file__).with_name("unverified.toml").read_text())
    return tuple(
        Fact(name, row["what"], row["does"], tuple(row["where"]), row["settled_by"])
        for name, row in table.items()
    )


def page() -> str:
    rows = []
    for fact in facts():
        where = ", ".join(f"`{path}`" for path in fact.where)
        settled = fact.settled_by
        stage = settled.removeprefix(NONE) if settled.startswith(NONE) else f"`{settled}`"
        rows.append(f"| {fact.what} | {fact.does} | {where} | {stage} |\n")
    return INTRODUCTION + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page())
