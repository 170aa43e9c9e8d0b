"""The pre-commit hook and the GitHub Action of this repository, run as they stand.

Both install this package by pip. Here pip brings what is there already: no package is downloaded.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pre_commit
import pytest
import yaml

ROOT = Path(__file__).parents[2]
SITE = sysconfig.get_path("purelib")
HOOKS = str(Path(pre_commit.__file__).parents[1])
OFFLINE = {
    "PIP_NO_DEPS": "1",
    "PIP_NO_INDEX": "1",
    "PIP_NO_BUILD_ISOLATION": "0",  # which is pip's way to say that it is off
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_COMPILE": "0",  # Python compiles what is imported
}
PACKAGE = (
    "requirements-audit.txt",
    "pyproject.toml",
    "README.md",
    ".pre-commit-hooks.yaml",
    "action.yml",
)
BAD = {
    "Resources": {
        "Nodes": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {
                "LaunchTemplateData": {
                    "InstanceType": "m5.large",
                    "NetworkInterfaces": [
                        {"InterfaceType": "efa", "NetworkCardIndex": 0, "DeviceIndex": 0}
                    ],
                }
            },
        }
    }
}
EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")


def run(*words: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a program with what is installed here, without a network for pip."""
    path = os.pathsep.join((more.pop("first", ""), os.environ["PATH"])).lstrip(os.pathsep)
    paths = os.pathsep.join((SITE, HOOKS))
    settings = {"HOME": str(cwd), "PATH": path, "PYTHONPATH": paths, **OFFLINE, **more}
    return subprocess.run(
        words, cwd=cwd, env=settings, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with the package, the hook and the action in it, and one commit."""
    folder = tmp_path_factory.mktemp("source")
    for name in PACKAGE:
        shutil.copyfile(ROOT / name, folder / name)
    ignored = shutil.ignore_patterns("__pycache__", "emulator", "rehearse")
    for name in ("ultracluster", "constructs_lib"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    committed(folder)
    return folder


def committed(folder: Path) -> str:
    """Make a repository of a folder, and return its commit."""
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for words in (("init", "--quiet"), ("add", "."), (*who, "commit", "--quiet", "-m", "one")):
        assert run("git", *words, cwd=folder).returncode == 0
    return run("git", "rev-parse", "HEAD", cwd=folder).stdout.strip()


def test_the_hook_stops_a_commit_with_a_fault(source: Path, tmp_path: Path):
    """pre-commit installs the package and judges what has a template's name, and no other file."""
    revision = run("git", "rev-parse", "HEAD", cwd=source).stdout.strip()
    own = {"id": "ultracluster-audit", "name": "own files", "files": "^values"}
    hooks = [{"id": "ultracluster-audit"}, own]
    repos = [{"repo": str(source), "rev": revision, "hooks": hooks}]
    (tmp_path / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": repos}))
    (tmp_path / "nodes.template.json").write_text(json.dumps(BAD))
    (tmp_path / "values.yaml").write_text("Resources: {}\n")
    committed(tmp_path)
    words = (sys.executable, "-m", "pre_commit", "run", "--all-files", "--verbose")
    done = run(*words, cwd=tmp_path, PRE_COMMIT_HOME=str(tmp_path / "cache"))
    failed, _, passed = done.stdout.partition("own files")

    assert done.returncode == 1, done.stdout + done.stderr
    assert "nodes.template.json:1: error FABRIC-3 Nodes: InterfaceType efa on m5.large" in failed
    assert "1 template, 1 resource" in failed
    assert "Passed" in passed
    assert "1 template, 0 resources" in passed


class Workflow:
    """What a runner does with a composite action: inputs, outputs, and steps one by one."""

    def __init__(self, source: Path, folder: Path, **inputs: str) -> None:
        self.action = yaml.safe_load((source / "action.yml").read_text())
        self.workspace, self.temporary = folder / "workspace", folder / "temporary"
        self.programs, self.calls = folder / "programs", folder / "calls"
        for made in (self.workspace, self.temporary, self.programs, self.calls):
            made.mkdir()
        given = {name: str(one.get("default", "")) for name, one in self.action["inputs"].items()}
        self.known = {
            **{f"inputs.{name}": value for name, value in (given | inputs).items()},
            "github.action_path": str(source),
            "github.token": "a token",
            "github.event_name": "pull_request",
            "github.event.pull_request.number": "7",
        }
        self.used: list[dict[str, object]] = []

    def filled(self, text: str) -> str:
        return EXPRESSION.sub(lambda found: self.known.get(found[1], ""), text)

    def holds(self, condition: str) -> bool:
        parts = re.findall(r"([\w.-]+) (==|!=) '([^']*)'", condition)
        assert " && ".join(f"{a} {b} '{c}'" for a, b, c in parts) == condition
        return all((self.known.get(a, "") == c) is (b == "==") for a, b, c in parts)

    def answers(self, script: str) -> None:
        """Put a `gh` in front of every other one; what it is called with is kept."""
        program = self.programs / "gh"
        program.write_text(f'#!/bin/bash\nprintf "%s\\n" "$*" >> {self.calls}/gh\n{script}\n')
        program.chmod(0o755)

    def go(self) -> list[subprocess.CompletedProcess[str]]:
        done = []
        for step in self.action["runs"]["steps"]:
            if "if" in step and not self.holds(step["if"]):
                continue
            if "uses" in step:
                settings = {k: self.filled(v) for k, v in step["with"].items()}
                self.used.append({"uses": step["uses"], **settings})
                continue
            done.append(self._run(step))
            if done[-1].returncode:
                break
        return done

    def _run(self, step: dict[str, object]) -> subprocess.CompletedProcess[str]:
        output = self.temporary / "output"
        output.write_text("")
        environment = step["env"]
        assert isinstance(environment, dict)
        done = run(
            *("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", str(step["run"])),
            cwd=self.workspace,
            first=os.pathsep.join((str(self.programs), str(Path(sys.executable).parent))),
            RUNNER_TEMP=str(self.temporary),
            GITHUB_OUTPUT=str(output),
            GITHUB_REPOSITORY="owner/name",
            **{name: self.filled(str(value)) for name, value in environment.items()},
        )
        for line in output.read_text().splitlines():
            name, _, value = line.partition("=")
            self.known[f"steps.{step.get('id')}.outputs.{name}"] = value
        return done


def test_the_action_reports_a_fault_everywhere(source: Path, tmp_path: Path):
    """Exit code, code scanning and comment, with the steps as they stand."""
    workflow = Workflow(source, tmp_path, files="templates/**/*.json\nwith space.json\n")
    inner = workflow.workspace / "templates" / "deep"
    inner.mkdir(parents=True)
    (inner / "nodes.json").write_text(json.dumps(BAD))
    (workflow.workspace / "with space.json").write_text(json.dumps({"Resources": {}}))
    workflow.answers("")
    *before, result = workflow.go()

    assert [step.returncode for step in before] == [0] * len(before), before[-1].stderr
    assert before, result.stderr
    assert "2 templates" in before[1].stdout
    assert "error FABRIC-3 Nodes" in before[1].stdout
    assert result.returncode == 1
    (upload,) = workflow.used
    found = json.loads(Path(str(upload["sarif_file"])).read_text())["runs"][0]["results"]
    assert {each["ruleId"] for each in found} >= {"FABRIC-3"}
    uri = found[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "templates/deep/nodes.json"
    asked, posted = (workflow.calls / "gh").read_text().splitlines()
    assert asked.startswith("api --paginate repos/owner/name/issues/7/comments")
    assert posted.startswith("api --method POST repos/owner/name/issues/7/comments -F body=@")
    comment = Path(posted.partition("@")[2]).read_text()
    assert comment.startswith("<!-- ultracluster audit -->\n")
    assert "FABRIC-3" in comment

    # Another run of the same pull request renews the comment; the package is there already.
    workflow.action["runs"]["steps"] = workflow.action["runs"]["steps"][1:]
    workflow.answers('if [[ "$*" == *--paginate* ]]; then printf "41\\n42\\n"; fi')
    workflow.known["inputs.sarif"] = "false"
    (inner / "nodes.json").write_text(json.dumps({"Resources": {}}))
    assert workflow.go()[-1].returncode == 0
    assert len(workflow.used) == 1
    *_, renewed = (workflow.calls / "gh").read_text().splitlines()
    assert renewed.startswith("api --method PATCH repos/owner/name/issues/comments/41 -F body=@")

    # A name that matches nothing is refused by the audit, and not passed over.
    workflow.known |= {"inputs.files": "nowhere/*.json", "inputs.comment": "false"}
    done = workflow.go()
    assert done[-1].returncode == 2
    assert "nowhere/*.json" in done[0].stderr


def test_the_action_runs_nothing_that_may_change():
    """A tag can be moved to other code; a commit cannot."""
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    used = [step["uses"] for step in action["runs"]["steps"] if "uses" in step]

    assert used
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", each) for each in used)
    # What a stranger writes into a pull request reaches a shell as a variable, never as its text.
    assert not [s for s in action["runs"]["steps"] if "${{" in s.get("run", "")]
