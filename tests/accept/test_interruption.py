"""What an acceptance made is taken away also after Ctrl-C, SIGTERM, SIGKILL and a lost network."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from environments.staging import STAGING
from tests.accept.conftest import World
from ultracluster.accept import journal
from ultracluster.aws import Account, CloudError
from ultracluster.cli import main
from ultracluster.exit_status import UsageError

ROOT = Path(__file__).parents[2]
HELD = 3
"""Two nodes, and the allocation that holds them."""


def arguments(world: World, *more: str) -> list[str]:
    """Return a command line of the world's own."""
    output = str(world.journal.parent)
    return ["accept", "staging", "--yes", "--patience", "0.02", "--output", output, *more]


def started(world: World, until: Callable[[], bool]) -> "subprocess.Popen[bytes]":
    """Start the stage of two nodes, and return it once it has come to something."""
    words = arguments(world, "--stage", "nodes")
    running = subprocess.Popen(
        [sys.executable, "-m", "tests.made_before", str(world.assembly), *words],
        cwd=ROOT,
        env={**os.environ, **world.settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not until():
        time.sleep(0.1)
    return running


def holding(world: World) -> Callable[[], bool]:
    """Return what says whether both nodes are there."""
    return lambda: len(world.left_in_account()) >= HELD


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_takes_away_what_it_made(world: World, sent: signal.Signals):
    """Two nodes cost 44 USD an hour."""
    running = started(world, holding(world))
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


def test_nodes_that_are_granted_after_an_interruption_are_taken_away(world: World):
    """Ctrl-C ends this program, and not the request for nodes that it made on the login node."""
    world.break_(late=1)
    running = started(world, lambda: "salloc" in world.nodes.asked)
    try:
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=120) == 130
    finally:
        running.kill()

    assert len(world.nodes.jobs) == 1
    assert world.left_in_account() == []
    assert json.loads(world.journal.read_text()) == []


def test_what_a_killed_run_left_is_taken_away_later(
    reached: World, capsys: pytest.CaptureFixture[str]
):
    """Nothing that runs in the process can do it: the journal can."""
    world = reached
    running = started(world, holding(world))
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


@pytest.mark.usefixtures("one_attempt")
def test_a_lost_network_leaves_a_journal(world: World, monkeypatch: pytest.MonkeyPatch):
    """It cannot be taken away while nobody answers; it is known what there is, and how."""
    monkeypatch.setattr(journal, "TRIES", 1)
    monkeypatch.setattr(world, "account", Account(STAGING.region, world.settings))

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


def test_what_nobody_was_asked_about_stays_known(world: World, monkeypatch: pytest.MonkeyPatch):
    """Without a token of SSO, which "does not exist", a thing was taken for one that is gone."""

    def unsigned(*_: object, **__: object) -> None:
        words = "Token for corp does not exist"
        raise CloudError("sqs", "delete_queue", "SSOTokenLoadError", words, answered=False)

    monkeypatch.setattr(journal, "TRIES", 1)
    monkeypatch.setitem(journal.REMOVERS, "queue", unsigned)
    scene = world.scene()
    scene.journal.will_make("queue", name="accept-other")

    assert [each["name"] for each in journal.clean_up(scene, world.said.append)] == ["accept-other"]


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


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[",
        "[5]",
        '[{"kind": []}]',
        '[{"kind": "nothing"}]',
        '[{"kind": "queue"}]',
        '[{"kind": "shell", "command": 5, "instance": ""}]',
    ],
)
def test_a_journal_that_is_none_is_one_line(text: str, tmp_path: Path):
    """What it names is taken away: nothing is guessed."""
    path = tmp_path / "journal.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="it was not written by this"):
        journal.Journal(path)
