"""nccl-acceptance.sbatch and deep-check.sbatch on a real Slurm: what they refuse, and repeat.

GPUs, nccl-tests and the judge of its log are stood in for; how the judge judges is tested with it.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.slurm.cluster import Slurm, whole
from tests.training.slurm.jobs import SCRIPTS

JUDGE = """#!/bin/bash
# Called as python -m training.launch acceptance LOG ...: the folder says how each run was.
[[ "$2 $3" == 'training.launch acceptance' ]] || exit 99
echo "judged $4 $5 $6 $7 $8"
exit "$(cat "{folder}/verdict-${{SLURM_RESTART_COUNT:-0}}" 2>/dev/null || echo 0)"
"""
PERF = """#!/bin/bash
echo "all_reduce_perf $*"
exit "$(cat "{folder}/crash-${{SLURM_RESTART_COUNT:-0}}" 2>/dev/null || echo 0)"
"""
DCGMI = (
    "#!/bin/bash\n[[ $SLURMD_NODENAME != {unfit} ]] || {{ echo 'Fail: GPU 3 memory'; exit 226; }}\n"
)


class Checked:
    """One job of a script that looks at nodes, with the commands that it finds there."""

    def __init__(self, slurm: Slurm, folder: Path, unfit: str = "none") -> None:
        self.slurm, self.folder, self.number = slurm, folder, 0
        (folder / "bin").mkdir()
        self.command("python", JUDGE.format(folder=folder))
        self.command("all_reduce_perf", PERF.format(folder=folder))
        self.command("dcgmi", DCGMI.format(unfit=unfit))
        self.command("nvidia-smi", "#!/bin/bash\nprintf 'GPU %s\\n' 0 1 2 3 4 5 6 7\n")

    def command(self, name: str, text: str) -> None:
        """Put a command before those of the system."""
        file = self.folder / "bin" / name
        file.write_text(text)
        file.chmod(0o755)

    def say(self, **answers: int) -> "Checked":
        """Have a stand-in end with a status at one start, `verdict_0=1` for the first."""
        for name, status in answers.items():
            (self.folder / name.replace("_", "-")).write_text(str(status))
        return self

    def submit(self, script: str, nodes: int, **variables: str) -> "Checked":
        """Submit a script as a user does."""
        path = f"{self.folder}/bin:{self.slurm.environment()['PATH']}"
        self.number = self.slurm.submit(
            SCRIPTS / f"{script}.sbatch",
            "p4d.24xlarge",
            options=(f"--nodes={nodes}", "--ntasks-per-node=1"),
            work=self.folder,
            PATH=path,
            ULTRACLUSTER_PYTHON=str(self.folder / "bin" / "python"),
            ULTRACLUSTER_MPI="none",
            ULTRACLUSTER_LOGS=".",
            ULTRACLUSTER_FOLDERS=str(self.folder),
            ULTRACLUSTER_TEST_MIB="16",
            ULTRACLUSTER_LEAST_MB_S=variables.get("least", "1"),
        )
        return self

    def end(self) -> tuple[str, str, str]:
        """Wait for the job, and return its state, exit status and restarts."""
        ended = self.slurm.ended(self.number)
        return ended["JobState"], ended["ExitCode"], ended["Restarts"]

    def output(self) -> str:
        """Return what the job has said."""
        return "".join(file.read_text() for file in self.folder.glob("*.out"))


@pytest.fixture(scope="module")
def jobs(session: Slurm, tmp_path_factory) -> Iterator[dict[str, Checked]]:
    """All of them, side by side: most of their time they wait to be started again."""

    def job(name: str, **given: str) -> Checked:
        return Checked(session, tmp_path_factory.mktemp(name), **given)

    with whole(session):
        acceptance, deep = "nccl-acceptance", "deep-check"
        made = {
            "sound": job("sound").submit(acceptance, 2),
            "slow once": job("once").say(verdict_0=1).submit(acceptance, 1),
            "slow twice": job("twice").say(verdict_0=1, verdict_1=1).submit(acceptance, 3),
            "crash": job("crash").say(crash_0=3, verdict_0=2).submit(acceptance, 1),
            "fit": job("fit").submit(deep, 2),
            "unfit": job("unfit", unfit="n2").submit(deep, 4),
            "slow disk": job("disk").submit(deep, 1, least="99999999"),
        }
        without = job("without")
        (without.folder / "bin" / "all_reduce_perf").unlink()
        made["no program"] = without.submit(acceptance, 1)
        made["cannot run"] = job("cannot").say(crash_0=126).submit(acceptance, 1)
        bare = job("bare")
        (bare.folder / "bin" / "dcgmi").unlink()
        made["unknown"] = bare.submit(deep, 1)
        yield made


Jobs = dict[str, Checked]


def test_a_sound_network_is_accepted_at_once(jobs: Jobs):
    job = jobs["sound"]

    assert job.end() == ("COMPLETED", "0:0", "0"), job.output()
    log = f"nccl-acceptance-{job.number}-0.log"
    assert f"judged ./{log} --instance p4d.24xlarge --nodes 2" in job.output()
    # 16 GiB and its copies do not fit the 40 GB of an A100.
    assert (job.folder / log).read_text() == "all_reduce_perf -b 8 -e 8G -f 2 -g 1\n" * 2


def test_what_is_slow_once_gets_a_second_run(jobs: Jobs):
    """Somebody else's traffic is over by then; a bad cable is not."""
    assert jobs["slow once"].end() == ("COMPLETED", "0:0", "1")


def test_what_is_slow_twice_is_refused(jobs: Jobs):
    job = jobs["slow twice"]

    assert job.end() == ("FAILED", "1:0", "1"), job.output()
    assert "UNSOUND: n" in job.output()


def test_pairs_of_slow_nodes_are_measured_to_name_the_one(jobs: Jobs):
    """Each node with the one before it and the one after: three pairs of three nodes."""
    job = jobs["slow twice"]

    job.end()
    name = f"./nccl-acceptance-{job.number}-1"
    pairs = sorted(path.name for path in job.folder.glob(f"{name[2:]}-*-*.log"))
    assert len(pairs) == 3
    judged = next(line for line in job.output().splitlines() if f"judged {name}-" in line)
    assert all(f"./{pair}" in judged for pair in pairs), "beside each other, by one call"
    around = [pair[len(name) - 1 : -4].split("-") for pair in pairs]
    assert all(sum(node in pair for pair in around) == 2 for pair in around for node in pair)
    text = (job.folder / pairs[0]).read_text()
    assert text == "all_reduce_perf -b 1G -e 8G -f 2 -g 1\n" * 2


def test_a_run_that_does_not_get_to_its_figures_is_repeated(jobs: Jobs):
    """A node that dies in it is replaced, and tells nothing of the others."""
    job = jobs["crash"]

    assert job.end() == ("COMPLETED", "0:0", "1"), job.output()
    assert "the run ended with 3 before its end; requeued" in job.output()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no program", "all_reduce_perf is not on this node; run training/slurm/prepare.sh"),
        ("cannot run", "all_reduce_perf could not be started (status 126)"),
    ],
)
def test_a_program_that_is_not_there_ends_the_job_at_once(jobs: Jobs, name: str, words: str):
    """Three starts of 512 nodes would find the same."""
    job = jobs[name]

    assert job.end() == ("FAILED", "2:0", "0"), job.output()
    assert words in job.output()


def test_fit_nodes_are_sound_in_all_respects(jobs: Jobs):
    job = jobs["fit"]

    assert job.end() == ("COMPLETED", "0:0", "0"), job.output()
    for words in ("GPUs: sound", "NVLink: judged", "sound, write at", "sound, read at"):
        assert job.output().count(words) == 2
    # Nothing is left of what was written.
    assert {p.name for p in job.folder.iterdir()} == {"bin", f"deep-check-{job.number}.out"}


def test_an_unfit_node_is_named_with_the_way_to_drain_it(jobs: Jobs):
    """The others are sound, and not held against it."""
    job = jobs["unfit"]

    assert job.end() == ("FAILED", "1:0", "0"), job.output()
    assert "n2: GPUs: UNSOUND by dcgmi diag: Fail: GPU 3 memory" in job.output()
    assert "UNSOUND: n2; an operator" in job.output()
    assert "scontrol update NodeName=n2 State=DRAIN" in job.output()


def test_a_slow_file_system_is_found(jobs: Jobs):
    job = jobs["slow disk"]

    assert job.end() == ("FAILED", "1:0", "0"), job.output()
    assert "UNSOUND, write at" in job.output()


def test_what_could_not_be_looked_at_is_not_sound(jobs: Jobs):
    """A check that is not installed checks nothing."""
    job = jobs["unknown"]

    assert job.end() == ("FAILED", "2:0", "0"), job.output()
    assert "GPUs: NOT KNOWN, dcgmi is not installed" in job.output()


@pytest.mark.parametrize("script", ["train", "nccl-acceptance", "deep-check"])
def test_a_script_without_an_argument_says_what_it_takes(script: str, tmp_path: Path):
    """As it is run by hand, outside of Slurm."""
    done = subprocess.run(
        ["/bin/bash", str(SCRIPTS / f"{script}.sbatch")],
        env={"PATH": "/usr/bin:/bin", "SLURM_JOB_ID": "1"},
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
    )

    assert done.returncode == 2
    assert "write sbatch" in done.stdout
