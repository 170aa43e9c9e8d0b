"""The shipped prolog: what it finds on a node, what it says, and that it never hangs."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.slurm.machine import Machine

NODE = "n7"
SCONTROL = """#!/bin/bash
[[ $1 != show ]] || exit 0
printf '%s\\n' "$*" >>{folder}/asked
[[ $1 != requeue || ! -e {folder}/not-requeued ]]
"""
SQUEUE = """#!/bin/bash
if [[ -e {folder}/not-requeued ]]; then echo RUNNING; else echo PENDING; fi
"""


class Node(Machine):
    """A node without Slurm, on which the prolog is run by hand."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.mend(NODE)
        self.here = folder / NODE
        self.command("scontrol", SCONTROL.format(folder=folder))
        self.command("squeue", SQUEUE.format(folder=folder))

    def start(self, **job: str) -> int:
        """Run the prolog as slurmd does, and return its status."""
        environment = {"SLURMD_NODENAME": NODE, "PATH": "/usr/bin:/bin"}
        environment |= job or {"SLURM_JOB_ID": "41"}
        return subprocess.run([self.prolog], env=environment, timeout=60, check=False).returncode

    def asked(self) -> list[str]:
        """Return what the prolog asked the controller for."""
        file = self.folder / "asked"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node that is fit."""
    return Node(tmp_path)


def test_a_fit_node_is_left_alone(node: Node):
    assert node.start() == 0
    assert node.asked() == []


def test_a_health_check_drains_an_idle_node(node: Node):
    """Slurm runs it without a job: no job can be requeued, and none has to fail first."""
    lose_a_gpu(node.here)

    assert node.start(SLURM_CONF="/etc/slurm.conf") == 0

    (drained,) = node.asked()
    assert drained.startswith(f"update NodeName={NODE} State=DRAIN")


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
        (lose_a_gpu, "7 GPUs instead of 8"),
        (miscount, "uncorrected ECC errors on GPU 2,5; reset it, or replace the node"),
        (remap, "GPU 0000:20:1c.0 has rows to remap; reset it, or reboot"),
        (wear_out, "GPU 0000:20:1c.0 has no rows left to remap; replace the node"),
        (lambda here: (here / "fails").touch(), "nvidia-smi failed with status 15: Unable to"),
        (lambda here: (here / "hangs").touch(), "nvidia-smi did not answer within 2 s"),
        (needs_a_reset, "GPU 3 does not tell its ECC errors; reset it, or reboot"),
        (fell_off_the_bus, "GPU 3 does not tell its ECC errors; reset it, or reboot"),
        (
            lambda here: (here / "no-fabric").touch(),
            "nvidia-fabricmanager is failed: CUDA fails with error 802",
        ),
        (lambda here: (here / "room").write_text("12"), "12 MiB are free on /, 1024 are needed"),
        (lambda here: (here / "room").write_text("?"), "unknown MiB are free on /"),
        (shut_a_port, "3 active EFA devices instead of 4"),
        (lose_the_cards, "0 active EFA devices instead of 4"),
        (unmount_lustre, "Lustre is not mounted at /fsx"),
        (put_something_else_there, "Lustre is not mounted at /fsx"),
        (lambda here: (here / "stuck").touch(), "Lustre at /fsx did not answer within 1 s"),
        (lose_scratch, "no NVMe scratch at /scratch"),
        (lambda here: (here / "no-time").touch(), "the clock is not synchronized"),
    ],
)
def test_an_unfit_node_is_drained_with_the_reason(
    node: Node, harm: Callable[[Path], None], reason: str
):
    """The operator reads it in `sinfo -R`; the job goes back to the queue without being held."""
    harm(node.here)

    assert node.start() == 0

    drained, requeued = node.asked()
    begin = f"update NodeName={NODE} State=DRAIN Reason=ultracluster prolog: {reason}"
    assert drained.startswith(begin)
    assert requeued == "requeue 41"


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
    node: Node, number: str, listed: str | None, said: str, reason: str
):
    """The job would run with the rights of somebody else, or of nobody."""
    if listed:
        (node.folder / "boot" / "users").write_text(f"homes /fsx/home\nuser {listed}\n")

    assert node.start(SLURM_JOB_ID="41", SLURM_JOB_UID=number, SLURM_JOB_USER=said) == 0

    drained, requeued = node.asked()
    assert drained.startswith(f"update NodeName={NODE} State=DRAIN Reason=ultracluster prolog: ")
    assert reason in drained
    assert requeued == "requeue 41"


@pytest.mark.parametrize("said", ["daemon", "nobody"])
@pytest.mark.parametrize("listed", ["", "user daemon 1\n", "user alice 2001\n"])
def test_a_user_whom_the_node_has_by_number_and_name_is_taken(node: Node, said: str, listed: str):
    """A controller that has no users calls all of them nobody."""
    if listed:
        (node.folder / "boot" / "users").write_text(listed)

    assert node.start(SLURM_JOB_ID="41", SLURM_JOB_UID="1", SLURM_JOB_USER=said) == 0
    assert node.asked() == []


@pytest.mark.parametrize("restarts", ["0", "1"])
def test_a_job_whose_user_no_node_knows_drains_no_more_nodes(node: Node, restarts: str):
    """Whom somebody added on a login node alone would drain one node after the other."""
    if restarts == "0":
        (node.folder / "boot" / "users").write_text("user alice 2001\n")
    job = {"SLURM_JOB_UID": NOBODYS, "SLURM_JOB_USER": "mallory", "SLURM_JOB_ID": "41"}

    assert node.start(**job, SLURM_JOB_RESTART_COUNT=restarts) == 0

    told, held = node.asked()
    assert told == f"update JobId=41 AdminComment=no node knows user {NOBODYS}"
    assert held == "requeuehold 41"


def test_a_job_that_cannot_be_requeued_is_stopped(node: Node):
    """It would otherwise start on the node that was just found unfit."""
    lose_a_gpu(node.here)
    (node.folder / "not-requeued").touch()

    assert node.start() == 1


def test_a_gpu_without_ecc_is_fit(node: Node):
    """nvidia-smi says so of a GPU whose ECC is switched off, and of none that is broken."""
    (node.here / "gpus").write_text("".join(f"{n}, [N/A]\n" for n in range(8)))

    assert node.start() == 0
    assert node.asked() == []


def test_an_image_with_several_slurms_has_the_prolog_use_its_own(node: Node):
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

    assert [line.split()[0] for line in node.asked()] == ["update", "requeue"]
    assert not (node.folder / "wrong").exists()


@pytest.mark.parametrize("command", ["scontrol", "squeue"])
@pytest.mark.parametrize("does", ["exit 1", "exec sleep 600"])
def test_a_controller_that_does_not_answer_starts_no_job_on_an_unfit_node(
    node: Node, command: str, does: str
):
    """The prolog fails, and slurmd drains the node by itself."""
    lose_a_gpu(node.here)
    node.command(command, f"#!/bin/bash\n{does}\n")

    assert node.start() == 1


def test_a_node_whose_scontrol_ends_at_its_configuration_is_unfit(node: Node):
    """Nothing else may be wrong with it; but it could not be drained, nor a job be requeued."""
    node.command(
        "scontrol", "#!/bin/bash\necho 'fatal: Unable to process configuration file'; exit 1"
    )

    assert node.start() == 1


@pytest.mark.parametrize("command", ["scontrol", "squeue"])
def test_a_node_without_slurms_commands_is_unfit(node: Node, command: str):
    lose_a_gpu(node.here)
    (node.folder / "bin" / command).unlink()

    assert node.start() == 1


@pytest.mark.parametrize("missing", ["SLURM_BIN", "GPUS", "FABRIC_MANAGER", "EFA_DEVICES"])
def test_a_node_that_does_not_know_what_it_must_have_is_unfit(node: Node, missing: str):
    """What cannot be checked is not sound."""
    conf = node.folder / "boot" / "node.conf"
    conf.write_text("\n".join(w for w in conf.read_text().split() if not w.startswith(missing)))

    assert node.start() != 0


def test_a_node_without_its_description_is_unfit(node: Node):
    (node.folder / "boot" / "node.conf").unlink()

    assert node.start() != 0
