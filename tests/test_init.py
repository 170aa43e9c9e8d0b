"""What `ultracluster init` writes; the course (tests/docs) synthesizes, rehearses and grows it."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from ultracluster.cli import main, parser
from ultracluster.init.command import pins

ROOT = Path(__file__).parents[1]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Make a project, and run commands in its folder."""
    monkeypatch.chdir(tmp_path)
    assert main(["init", "my-first-2"]) == 0
    monkeypatch.chdir("my-first-2")
    capsys.readouterr()


@pytest.mark.usefixtures("made")
def test_a_project_works_as_it_is(capsys: pytest.CaptureFixture[str]):
    """Nothing has to be filled in before the first command: environment and job are sound."""
    assert main(["check"]) == 0
    assert "my-first-2" in capsys.readouterr().out
    assert main(["train", "recipes"]) == 0
    assert "first-job" in capsys.readouterr().out


@pytest.mark.usefixtures("made")
def test_the_placeholder_is_nowhere():
    """Another project's name in a file would be deployed."""
    files = [path for path in Path().rglob("*") if path.is_file()]

    assert len(files) > 8
    assert [path for path in files if "my-cluster" in f"{path}{path.read_text()}"] == []


@pytest.mark.usefixtures("made")
def test_versions_are_those_of_this_project():
    """The CDK CLI and every package that a rehearsal needs, each with one version."""
    cli = json.loads(Path("package.json").read_text())["devDependencies"]["aws-cdk"]
    ours = json.loads((ROOT / "package.json").read_text())["devDependencies"]["aws-cdk"]
    assert cli == ours

    lines = Path("requirements.txt").read_text().splitlines()
    names = [line.partition("==")[0] for line in lines]
    assert all(re.fullmatch(r"[a-z0-9.\[\]-]+==[0-9][\w.]*", line) for line in lines)
    assert len(set(names)) == len(names)
    lock = (ROOT / "requirements-rehearsal.txt").read_text()
    needed = {match[1] for match in re.finditer(r"^([\w.-]+)==[^;\\]+\\", lock, re.MULTILINE)}
    # The tool of this project's own build is in the lock as well.
    assert needed - {"setuptools"} <= {*names}


@pytest.mark.usefixtures("made")
def test_every_command_of_the_workflow_exists():
    """It runs for the first time where nobody looks."""
    workflow = yaml.safe_load(Path(".github/workflows/environments.yml").read_text())
    steps = workflow["jobs"]["review"]["steps"]
    lines = [line for step in steps for line in step.get("run", "").splitlines()]
    words = [shlex.split(line.partition("||")[0])[1:] for line in lines if "ultracluster " in line]

    assert [each[0] for each in words] == ["check", "audit", "review", "rehearse"]
    for each in words:
        assert parser(each).parse_args(each).command == each[0]


def test_a_project_in_the_folder_itself_needs_no_cd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")

    assert main(["init", "."]) == 0
    assert "Next: npm install, ultracluster rehearse mine.\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("there", "there: the folder exists and is not empty; name another folder"),
        ("There_2", "There_2: got There_2, which becomes the environment's name; write at most 24"),
        ("a-name-that-is-far-too-long", "write at most 24 small letters, digits and single dashes"),
    ],
)
def test_what_cannot_be_a_project_is_refused_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    says: str,
):
    """Nothing of somebody's folder is overwritten."""
    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    Path("there/app.py").write_text("mine")

    assert main(["init", name]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ERROR ")
    assert says in line
    assert [path.name for path in Path().rglob("*") if path.is_file()] == ["app.py"]


def test_packages_of_an_extra_are_pinned_with_it_alone():
    """Whoever does not rehearse needs no emulator."""
    assert "ministack" not in pins("ultracluster")
    assert "ministack" in pins("ultracluster[rehearse]")
