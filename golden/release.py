"""Build the wheel and the sdist of what is committed, and check them as a stranger meets them.

make release-check

Leaves both in build/release/dist, with a bill of materials (CycloneDX). A fault ends it.
"""

import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
DIST: Final = ROOT / "build" / "release" / "dist"
TOOLS: Final = Path(sys.executable).parent
PACKAGES: Final = {"constructs_lib", "ultracluster"}
LOCK: Final = ROOT / "requirements-rehearsal.txt"
PYTHON: Final = "Programming Language :: Python :: "


def run(*words: str | Path, cwd: Path = ROOT) -> str:
    """Run a program and return what it prints; the first that fails ends the check."""
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    return done.stdout


def build(folder: Path) -> tuple[Path, Path]:
    """Return the wheel and the sdist of the last commit; the wheel is made from the sdist."""
    folder.mkdir()
    run("git", "archive", "--output", folder / "commit.tar", "HEAD")
    with tarfile.open(folder / "commit.tar") as archive:
        archive.extractall(folder, filter="data")
    run(sys.executable, "-m", "build", "--outdir", DIST, folder)
    (wheel,), (sdist,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    return wheel, sdist


def expect(good: bool, words: str) -> None:  # noqa: FBT001 - an assertion that -O keeps
    """End the check where something is not as it must be."""
    if not good:
        sys.exit(words)


def check_contents(wheel: Path, sdist: Path) -> None:
    """Look into both: two packages, every file of theirs, and the licence."""
    names = set(zipfile.ZipFile(wheel).namelist())
    found = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    expect(found == PACKAGES, f"the wheel holds {sorted(found)}")
    tracked = run("git", "ls-files", *PACKAGES).split()
    missing = [n for n in tracked if n not in names and not (ROOT / n).is_symlink()]
    expect(not missing, f"the wheel lacks {missing}")
    expect(any(name.endswith("licenses/LICENSE") for name in names), "the wheel has no licence")
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    expect({"README.md", "LICENSE", "pyproject.toml"} <= inside, "the sdist is not complete")


def interpreters(project: dict[str, list[str]]) -> dict[str, str]:
    """Return each version of Python that is promised, with a program where one is here.

    Looked for on the path and among pyenv's; empty where none is, or it cannot make environments.
    """
    promised = [each.removeprefix(PYTHON) for each in project["classifiers"] if PYTHON in each]
    found = {}
    for version in (each for each in promised if "." in each):
        programs: list[str | Path | None] = [shutil.which(f"python{version}"), sys.executable]
        programs += sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        found[version] = next((str(each) for each in programs if each and _is(each, version)), "")
    return found


def _is(program: str | Path, version: str) -> bool:
    says = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([program, "-c", says], capture_output=True, text=True, check=False)
    return done.stdout.strip() == version


def check_installed(wheel: Path, folder: Path, python: str) -> None:
    """Install the wheel by the lock where nothing is, and call every verb."""
    run(python, "-m", "venv", folder / "venv")
    program = folder / "venv" / "bin"
    run(program / "pip", "install", "--quiet", "--require-hashes", "-r", LOCK)
    run(program / "pip", "install", "--quiet", "--no-deps", wheel)
    run(program / "pip", "check")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    shown = run(program / "ultracluster", "--version").strip()
    expect(shown == f"ultracluster {version}", f"--version says {shown}")
    listed = run(
        program / "python", "-c", "from ultracluster.cli import COMMANDS; print(*COMMANDS)"
    )
    for verb in listed.split():
        print(verb, "-", run(program / "ultracluster", verb, "--help").splitlines()[0])
    run(program / "ultracluster", "init", "first", cwd=folder)
    run(program / "ultracluster", "check", cwd=folder / "first")
    run(program / "python", "app.py", cwd=folder / "first")
    bill = DIST / "ultracluster.cdx.json"
    run(TOOLS / "cyclonedx-py", "environment", "--output-file", bill, program / "python")


def main() -> None:
    """Build, look, install; say what is still missing for a tag."""
    for old in DIST.glob("*"):
        old.unlink()
    with tempfile.TemporaryDirectory() as made:
        wheel, sdist = build(Path(made) / "source")
        print(run(TOOLS / "twine", "check", "--strict", wheel, sdist).strip())
        check_contents(wheel, sdist)
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        found = interpreters(project)
        for version, python in found.items():
            print(f"Python {version}: {python or 'not found here, and not checked'}")
            if python:
                (Path(made) / version).mkdir()
                check_installed(wheel, Path(made) / version, python)
        expect(any(found.values()), f"none of {', '.join(found)} is here")
    if "urls" not in project:
        print("Before the tag: write the address of the repository into [project.urls].")
    print(f"{wheel.name} and {sdist.name} are good; they lie in {DIST.relative_to(ROOT)}.")


if __name__ == "__main__":
    main()
