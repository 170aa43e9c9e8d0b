"""Pages are followed as a reader follows them, and print what they say.

python -m tests.docs.test_commands README.md      # writes what is printed now into a page
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Page
from tests.docs.templates import Templates
from tests.docs.terminal import Reader, refreshed, same
from tests.docs.warm import warm

READ_HERE = (
    "README.md",
    *(f"docs/{name}.md" for name in ("environments", "existing-vpc", "audit", "cost")),
)
"""Pages whose every command is run, in a copy of the repository's project."""
PROJECT = ("environments", "recipes", "examples", "golden", "app.py", "cdk.json", "Makefile")
COURSE = "docs/course.md"
INSTALLED = f"""
make() {{ command make --silent --old-file=.venv/rehearsal.stamp "$@"; }}
npm() {{ ln -s {ROOT}/node_modules node_modules; }}
"""
"""Whoever runs the tests has the virtual environment and the CDK CLI already."""


def project(folder: Path) -> Path:
    """Copy what a reader's clone has, so that a page may change its files."""
    for name in PROJECT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    return folder


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return what makes a terminal ready in which our own commands start at once.

    What the CDK CLI runs by itself is the project's own app.
    """
    programs = tmp_path_factory.mktemp("programs")
    with Templates(tmp_path_factory.mktemp("templates")) as templates, warm(programs):
        templates.install(programs)
        yield f"{INSTALLED}PATH={programs}:$PATH\n"


@pytest.mark.parametrize("name", READ_HERE)
def test_a_page_prints_what_it_says(name: str, before: str, tmp_path: Path):
    """Figures in a page grow old in silence."""
    page = Page(ROOT / name)

    assert page.unexplained() == []
    with Reader(project(tmp_path), before=before) as reader:
        reader.follow(page)


def test_the_course_is_as_it_says(before: str, tmp_path: Path):
    """From an empty folder to a destroyed cluster, with two terminals."""
    page = Page(ROOT / COURSE)

    assert page.unexplained() == []
    with Reader(tmp_path, before=before) as reader:
        reader.follow(page)


@pytest.mark.parametrize(
    ("expected", "printed", "alike"),
    [
        ("✓ cdk deploy  7.0 s\n", "✓ cdk deploy  11.4 s\n", True),
        ("✓ a  7.0 s\n✓ b  1 s\n", "✓ a  1.4 s\n✓ b  2 min 3 s\n", True),
        ("✓ Prove  1.1 s  157 checks\n", "✓ Prove  4.1 s  166 checks\n", False),
        ("one\n...\nthree\n", "one\ntwo\nthree\n", True),
        ("one\n...\nfour\n", "one\ntwo\nthree\n", False),
        ("one\n", "one\ntwo\n", False),
        ("started: dev-gpt-261124035933\n", "started: dev-gpt-261127110000\n", True),
    ],
)
def test_what_a_page_shows_is_compared(expected: str, printed: str, alike: bool):  # noqa: FBT001
    """Times and ids differ from run to run; figures do not."""
    assert same(expected, printed) is alike


def test_a_page_is_brought_up_to_date():
    """What it leaves out stays left out."""
    printed = "start\n12 resources\nother\n166 checks\nend\n"

    assert refreshed("start\n11 resources\n...\n157 checks\n...\n", printed) == (
        "start\n12 resources\n...\n166 checks\n...\n"
    )


if __name__ == "__main__":
    for given in sys.argv[1:]:
        shown = Page(Path(given).resolve())
        with tempfile.TemporaryDirectory() as made:
            empty = shown.name == COURSE
            folder = Path(made) if empty else project(Path(made))
            with Reader(folder, before=INSTALLED) as reader:
                shown.path.write_text(reader.follow(shown, refresh=True))
