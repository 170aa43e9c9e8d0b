"""The main job, as a user runs it: the console command and the real CDK CLI."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from environments.dev import DEV
from environments.ultracluster import ULTRACLUSTER
from golden.generate import GOLDEN, templates
from tests.repository import ENVIRONMENTS
from ultracluster.cli import main
from ultracluster.emulator.process import Report
from ultracluster.prove.deployment import Resource
from ultracluster.prove.leftovers import Leftover
from ultracluster.rehearse.cdk import Cdk, CdkError, Event, reasons
from ultracluster.rehearse.display import Display
from ultracluster.rehearse.rehearsal import Rehearsal
from ultracluster.spec.environment import EnvironmentSpec

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "ultracluster.cli", "rehearse")


@pytest.fixture(scope="module")
def synthesized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the assembly of `dev` that the CLI makes of the app."""
    directory = tmp_path_factory.mktemp("synthesized") / "cdk.out"
    arguments = ["synth", "dev/*", "--quiet", "--output", str(directory)]
    Cdk({}).run([*arguments, "--app", f"{sys.executable} app.py"])
    return directory


def command(assembly: Path, *words: str) -> list[str]:
    """Return the command `rehearse`, whose CLI is given what it synthesized before."""
    return [sys.executable, "-m", "tests.made_before", str(assembly), "rehearse", *words]


def settings_for(directory: Path) -> dict[str, str]:
    """Return an environment whose processes can be told from those of other rehearsals."""
    return {**os.environ, "TMPDIR": str(directory), "PYTHONUNBUFFERED": "1"}


def left_behind(directory: Path) -> list[list[str]]:
    """Return what still runs of a rehearsal that was given a directory for temporary files."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR", "").startswith(str(directory)):
                found.append(process.cmdline())
        except psutil.Error:
            continue
    return found


def wait_for(condition, seconds: float = 10) -> bool:
    """Return whether a condition comes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_rehearsal_of_dev_by_the_real_cli(synthesized: Path, tmp_path: Path):
    """Bootstrap, deploy, proof, no-change deploy, destroy: what the README promises."""
    done = subprocess.run(
        command(synthesized, "dev"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        # A profile that is not there and a proxy that nobody answers at are no concern of it.
        env={
            **settings_for(tmp_path),
            "AWS_PROFILE": "nobody",
            "http_proxy": "http://127.0.0.1:9",
            "HTTP_PROXY": "http://127.0.0.1:9",
        },
    )

    assert done.returncode == 0, done.stdout + done.stderr
    for step in ("cdk bootstrap", "cdk deploy ", "cdk deploy, again", "cdk destroy"):
        assert f"✓ {step}" in done.stdout
    assert "no changes" in done.stdout
    assert re.search(r"nodes +│ +2 x p4d.24xlarge", done.stdout)
    assert re.search(r"GPUs +│ +16 A100", done.stdout)
    # Of its own resources nothing is left; CDK's functions have a log that no stack knows of.
    assert re.search(r"✓ Look at what is left .* 0 of \d+ resources, \d+ others", done.stdout)
    assert "aws logs delete-log-group" in done.stdout
    assert "✗" not in done.stdout
    assert "emulated" in done.stdout
    assert left_behind(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_what_the_cli_synthesizes_is_what_was_reviewed(synthesized: Path):
    """The golden templates are made in process; the CLI adds context of its own to an app."""
    found = templates(synthesized, ENVIRONMENTS)
    assert found
    assert [name for name in found if (GOLDEN / name).read_bytes() != found[name]] == []


def test_a_failed_creation_is_told_with_its_reason(synthesized: Path, tmp_path: Path):
    """The reason that CloudFormation gives is what the user sees, and the status is not 0."""
    faults = tmp_path / "faults.json"
    reason = "Insufficient capacity for the file system in use1-az6"
    faults.write_text(json.dumps([{"type": "AWS::FSx::FileSystem", "message": reason}]))

    done = subprocess.run(
        command(synthesized, "dev", "--faults", str(faults)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 1
    last = done.stdout.rstrip().splitlines()[-1]
    assert last.startswith("CREATE_FAILED: AWS::FSx::FileSystem dev/Storage/Lustre ")
    assert last.endswith(reason)
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)]
)
def test_nothing_outlives_a_rehearsal_that_is_stopped(
    sent: signal.Signals, status: int, tmp_path: Path
):
    """Ctrl-C, a terminated shell and a killed process all take the emulated AWS with them."""
    running = subprocess.Popen(
        [*COMMAND, "dev", "--keep"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=settings_for(tmp_path),
        # Whoever runs the tests in the background has them, and what they start, ignore SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    try:
        assert wait_for(lambda: len(left_behind(tmp_path)) > 1, seconds=60)
        running.send_signal(sent)
        assert running.wait(timeout=30) == status
        assert wait_for(lambda: not left_behind(tmp_path))
    finally:
        running.kill()


class Reporting:
    """An emulator of which nothing is asked but its report."""

    def __init__(self, *unfired: str):
        self._unfired = unfired

    def report(self) -> Report:
        return Report(unfired=self._unfired)


@pytest.mark.parametrize("unfired", [(), ('{"type": "*"}',)])
def test_a_fault_that_never_happened_is_no_success(unfired: tuple[str, ...]):
    """A type that the environment does not have would otherwise end with "everything was there"."""
    display = Display(Console(file=io.StringIO()))
    rehearsal = Rehearsal(DEV, environment_file=None, display=display)

    assert rehearsal._all_fired(Reporting(*unfired)) is (not unfired)  # type: ignore[arg-type]
    assert display.record["faults"] == [f"this fault never happened: {each}" for each in unfired]


@pytest.mark.parametrize("text", ['[{"operation": "creat"}]', '[{"type": "AWS::FSx::FileSytem"}]'])
def test_a_misspelt_fault_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
):
    """One line, and exit status 2."""
    faults = tmp_path / "faults.json"
    faults.write_text(text)

    assert main(["rehearse", "dev", "--faults", str(faults)]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ERROR {faults}: rule 1")


def test_an_unknown_environment_is_one_line(capsys: pytest.CaptureFixture[str]):
    """A mistyped name names the ones there are."""
    assert main(["rehearse", "prod"]) == 2
    assert capsys.readouterr().err == (
        f"ERROR prod: no such environment; write {', '.join(e.name for e in ENVIRONMENTS)} or "
        "the path of a Python or YAML file\n"
    )


VPC = "dev/Network/Network/Vpc (NetworkVpc7FB7348F)"


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (
            f"dev-Network | 12/50 | 11:23:05 PM | CREATE_COMPLETE      | AWS::EC2::VPC | {VPC}",
            Event("dev-Network", 12, 50, "CREATE_COMPLETE", "AWS::EC2::VPC", VPC),
        ),
        (
            f"dev-Network |  20 | 11:25:43 PM | DELETE_COMPLETE      | AWS::EC2::VPC | {VPC}",
            Event("dev-Network", 20, 0, "DELETE_COMPLETE", "AWS::EC2::VPC", VPC),
        ),
        ("dev-Network: creating CloudFormation changeset...", None),
        ("", None),
    ],
)
def test_progress_is_read_from_the_lines_of_the_cli(line: str, event: Event | None):
    """What is shown meanwhile moves by the CLI's own events."""
    assert Event.parse(line) == event


def test_reasons_are_of_what_failed_by_itself():
    """What CloudFormation gave up, and the stack that holds it, say nothing new."""
    lines = [
        f"a | 2/5 | 2:11:38 AM | CREATE_FAILED | AWS::EC2::VPC | {VPC} Resource creation cancelled",
        f"a | 2:11:38 AM | CREATE_FAILED | AWS::EC2::VPC | {VPC} The maximum is reached",
        "a | 4/5 | 2:11:38 AM | CREATE_FAILED | AWS::CloudFormation::Stack | a it failed",
        f"a | 2:11:39 AM | CREATE_FAILED | AWS::EC2::VPC | {VPC} The maximum is reached",
        "CloudTrail delivery can lag up to 15 minutes behind the failure",
    ]

    assert reasons(lines) == [f"CREATE_FAILED: AWS::EC2::VPC {VPC} The maximum is reached"]


def test_a_command_that_fails_is_told_with_its_end(monkeypatch: pytest.MonkeyPatch):
    """The last 40 lines, and why resources failed, which the CLI says before that."""
    failed = f"a | 2:11:38 AM | CREATE_FAILED | AWS::EC2::VPC | {VPC} The maximum is reached"
    program = (
        f"import sys; print({failed!r}); [print(n) for n in range(60)]; sys.exit(len(sys.argv))"
    )
    cdk, heard = Cdk({}), list[str]()
    monkeypatch.setattr(cdk, "_command", [sys.executable, "-c", program])

    with pytest.raises(CdkError) as raised:
        cdk.run(["deploy", "--ci"], heard.append)

    assert heard == [failed, *map(str, range(60))]
    assert str(raised.value).splitlines() == [
        "cdk deploy --ci",
        "exited with 3. It ended:",
        *map(str, range(20, 60)),
        f"CREATE_FAILED: AWS::EC2::VPC {VPC} The maximum is reached",
    ]
    monkeypatch.setattr(cdk, "_command", [sys.executable, "-c", "print('ä ')"])
    assert cdk.run([]) == ["ä"]


def resource(name: str, *, kept: bool) -> Resource:
    return Resource(
        "Storage", name, "AWS::S3::Bucket", {}, "", kept=kept, physical_id=name, status=""
    )


def test_what_is_left_is_shown_and_what_should_not_be_so_is_a_fault():
    """Kept and there, kept and gone, and there although nothing keeps it."""
    out = io.StringIO()
    display = Display(Console(file=out, width=160))
    display.left([Leftover(resource("gone", kept=False), there=False)])
    assert out.getvalue() == "Nothing is left of the environment.\n"
    assert display.record["left"] == display.record["faults"] == []

    display.left(
        [
            Leftover(resource("data", kept=True), there=True, why="aws s3 rm {id}"),
            Leftover(resource("lost", kept=True), there=False),
            Leftover(resource("odd", kept=False), there=True),
        ]
    )

    kind = "AWS::S3::Bucket"
    why = "nothing keeps it: it should be gone"
    assert display.record["left"] == [
        {"type": kind, "id": "data", "expected": True, "reason": "aws s3 rm data"},
        {"type": kind, "id": "odd", "expected": False, "reason": why},
    ]
    assert display.record["faults"] == [
        f"{kind} lost is gone, and its data with it",
        f"{kind} odd is still there",
    ]
    (row,) = (line for line in out.getvalue().splitlines() if "│" in line and "data" in line)
    assert [cell.strip() for cell in row.split("│")[1:4]] == [kind, "data", "aws s3 rm data"]
    assert "✗ AWS::S3::Bucket odd is still there\n" in out.getvalue()


def test_a_document_holds_what_was_shown():
    out = io.StringIO()
    display = Display(Console(file=out, width=40))
    with display.step("cdk deploy") as step:
        step.result = "no changes"
    display.note("  [kept] as it is")
    display.total()
    display.steps[0].seconds = 2.0

    assert display.document(DEV, good=True) == {
        "environment": "dev",
        "emulated": True,
        "good": True,
        "steps": [{"name": "cdk deploy", "seconds": 2.0, "result": "no changes"}],
        "checks": {},
        "left": [],
        "notes": ["[kept] as it is"],
        "faults": [],
    }
    lines = out.getvalue().splitlines()
    assert re.fullmatch(r"✓ cdk deploy {20} +0\.0 s  no changes", lines[0])
    assert lines[1] == "  [kept] as it is"
    assert re.fullmatch(r"  All steps {20} +0\.0 s", lines[2])


@pytest.mark.parametrize(
    ("spec", "facts", "rows"),
    [
        (
            DEV,
            {"nodes": 2, "cards": 4, "free addresses": 200},
            {
                "nodes": "2 x p4d.24xlarge",
                "GPUs": "16 A100",
                "reserved in the placement group": "none",
                "Gbps a node": "400 on 4 cards",
                "TiB of Lustre": "1.2",
                "GB/s of Lustre": "0.23",
                "addresses used now, free": "51, 200",
                "addresses used, free at full size": "26, 225",
            },
        ),
        (
            ULTRACLUSTER,
            {"nodes": 512, "cards": 2, "free addresses": 100, "reserved": 512},
            {
                "nodes": "508 x p4d.24xlarge",
                "GPUs": "4,064 A100",
                "spare nodes": "4",
                "reserved in the placement group": "512",
                "Gbps a node": "200 on 2 cards",
            },
        ),
    ],
    ids=["dev", "ultracluster"],
)
def test_what_was_built_is_told_in_figures(
    spec: EnvironmentSpec, facts: dict[str, object], rows: dict[str, str]
):
    out = io.StringIO()
    Display(Console(file=out, width=120)).summary(spec, facts)

    cells = [line.split("│")[1:3] for line in out.getvalue().splitlines() if "│" in line]
    found = {name.strip(): value.strip() for name, value in cells}
    assert {name: found.get(name) for name in rows} == rows
    assert ("spare nodes" in found) is bool(spec.nodes.spare_nodes)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_shows_how_far_a_stack_is(*, terminal: bool):
    """Lines that tell of no event move nothing, nor does any line where nobody watches."""
    out = io.StringIO()
    display = Display(Console(file=out, force_terminal=terminal, width=120, color_system=None))
    with display.step("Deploying"):
        display.listen("dev-Network: creating CloudFormation changeset...")
        for done in (11, 12):
            display.listen(
                f"dev-Network | {done}/50 | 11:23 PM | CREATE_COMPLETE | AWS::EC2::VPC | v"
            )
    shown = out.getvalue()

    assert ("12/50 AWS::EC2::VPC" in shown) is terminal
    assert "changeset" not in shown
    assert "Deploying" in shown
    assert [step.name for step in display.steps] == ["Deploying"]
