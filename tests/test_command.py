"""The command: exit codes, one line for each mistake, help, JSON, completion, speed."""

import errno
import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ultracluster.cli import COMMANDS, main
from ultracluster.environments import written_names

ROOT = Path(__file__).parents[1]

EIGHT_FAULTS = """
from ultracluster.spec.budget import BudgetSpec
from ultracluster.spec.environment import EnvironmentSpec, SageMakerSpec
from ultracluster.spec.lustre import LustreSpec
from ultracluster.spec.network import NetworkSpec
from ultracluster.spec.nodes import CapacityBlockSpec, NodesSpec

BROKEN = EnvironmentSpec(
    name="Broken_Name",
    region="us-east-1",
    availability_zone_id="use1-az3",
    network=NetworkSpec(
        training_subnet_cidrs=("10.0.0.0/20", "10.0.8.0/24"), public_subnet_cidr="10.9.0.0/28"
    ),
    nodes=NodesSpec(
        instance_type="p4d.24xlarge",
        count=65,
        image="ami-0123456789abcdef0",
        placement_group=False,
        capacity_block=CapacityBlockSpec(capacity_reservation_id="cr-0123456789abcdef0"),
        root_volume_gib=10,
    ),
    storage=LustreSpec(
        deployment_type="PERSISTENT_2",
        capacity_gib=1300,
        per_unit_storage_throughput=300,
        keep_data=True,
    ),
    sagemaker=SageMakerSpec(instances=4),
    budget=BudgetSpec(
        ceiling_usd_per_day=10**6, price_region="us-west-2", notify=("team@example.com",)
    ),
)
"""
FAMILY = """
from environments.dev import DEV
A = DEV.model_copy(update={'name': 'aa'})
B = DEV.model_copy(update={'name': 'bb'})
"""


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Return an environment file with eight faults in four specs."""
    path = tmp_path / "broken.py"
    path.write_text(EIGHT_FAULTS)
    return path


def app(*context: tuple[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the CDK app as the CDK CLI does, with `-c name=value`."""
    settings = {"CDK_CONTEXT_JSON": json.dumps(dict(context))}
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def test_eight_faults_are_eight_lines(broken: Path, capsys: pytest.CaptureFixture[str]):
    """A user mends all of them at once, each where its line says, and none is a stack trace."""
    assert main(["check", str(broken)]) == 1

    problems = capsys.readouterr().err.splitlines()
    assert len(problems) == 8
    for line in problems:
        assert line.startswith("ERROR Broken_Name.")
        assert ": got " in line
        assert "; " in line
        assert f"({broken}:" in line


def test_the_app_says_the_same(broken: Path):
    """`cdk synth` runs the app: it must end with status 1 and the same eight lines."""
    done = app(("environment-file", str(broken)))

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert sum(line.startswith("ERROR Broken_Name.") for line in done.stderr.splitlines()) == 8


@pytest.mark.parametrize(
    "words",
    [
        ("check",),
        ("cost",),
        ("preflight",),
        ("prove",),
        ("accept",),
        ("rehearse",),
        ("review",),
        ("train", "status"),
        ("train", "submit", "gpt-1b"),
    ],
)
def test_a_faulty_file_has_one_exit_code(
    broken: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
):
    """A script tells a faulty environment from a command that could not run, by any command."""
    verb, *others = words
    given = [verb, str(broken), *others]
    if verb == "train":
        given = [verb, others[0], str(broken), *others[1:]]

    assert main(given) == 1
    assert sum("ERROR Broken_Name." in line for line in capsys.readouterr().err.splitlines()) == 8


@pytest.mark.parametrize(
    "words",
    [
        ("check",),
        ("cost",),
        ("preflight",),
        ("prove",),
        ("accept",),
        ("rehearse",),
        ("review",),
        ("train", "status"),
    ],
)
def test_a_file_that_does_not_run_has_one_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
):
    """Nothing is known of what it holds."""
    path = tmp_path / "mine.py"
    path.write_text("x = undefined_name\n")

    assert main([*words, str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ERROR {path}:1: NameError")


def test_the_app_has_that_exit_code_for_a_file_that_does_not_run(tmp_path: Path):
    path = tmp_path / "mine.py"
    path.write_text("x = undefined_name\n")

    assert app(("environment-file", str(path))).returncode == 2


def test_check_shows_every_environment(capsys: pytest.CaptureFixture[str]):
    """Without a name, all of them, with what they hold."""
    assert main(["check"]) == 0

    shown = capsys.readouterr().out
    for words in ("dev", "staging", "ultracluster", "4,096", "4,723 of 8,187"):
        assert words in shown


def test_check_reports_the_problems_of_all_files(
    broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """It stopped at the first one: three attempts for three files."""
    other = tmp_path / "other.py"
    other.write_text(EIGHT_FAULTS.replace("Broken_Name", "Other_Name"))
    unreadable = tmp_path / "unreadable.py"
    unreadable.write_text("this is no Python")

    assert main(["check", str(broken), str(unreadable), "dve", str(other)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("ERROR Broken_Name.") for line in lines) == 8
    assert sum(line.startswith("ERROR Other_Name.") for line in lines) == 8
    assert sum(line.startswith(f"ERROR {unreadable}:1: invalid syntax") for line in lines) == 1
    assert "ERROR dve: no such environment (did you mean dev?)" in "\n".join(lines)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("this is no Python", "invalid syntax"),
        ("x = undefined_name\n", ":1: NameError: name 'undefined_name' is not defined"),
        ("x = 1\n", "the file defines no environment"),
        (None, "no such file"),
        (Path, "it is a directory; write the path of a file"),
    ],
)
def test_a_file_that_holds_no_environment_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | type | None, words: str
):
    """What is wrong with the file, and where; never a stack trace."""
    path = tmp_path / "mine.py"
    if content is Path:
        path.mkdir()
    elif content is not None:
        path.write_text(str(content))

    assert main(["check", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ERROR {path}")
    assert words in line


def test_check_takes_a_file_with_several_environments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """One file may hold a family of environments; a rehearsal alone needs a single one."""
    path = tmp_path / "family.py"
    path.write_text(FAMILY)

    assert main(["check", str(path), "--format", "json"]) == 0
    assert [each["name"] for each in json.loads(capsys.readouterr().out)] == ["aa", "bb"]


def test_a_users_environment_does_not_replace_one_of_the_project(tmp_path: Path):
    """Both would be the same stacks; the user's silently took the other's place."""
    mine = tmp_path / "mine.py"
    mine.write_text((ROOT / "environments" / "dev.py").read_text())

    done = app(("environment-file", str(mine)))

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert str(ROOT / "environments" / "dev.py") in line
    assert str(mine) in line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        ("{bad", ":1: not valid JSON"),
        ('{"type": "*"}', "not a list of objects"),
        ('[{"kind": "*"}]', "kind: got '*'; a fault has"),
    ],
)
def test_faults_that_cannot_be_read_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, words: str
):
    """A rehearsal that injects nothing would look like one that stood the fault."""
    path = tmp_path / "faults.json"
    if content is not None:
        path.write_text(content)

    assert main(["rehearse", "dev", "--faults", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ERROR {path}")
    assert words in line


def test_the_command_alone_prints_help(capsys: pytest.CaptureFixture[str]):
    """Somebody who types it for the first time sees what there is, and the exit codes."""
    assert main([]) == 0

    shown = capsys.readouterr().out
    assert all(f"    {name}" in shown for name in COMMANDS)
    for words in (
        "  0    nothing is wrong",
        "  1    problems",
        "  2    the command could not run",
        "  130  inter",
    ):
        assert words in shown


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["adit", "x"], "did you mean audit?"),
        (["train", "sumbit"], "did you mean submit?"),
        (["--vesion"], "--vesion (did you mean --version?); see ultracluster --help"),
        (["check", "--fromat=json"], "(did you mean --format?); see ultracluster check --help"),
        (["deliver", "drift", "dev", "--jsn"], "see ultracluster deliver drift --help"),
        (["check", "Stagign"], "did you mean staging?"),
        (["train", "recipes", "gpt-50b"], "did you mean gpt-50b-mics?"),
        (["preflight", "dev", "--only", "fabric-rule"], "did you mean fabric-rules?"),
    ],
)
def test_a_misspelled_word_is_recognized(
    capsys: pytest.CaptureFixture[str], given: list[str], meant: str
):
    """Commands, options, environments, recipes and checks."""
    assert main(given) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ERROR ")
    assert meant in line


def test_json_also_says_why_there_is_none(broken: Path, capsys: pytest.CaptureFixture[str]):
    """A program that reads the answer need not read standard error."""
    assert main(["check", str(broken), "--json"]) == 1

    document = json.loads(capsys.readouterr().out)
    assert document["exit_status"] == 1
    assert len(document["errors"]) == 8


@pytest.mark.parametrize("asked", [["--format", "json"], ["--format=json"], ["--json"]])
def test_a_command_line_that_cannot_be_read_is_json_as_well(
    asked: list[str], capsys: pytest.CaptureFixture[str]
):
    assert main(["check", "dev", *asked, "--fromat"]) == 2

    document = json.loads(capsys.readouterr().out)
    assert document["exit_status"] == 2
    assert "did you mean --format?" in document["errors"][0]


def test_files_that_were_written_are_listed_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for words in (["init", str(tmp_path / "mine")], ["dashboards", "dev", "--output", "."]):
        given = [str(tmp_path) if word == "." else word for word in words]
        assert main([*given, "--format", "json"]) == 0
        document = json.loads(capsys.readouterr().out)
        folder = Path(document.get("folder", ""))
        assert document["files"]
        assert all((folder / file).is_file() for file in document["files"])


@pytest.mark.parametrize("given", [["check"], ["check", "--json"]])
def test_ctrl_c_is_one_line_also_while_a_command_is_loaded(
    given: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The packages of AWS and of the CDK take most of a second, in which it was a stack trace."""

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("importlib.import_module", interrupt)

    assert main(given) == 130
    out, err = capsys.readouterr()
    line = "Interrupted; everything that was started has been stopped."
    assert err == f"\n{line}\n"
    assert not out or json.loads(out) == {"errors": [line], "exit_status": 130}
    assert bool(out) is ("--json" in given)


def test_an_unexpected_error_is_one_line_with_a_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """It says how to report it; the trace is shown to who asks for it."""

    def fail(_: object) -> None:
        raise ZeroDivisionError("a planted defect")

    monkeypatch.setattr("ultracluster.check.command._all", fail)

    assert main(["check"]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ERROR ZeroDivisionError: a planted defect; this is a defect of ")
    assert "ULTRACLUSTER_TRACEBACK=1" in line
    with pytest.raises(ZeroDivisionError):
        main(["--debug", "check"])
    monkeypatch.setenv("ULTRACLUSTER_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        main(["check"])


def test_a_path_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """A full disk or a folder of somebody else is no defect of this program."""
    file = tmp_path / "file"
    file.write_text("")

    assert main(["dashboards", "dev", "--output", str(file / "in")]) == 2
    assert capsys.readouterr().err == f"ERROR {file / 'in'}: Not a directory\n"


@pytest.mark.parametrize("words", [("dashboards", "dev"), ("accept", "dev")])
def test_several_files_do_not_go_to_standard_output(
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """`-` was the name of a folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT))
    path = ROOT / "environments" / f"{words[1]}.py"
    assert main([words[0], str(path), "--output", "-"]) == 2
    line = "ERROR --output -: several files are written; name a folder\n"
    assert capsys.readouterr().err == line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["audit", "review"])
def test_a_template_that_is_not_there_is_one_line(command: str, capsys: pytest.CaptureFixture[str]):
    """A review asked for a Python file in its place."""
    assert main([command, "gone.template.json"]) == 2
    assert capsys.readouterr().err == "ERROR gone.template.json: No such file or directory\n"


@pytest.mark.parametrize(
    "words", [("check", "dev"), ("cost", "dev", "--json"), ("--version",), ("plan", "--help")]
)
def test_a_full_disk_is_one_line(words: tuple[str, ...]):
    """It was called a defect, and after it JSON of the error ended in a stack trace."""
    with Path("/dev/full").open("w") as full:
        done = command(*words, stdout=full)

    assert done.returncode == 2
    assert done.stderr == (
        "ERROR the output cannot be written: No space left on device; "
        "free space, or write elsewhere\n"
    )


@pytest.mark.parametrize("words", [("check", "dev"), ("cost", "dev", "--json")])
def test_whoever_has_read_enough_ends_it_in_peace(words: tuple[str, ...]):
    """`| head -1`: problems of what was asked about have the exit code 1, and nothing else."""
    ours, theirs = os.pipe()
    os.close(ours)
    done = command(*words, stdout=theirs)
    os.close(theirs)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_below_a_report_leaves_standard_output(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    """A program reads there why there is no report."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ultracluster.cost.command._estimates", full)

    assert main(["cost", "dev", "--format", "json"]) == 2
    assert json.loads(capfd.readouterr().out)["exit_status"] == 2


OTHER_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "COLUMNS": "0"}


@pytest.mark.parametrize("words", ["plan --parameters 1B --tokens 1e9 --nodes 2", "review {t}"])
def test_a_terminal_of_another_encoding_and_without_a_width(words: str, tmp_path: Path):
    """Signs that it lacks are written as they can be, files of the program are read as they are."""
    template = ROOT / "golden" / "dev" / "Network.template.json"
    more = f" --baseline none --output {tmp_path}" if "review" in words else ""
    settings = {**os.environ, **OTHER_LOCALE}
    given = f"{words.format(t=template)}{more}".split()
    done = command(*given, stdout=subprocess.PIPE, env=settings)

    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout) > 100


def test_nobody_listens():
    """A shell's `>&-` leaves no standard output at all."""
    done = command("check", "dev", stdout=None, preexec_fn=lambda: os.close(1))

    assert (done.returncode, done.stderr) == (0, "")


ASK_AWS = (
    *("preflight dev", "prove dev", "retry dev", "accept dev", "image dev", "cost dev --refresh"),
    *("deliver prepare dev", "deliver drift dev", "review dev --baseline deployed"),
    *("capacity dev --recipe gpt-1b", "dashboards dev --from cloudwatch --output {folder}"),
    *("train submit dev gpt-1b", "train status dev", "train logs dev", "train stop dev"),
    *("train list dev", "train check examples/requests/training-job.json --environment dev"),
)


@pytest.mark.parametrize("words", ASK_AWS)
def test_without_credentials_it_is_one_line_that_says_what_to_do(words: str, tmp_path: Path):
    """And a person sees meanwhile that AWS is asked."""
    terminal, child = os.openpty()
    settings = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    settings |= {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true", "TERM": "xterm"}
    given = words.format(folder=tmp_path).split()
    done = subprocess.run(
        [sys.executable, "-m", "ultracluster.cli", *given],
        cwd=ROOT,
        env=settings,
        stdout=subprocess.PIPE,
        stderr=child,
        check=False,
    )
    os.close(child)
    shown = os.read(terminal, 2**16).decode()
    os.close(terminal)

    assert done.returncode == 2
    assert re.search("asking|synthesizing", shown)
    (line,) = (each for each in shown.splitlines() if "ERROR" in each)
    assert line.count("sign in with `aws sso login` or `aws configure`") == 1
    assert line.count(";") == 1 + ("--refresh" in words)


SSO = """
[default]
sso_session = corp
sso_account_id = 111122223333
sso_role_name = Admin
[sso-session corp]
sso_start_url = https://example.awsapps.com/start
sso_region = us-east-1
"""


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"AWS_CONFIG_FILE": "{folder}/config"}, "SSOTokenLoadError: .*; sign in with"),
        ({"AWS_ENDPOINT_URL": "nonsense"}, "Invalid endpoint: nonsense; correct AWS_ENDPOINT_URL"),
        ({"AWS_PROFILE": "gone"}, "could not be found; `aws configure list-profiles`"),
        ({"AWS_CONFIG_FILE": __file__}, "Unable to parse config file: .*; correct ~/.aws/config"),
    ],
)
def test_credentials_that_cannot_be_used_are_one_line(
    settings: dict[str, str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """Without a token of SSO a drift was "no differences": the token "does not exist"."""
    (tmp_path / "config").write_text(SSO)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in settings.items():
        monkeypatch.setenv(name, value.format(folder=tmp_path))

    assert main(["deliver", "drift", "dev"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert re.search(says, line)


def test_help_breaks_no_word(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """`--node-fault user-of-` and `another-name` cannot be typed."""
    monkeypatch.setenv("COLUMNS", "60")
    with pytest.raises(SystemExit):
        main(["rehearse", "--help"])
    shown = capsys.readouterr().out.replace(",", "").split()
    assert {"user-of-another-name", "homes-unmounted", "fabric-manager-dead"} <= set(shown)


def command(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    ours = [sys.executable, "-m", "ultracluster.cli", *words]
    return subprocess.run(ours, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False, **more)


def completions(line: str, completed: Path) -> list[str]:
    """Return what a shell offers for the last word of a command line, by way of a file."""
    settings = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(completed),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    command = [sys.executable, "-m", "ultracluster.cli"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **settings}, check=False)
    return [word.strip() for word in completed.read_text().split("\n")]


def test_shells_complete_rules_checks_and_baselines(tmp_path: Path):
    file = tmp_path / "completions"

    assert {"FABRIC-1", "FABRIC-13"} <= {*completions("ultracluster audit --explain FAB", file)}
    assert completions("ultracluster preflight dev --only fab", file) == ["fabric-rules"]
    assert completions("ultracluster review dev --baseline dep", file) == ["deployed"]
    assert completions("ultracluster review dev --format merm", file) == ["mermaid"]


def test_shells_complete_commands_options_environments_and_recipes(tmp_path: Path):
    """By argcomplete; docs/command-line.md says how a shell is told."""
    file = tmp_path / "completions"

    assert completions("ultracluster pre", file) == ["preflight"]
    assert completions("ultracluster preflight st", file) == ["staging"]
    assert completions("ultracluster train submit dev gpt-5", file) == ["gpt-50b-mics"]
    assert "--fail-on" in completions("ultracluster audit --f", file)
    assert completions("ultracluster plan --format j", file) == ["json"]


def test_shells_complete_names_of_both_kinds_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Those in YAML were not offered."""
    folder = tmp_path / "environments"
    folder.mkdir()
    (folder / "one.py").write_text('ONE = EnvironmentSpec(name="one")')
    (folder / "more.yaml").write_text("name: two\nslurm:\n  name: no\n---\nname: 'three'\n")
    monkeypatch.chdir(tmp_path)

    assert sorted(written_names("environments", "EnvironmentSpec")) == ["one", "three", "two"]


@pytest.mark.parametrize("given", [["--version"], []])
def test_the_command_answers_at_once(given: list[str]):
    """No command is imported before it is asked for; processor time, as tests share machines."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "ultracluster.cli", *given], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3


@pytest.mark.parametrize(
    "words", [("audit", "golden/dev/Network.template.json"), ("cost", "dev", "--refresh")]
)
def test_what_takes_time_is_shown_to_a_person_and_not_in_the_output(words):
    terminal, child = os.openpty()
    # Nobody answers at that address: the attempt is what is shown.
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"}
    credentials = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    done = subprocess.run(
        [sys.executable, "-m", "ultracluster.cli", *words],
        cwd=ROOT,
        env={**os.environ, **nowhere, **credentials, "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=child,
        text=True,
        check=False,
    )
    os.close(child)
    shown = os.read(terminal, 2**16).decode()
    os.close(terminal)
    assert ("judging" if words[0] == "audit" else "asking AWS") in shown
    assert "judging" not in done.stdout
    assert "asking" not in done.stdout
