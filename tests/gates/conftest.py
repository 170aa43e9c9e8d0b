"""What the synthesis of every environment reports."""

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def report(assembly: Path) -> dict[str, Any]:
    """Return CDK's validation report."""
    content: dict[str, Any] = json.loads((assembly / "validation-report.json").read_text())
    return content
