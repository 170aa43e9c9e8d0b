"""The command: exit codes, formats, and what is counted as what."""

import argparse
import io
import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import pytest
from rich.console import Console

from tests.audit.sarif_schema import SARIF
from ultracluster.audit import command, report
from ultracluster.exit_status import ALL_WELL, COULD_NOT_RUN, SOME_FAIL, UsageError, explained
from ultracluster.rules.engine import RULES
from ultracluster.rules.rule import CannotTell, Verdict
from ultracluster.templates.resolved import Place

ROOT = Path(__file__).parents[2]

# A throughput that FSx does not sell, in one environment only; cfn-lint passes it.
FAULTY = """\
Parameters:
  Env: {Type: String}
  Subnet: {Type: "AWS::EC2::Subnet::Id"}
Conditions:
  Prod: !Equals [!Ref Env, prod]
Resources:
  Throughput:
    Type: AWS::FSx::FileSystem
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      FileSystemType: LUSTRE
      FileSystemTypeVersion: "2.15"
      StorageCapacity: 1200
      SubnetIds: [!Ref Subnet]
      LustreConfiguration:
        DeploymentType: PERSISTENT_2
        PerUnitStorageThroughput: !If [Prod, 300, 250]
        MetadataConfiguration: {Mode: AUTOMATIC}
"""
CLEAN = "Resources:\n  Vpc:\n    Type: AWS::EC2::VPC\n    Properties: {CidrBlock: 10.0.0.0/16}\n"


def audit(*given):
    """Run the command; return its exit code and what it wrote."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    written = io.StringIO()
    console = Console(file=written, width=160)
    try:
        status = command.run(parser.parse_args([str(part) for part in given]), console)
    except UsageError as error:
        lines, status = explained(error) or ([], COULD_NOT_RUN)
        sys.stderr.writelines(f"ERROR {line}\n" for line in lines)
    return status, written.getvalue()


@pytest.fixture
def faulty(tmp_path):
    path = tmp_path / "storage.yaml"
    path.write_text(FAULTY)
    return path


@pytest.fixture
def clean(tmp_path):
    path = tmp_path / "clean.yaml"
    path.write_text(CLEAN)
    return path


def test_a_clean_template_exits_0(clean):
    """A good template must not make anybody look."""
    status, written = audit(clean)

    assert status == ALL_WELL
    assert "1 template, 1 resource," in written
    assert "0 errors, 0 warnings" in written


def test_a_fault_exits_1_and_names_file_line_and_choice(faulty):
    """Everything that is needed to mend it stands in one place."""
    status, written = audit(faulty, "--format", "json")
    document = json.loads(written)
    (finding,) = [f for f in document["findings"] if f["severity"] == "error"]

    assert status == SOME_FAIL
    assert finding["place"]["file"] == str(faulty)
    assert finding["place"]["line"] == 7
    assert finding["only_if"] == {"storage/Prod": True}
    assert "300" in finding["message"]
    assert "250" in finding["fix"]
    assert finding["rule"] in RULES


def test_a_parameter_decides_what_is_found(faulty):
    """The same template is good in one environment and not in another."""
    assert audit(faulty, "--parameter", "Env=dev")[0] == ALL_WELL
    assert audit(faulty, "--parameter", "Env=prod")[0] == SOME_FAIL
    assert audit(faulty, "--parameter", "storage:Env=prod")[0] == SOME_FAIL


@pytest.mark.parametrize(
    ("fail_on", "expected"), [("error", 1), ("warning", 1), ("info", 1), ("never", 0)]
)
def test_fail_on_decides_the_exit_code(faulty, fail_on, expected):
    """A team turns the gate on step by step."""
    assert audit(faulty, "--fail-on", fail_on)[0] == expected


@pytest.mark.parametrize(
    ("given", "because"),
    [
        (["nowhere.yaml"], "ERROR nowhere.yaml: No such file or directory"),
        (["{clean}", "--parameter", "X"], "ERROR --parameter X: write NAME=VALUE"),
        (["{clean}", "--parameter", "=X"], "ERROR --parameter =X: write NAME=VALUE"),
        (["{clean}", "--parameter", "X=[bold]"], "no given template has a parameter of that name"),
    ],
)
def test_what_cannot_run_exits_2_and_says_why(clean, capsys, given, because):
    """A pipeline must tell a fault in a template from a fault in its own call."""
    status, written = audit(*(part.format(clean=clean) for part in given))

    assert status == COULD_NOT_RUN
    assert written == ""
    assert because in capsys.readouterr().err


def test_what_cannot_be_told_is_neither_passed_nor_failed(clean, monkeypatch):
    """It is counted apart, and listed when asked for."""
    place = Place("clean", "Vpc", str(clean), 2)
    verdict = Verdict((), (CannotTell(next(iter(RULES)), place, "parameter P has no default"),))
    monkeypatch.setattr(report, "judge", lambda _: verdict)

    status, written = audit(clean, "--fail-on", "info")
    assert status == ALL_WELL
    assert "0 infos; 1 question that the templates leave open (--show-unknown lists" in written
    assert "parameter P has no default" not in written
    assert "parameter P has no default" in audit(clean, "--show-unknown")[1]


def test_too_many_worlds_are_noted(tmp_path):
    """Whoever reads a clean report must know that not all was looked at."""
    names = [f"P{i}" for i in range(6)]
    body = {
        "Parameters": {name: {"Type": "String"} for name in names},
        "Conditions": {f"C{name}": {"Fn::Equals": [{"Ref": name}, "x"]} for name in names},
        "Resources": {name: {"Type": "T", "Condition": f"C{name}"} for name in names},
    }
    path = tmp_path / "open.json"
    path.write_text(json.dumps(body))

    assert "6 open questions make more than 16 combinations" in audit(path)[1]
    assert len(json.loads(audit(path, "--format", "json")[1])["notes"]) == 1


def test_sarif_of_files_elsewhere_is_absolute(faulty):
    """A file outside of where the audit ran has no relative name there."""
    document = json.loads(audit(faulty, "--format", "sarif")[1])
    jsonschema.validate(document, SARIF)
    uri = document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert uri["artifactLocation"]["uri"] == faulty.resolve().as_uri()


def test_a_finding_is_one_line_that_grep_finds(faulty):
    """By default, however narrow the terminal: place, severity, rule, what, and what to write."""
    status, written = audit(faulty, "--parameter", "Env=prod")
    lines = [line for line in written.splitlines() if line.startswith(f"{faulty}:7: ")]

    assert status == SOME_FAIL
    (line,) = [line for line in lines if ": error " in line]
    assert line.startswith(f"{faulty}:7: error LUSTRE-1 Throughput: ")
    assert "; fix: " in line


def test_json_has_a_short_name(faulty):
    """As for every verb."""
    assert audit(faulty, "--json") == audit(faulty, "--format", "json")


def test_a_report_goes_into_a_file_or_to_standard_output(faulty, tmp_path, capsys):
    """`-` is standard output; what cannot be written is said in one line."""
    status, written = audit(faulty, "--json", "--output", "-")
    assert audit(faulty, "--json", "--output", tmp_path / "report.json") == (status, "")
    assert (tmp_path / "report.json").read_text() == written

    assert audit(faulty, "--output", tmp_path / "no" / "report.json")[0] == COULD_NOT_RUN
    assert "No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize("chosen", ["json", "sarif", "junit"])
def test_formats_for_programs_hold_nothing_else(faulty, clean, chosen):
    """Whatever is printed beside would break whoever reads it."""
    status, written = audit(faulty, clean, "--format", chosen, "--show-unknown")

    assert status == SOME_FAIL
    if chosen == "junit":
        assert len(ET.fromstring(written)) == 2  # noqa: S314  (our own text)
    else:
        assert json.loads(written)


def test_our_own_templates_have_no_errors():
    """What this project deploys is the first that it audits."""
    golden = sorted((ROOT / "golden").glob("*/*.template.json"))
    status, written = audit(*golden, "--region", "us-east-1", "--format", "json")

    assert status == ALL_WELL, written
    assert json.loads(written)["summary"]["templates"] == len(golden)


def test_an_audit_loads_nothing_that_it_does_not_need(faulty):
    """Starting Node, or reading AWS's models, would take longer than the whole audit."""
    program = (
        "import sys, argparse; from rich.console import Console; "
        "from ultracluster.audit import command; p = argparse.ArgumentParser(); "
        f"command.add_arguments(p); command.run(p.parse_args([{str(faulty)!r}]), Console()); "
        "print(sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.strip().split("\n")[-1].strip("[]").replace("'", "").split(", "))

    assert loaded & {"rich", "yaml"} == {"rich", "yaml"}
    assert loaded.isdisjoint({"aws_cdk", "jsii", "boto3", "botocore", "cfnlint", "pydantic"})


def test_a_rule_is_explained_by_its_id(capsys):
    """Whoever reads a finding in a pipeline has no docs at hand; the page says the same words."""
    assert audit("--explain", "fabric-3") == (0, "")
    shown = capsys.readouterr().out.strip()

    assert shown in (ROOT / "docs" / "rules.md").read_text()
    assert shown.startswith("### FABRIC-3")
    assert audit("--explain", "acknowledgement-2")[0] == 0
    assert audit("--explain", "FABRICK-3")[0] == 2
    assert "did you mean FABRIC-3?" in capsys.readouterr().err


def test_an_audit_of_nothing_says_what_to_name(capsys):
    """Neither a file nor a rule."""
    assert audit()[0] == 2
    assert "name a template" in capsys.readouterr().err
