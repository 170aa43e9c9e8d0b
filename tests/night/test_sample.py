"""Two faults of the night on a real Slurm: what a node does about them by itself."""

from pathlib import Path

import pytest

from tests.night.cluster import Night
from tests.night.faults import PCI
from tests.training.slurm.cluster import until


@pytest.mark.needs("slurm")
@pytest.mark.needs("slurmdbd")
def test_nodes_are_reset_and_rebooted_and_come_back_accepted(tmp_path: Path):
    """Slurm reboots the one; both are drained until the deep check has passed."""
    (tmp_path / "nodes").mkdir()
    with Night(tmp_path, every="10") as night:
        night.nodes.log("n5", PCI + "79, GPU has fallen off the bus.")
        night.nodes.log("n6", PCI + "48, pid=7, name=python")

        def both_accepted() -> bool:
            night.reboot_whom_slurm_wants()
            steps = [night.nodes.ledger(node) for node in ("n5", "n6")]
            return all(found and found[-1]["did"] == "accepted" for found in steps)

        until("both accepted", both_accepted)
        until("both idle", lambda: set(night.states().values()) == {"idle"})
        steps = {n: [e["did"] for e in night.nodes.ledger(n)] for n in ("n1", "n5", "n6")}

    assert steps == {
        "n1": [],
        "n5": ["reboot", "accepted"],
        "n6": ["reset", "reset", "accepted"],
    }
    for node in ("n5", "n6"):
        assert "diag --run 2" in night.nodes.did(node)
