"""Synthesize the examples with the lowest and the highest CDK that the wheel allows.

    python examples/versions.py          # make versions; takes a registry, and a few minutes

The lowest and the highest are those that the registry serves today.
"""

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
RANGES: Final = ("aws-cdk-lib", "cdk-nag", "constructs")
RESOLUTIONS: Final = {"lowest": "lowest-direct", "highest": "highest"}


def uv(*arguments: str) -> None:
    """Run uv, which resolves to lowest versions as well."""
    subprocess.run([sys.executable, "-m", "uv", *arguments], check=True)


def main() -> int:
    """Return how many examples failed."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
    ranges = project["optional-dependencies"]["cdk"]
    failed = 0
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        (work / "ranges.in").write_text("\n".join(ranges))
        uv("build", "--quiet", "--wheel", "--out-dir", str(work / "dist"), str(HERE.parent))
        (wheel,) = (work / "dist").glob("*.whl")
        for name, resolution in RESOLUTIONS.items():
            pins, venv = work / f"{name}.txt", work / name
            resolve = ["--resolution", resolution, "--no-header", "--no-annotate", "--quiet"]
            uv("pip", "compile", str(work / "ranges.in"), *resolve, "--output-file", str(pins))
            # Those three alone: the rest is whatever goes with them.
            chosen = [line for line in pins.read_text().split() if line.startswith(RANGES)]
            pins.write_text("\n".join(chosen))
            uv("venv", "--quiet", "--python", sys.executable, str(venv))
            python = venv / "bin" / "python"
            install = ["--quiet", "--python", str(python), "--constraint", str(pins)]
            uv("pip", "install", *install, f"{wheel}[cdk]")
            sys.stdout.write(f"{name}: {' '.join(chosen)}\n")
            for example in sorted(path.parent for path in HERE.glob("*/app.py")):
                done = subprocess.run(
                    [str(python), "app.py"],
                    cwd=example,
                    env={**os.environ, "CDK_OUTDIR": str(work / name / example.name)},
                    capture_output=True,
                    text=True,
                    check=False,
                )
                failed += bool(done.returncode)
                sys.stdout.write(f"  {example.name}: {'failed' if done.returncode else 'ok'}\n")
                sys.stdout.write(done.stderr if done.returncode else "")
    return failed


if __name__ == "__main__":
    sys.exit(main())
