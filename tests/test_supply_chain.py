"""What is installed is what the lock files name: every version exact, every archive by its hash."""

import json
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = sorted(
    path
    for path in (*ROOT.glob("requirements*.txt"), *(ROOT / "training/torchtitan").glob("*.txt"))
)


def requirements(path: Path) -> list[str]:
    """Each requirement of a lock file with its options, on one line."""
    joined = path.read_text().replace("\\\n", " ")
    return [line for line in joined.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_requirement_of_a_lock_file_is_exact_and_has_a_hash(lock):
    entries = requirements(lock)
    assert entries
    loose = [
        entry
        for entry in entries
        if not re.match(r"[\w.-]+==[\w.+!-]+( ;.*?)? +--hash=sha256:", entry)
    ]
    assert loose == []


def test_the_lock_files_name_no_host():
    """A company's mirror serves the same archives; their hashes say so."""
    for lock in (*LOCKS, ROOT / "package-lock.json"):
        assert not re.search(r"https?://(?!github|opencollective)", lock.read_text()), lock


def test_every_package_of_npm_has_its_integrity():
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    named = {name: package for name, package in packages.items() if name}
    assert named
    assert [name for name, package in named.items() if not package.get("integrity")] == []


def commands(path: Path) -> list[str]:
    """Every command of a file that has pip install something, with its continued lines."""
    text = (
        path.read_text()
        .replace("\\\n", " ")
        .replace("$(INSTALL)", "pip install --quiet --require-hashes")
    )
    return [
        line.strip() for line in text.splitlines() if re.search(r"\binstall --|\bpip install", line)
    ]


@pytest.mark.parametrize("name", ["Makefile", ".ci/run", "action.yml", "training/image/Dockerfile"])
def test_nothing_is_installed_without_its_hash_but_the_project_itself(name):
    """`--no-deps --no-build-isolation` installs the folder alone, with the tool of the lock."""
    loose = [
        command
        for command in commands(ROOT / name)
        if "--require-hashes" not in command
        and not {"--no-deps", "--no-build-isolation"} <= set(shlex.split(command, comments=True))
        and "pip=(" not in command
        and not re.search(r"apt-get|npm|INSTALL :=|useradd", command)
    ]
    assert loose == []


def test_the_builds_own_tool_is_in_the_locks_that_build():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (tool,) = project["build-system"]["requires"]
    assert project["dependency-groups"]["build"] == [tool]
    for name in ("requirements-rehearsal.txt", "requirements-audit.txt", "requirements-dev.txt"):
        assert [entry for entry in requirements(ROOT / name) if entry.startswith(tool)], name


def test_an_archive_of_another_hash_is_refused(tmp_path):
    """What the locks rely on: pip compares, and does not install."""
    lock = tmp_path / "lock.txt"
    lock.write_text(f"ultracluster==0.1.0 --hash=sha256:{'0' * 64}\n")
    wheel = tmp_path / "ultracluster-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"not what was locked")
    command = ["pip", "download", "--no-index", "--no-deps", "--require-hashes"]
    done = subprocess.run(
        [*command, "--find-links", str(tmp_path), "--dest", str(tmp_path / "out"), "-r", str(lock)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
