"""What an acceptance made is taken away also after Ctrl-C, SIGTERM, SIGKILL and a lost network."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.accept.conftest import World
from ultracluster.accept import journal
from ultracluster.cli import main

ROOT = Path(__file__).parents[2]
HELD = 3
"""Two nodes, and the allocation that holds them."""


def arguments(world: World, *more: str) -> list[str]:
    """Return a command line of the world's own."""
    output = str(world.journal.parent)
    return ["accept", "staging", "--yes", "--patience", "0.02", "--output", output, *more]


def started(world: World) -> "subprocess.Popen[bytes]":
    """Start the stage of two nodes, and return it once it holds them."""
    running = subprocess.Popen(
        [sys.executable, "-m", "ultracluster.cli", *arguments(world, "--stage", "nodes")],
        cwd=ROOT,
        env={**os.environ, **world.settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and len(world.left_in_account()) < HELD:
        time.sleep(0.1)
    return running


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_takes_away_what_it_made(world: World, sent: signal.Signals):
    """Two nodes cost 44 USD an hour."""
    running = started(world)
    try:
        assert len(world.left_in_account()) == HELD
        running.send_signal(sent)
        assert running.wait(timeout=120) == 130
    finally:
        running.kill()

    assert world.left_in_account() == []
    report = json.loads((world.journal.parent / "report.json").read_text())
    assert "interrupted" in report["notes"][0]
    assert report["exit_status"] == 2


def test_what_a_killed_run_left_is_taken_away_later(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Nothing that runs in the process can do it: the journal can."""
    for name, value in world.settings.items():
        monkeypatch.setenv(name, value)
    running = started(world)
    running.kill()
    running.wait()
    assert len(world.left_in_account()) == HELD

    assert main(arguments(world)) == 2
    assert "things of an earlier run are there; run ultracluster accept staging --clean-up" in (
        capsys.readouterr().err
    )
    assert main(arguments(world, "--clean-up")) == 0
    assert world.left_in_account() == []
    assert json.loads(world.journal.read_text()) == []


def test_a_lost_network_leaves_a_journal(world: World, monkeypatch: pytest.MonkeyPatch):
    """It cannot be taken away while nobody answers; it is known what there is, and how."""
    monkeypatch.setattr(journal, "TRIES", 1)

    def lose(operation: str) -> None:
        world.door.silent |= operation == "GetCommandInvocation"

    world.door.before = lose
    session = world.accept("nodes")

    assert session.results[-1].verdict == "no answer"
    assert session.status == 2
    assert [entry["kind"] for entry in session.left] == ["shell"]
    assert "scancel" in session.left[0]["command"]

    world.door.silent, world.door.before = False, lambda _: None
    assert journal.clean_up(world.scene(), world.said.append) == []
    assert world.left_in_account() == []


def test_what_cannot_be_taken_away_stays_known(world: World):
    """A refusal is not taken for a success."""
    scene = world.scene()
    scene.journal.will_make("queue", name="accept-other")
    scene.ask("sqs", "create_queue", QueueName="accept-other")
    world.door.refused = {"DeleteQueue"}

    left = journal.clean_up(scene, world.said.append)
    assert [entry["name"] for entry in left] == ["accept-other"]
    assert json.loads(world.journal.read_text()) == left

    world.door.behave()
    assert journal.clean_up(world.scene(), world.said.append) == []
    assert world.left_in_account() == []
