"""The shipped check: what it finds on a node, what it says, and that it never hangs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.slurm.machine import NODE, ByHand


@pytest.fixture
def node(tmp_path: Path) -> ByHand:
    """A node that is fit."""
    return ByHand(tmp_path)


def test_a_fit_node_is_left_alone(node: ByHand):
    assert node.start() == 0
    assert node.asked() == []


def test_a_health_check_drains_an_idle_node(node: ByHand):
    """Slurm runs it without a job: no job can be requeued, and none has to fail first."""
    lose_a_gpu(node.here)

    assert node.health() == "ultracluster check: reboot: 7 GPUs instead of 8"

    drained, rebooted = node.asked()
    assert drained.startswith(f"update NodeName={NODE} State=DRAIN")
    assert rebooted == f"reboot {NODE}"


def lose_a_gpu(here: Path) -> None:
    (here / "gpus").write_text("".join(f"{n}, 0\n" for n in range(7)))


def miscount(here: Path) -> None:
    (here / "gpus").write_text("".join(f"{n}, {7 if n in {2, 5} else 0}\n" for n in range(8)))


def needs_a_reset(here: Path) -> None:
    gpus = ["[GPU requires reset]" if n == 3 else "0" for n in range(8)]
    (here / "gpus").write_text("".join(f"{n}, {found}\n" for n, found in enumerate(gpus)))


def fell_off_the_bus(here: Path) -> None:
    gpus = ["[Unknown Error]" if n == 3 else "0" for n in range(8)]
    (here / "gpus").write_text("".join(f"{n}, {found}\n" for n, found in enumerate(gpus)))


def say_nothing(here: Path) -> None:
    (here / "gpus").write_text("".join(f"{n}, {'' if n == 3 else 0}\n" for n in range(8)))


def list_nothing(here: Path) -> None:
    for name in ("gpus", "remapped", "lanes", "clocks", "links"):
        (here / name).write_text("")


def drop_a_link(here: Path) -> None:
    text = (here / "links").read_text()
    (here / "links").write_text(text.replace("25 GB/s", "<inactive>", 1))


def narrow(here: Path) -> None:
    (here / "lanes").write_text("".join(f"{n}, {8 if n == 5 else 16}, 16\n" for n in range(8)))


def overheat(here: Path) -> None:
    hot = "".join(
        f"{n}, {'' if n == 6 else 'Not '}Active, Not Active, Not Active\n" for n in range(8)
    )
    (here / "clocks").write_text(hot)


def leave_a_process(here: Path) -> None:
    (here / "apps").write_text("1, GPU-1\n")


def leave_a_dead_process(here: Path) -> None:
    (here / "apps").write_text("4999999, GPU-1\n")


def mute_the_log(here: Path) -> None:
    (here / "log").unlink()


def remap(here: Path) -> None:
    (here / "remapped").write_text("0000:10:1c.0, 0, 0\n0000:20:1c.0, 1, 0\n")


def wear_out(here: Path) -> None:
    (here / "remapped").write_text("0000:10:1c.0, 0, 0\n0000:20:1c.0, 1, 1\n")


def shut_a_port(here: Path) -> None:
    (here / "sys/class/infiniband/rdmap2s27/ports/1/state").write_text("1: DOWN\n")


def lose_the_cards(here: Path) -> None:
    (here / "sys/class/infiniband").rename(here / "elsewhere")


def unmount_lustre(here: Path) -> None:
    (here / "proc" / "mounts").write_text("/dev/md0 /scratch xfs rw 0 0\n")


def put_something_else_there(here: Path) -> None:
    (here / "proc" / "mounts").write_text("/dev/nvme0n1 /fsx ext4 rw 0 0\n")


def lose_scratch(here: Path) -> None:
    (here / "proc" / "mounts").write_text("10.0.0.1@tcp:/abcd /fsx lustre rw 0 0\n")


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lose_a_gpu, "reboot: 7 GPUs instead of 8"),
        (miscount, "reset: uncorrected ECC errors on GPU 2,5"),
        (remap, "reset: GPU 0000:20:1c.0 has rows to remap"),
        (wear_out, "replace: GPU 0000:20:1c.0 has no rows left to remap"),
        (lambda here: (here / "fails").touch(), "drain: nvidia-smi failed with status 15: Unable"),
        (needs_a_reset, "reset: GPU 3 does not tell its ECC errors: [GPU requires reset]"),
        (fell_off_the_bus, "reboot: GPU 3 does not tell its ECC errors: [Unknown Error]"),
        (say_nothing, "reboot: GPU 3 does not tell its ECC errors: nothing"),
        (list_nothing, "reboot: 0 GPUs instead of 8"),
        (drop_a_link, "reset: NVLink is down on GPU 0"),
        (narrow, "reboot: PCIe of GPU 5 has 8 lanes of 16"),
        (overheat, "drain: hardware slows GPU 6 down (hw_thermal_slowdown)"),
        (leave_a_process, "reboot: process 1 of no job is left on a GPU"),
        (leave_a_dead_process, "reset: process 4999999 of no job is left on a GPU"),
        (mute_the_log, "drain: journalctl failed with status 2"),
        (
            lambda here: (here / "no-fabric").touch(),
            "reboot: nvidia-fabricmanager is failed: CUDA fails with error 802",
        ),
        (lambda here: (here / "room").write_text("12"), "drain: 12 MiB are free on /, 1024 are"),
        (lambda here: (here / "room").write_text("?"), "drain: unknown MiB are free on /"),
        (shut_a_port, "reboot: 3 active EFA devices instead of 4"),
        (lose_the_cards, "reboot: 0 active EFA devices instead of 4"),
        (unmount_lustre, "drain: Lustre is not mounted at /fsx"),
        (put_something_else_there, "drain: Lustre is not mounted at /fsx"),
        (lose_scratch, "drain: no NVMe scratch at /scratch"),
        (lambda here: (here / "no-time").touch(), "drain: the clock is not synchronized"),
    ],
)
def test_an_unfit_node_is_drained_with_the_reason(
    node: ByHand, harm: Callable[[Path], None], reason: str
):
    """The operator reads it in `sinfo -R`; the job goes back to the queue without being held."""
    harm(node.here)

    assert node.start() == 0

    drained, *_, requeued = node.asked()
    begin = f"update NodeName={NODE} State=DRAIN Reason=ultracluster check: {reason}"
    assert drained.startswith(begin)
    assert requeued == "requeue 41"


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("hangs", "nvidia-smi did not answer within 2 s"),
        ("stuck", "Lustre at /fsx did not answer within 2 s"),
    ],
)
def test_what_hangs_is_not_waited_for(node: ByHand, file: str, words: str):
    """A process that is stuck in a driver does not even die by SIGKILL."""
    node.impatient()
    (node.here / file).touch()

    assert node.start() == 0

    assert words in node.asked()[0]
    assert node.asked()[-1] == "requeue 41"


PCI = "NVRM: Xid (PCI:0000:10:1c): "
SAYS = "154, GPU recovery action changed from 0x0 (None) to "


@pytest.mark.parametrize(
    ("lines", "action"),
    [
        # Of the application, or to be watched.
        (["31, pid=7, name=python"], None),
        (["63, pid=7, row remapped"], None),
        (["45, pid=7"], None),
        # By the catalogue.
        (["48, pid=7"], "reset: Xid 48 of 0000:10:1c"),
        (["119, pid=7"], "reset: Xid 119"),
        (["79, GPU has fallen off the bus."], "reboot: Xid 79"),
        (["54, power cable"], "replace: Xid 54"),
        (["48, pid=7", "79, gone"], "reboot: Xid 79"),
        # What 154 says is the authority, until something else happens.
        (["48, pid=7", SAYS + "0x2 (Node Reboot Required)"], "reboot: Xid 154"),
        (["79, gone", SAYS + "0x1 (GPU Reset Required)"], "reset: Xid 154"),
        (["31, pid=7", SAYS + "0x4 (Drain and Reset)"], "reset: Xid 154"),
        (["79, gone", "154, GPU recovery action changed from 0x2 (Reset) to 0x0 (None)"], None),
        ([SAYS + "0x0 (None)", "79, gone"], "reboot: Xid 79"),
    ],
)
def test_what_the_driver_logged_decides_by_nvidias_catalogue(
    node: ByHand, lines: list[str], action: str | None
):
    for line in lines:
        node.log(NODE, PCI + line)

    assert node.run() == 0

    drained = [each for each in node.asked() if each.startswith("update")]
    assert bool(drained) == (action is not None)
    assert not action or f"ultracluster check: {action}" in drained[0]


@pytest.mark.parametrize(
    ("line", "action"),
    [
        ("nvidia-nvswitch3: SXid (PCI:0000:c1:00.0): 20034, Fatal, Link 30 LTSSM Fault", "reset: "),
        ("nvidia-nvswitch3: SXid (PCI:0000:c1:00.0): 28006, Non-fatal, Link 46 MC TS", None),
        ("NVRM: Xid (0000:03:00): 48, an older driver's way to write it", "reset: "),
    ],
)
def test_switches_say_by_themselves_what_is_fatal(node: ByHand, line: str, action: str | None):
    node.log(NODE, line)

    assert node.health().startswith(f"ultracluster check: {action}" if action else "IDLE")


def test_another_gpu_is_not_excused_by_xid_154(node: ByHand):
    node.log(NODE, "NVRM: Xid (PCI:0000:20:1c): 79, gone")
    node.log(NODE, PCI + SAYS + "0x0 (None)")

    assert node.health() == "ultracluster check: reboot: Xid 79 of 0000:20:1c"


def test_a_driver_that_renamed_its_fields_is_asked_by_both_names(node: ByHand):
    """A name that is not known would otherwise drain every node of a cluster at once."""
    node.command(
        "nvidia-smi",
        "#!/bin/bash\n[[ $* != *throttle_reasons* ]] || "
        "{ echo 'Field \"x\" is not a valid field to query.'; exit 2; }\n"
        + (node.folder / "bin" / "nvidia-smi").read_text(),
    )
    assert node.start() == 0
    assert node.asked() == []


def test_a_busy_node_is_not_blamed_for_what_its_job_does(node: ByHand):
    """Its processes are on the GPUs, its memory is used and its scratch disk may be full."""
    (node.folder / "pids").write_text("PID JOBID STEPID LOCALID GLOBALID\n1 7 0 0 0\n")
    leave_a_process(node.here)
    overheat(node.here)
    (node.here / "proc" / "meminfo").write_text("MemTotal: 1000 kB\nMemAvailable: 9 kB\n")
    assert node.health() == "IDLE"

    shut_a_port(node.here)
    assert "3 active EFA devices" in node.health()


def test_memory_that_jobs_left_behind_is_found_on_an_idle_node(node: ByHand):
    (node.here / "proc" / "meminfo").write_text("MemTotal: 1000 kB\nMemAvailable: 300 kB\n")

    assert "30% of the memory of an idle node" in node.health()


def test_after_a_job_its_processes_on_the_gpus_are_found(node: ByHand):
    leave_a_process(node.here)

    assert node.run(SLURM_JOB_ID="41", SLURM_SCRIPT_CONTEXT="epilog_slurmd") == 0

    drained, rebooted = node.asked()
    assert "process 1 of no job is left on a GPU" in drained
    assert rebooted == f"reboot {NODE}"


NOBODYS = "58999"


@pytest.mark.parametrize(
    ("number", "listed", "said", "reason"),
    [
        (NOBODYS, None, "alice", f"user {NOBODYS} is unknown instead of alice"),
        (NOBODYS, None, "nobody", f"user {NOBODYS} is unknown"),
        (NOBODYS, f"alice {NOBODYS}", "nobody", f"user {NOBODYS} is unknown instead of al"),
        ("1", None, "alice", "user 1 is daemon instead of alice"),
        ("1", "alice 1", "daemon", "user 1 is daemon instead of alice"),
    ],
)
def test_a_node_with_another_user_of_the_jobs_number_is_drained(
    node: ByHand, number: str, listed: str | None, said: str, reason: str
):
    """The job would run with the rights of somebody else, or of nobody."""
    if listed:
        (node.folder / "boot" / "users").write_text(f"homes /fsx/home\nuser {listed}\n")

    assert node.start(SLURM_JOB_ID="41", SLURM_JOB_UID=number, SLURM_JOB_USER=said) == 0

    drained, requeued = node.asked()
    assert drained.startswith(
        f"update NodeName={NODE} State=DRAIN Reason=ultracluster check: drain: "
    )
    assert reason in drained
    assert requeued == "requeue 41"


@pytest.mark.parametrize("said", ["daemon", "nobody"])
@pytest.mark.parametrize("listed", ["", "user daemon 1\n", "user alice 2001\n"])
def test_a_user_whom_the_node_has_by_number_and_name_is_taken(node: ByHand, said: str, listed: str):
    """A controller that has no users calls all of them nobody."""
    if listed:
        (node.folder / "boot" / "users").write_text(listed)

    assert node.start(SLURM_JOB_ID="41", SLURM_JOB_UID="1", SLURM_JOB_USER=said) == 0
    assert node.asked() == []


@pytest.mark.parametrize("restarts", ["0", "1"])
def test_a_job_whose_user_no_node_knows_drains_no_more_nodes(node: ByHand, restarts: str):
    """Whom somebody added on a login node alone would drain one node after the other."""
    if restarts == "0":
        (node.folder / "boot" / "users").write_text("user alice 2001\n")
    job = {"SLURM_JOB_UID": NOBODYS, "SLURM_JOB_USER": "mallory", "SLURM_JOB_ID": "41"}

    assert node.start(**job, SLURM_JOB_RESTART_COUNT=restarts) == 0

    told, held = node.asked()
    assert told == f"update JobId=41 AdminComment=no node knows user {NOBODYS}"
    assert held == "requeuehold 41"


def test_a_job_that_cannot_be_requeued_is_stopped(node: ByHand):
    """It would otherwise start on the node that was just found unfit."""
    lose_a_gpu(node.here)
    (node.folder / "not-requeued").touch()

    assert node.start() == 1


def test_a_gpu_without_ecc_is_fit(node: ByHand):
    """nvidia-smi says so of a GPU whose ECC is switched off, and of none that is broken."""
    (node.here / "gpus").write_text("".join(f"{n}, [N/A]\n" for n in range(8)))

    assert node.start() == 0
    assert node.asked() == []


def test_an_image_with_several_slurms_has_the_prolog_use_its_own(node: ByHand):
    """PCS-ready images carry the three newest versions, and one of them is the cluster's.

    A PATH made of all of them named no folder at all: the node was found unfit, nothing drained
    it, and the job ran.
    """
    pcs = node.folder / "opt" / "aws" / "pcs" / "scheduler"
    for version in ("24.11", "25.05", "25.11"):
        binaries = pcs / f"slurm-{version}" / "bin"
        binaries.mkdir(parents=True)
        for name in ("scontrol", "squeue"):
            wrong = f"#!/bin/bash\necho {version} >>{node.folder}/wrong\nexit 1\n"
            (binaries / name).write_text(wrong)
            (binaries / name).chmod(0o755)
    own = pcs / "slurm-25.11" / "bin"
    for file in (node.folder / "bin").iterdir():
        (own / file.name).write_text(file.read_text())
        (own / file.name).chmod(0o755)
    conf = node.folder / "boot" / "node.conf"
    conf.write_text(conf.read_text().replace(f"SLURM_BIN={node.folder}/bin", f"SLURM_BIN={own}"))
    lose_a_gpu(node.here)

    assert node.start() == 0

    assert [line.split()[0] for line in node.asked()] == ["update", "reboot", "requeue"]
    assert not (node.folder / "wrong").exists()


@pytest.mark.parametrize("command", ["scontrol", "squeue"])
@pytest.mark.parametrize("does", ["exit 1", "exec sleep 600"])
def test_a_controller_that_does_not_answer_starts_no_job_on_an_unfit_node(
    node: ByHand, command: str, does: str
):
    """The prolog fails, and slurmd drains the node by itself."""
    node.impatient()
    lose_a_gpu(node.here)
    node.command(command, f"#!/bin/bash\n{does}\n")

    assert node.start() == 1


def test_a_node_whose_scontrol_ends_at_its_configuration_is_unfit(node: ByHand):
    """Nothing else may be wrong with it; but it could not be drained, nor a job be requeued."""
    node.command(
        "scontrol", "#!/bin/bash\necho 'fatal: Unable to process configuration file'; exit 1"
    )

    assert node.start() == 1


@pytest.mark.parametrize("command", ["scontrol", "squeue"])
def test_a_node_without_slurms_commands_is_unfit(node: ByHand, command: str):
    lose_a_gpu(node.here)
    (node.folder / "bin" / command).unlink()

    assert node.start() == 1


@pytest.mark.parametrize("missing", ["SLURM_BIN", "GPUS", "FABRIC_MANAGER", "EFA_DEVICES"])
def test_a_node_that_does_not_know_what_it_must_have_is_unfit(node: ByHand, missing: str):
    """What cannot be checked is not sound."""
    conf = node.folder / "boot" / "node.conf"
    conf.write_text("\n".join(w for w in conf.read_text().split() if not w.startswith(missing)))

    assert node.start() != 0


def test_a_node_without_its_description_is_unfit(node: ByHand):
    (node.folder / "boot" / "node.conf").unlink()

    assert node.start() != 0
