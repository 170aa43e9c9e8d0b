"""What jobs run on, put on a shared file system: prepare.sh with an index and compilers of its own.

PyTorch is a stand-in of a few files, and so are git and make: what pip, Python's environments,
links and locks do is real. nccl-tests itself can be built only where CUDA and Open MPI are.
"""

import os
import shutil
import stat
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.training.slurm.cluster import ROOT

PREPARE = ROOT / "training" / "slurm" / "prepare.sh"
LOCK = ROOT / "training" / "image" / "image.lock.json"
METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
NCCL = {"nvidia/nccl/__init__.py": "", "nvidia/nccl/lib/libnccl.so.2": "nccl"}
GIT = '#!/bin/bash\necho "git $*" >>"{folder}/said"\n[[ $1 != init ]] || mkdir -p "$3/build"\n'
MAKE = """#!/bin/bash
echo "make $*" >>"{folder}/said"
while [[ $1 != -C ]]; do shift; done
echo built >"$2/build/all_reduce_perf"
chmod +x "$2/build/all_reduce_perf"
"""


def wheel(folder: Path, name: str, version: str, **files: str) -> None:
    """Write a distribution of a few files."""
    info = f"{name}-{version}.dist-info"
    texts = {
        f"{name}/__init__.py": "",
        **files,
        f"{info}/METADATA": METADATA.format(name=name, version=version),
        f"{info}/WHEEL": WHEEL,
    }
    record = "".join(f"{path},,\n" for path in (*texts, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in (texts | {f"{info}/RECORD": record}).items():
            archive.writestr(path, text)


class Place:
    """A shared file system, an index, and what a node has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "fsx of o'brien" / "ultracluster"
        self.said = folder / "said"
        self.settings = {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(folder / "index"),
            "ULTRACLUSTER_TORCH_INDEX": "",
            "CUDA_HOME": str(folder / "cuda"),
            "MPI_HOME": str(folder / "mpi"),
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
        }
        (folder / "index").mkdir()
        wheel(folder / "index", "torch", "2.13.0", **NCCL)
        wheel(folder / "index", "numpy", "2.4.6")

    def program(self, path: str, text: str = "#!/bin/bash\n") -> None:
        """Put a program on the node."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format(folder=self.folder))
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    def with_compilers(self) -> None:
        self.program("cuda/bin/nvcc")
        self.program("bin/git", GIT)
        self.program("bin/make", MAKE)
        (self.folder / "mpi" / "include").mkdir(parents=True)
        (self.folder / "mpi" / "include" / "mpi.h").touch()

    def run(self, *command: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run something as a user does who has no settings of Python or pip."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON"))}
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**inherited, **self.settings, **settings},
            capture_output=True,
            text=True,
            check=False,
        )

    def prepare(self, script: Path, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return self.run("bash", script, self.home, **settings)

    def prepared(self, **settings: str) -> str:
        done = self.prepare(PREPARE, settings)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, str]:
    """A node without compilers has prepared it, and said so; tests add to what is there."""
    place = Place(tmp_path_factory.mktemp("first"))
    return place, place.prepared()


def test_jobs_find_interpreter_program_and_job_files(first: tuple[Place, str]):
    """On a node without compilers: all but nccl-tests, and that is said."""
    place, said = first

    assert "nccl-tests is not built" in said
    assert "PyTorch 2.13.0" in said
    python = place.home / "venv" / "bin" / "python"
    code = "import training.launch, torch; print(training.__path__[0])"
    done = place.run(python, "-c", code)
    assert done.stdout.startswith(str(place.home.resolve()))
    assert (place.home / "slurm" / "train.sbatch").is_file()


def test_a_second_run_changes_nothing_and_a_gpu_node_adds_what_was_missing(
    first: tuple[Place, str],
):
    """A user may run it again without thinking."""
    place, _ = first
    (version,) = (place.home / "versions").iterdir()
    before = (version / "venv" / "pyvenv.cfg").stat().st_mtime_ns
    assert not (place.home / "bin" / "all_reduce_perf").exists()
    place.with_compilers()
    place.prepared()
    place.prepared()

    assert (version / "venv" / "pyvenv.cfg").stat().st_mtime_ns == before
    assert list((place.home / "versions").iterdir()) == [version]
    assert (place.home / "bin" / "all_reduce_perf").is_file()
    said = place.said.read_text()
    assert said.count("make ") == 1
    assert "fetch --quiet --depth 1 https://github.com/NVIDIA/nccl-tests a0b82b2260cf" in said
    assert "MPI=1" in said


def test_another_lock_is_another_version_and_what_runs_keeps_its_own(first: tuple[Place, str]):
    """A job that is running has the interpreter that it was started with."""
    place, _ = first
    before = (place.home / "venv").resolve()
    wheel(place.folder / "index", "torch", "2.13.1", **NCCL)
    lock = place.folder / "lock.json"
    lock.write_text(LOCK.read_text().replace('"2.13.0"', '"2.13.1"'))

    assert "PyTorch 2.13.1" in place.prepared(ULTRACLUSTER_LOCK=str(lock))

    assert (before / "bin" / "python").exists()
    assert (place.home / "venv").resolve() != before


def test_a_version_that_was_not_finished_is_made_anew_and_never_seen(place: Place):
    """A node may die in the middle of it."""
    index = place.folder / "index"
    shutil.move(index / "numpy-2.4.6-py3-none-any.whl", place.folder)
    assert place.prepare(PREPARE, {}).returncode != 0
    assert not (place.home / "venv").exists()

    shutil.move(place.folder / "numpy-2.4.6-py3-none-any.whl", index)
    place.prepared()
    assert (place.home / "venv" / "bin" / "python").exists()


def test_without_a_checkout_the_program_is_installed_from_what_is_named(place: Place):
    """As an image's build does, which has the script and the lock alone."""
    alone = place.folder / "alone" / "slurm"
    alone.mkdir(parents=True)
    shutil.copy(PREPARE, alone)
    jobs = {"training/slurm/train.sbatch": "#!/bin/bash\n"}
    wheel(place.folder / "index", "training", "0.1.0", **jobs)
    settings = {"ULTRACLUSTER_LOCK": str(LOCK), "ULTRACLUSTER_PROGRAM": "training==0.1.0"}
    done = place.prepare(alone / "prepare.sh", settings)

    assert done.returncode == 0, done.stderr
    assert (place.home / "slurm" / "train.sbatch").is_file()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ULTRACLUSTER_LOCK": "/nowhere"}, "/nowhere: no such lock"),
        ({"ULTRACLUSTER_PYTHON": "python1"}, "python1: no such interpreter"),
        ({"ULTRACLUSTER_PYTHON": "false"}, "false is older than 3.11"),
    ],
)
def test_a_mistake_is_one_line(place: Place, settings: dict[str, str], words: str):
    done = place.prepare(PREPARE, settings)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert words in line


def test_a_folder_that_nobody_can_write_to_is_named(place: Place):
    """A file stands in the way here; root may write everywhere else."""
    place.home.parent.parent.mkdir(exist_ok=True)
    place.home.parent.write_text("")

    done = place.prepare(PREPARE, {})

    assert (done.returncode, "cannot be written to" in done.stderr) == (2, True)
