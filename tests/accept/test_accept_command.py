"""`ultracluster accept`: its report, and what it refuses."""

import json

import pytest

from tests.accept.conftest import World
from tests.accept.test_interruption import arguments
from ultracluster.accept.report import document, page
from ultracluster.accept.scene import Scene
from ultracluster.accept.session import STAGES, Session
from ultracluster.cli import main


def test_the_report_can_be_filed(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """What was measured, what is settled by it, the commands, and that it was no AWS."""
    for name, value in world.settings.items():
        monkeypatch.setenv(name, value)
    assert main(arguments(world, "--stage", "login", "--format", "json")) == 0

    found = json.loads(capsys.readouterr().out)
    folder = world.journal.parent
    assert json.loads((folder / "report.json").read_text()) == found
    assert found["emulated"] is True
    facts = {fact["id"]: fact for fact in found["facts"]}
    confirmed = facts["slurm-by-link"]
    assert confirmed["verdict"] == "confirmed"
    assert confirmed["commands"] == ["root@login node: sinfo --noheader --format=%P | grep '\\*'"]
    assert facts["replies"]["verdict"] == "open"
    html = (folder / "report.html").read_text()
    assert "Emulated: no AWS account was asked." in html
    assert "locked memory of a login" in html


def test_a_fact_that_is_otherwise_is_refuted(world: World):
    """The report says so, with what was measured."""
    world.break_(ip=(0, "2: eth0 inet 10.1.0.9/22 dev eth1\n"))

    session = world.accept("nodes")

    (replies,) = [fact for fact in document(session)["facts"] if fact["id"] == "replies"]
    assert replies["verdict"] == "refuted"
    assert "wrong" in replies["measured"]
    assert any("ip route get" in command for command in replies["commands"])
    assert "refuted" in page(session)


def test_without_slurm_its_stages_are_no_pass(world: World):
    """What this program cannot look at is named."""
    scene = world.scene()
    spec = scene.spec.model_copy(update={"slurm": None})
    session = Session(Scene(**(vars(scene) | {"spec": spec})), world.said.append, lambda _: True)

    session.run([stage for stage in STAGES if stage.name == "nodes"])

    assert session.notes == ["nodes: staging has no Slurm; not accepted by this program"]
    assert session.status == 2


def test_nobody_who_answers_is_no_consent(
    reached: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A script without --yes starts nothing."""
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: PTH123, SIM115
    words = [word for word in arguments(reached, "--stage", "nodes") if word != "--yes"]

    assert main(words) == 2
    said = capsys.readouterr()
    assert "declined" in said.out
    assert "Start nodes? [y/N]" in said.err
    assert reached.left_in_account() == []
