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
POD = """\
apiVersion: v1
kind: Pod
spec: {containers: [{name: a, image: b, env: [{name: FI_PROVIDER, value: tcp}]}]}
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: it}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (EKSCTL, "no rule reads kind ClusterConfig of eksctl.io/v1alpha5: eksctl makes"),
        ("apiVersion: v1\nkind: Nonsense\n", "no rule reads kind Nonsense of v1"),
        ("apiVersion: nowhere/v9\nkind: Job\n", "no rule reads kind Job of nowhere/v9"),
        ("apiVersion: v1\n", "no rule reads v1 without a kind"),
        ("apiVersion: 5\nkind: [a]\n", "no rule reads kind ['a'] of 5"),
        (f"{EKSCTL}---\n{EKSCTL}", "no rule reads kind ClusterConfig"),
    ],
)
def test_a_file_that_no_rule_reads_is_not_well(tmp_path, capsys, text, said):
    """`audit eks.yaml` said "0 errors" of 512 nodes without a fabric."""
    status, written = audit(in_file(tmp_path / "it.yaml", text))
    (error,) = capsys.readouterr().err.splitlines()

    assert (status, written) == (2, "")
    assert "it.yaml: not judged, because" in error
    assert said in error


@pytest.mark.parametrize(
    "text",
    [
        SERVICE,
        "apiVersion: apps/v1\nkind: Deployment\nspec: {}\n",
        "apiVersion: kubeflow.org/v1\nkind: PyTorchJob\nspec: {containers: [{image: a}]}\n",
        "apiVersion: storage.k8s.io/v1\nkind: StorageClass\n",
    ],
)
def test_what_starts_no_nodes_is_well(tmp_path, capsys, text):
    """Of a Service no rule has anything to say."""
    assert audit(in_file(tmp_path / "it.yaml", text))[0] == 0
    assert capsys.readouterr().err == ""


def test_the_rest_of_a_file_is_judged(tmp_path, capsys):
    """One document of a manifest that is known is judged, and of the other it is said."""
    path = in_file(tmp_path / "it.yaml", f"{POD}---\n{EKSCTL}")
    status, written = audit(path, "--format", "json", "--fail-on", "warning")
    report = json.loads(written)

    assert status == 1
    assert [f["rule"] for f in report["findings"]] == ["FABRIC-22"]
    assert "eksctl" in report["not_judged"][0]
    assert "eksctl" in capsys.readouterr().err


@pytest.mark.parametrize("style", ["text", "table", "json", "sarif", "junit"])
def test_other_files_are_judged_beside_one_that_cannot_be_read(tmp_path, capsys, style):
    """A finding is shown in any case; 2 says that something was left out."""
    files = [in_file(tmp_path / "pod.yaml", POD), in_file(tmp_path / "eks.yaml", EKSCTL)]
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
