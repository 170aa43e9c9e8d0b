"""What no rule reads is said, and is no reason to call all well."""

import json

import pytest

from tests.audit.files import in_file
from tests.audit.test_audit_command import audit

EKSCTL = """\
apiVersion: eksctl.io/v1alpha5
kind: ClusterConfig
metadata: {name: training, region: us-east-1}
managedNodeGroups:
  - {name: nodes, instanceType: p4d.24xlarge, efaEnabled: false, desiredCapacity: 512}
"""
SCRIPT = "#!/bin/bash\nexport FI_PROVIDER=tcp\nsrun python train.py\n"


@pytest.mark.parametrize(
    "text",
    [
        *(EKSCTL, f"{EKSCTL}---\n{EKSCTL}", "apiVersion: 5\nkind: [a]\n", "apiVersion: v1\n"),
        '{"apiVersion": "v1", "kind": "Pod"}',
    ],
)
def test_a_file_that_no_rule_reads_is_not_well(tmp_path, capsys, text):
    """`audit eks.yaml` said "0 errors" of 512 nodes without a fabric."""
    status, written = audit(in_file(tmp_path / "it.yaml", text))
    (error,) = capsys.readouterr().err.splitlines()

    assert (status, written) == (2, "")
    assert "it.yaml: not judged, because no rule reads manifests of Kubernetes" in error


@pytest.mark.parametrize("style", ["text", "table", "json", "sarif", "junit"])
def test_other_files_are_judged_beside_one_that_cannot_be_read(tmp_path, capsys, style):
    """A finding is shown in any case; 2 says that something was left out."""
    files = [in_file(tmp_path / "job.sh", SCRIPT), in_file(tmp_path / "eks.yaml", EKSCTL)]
    status, written = audit(*files, tmp_path / "gone.json", "--format", style)

    assert status == 2
    assert "FABRIC-22" in written
    errors = capsys.readouterr().err
    assert "eks.yaml" in errors
    assert "gone.json" in errors
    if style == "text":
        assert "2 not judged" in written
    elif style != "table":
        assert "eks.yaml: not judged" in written


def test_a_resource_that_a_macro_completes_is_open(tmp_path):
    """Only what runs at deployment knows its type then."""
    for transform, status in (([], 1), (["AWS::LanguageExtensions"], 1), (["Mine"], 0)):
        body = {"Transform": transform, "Resources": {"A": {"Properties": {}}}}
        path = in_file(tmp_path / "it.json", json.dumps(body))
        assert audit(path)[0] == status
