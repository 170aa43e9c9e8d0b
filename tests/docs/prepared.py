"""What is there before a page is typed."""

from pathlib import Path

from tests.docs.bench import Bench
from tests.repository import ENVIRONMENTS

BY_NAME = {spec.name: spec for spec in ENVIRONMENTS}
PREPARED = {}
STATUSES = {}


def prepare(page: str, bench: Bench, folder: Path) -> None:
    """Make what a page says that its reader has."""
    name = {"docs/retention.md": "ultracluster", "docs/deploy.md": ""}.get(page, "staging")
    bench.values = {"ENVIRONMENT": "staging", "NODE": bench.node.name}
    if name:
        bench.deployed(BY_NAME[name])
    else:
        bench.empty()
