"""The wheel in an empty environment, the foreign apps of examples/ beside it, its environments."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pydantic
import pytest
import yaml

import app as repository_app
from tests.wheel import wheel
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.loading import load

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path.parent.name for path in ROOT.glob("examples/*/app.py"))
ENVIRONMENTS = sorted(ROOT.glob("examples/environments/*.*"))
# Their own names, which once were ours in site-packages.
THEIRS = ("stacks", "environments", "operations", "planner", "training", "recipes")
FOLDERS = {
    "constructs_lib": "constructs_lib",
    "ultracluster": "ultracluster",
    "stacks": "constructs_lib/stacks",
    "training/launch/variables": "ultracluster/catalogue/job_environment",
    "training/torchtitan/layout": "ultracluster/catalogue/torchtitan",
}
"""What the wheel holds, by where it lies here; the last two are links."""
CACHE = ROOT / ".mypy_cache" / "3.11"
"""What mypy knows of aws-cdk-lib since it read the project, with the same settings."""


@dataclass(frozen=True)
class Installed:
    """An environment that has the wheel, and what it depends on."""

    wheel: Path
    folder: Path

    def run(self, program: str, *arguments: str, cwd: Path) -> str:
        """Run a program of the environment; what it wrote is shown where it fails."""
        done = subprocess.run(
            [str(self.folder / "bin" / program), *arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": "", "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Install the wheel where nothing else of the project is.

    Dependencies are those of this environment, by a .pth file, whose own editable installations
    Python does not follow.
    """
    work = tmp_path_factory.mktemp("wheel")
    folder = work / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    places = {sysconfig.get_path("purelib"), str(Path(pydantic.__file__).parents[1])}
    (site / "dependencies.pth").write_text("\n".join(places))
    made = wheel(tmp_path_factory)
    target = ["--python", str(folder / "bin/python"), "install", "--quiet", "--no-deps"]
    pip = [sys.executable, "-m", "pip", *target, "--no-compile", "--no-index"]
    subprocess.run([*pip, str(made)], check=True)
    return Installed(made, folder)


SYNTHESES = f"""
import os, runpy, shutil, sys
for folder in sys.argv[1:]:
    os.chdir(folder)
    sys.path[0] = folder
    for name in [each for each in sys.modules if each.partition('.')[0] in {THEIRS!r}]:
        del sys.modules[name]
    app = runpy.run_path('app.py', run_name='__main__')['app']
    shutil.copytree(app.synth().directory, 'cdk.out')
"""
"""The apps one after the other: Node, which most of a synthesis is, starts once for all of them,
with one folder and one environment."""


@pytest.fixture(scope="session")
def apps(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return copies of examples, synthesized beside packages with names that used to be ours."""
    work = tmp_path_factory.mktemp("theirs")
    for example in EXAMPLES:
        ignored = shutil.ignore_patterns("cdk.out")
        shutil.copytree(ROOT / "examples" / example, work / example, ignore=ignored)
        for name in THEIRS:
            (work / example / name).mkdir(exist_ok=True)
            (work / example / name / "__init__.py").touch()
    folders = {example: work / example for example in EXAMPLES}
    installed.run("python", "-c", SYNTHESES, *map(str, folders.values()), cwd=work)
    return folders


def test_the_wheel_holds_two_packages_and_all_of_their_files(installed: Installed):
    """Everyday names in site-packages hide those of an app; a file left out is missed later."""
    names = set(zipfile.ZipFile(installed.wheel).namelist())
    expected = {
        (Path(there) / path.relative_to(ROOT / here)).as_posix()
        for here, there in FOLDERS.items()
        for path in (ROOT / here).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    packages = {name for name in names if ".dist-info/" not in name}
    assert {name.split("/")[0] for name in packages} == {"constructs_lib", "ultracluster"}
    assert packages == expected


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_synthesizes_and_finds_no_fault(
    installed: Installed, apps: dict[str, Path], example: str
):
    """Nothing but the wheel, an own `stacks` package and no cdk.json: the app of a stranger."""
    app = apps[example]
    installed.run("ultracluster", "audit", "cdk.out", cwd=app)

    names = (*THEIRS, "constructs_lib", "ultracluster")
    where = f"import {', '.join(names)}; print({', '.join(f'{n}.__file__' for n in names)})"
    *found, ours, command = installed.run("python", "-c", where, cwd=app).split()
    assert found == [str(app / name / "__init__.py") for name in THEIRS]
    assert all(path.startswith(str(installed.folder)) for path in (ours, command))


@pytest.mark.parametrize("example", ["fabric", "slurm"])
def test_subnets_and_capacity_of_an_example_are_in_one_zone(apps: dict[str, Path], example: str):
    """Capacity of one zone beside subnets of whichever zone comes first would start no node."""
    (template,) = (apps[example] / "cdk.out").glob("*.template.json")
    resources = json.loads(template.read_text())["Resources"].values()
    placed = [r for r in resources if r["Type"].endswith(("::Subnet", "::CapacityReservation"))]

    assert {r["Properties"].get("AvailabilityZoneId") for r in placed} == {"use1-az6"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project's cache of types: aws-cdk-lib alone takes a minute to read."""
    copy = tmp_path_factory.mktemp("types")
    if CACHE.exists():
        shutil.copytree(CACHE, copy / CACHE.name)
    return copy


def test_examples_are_typed(installed: Installed, cache: Path, tmp_path: Path):
    """The wheel carries its types: mypy finds a wrong argument in their app before CDK does.

    One run reads them all, by names of their own: reading what CDK's types are takes seconds.
    """
    for example in EXAMPLES:
        folder = ROOT / "examples" / example
        shutil.copytree(folder / "stacks", tmp_path / f"{example}_stacks")
        text = (folder / "app.py").read_text()
        assert "from stacks import" in text
        (tmp_path / f"{example}_app.py").write_text(
            text.replace("from stacks import", f"from {example}_stacks import")
        )
    mypy = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
    python = ["--python-executable", str(installed.folder / "bin/python")]
    done = subprocess.run(
        [*mypy, "--strict", "--cache-dir", str(cache), *python, "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert f"no issues found in {2 * len(EXAMPLES)} source files" in done.stdout


def test_an_environment_to_start_from_passes_every_gate(tmp_path: Path):
    """Somebody copies it: it synthesizes as it is, with cdk-nag and the fabric rules."""
    specs = [spec for path in ENVIRONMENTS for spec in load(path, EnvironmentSpec)]

    assert len(specs) == len(ENVIRONMENTS) > 4
    repository_app.build(specs, outdir=str(tmp_path)).synth()


@pytest.mark.parametrize(
    "path", [p for p in ENVIRONMENTS if p.suffix == ".yaml"], ids=lambda path: path.name
)
def test_an_environment_as_data_fits_its_schema(path: Path):
    """An editor that completes by the schema must not call a sound file wrong."""
    schema = json.loads((ROOT / "docs/reference/environment.schema.json").read_text())

    jsonschema.validate(yaml.safe_load(path.read_text()), schema)
