"""What a host of the repository reads: workflows, forms, the container, hooks of a commit."""

import json
import re
from pathlib import Path

import pytest
import yaml
from pre_commit.clientlib import load_config

ROOT = Path(__file__).parents[1]
WRITTEN = ROOT / "ultracluster" / "init" / "project" / "dot-github" / "workflows"
PLACES = (ROOT / ".github" / "workflows", WRITTEN, ROOT / "examples" / "delivery")
WORKFLOWS = sorted(path for place in PLACES for path in place.glob("*.yml"))
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*")
MAKEFILE = (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_takes_no_more_than_it_needs(path: Path):
    """A moved tag of somebody's action would run with our rights; what it asks make for exists."""
    text = path.read_text()
    workflow = yaml.safe_load(text)

    assert workflow["permissions"] == {"contents": "read"}
    used = re.findall(r"uses: (.+)", text)
    assert used
    assert [each for each in used if not PINNED.fullmatch(each)] == []
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            if "checkout@" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False
            for target in re.findall(r"^make ([\w-]+)", step.get("run", ""), re.MULTILINE):
                assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


def test_a_release_is_built_without_a_secret():
    """The index trusts the workflow itself, and only the job that publishes may ask for that."""
    jobs = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())["jobs"]

    assert "secrets." not in (ROOT / ".github/workflows/release.yml").read_text()
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["publish"]["environment"] == "release"
    assert jobs["publish"]["needs"] == "build"


@pytest.mark.parametrize("path", sorted(ROOT.glob(".github/ISSUE_TEMPLATE/*.yml")), ids=str)
def test_a_form_asks_for_something(path: Path):
    """GitHub shows no form that lacks one of these."""
    form = yaml.safe_load(path.read_text())

    assert form["name"]
    assert form["description"]
    assert any(field.get("validations", {}).get("required") for field in form["body"])


def test_the_container_is_set_up_by_make():
    """It has what a machine of one's own has."""
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())

    assert container["postCreateCommand"].startswith("make setup")


def test_hooks_of_a_commit_are_programs_of_the_environment():
    """pre-commit reads the file, and each hook starts what `make test` installs."""
    config = load_config(str(ROOT / ".pre-commit-config.yaml"))
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]

    assert len(hooks) > 3
    for hook in hooks:
        program, _, _ = hook["entry"].partition(" ")
        assert program.startswith(".venv/bin/")
        assert (ROOT / program).exists()
