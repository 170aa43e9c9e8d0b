"""One synthesis of every environment through the same `build()` as deployment."""

import json
from pathlib import Path
from typing import Any

import pytest

import app
from tests.repository import ENVIRONMENTS


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of the assembly of all environments."""
    directory = tmp_path_factory.mktemp("assembly")
    app.build(ENVIRONMENTS, outdir=str(directory)).synth()
    return directory


@pytest.fixture(scope="session")
def report(assembly: Path) -> dict[str, Any]:
    """Return CDK's validation report."""
    content: dict[str, Any] = json.loads((assembly / "validation-report.json").read_text())
    return content
