"""The rehearsal of the image's build: what it asks buildah for. `make image-rehearsal` builds."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from training.image.build import lock

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "training/image/Dockerfile"
SCRIPT = ROOT / "tests/training/image/rehearse.sh"

BUILDAH = """#!/bin/sh
printf '%s\\t' "$@" >>"$LOG"
echo >>"$LOG"
case "$1" in
  inspect) case "$*" in *made_of*) echo 0123456789ab ;; *) echo "$CONFIGURATION" ;; esac ;;
  from) echo container ;;
  run) exit "$ENDS" ;;
esac
"""
"""In buildah's place, with a stand-in of the base that is there already."""


@pytest.fixture
def rehearse(tmp_path):
    """Run the script with its programs replaced; return its status and buildah's commands."""
    programs = {
        "buildah": BUILDAH,
        "mmdebstrap": "#!/bin/sh\n",
        "id": "#!/bin/sh\necho 0\n",
        "sha256sum": "#!/bin/sh\ncat >/dev/null\necho 0123456789ab\n",
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def run(ends: int) -> tuple[int, list[list[str]]]:
        log = tmp_path / "log"
        environment = {
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "PYTHON312": sys.executable,
            "LOG": str(log),
            "ENDS": str(ends),
            "CONFIGURATION": json.dumps({"OCIv1": {"config": {"Cmd": ["python"]}}}),
        }
        done = subprocess.run([SCRIPT], env=environment, capture_output=True, check=False)
        return done.returncode, [line.split("\t")[:-1] for line in log.read_text().splitlines()]

    return run


def test_the_unmodified_dockerfile_is_built_for_both_targets_in_both_variants(rehearse):
    """Only what a user may set is set: arguments that the Dockerfile declares."""
    status, commands = rehearse(0)
    assert status == 0
    builds = [command for command in commands if command[0] == "build"]
    declared = set(re.findall(r"^ARG (\w+)=", DOCKERFILE.read_text(), re.MULTILINE))
    version = lock()["torchtitan"]["version"]
    built = []
    for command in builds:
        assert ROOT / command[command.index("--file") + 1] == DOCKERFILE
        assert command[-1] == "."
        arguments = dict(re.findall(r"(?<=--build-arg )(\w+)=(\S*)", " ".join(command)))
        assert set(arguments) <= declared
        built.append((command[command.index("--target") + 1], arguments["TORCHTITAN_VERSION"]))
    assert built == [(t, v) for t in ("cluster", "sagemaker") for v in ("", version)]
    runs = [command for command in commands if command[0] == "run"]
    assert len(runs) == 4
    assert all("STARTS=python" in command for command in runs)


def test_an_image_that_does_not_run_ends_the_rehearsal(rehearse):
    """With the status of what was tried, and without the container."""
    status, commands = rehearse(7)
    assert status == 7
    assert [command[0] for command in commands[-2:]] == ["run", "rm"]


def test_the_stand_in_has_the_compiler_of_the_lock_s_cuda():
    """Only the wheels' own patch level differs from the toolkit's."""
    text = (ROOT / "tests/training/image/toolkit.txt").read_text()
    wanted = str(lock()["pins"]["cuda"]["version"]).rpartition(".")[0]
    versions = re.findall(r"^[\w-]+==([\d.]+)", text, re.MULTILINE)
    assert versions
    assert all(version.startswith(f"{wanted}.") for version in versions)
