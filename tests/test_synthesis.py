"""Templates made in a child: it ends in time and with its parent, in a clean environment."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from environments.dev import DEV
from ultracluster.synthesis import (
    ONE_THREAD,
    Synthesis,
    SynthesisError,
    package_cache,
    spare_node_threads,
)

ROOT = Path(__file__).parents[1]


def test_a_synthesis_that_takes_too_long_is_not_waited_for():
    """A command ends in time; the child ends with it, and nothing of it is left."""
    with Synthesis(DEV, None, seconds=0.0) as synthesis:
        directory = synthesis.directory
        with pytest.raises(SynthesisError, match="more than 0 s"):
            synthesis.stage()

    assert not directory.exists()


def test_without_node_it_says_what_to_run(monkeypatch: pytest.MonkeyPatch):
    """Whoever only asks an account need not install what synthesizes."""
    monkeypatch.setattr("ultracluster.synthesis.shutil.which", lambda *_, **__: None)
    with (
        Synthesis(DEV, None) as synthesis,
        pytest.raises(SynthesisError, match=r"pip install 'ultracluster\[rehearse\]'"),
    ):
        synthesis.stage()


def test_what_the_child_refuses_is_the_reason():
    """The parent says what the child said, and not that it ended."""
    nobodys = DEV.model_copy(update={"name": "nobodys"})
    with (
        Synthesis(nobodys, None) as synthesis,
        pytest.raises(SynthesisError, match="nobodys: no such environment; write dev, "),
    ):
        synthesis.stage()


def test_a_home_that_cannot_be_written_is_done_without(tmp_path: Path):
    """CI runs as users without a home; jsii fails with a trace where its cache cannot be made."""
    (tmp_path / "file").touch()

    assert package_cache(tmp_path / "file") == {"JSII_RUNTIME_PACKAGE_CACHE": "disabled"}
    assert package_cache(tmp_path / "home") == {}


def test_no_profile_of_a_user_reaches_the_child(monkeypatch: pytest.MonkeyPatch):
    """Whatever runs there; tests/test_wheel.py has a user's file synthesized in an empty folder."""
    program = """
import os, pathlib
folder = pathlib.Path(os.environ["CDK_OUTDIR"], "assembly-dev")
folder.mkdir(parents=True)
(folder / "names.template.json").write_text(" ".join(os.environ))
"""
    command = [sys.executable, "-c", program]
    monkeypatch.setattr("ultracluster.synthesis.synthesize_command", lambda _: command)
    monkeypatch.setenv("AWS_PROFILE", "production")

    with Synthesis(DEV, None) as synthesis:
        (found,) = synthesis.stage().iterdir()
        names = found.read_text().split()
        assert not synthesis.refused

    assert "CDK_CONTEXT_JSON" in names
    assert not [name for name in names if name.startswith("AWS_")]


def test_options_of_node_that_a_user_has_set_stay(monkeypatch: pytest.MonkeyPatch):
    """Who has given Node more memory for a large app keeps it."""
    monkeypatch.setenv("NODE_OPTIONS", "--max-old-space-size=8192")

    spare_node_threads()

    assert os.environ["NODE_OPTIONS"].split() == [ONE_THREAD, "--max-old-space-size=8192"]


def test_the_child_ends_when_its_parent_is_killed(tmp_path: Path):
    """A killed review leaves no Node behind; so it was for preflight, and not for review."""
    program = """
        import sys, time
        from environments.dev import DEV
        from ultracluster.synthesis import Synthesis
        with Synthesis(DEV, None):
            print("started", flush=True)
            time.sleep(60)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "started\n"
    children = psutil.Process(parent.pid).children(recursive=True)
    assert children
    parent.send_signal(signal.SIGKILL)
    parent.wait()

    latest = time.monotonic() + 10
    while any(child.is_running() for child in children) and time.monotonic() < latest:
        time.sleep(0.05)
    assert [child.cmdline() for child in children if child.is_running()] == []
