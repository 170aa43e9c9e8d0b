"""What the documentation says is run, and what it names exists."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
BASES = "Construct|LustreFileSystem|NodeTemplate|OwnSecurityGroup"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def block(marker: str) -> str:
    """Return the README's Python example that holds a word."""
    (found,) = [text for text in BLOCKS if marker in text]
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the project as pip installs it, and nothing else of it."""
    sources, wheels, target = (
        tmp_path_factory.mktemp("project") / name for name in ("sources", "wheels", "site")
    )
    # setuptools builds in place and would leave its folders in the repository.
    left_out = shutil.ignore_patterns(".*", "node_modules", "cdk.out", "build", "*.egg-info")
    shutil.copytree(ROOT, sources, ignore=left_out)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--wheel-dir", str(wheels), str(sources)], check=True)
    (wheel,) = wheels.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(target)
    return target


def test_a_construct_works_in_a_stack_outside_the_repository(installed: Path, tmp_path: Path):
    """The example of the README, run by somebody who has only installed the project."""
    example = block("FabricSecurityGroup(stack")
    where = "import constructs_lib; print(constructs_lib.__file__)"
    (tmp_path / "theirs.py").write_text(f"{example}\n{where}\n")
    # The repository and its editable installation are taken off the path: what is found is the
    # installed copy, or nothing.
    lines = (
        "import sys",
        f"sys.path = [{str(installed)!r}, *(p for p in sys.path if p != {str(ROOT)!r})]",
        "sys.meta_path = [f for f in sys.meta_path if 'editable' not in str(f).lower()]",
        "exec(open('theirs.py').read())",
    )

    done = subprocess.run(
        [sys.executable, "-P", "-c", "\n".join(lines)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert str(installed) in done.stdout
    assert len(example.splitlines()) <= 17


def test_the_example_environment_works():
    """Somebody copies it, so it must hold."""
    namespace: dict[str, object] = {}
    exec(block("MINE = EnvironmentSpec"), namespace)  # noqa: S102 - our own README

    assert getattr(namespace["MINE"], "name", None) == "mine"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path):
    """A link to a file names one that is there."""
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())

    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_construct_is_documented():
    """A construct that nobody hears of is not used."""
    defined = {
        name
        for path in (ROOT / "constructs_lib").glob("*.py")
        for name in re.findall(rf"^class (\w+)\((?:{BASES})\)", path.read_text(), re.MULTILINE)
    }
    # A part of the two networks, and what LustreStorage is to its clients.
    helpers = {"Endpoints", "LustreFileSystem"}

    page = (ROOT / "docs" / "constructs.md").read_text()
    missing = {name for name in defined - helpers if f"`{name}`" not in page}
    assert missing == set()


def test_every_make_target_of_the_readme_exists():
    """A command that is promised can be run."""
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))

    assert named
    assert [name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


def test_every_decision_has_a_status_and_gives_its_reasons():
    """A record is read by whoever wants to undo it."""
    records = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))

    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    for path in records:
        assert "accepted" in path.read_text(), path.name
