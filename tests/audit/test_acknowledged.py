"""What the app of a cloud assembly acknowledges, seen by an audit of that assembly."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.audit.test_audit_command import audit
from ultracluster.audit import formats
from ultracluster.audit.report import Report, judged
from ultracluster.input_files import Sources

REASON: Final = "Metadata of this file system is read once a day by a single job."
PLACE: Final = "/dev/Storage/Lustre"


def system(**configuration: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::FSx::FileSystem",
        "DeletionPolicy": "Delete",
        "Metadata": {"aws:cdk:path": "dev/Storage/Lustre/Resource"},
        "Properties": {
            "FileSystemType": "LUSTRE",
            "StorageCapacity": 1200,
            "SubnetIds": ["subnet-0123456789abcdef0"],
            "LustreConfiguration": {
                "DeploymentType": "PERSISTENT_2",
                "PerUnitStorageThroughput": 125,
                **configuration,
            },
        },
    }


def assembly(
    directory: Path, *, place: str, rule: str, reason: str, **configuration: Any
) -> Report:
    """Write an assembly that acknowledges something, and return what the audit says of it."""
    template = {"Resources": {"Lustre": system(**configuration)}}
    (directory / "Storage.template.json").write_text(json.dumps(template))
    acknowledged = {"type": "aws:cdk:acknowledged-rules", "data": {f"UltraCluster::{rule}": reason}}
    artifact = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://unknown-account/us-east-1",
        "properties": {"templateFile": "Storage.template.json"},
        "metadata": {"/dev/Storage": [], place: [acknowledged]},
    }
    manifest = {"version": "48.0.0", "artifacts": {"Storage": artifact}}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    return judged(Sources([str(directory)]), {}, None, "info")


def test_an_acknowledged_finding_fails_nothing_and_is_told_with_its_reason(tmp_path: Path):
    """A gate after synthesis must not ask again for what a reviewer has agreed to."""
    report = assembly(tmp_path, place=PLACE, rule="LUSTRE-12", reason=REASON)

    assert [f.rule for f in report.findings] == []
    assert [(f.rule, reason) for f, reason in report.acknowledged] == [("LUSTRE-12", REASON)]
    assert not report.failed
    document = json.loads(formats.machine(report, show_unknown=False))
    assert document["acknowledged"][0]["reason"] == REASON
    (result,) = json.loads(formats.sarif(report, show_unknown=False))["runs"][0]["results"]
    assert result["suppressions"] == [{"kind": "inSource", "justification": REASON}]
    status, written = audit(tmp_path, "--fail-on", "info")
    assert (status, "1 acknowledged" in written) == (0, True)


@pytest.mark.parametrize(
    ("place", "rule", "reason"),
    [
        pytest.param("/dev/Storage", "LUSTRE-12", REASON, id="at the stack"),
        pytest.param("/dev/Storage/Other", "LUSTRE-12", REASON, id="elsewhere"),
        pytest.param(PLACE, "LUSTRE-12", "fine", id="without a sentence"),
        pytest.param(PLACE, "LUSTRE-13", REASON, id="of another rule"),
    ],
)
def test_what_excuses_nothing_at_synthesis_excuses_nothing_here(
    place: str, rule: str, reason: str, tmp_path: Path
):
    """Otherwise an assembly of an app without the plugin would pass with any word."""
    report = assembly(tmp_path, place=place, rule=rule, reason=reason)

    assert [f.rule for f in report.findings] == ["LUSTRE-12"]
    assert report.acknowledged == []


def test_what_can_never_work_is_not_excused(tmp_path: Path):
    """Whatever somebody wrote beside it."""
    report = assembly(
        tmp_path, place=PLACE, rule="LUSTRE-1", reason=REASON, PerUnitStorageThroughput=300
    )

    assert "LUSTRE-1" in {f.rule for f in report.findings}
    assert report.acknowledged == []


@pytest.mark.parametrize(
    "metadata",
    [[], {PLACE: "no list"}, {PLACE: ["no mapping"]}, {PLACE: [{"type": 1, "data": []}]}],
)
def test_a_manifest_of_another_form_excuses_nothing(metadata: Any, tmp_path: Path):
    """Whoever audits an assembly need not have made it."""
    assembly(tmp_path, place=PLACE, rule="LUSTRE-12", reason=REASON)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    artifact = manifest["artifacts"]["Storage"]
    artifact |= {"metadata": metadata, "additionalMetadataFile": "gone.json"}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))

    report = judged(Sources([str(tmp_path)]), {}, None, "info")

    assert [f.rule for f in report.findings] == ["LUSTRE-12"]
