"""Write the page of what could not be verified without an account.

python -m golden.unverified_page
"""

from pathlib import Path
from typing import Final

from ultracluster.accept.report import facts

PAGE: Final = Path(__file__).parents[1] / "docs" / "unverified.md"
NONE: Final = "none: "
"""How a row begins that no stage settles."""
INTRODUCTION: Final = """\
# What could not be verified

Written by `make unverified` from `ultracluster/accept/unverified.toml`; write nothing here by hand.
Compiled without an AWS account since 2026-11-23. Each row is a place to look when something fails
on a real one. "Settled by" names the stage of `ultracluster accept` (docs/first-hour.md) that
confirms or refutes it, or what else would.

| what | what this project does | where | settled by |
| --- | --- | --- | --- |
"""


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
