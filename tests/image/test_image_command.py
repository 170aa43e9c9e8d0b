"""Today's image beside the pinned one, asked of an emulated AWS."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from environments.staging import STAGING
from ultracluster.catalogue.images import EXAMPLE_IMAGE, Difference, differences
from ultracluster.cli import main
from ultracluster.emulator.process import Emulator
from ultracluster.image.command import NoImageError, comparison

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.fixture
def file(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return staging as a file of a user's own, in an account that answers."""
    for name, value in emulator.environment().items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "mine.py"
    path.write_text((ROOT / "environments" / "staging.py").read_text())
    return path


def shown(capsys: pytest.CaptureFixture[str], *given: object, status: int = 0) -> dict[str, object]:
    """Return what the command prints as JSON."""
    assert main(["image", *map(str, given), "--format", "json"]) == status
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    return document


@pytest.mark.parametrize("value", ['ami-1", evil=f("', "ami-1\n", "\ud800", "", "/aws/other"])
def test_what_a_parameter_holds_is_no_python(value: str):
    """`--write` puts it into the environment's file."""
    cloud = SimpleNamespace(ask=lambda *_, **__: {"Parameter": {"Value": value}})

    with pytest.raises(NoImageError, match="not an image id"):
        comparison(STAGING, cloud, "nodes")


def test_a_day_that_brought_another_image_is_told_with_what_it_changes(
    file: Path, capsys: pytest.CaptureFixture[str]
):
    """Nothing is written unless it is asked for."""
    before = file.read_bytes()
    found = shown(capsys, file)

    assert found["pinned"] == EXAMPLE_IMAGE
    assert found["today"] != EXAMPLE_IMAGE
    whats = [each["what"] for each in found["differences"]]  # type: ignore[attr-defined]
    assert {"ImageId", "CreationDate", "Description"} <= set(whats)
    assert found["written"] is None
    assert file.read_bytes() == before
    assert main(["image", str(file)]) == 0
    text = capsys.readouterr().out
    assert "NVIDIA driver 595.91.07" in " ".join(text.split())
    assert f"ultracluster image {file} --write" in text


def test_written_once_nothing_differs_and_login_nodes_keep_theirs(
    file: Path, capsys: pytest.CaptureFixture[str]
):
    """The file is the one place; the next call finds what this one wrote."""
    today = shown(capsys, file, "--write")["today"]

    text = file.read_text()
    assert f'image="{today}"' in text
    assert f'login_image="{EXAMPLE_IMAGE}"' in text
    again = shown(capsys, file, "--write")
    assert (again["pinned"], again["differences"], again["written"]) == (today, [], None)
    shown(capsys, file, "--login", "--write")
    assert EXAMPLE_IMAGE not in file.read_text()
    assert main(["check", str(file)]) == 0


def test_an_image_that_the_account_lacks_is_a_problem_until_it_is_replaced(
    file: Path, capsys: pytest.CaptureFixture[str]
):
    """The example id of a file that was just copied, on a real account."""
    file.write_text(file.read_text().replace(EXAMPLE_IMAGE, "ami-0fedcba9876543210"))

    assert shown(capsys, file, status=1)["pinned_exists"] is False
    assert main(["image", str(file)]) == 1
    assert "no such image in this account" in capsys.readouterr().out
    assert shown(capsys, file, "--write")["written"] == str(file)


def test_the_repository_s_environments_are_found_by_their_name(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """A name stands for the file of the project that defines it."""
    folder = tmp_path / "environments"
    folder.mkdir()
    own = folder / "some.py"
    own.write_text(file.read_text())
    monkeypatch.chdir(tmp_path)

    assert shown(capsys, "staging", "--write")["written"] == str(own)
    assert f'image="{EXAMPLE_IMAGE}"' in file.read_text()


@pytest.mark.parametrize(
    ("change", "given", "words"),
    [
        (("slurm=SlurmSpec", "slurm=SlurmSpec"), ["--region"], "unrecognized arguments"),
        (
            ('login_image="ami-', 'login_instance_type=None, login_image="ami-'),
            ["--login"],
            "--login",
        ),
        (('image="ami-0123456789abcdef0",\n', "image=ID,\n"), ["--write"], "is not a text there"),
    ],
)
def test_a_mistake_is_one_line(
    file: Path,
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, str],
    given: list[str],
    words: str,
):
    """What cannot be found is not guessed."""
    text = 'ID = "ami-" + "0123456789abcdef0"\n' + file.read_text().replace(*change, 1)
    file.write_text(text)

    try:
        status = main(["image", str(file), *given])
    except SystemExit as ended:
        status = int(ended.code or 0)

    assert status == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ERROR ")
    assert words in line
    assert file.read_text() == text


def test_only_versions_that_one_alone_has_are_shown():
    """A description names fifty; the reader wants those that moved."""
    pinned = {"ImageId": "ami-1", "Description": "Driver 580, EFA 1.49. CUDA 13.0; Slurm 25.11"}
    today = {"ImageId": "ami-2", "Description": "Driver 595, EFA 1.49. CUDA 13.0; Slurm 25.11."}

    assert list(differences(pinned, today)) == [
        Difference("ImageId", "ami-1", "ami-2"),
        Difference("Description", "Driver 580", "Driver 595"),
    ]
