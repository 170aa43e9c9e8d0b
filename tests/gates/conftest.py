"""One synthesis of every environment through the same `build()` as deployment."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.assembly import assembly_of_all


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of the assembly of all environments."""
    return assembly_of_all(tmp_path_factory)


@pytest.fixture(scope="session")
def report(assembly: Path) -> dict[str, Any]:
    """Return CDK's validation report."""
    content: dict[str, Any] = json.loads((assembly / "validation-report.json").read_text())
    return content
