"""The assembly of all environments of this repository, synthesized once in a run."""

from pathlib import Path

import pytest

import app
from tests.once import once
from tests.repository import ENVIRONMENTS


def assembly_of_all(factory: pytest.TempPathFactory) -> Path:
    """Return it; `assembly-NAME` in it is that of an environment."""

    def make(folder: Path) -> None:
        app.build(ENVIRONMENTS, outdir=str(folder)).synth()

    return once(factory, "assembly", make)
