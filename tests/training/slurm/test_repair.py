"""What becomes of an unfit node: drained, reset, rebooted by Slurm alone, or to be replaced."""

import json
from pathlib import Path

import pytest

from tests.training.slurm.machine import NODE, ByHand

LOST = "NVRM: Xid (PCI:0000:10:1c): 79, GPU has fallen off the bus."
BROKEN = "NVRM: Xid (PCI:0000:10:1c): 48, pid=7, name=python"
DAY = 86400


@pytest.fixture
def node(tmp_path: Path) -> ByHand:
    """A node that is fit."""
    return ByHand(tmp_path)


def steps(node: ByHand) -> list[str]:
    """Return what was done, without that it was looked at."""
    looked = ("accepting", "new")
    return [entry["did"] for entry in node.ledger(NODE) if entry["did"] not in looked]


def test_a_node_that_is_sound_again_comes_back_by_itself(node: ByHand):
    """Lustre that was away for a minute would otherwise have every node wait for an operator."""
    mounts = node.here / "proc" / "mounts"
    whole = mounts.read_text()
    mounts.write_text("")
    assert "drain: Lustre is not mounted" in node.health()

    mounts.write_text(whole)

    assert node.health() == "IDLE"
    assert steps(node) == ["drain", "accepted"]


def test_what_an_operator_took_out_stays_out(node: ByHand):
    (node.here / "no-time").touch()
    node.health()
    node.state("IDLE+DRAIN", "cable, ask Ada")

    assert node.health() == "cable, ask Ada"
    (node.here / "no-time").unlink()
    assert node.health() == "cable, ask Ada"


@pytest.mark.parametrize("state", ["IDLE+DRAIN", "DOWN"])
@pytest.mark.parametrize("line", ["NVRM: Xid (PCI:0000:10:1c): 48, pid=7, name=python", "LOST"])
def test_who_works_on_a_node_is_left_alone(node: ByHand, state: str, line: str):
    """Neither is a reason written over, nor is the node reset or rebooted meanwhile."""
    node.state(state, "cable, ask Ada")
    node.log(NODE, LOST if line == "LOST" else line)

    assert node.health() == "cable, ask Ada"
    assert node.asked() == node.did(NODE) == []
    node.state("IDLE", "")
    assert node.health().startswith("ultracluster check: re")


@pytest.mark.parametrize("reason", ["Not responding", "Node unexpectedly rebooted"])
def test_a_node_that_slurm_called_down_is_judged_when_it_is_back(node: ByHand, reason: str):
    node.state("DOWN", reason)
    node.log(NODE, LOST)

    assert node.health().startswith("ultracluster check: reboot: Xid 79")


@pytest.mark.parametrize("torn", ['{"time": 17900', "\0" * 40, '{"time": 1}\0\0{"ti'])
def test_a_line_that_was_cut_short_forgets_no_other(node: ByHand, torn: str):
    """A node that lost its power was taken for a new instance, and put back."""
    node.log(NODE, LOST)
    node.health()
    come_back(node)
    ledger = node.here / "var/lib/ultracluster/repairs.jsonl"
    ledger.write_text(ledger.read_text() + torn)

    assert node.health().startswith("ultracluster check: reboot:")
    assert node.did(NODE) == ["accept"]
    assert node.run("accept") == 0
    assert node.health() == "IDLE"


def test_a_reboot_is_slurms_and_asked_for_once(node: ByHand):
    """PCS takes any other reboot for a failure. Slurm waits until the node has no job."""
    node.log(NODE, LOST)
    for _ in range(3):
        assert node.health() == "ultracluster check: reboot: Xid 79 of 0000:10:1c"

    assert node.asked().count(f"reboot {NODE}") == 1
    assert steps(node) == ["reboot"]


def test_a_slurm_that_reboots_nothing_has_the_node_drained(node: ByHand):
    """Its slurm.conf has no RebootProgram; the job must be sent back all the same."""
    whole = (node.folder / "bin" / "scontrol").read_text()
    refuses = '[[ $1 != reboot ]] || { echo "RebootProgram isn\'t defined"; exit 1; }'
    node.command("scontrol", whole.replace("cd ", f"{refuses}\ncd ", 1))
    node.log(NODE, LOST)

    assert node.start() == 0
    assert node.asked()[-1] == "requeue 41"
    assert steps(node) == ["drain"]


def come_back(node: ByHand) -> None:
    """Let a node boot: its kernel has an empty log, and Slurm appended to the reason."""
    last = node.ledger(NODE)[-1]["time"]
    node.boot(NODE, last + 5)
    (node.here / "log").write_text("")
    reason = (node.folder / "reason").read_text().strip()
    node.state("IDLE+DRAIN", f"{reason} : reboot issued")


def test_a_node_that_comes_back_takes_no_job_before_the_deep_check(node: ByHand):
    node.log(NODE, LOST)
    node.health()
    come_back(node)

    assert node.health().startswith("ultracluster check: reboot:")
    assert node.did(NODE) == ["accept"]
    assert node.run("accept") == 0

    assert node.did(NODE)[-1] == "diag --run 2"
    assert (node.folder / "state").read_text() == "IDLE\n"
    assert steps(node) == ["reboot", "accepted"]


def test_a_node_that_the_deep_check_refuses_is_to_be_replaced(node: ByHand):
    """A reboot was tried; the next stronger step is taken, and no second reboot."""
    node.log(NODE, LOST)
    node.health()
    come_back(node)
    node.health()
    (node.here / "weak").touch()

    assert node.run("accept") == 1

    reason = (node.folder / "reason").read_text()
    assert reason.startswith("ultracluster check: replace: dcgmi failed with status 1: Fail: GPU")
    assert steps(node) == ["reboot", "refused", "replace"]


def test_without_dcgm_an_operator_decides(node: ByHand):
    """What is not installed is not taken for sound, and is no reason to give an instance away."""
    node.log(NODE, LOST)
    node.health()
    come_back(node)
    (node.folder / "bin" / "dcgmi").unlink()

    assert node.run("accept") == 1
    assert "drain: dcgmi cannot be run" in node.health()
    assert "drain: dcgmi cannot be run" in node.health()


def test_nobody_looks_while_the_deep_check_computes(node: ByHand):
    """Its own processes on the GPUs would have the node taken for unfit, and replaced."""
    node.remember(NODE, "reboot", 600)
    node.remember(NODE, "accepting", 60)
    (node.here / "apps").write_text("1, GPU-1\n")
    assert node.health() == "IDLE"
    assert node.asked() == []

    # One that never came to its end holds nothing up.
    (node.here / "var/lib/ultracluster/repairs.jsonl").unlink()
    node.remember(NODE, "accepting", 3000)
    assert "process 1 of no job" in node.health()


def test_gpus_are_reset_beside_slurm_and_checked(node: ByHand):
    node.log(NODE, BROKEN)
    assert node.health() == "ultracluster check: reset: Xid 48 of 0000:10:1c"
    assert node.did(NODE) == ["reset"]

    assert node.run("reset") == 0

    assert node.did(NODE) == ["reset", "reset", "diag --run 2"]
    assert node.health() == "IDLE", "what was logged before the reset counts no more"
    assert steps(node) == ["reset", "reset", "accepted"]


def test_a_node_with_a_job_is_reset_after_it(node: ByHand):
    """A reset ends whatever computes there."""
    (node.folder / "pids").write_text("PID JOBID STEPID LOCALID GLOBALID\n1 7 0 0 0\n")
    node.log(NODE, BROKEN)
    assert "reset: Xid 48" in node.health()
    assert node.did(NODE) == []

    (node.folder / "pids").unlink()
    node.health()
    assert node.did(NODE) == ["reset"]


def test_gpus_that_cannot_be_reset_have_the_node_rebooted(node: ByHand):
    node.log(NODE, BROKEN)
    node.health()
    (node.here / "no-reset").touch()

    assert node.run("reset") == 1

    assert (node.folder / "reason").read_text().startswith("ultracluster check: reboot: nvidia-smi")
    assert steps(node) == ["reset", "refused", "reboot"]


@pytest.mark.parametrize(
    ("tried", "line", "step"),
    [
        ([("reset", 1)], BROKEN, "reboot"),
        ([("reset", 1), ("reboot", 1)], BROKEN, "replace"),
        ([("reboot", 6)], LOST, "replace"),
        ([("reboot", 8)], LOST, "reboot"),
        ([("reset", 8)], BROKEN, "reset"),
        ([("reboot", 1)], BROKEN, "reset"),
        ([("drain", 1)], LOST, "reboot"),
    ],
)
def test_what_was_tried_within_a_week_is_not_tried_again(
    node: ByHand, tried: list[tuple[str, float]], line: str, step: str
):
    for did, days in tried:
        node.remember(NODE, did, days * DAY)
    node.remember(NODE, "accepted", DAY / 2)
    node.log(NODE, line)

    assert node.health().startswith(f"ultracluster check: {step}: Xid ")


def test_an_instance_to_be_replaced_waits_for_that(node: ByHand):
    node.remember(NODE, "reboot", DAY)
    node.remember(NODE, "accepted", DAY / 2)
    node.log(NODE, LOST)
    node.health()
    (node.here / "log").write_text("")

    assert node.health().startswith("ultracluster check: replace:")
    assert f"reboot {NODE}" not in node.asked()


def test_more_than_some_repairs_an_hour_are_no_fault_of_nodes(node: ByHand, tmp_path: Path):
    """An error of the check, or of something shared, would reboot a whole cluster."""
    shared = tmp_path / "shared"
    shared.mkdir()
    node.share(NODE, shared)
    ledgers = shared / ".ultracluster" / "repairs"
    ledgers.mkdir(parents=True)
    node.remember("n1", "reboot", 60)
    for other in ("i-1", "i-2", "i-3", "i-4"):
        (ledgers / f"{other}.jsonl").write_text(json.dumps(node.ledger("n1")[0]) + "\n")
    node.log(NODE, LOST)

    assert node.health() == "ultracluster check: drain: Xid 79 of 0000:10:1c (reboot)"
    assert f"reboot {NODE}" not in node.asked()
    # And what it did is there for everybody.
    (entry,) = (ledgers / "i-n7.jsonl").read_text().splitlines()
    assert json.loads(entry)["did"] == "drain"


def test_an_environment_may_leave_repairs_to_others(node: ByHand):
    """PCS's own health checks replace instances, or somebody wants to look first."""
    conf = node.folder / "boot" / "node.conf"
    conf.write_text(conf.read_text().replace("REPAIR=1", "REPAIR=0"))
    node.log(NODE, LOST)

    assert node.health() == "ultracluster check: drain: Xid 79 of 0000:10:1c (reboot)"
    assert len(node.asked()) == 1


def test_a_ledger_that_somebody_else_could_write_is_not_used(node: ByHand, tmp_path: Path):
    shared = tmp_path / "shared"
    (shared / ".ultracluster" / "repairs").mkdir(parents=True)
    (shared / ".ultracluster").chmod(0o777)
    node.share(NODE, shared)
    node.log(NODE, LOST)
    node.health()

    assert steps(node) == ["reboot"]
    assert not list((shared / ".ultracluster" / "repairs").iterdir())


def test_an_operator_accepts_a_node_by_hand(node: ByHand):
    """Whatever was logged before he looked counts no more."""
    node.log(NODE, LOST)
    node.health()
    (node.here / "log").write_text("")

    assert node.run("accept") == 0
    assert node.health() == "IDLE"


def test_show_tells_and_does_nothing(node: ByHand):
    assert node.run("show") == 0
    node.log(NODE, LOST)

    assert node.run("show") == 1
    assert node.asked() == []
    assert steps(node) == []


def test_a_controller_that_is_away_has_the_node_drained_when_it_is_back(node: ByHand):
    """A health check that cannot drain ends with 1, and the next one does it."""
    whole = (node.folder / "bin" / "scontrol").read_text()
    node.command("scontrol", "#!/bin/bash\nexit 1\n")
    node.log(NODE, LOST)
    assert node.run() == 1

    node.command("scontrol", whole)
    assert "reboot: Xid 79" in node.health()


def test_what_only_a_job_shows_is_not_well_because_nothing_else_is_wrong(node: ByHand):
    """A health check knows of no user: it put the node back, and the next job was sent away."""
    mounts = node.here / "proc" / "mounts"
    whole = mounts.read_text()
    mounts.write_text("")
    node.health()
    mounts.write_text(whole)
    why = "ultracluster check: drain: user 1001 is other instead of ssm-user"
    node.state("IDLE+DRAIN", why)

    assert node.health() == why

    node.state("IDLE", "")
    assert node.health() == "IDLE"
    assert steps(node) == ["drain", "accepted"]


def test_the_deep_check_knows_of_no_user_either(node: ByHand):
    """It was under way for a GPU when a job's user was found unknown, and put the node back."""
    node.log(NODE, LOST)
    node.health()
    come_back(node)
    node.health()
    why = "ultracluster check: accepting: user 1001 is other instead of ssm-user"
    node.state("IDLE+DRAIN", why)
    assert node.run("accept") == 0

    assert node.health() == why
    assert steps(node) == ["reboot", "accepted"]
