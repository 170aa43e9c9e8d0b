"""Two faults of the night on a real Slurm: what a node does about them by itself."""

from pathlib import Path

import pytest

from tests.night.cluster import Night
from tests.night.faults import PCI
from tests.training.slurm.cluster import until


@pytest.mark.needs("slurm")
@pytest.mark.needs("slurmdbd")
def test_nodes_are_reset_and_come_back_when_they_are_sound(tmp_path: Path):
    """The one is drained until the deep check has passed, the other until its clock is right."""
    (tmp_path / "nodes").mkdir()
    with Night(tmp_path, every="10") as night:
        late = night.nodes.folder / "n6" / "no-time"
        late.touch()
        night.nodes.log("n5", PCI + "48, pid=7, name=python")

        until("a late clock", lambda: night.reason("n6").startswith("ultracluster check: drain:"))
        late.unlink()

        def steps(node: str) -> list[str]:
            done = [entry["did"] for entry in night.nodes.ledger(node)]
            return [each for each in done if each not in {"accepting", "new"}]

        until("both accepted", lambda: all("accepted" in steps(n) for n in ("n5", "n6")))
        until("all idle", lambda: set(night.states().values()) == {"idle"})

        assert steps("n1") == []
        assert steps("n5") == ["reset", "reset", "accepted"]
        assert steps("n6") == ["drain", "accepted"]
        assert "diag --run 2" in night.nodes.did("n5")
