"""PCS's own health checks and the node's check on one node, in every order of events.

PCS is played as its documentation says (read 2026-11-26): it isolates a node by draining it with a
reason of its own, replaces an instance behind a node of the same name, and runs its diagnostics on
the GPUs when an instance starts. None of it was seen on AWS.
"""

from pathlib import Path

import pytest

from tests.training.slurm.machine import NODE, ByHand

LOST = "NVRM: Xid (PCI:0000:10:1c): 79, GPU has fallen off the bus."
OURS = "ultracluster check: drain: Xid 79 of 0000:10:1c (reboot)"
PCS = "PCS health check: GPU fault"


@pytest.fixture
def node(tmp_path: Path) -> ByHand:
    """A node that is fit, of an environment that leaves repairs to PCS."""
    made = ByHand(tmp_path)
    conf = made.folder / "boot" / "node.conf"
    conf.write_text(conf.read_text().replace("REPAIR=1", "REPAIR=0"))
    return made


def replaced(node: ByHand) -> None:
    """Let another instance stand behind the node; the controller keeps what it has of the node."""
    state, reason = (node.folder / "state").read_text(), (node.folder / "reason").read_text()
    node.mend(NODE)
    (node.here / "by-hand").touch()
    (node.here / "var/lib/cloud/data/instance-id").write_text("i-another\n")
    node.state(state.strip(), reason.strip())


def diagnosed(node: ByHand) -> None:
    """Let PCS's diagnostics compute on the GPUs; process 1 runs, and is of no job."""
    (node.here / "apps").write_text("1, GPU-1\n")


def repaired(node: ByHand) -> list[str]:
    """Return what the node did that is PCS's to do."""
    asked = [line for line in node.asked() if line.startswith("reboot")]
    return asked + node.did(NODE)


def test_what_our_check_finds_first_is_drained_and_replaced_by_pcs(node: ByHand):
    node.log(NODE, LOST)
    assert node.health() == OURS

    replaced(node)

    assert node.health() == "IDLE", "the drain was for an instance that is gone"
    assert repaired(node) == []


def test_what_pcs_isolates_first_stays_isolated(node: ByHand):
    """Whether our check finds a fault as well, or its fault goes away again."""
    node.state("IDLE+DRAIN", PCS)
    assert node.health() == PCS
    node.log(NODE, LOST)
    assert node.health() == PCS
    (node.here / "log").write_text("")

    assert node.health() == PCS
    assert node.health() == PCS
    assert repaired(node) == []


def test_what_pcs_isolates_after_our_drain_stays_isolated(node: ByHand):
    (node.here / "no-time").touch()
    assert "the clock is not synchronized" in node.health()
    node.state("IDLE+DRAIN", PCS)
    (node.here / "no-time").unlink()

    assert node.health() == PCS
    assert node.health() == PCS


def test_an_instance_that_pcs_replaced_while_isolated_is_pcs_to_put_back(node: ByHand):
    node.state("IDLE+DRAIN", PCS)
    assert node.health() == PCS

    replaced(node)

    assert node.health() == PCS


def test_a_new_instance_that_is_no_better_stays_out(node: ByHand):
    node.log(NODE, LOST)
    node.health()
    replaced(node)
    node.log(NODE, LOST)

    assert node.health() == OURS
    assert repaired(node) == []


def test_pcs_diagnostics_at_boot_are_no_fault_for_long(node: ByHand):
    """Ours sees a process of no job, drains for as long as it runs, and repairs nothing."""
    diagnosed(node)
    assert "process 1 of no job is left on a GPU (reboot)" in node.health()
    (node.here / "apps").write_text("")

    assert node.health() == "IDLE"
    assert repaired(node) == []


def test_a_new_instance_comes_back_after_pcs_diagnostics_and_not_before(node: ByHand):
    node.log(NODE, LOST)
    node.health()
    replaced(node)
    diagnosed(node)
    assert node.health() != "IDLE"
    (node.here / "apps").write_text("")

    assert node.health() == "IDLE"


def test_an_instance_that_pcs_rebooted_comes_back_when_it_is_sound(node: ByHand):
    """The same instance with the same ledger, and a kernel that has logged nothing yet."""
    node.log(NODE, LOST)
    node.health()
    node.boot(NODE, node.ledger(NODE)[-1]["time"] + 5)
    (node.here / "log").write_text("")

    assert node.health() == "IDLE"
    assert repaired(node) == []


def test_a_node_that_was_put_back_is_asked_about_once(node: ByHand):
    """Five hundred nodes that ask the controller each minute would be a load of their own."""
    node.command(
        "scontrol",
        (node.folder / "bin/scontrol")
        .read_text()
        .replace('"show node")', '"show node") echo shown >>asked'),
    )
    for _ in range(3):
        assert node.health() == "IDLE"

    assert node.asked() == ["shown"]
