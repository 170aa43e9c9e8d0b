"""Variables that a container's command gives to a job, and what a command is not about."""

import json
from typing import Any

import pytest

from tests.audit.files import audited
from tests.rules.rule_cases import said, verdict

EFA = {"limits": {"nvidia.com/gpu": 8, "vpc.amazonaws.com/efa": 4}}


def pod(**container: Any) -> dict[str, Any]:
    manifest = {"kind": "Pod", "apiVersion": "v1", "spec": {"containers": [container]}}
    kind = "Custom::AWSCDK-EKS-KubernetesResource"
    properties = {"Manifest": json.dumps([manifest])}
    return {"Resources": {"It": {"Type": kind, "Properties": properties}}}


def batch(*command: Any, **container: Any) -> dict[str, Any]:
    properties = {"ContainerProperties": {"Image": "x", "Command": list(command), **container}}
    return {"Resources": {"It": {"Type": "AWS::Batch::JobDefinition", "Properties": properties}}}


@pytest.mark.parametrize(
    "body",
    [
        batch("mpirun", "-np", "16", "-x", "NCCL_PROTO=LL128", "all_reduce_perf"),
        batch("bash", "-c", "export NCCL_PROTO=LL128\nmpirun train"),
        batch("/bin/bash", "-lc", "mpirun -x PATH -x NCCL_PROTO=LL128 train"),
        batch("env", "NCCL_PROTO=LL128", "python", "train.py"),
        pod(image="x", command=["mpirun", "-x", "NCCL_PROTO=LL128", "train"], resources=EFA),
        pod(image="x", command=["sh", "-ec"], args=["NCCL_PROTO=LL128 torchrun train.py"]),
        pod(image="x", env=[], args=["-x", "PATH", "-x", "NCCL_PROTO=LL128"], command=["mpirun"]),
    ],
)
def test_what_a_command_gives_to_a_job_is_judged(body):
    """MPI's own way to hand variables on is `-x`, which no list of variables shows."""
    assert "FABRIC-26" in said(verdict(body))


@pytest.mark.parametrize(
    "body",
    [
        batch("python", "train.py", "--set", "NCCL_PROTO=LL128"),
        batch("bash", "-c", "echo NCCL_PROTO=LL128"),
        batch("bash", "train.sh"),
        batch("Ref::command"),
    ],
)
def test_words_that_set_nothing_are_no_variables(body):
    """An argument of a program is that program's business."""
    assert said(verdict(body)) == set()


def test_a_command_with_an_open_part_leaves_that_part_open():
    """The name is known, its value is not."""
    body = batch("mpirun", "-x", {"Fn::Sub": "NCCL_PROTO=${Protocol}"}, "train")
    body["Parameters"] = {"Protocol": {"Type": "String"}}

    judged = verdict(body)

    assert "FABRIC-26" not in said(judged)
    assert "FABRIC-26" in {unknown.rule for unknown in judged.unknown}


def test_a_launcher_without_cards_may_hand_on_what_its_workers_need():
    """In an MPIJob the launcher's pod has no EFA device, and its workers do."""
    launcher = pod(
        image="x",
        command=["mpirun", "-x", "FI_EFA_USE_HUGE_PAGE=0", "-x", "FI_PROVIDER=efa", "train"],
        resources={"limits": {"nvidia.com/gpu": 8}},
    )

    assert "FABRIC-33" not in said(verdict(launcher))


def test_a_pod_without_accelerators_needs_no_cards():
    """A head of Ray is told the same variables as its workers, and trains nothing."""
    variables = [{"name": "FI_PROVIDER", "value": "efa"}]

    head = pod(image="x", env=variables, resources={"limits": {"cpu": 8, "memory": "32Gi"}})
    worker = pod(image="x", env=variables, resources={"limits": {"nvidia.com/gpu": 8}})

    assert "FABRIC-33" not in said(verdict(head))
    assert "FABRIC-33" in said(verdict(worker))


MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: fabric}
data:
  NCCL_PROTO: LL128
  run.sh: |
    #!/bin/bash
    export RDMAV_FORK_SAFE=1
    torchrun train.py
---
apiVersion: kubeflow.org/v2beta1
kind: MPIJob
spec:
  mpiReplicaSpecs:
    Launcher:
      template:
        spec:
          containers:
          - image: x
            command:
            - mpirun
            - -x
            - NCCL_P2P_DISABLE=1
            - train
"""


def test_a_manifest_is_judged_with_the_line_of_each_variable(tmp_path):
    """Variables of a config map, of a script in one, and of a command."""
    report = audited(tmp_path, MANIFEST)

    assert {(finding.rule, finding.place.line) for finding in report.findings} == {
        ("FABRIC-26", 5),
        ("FABRIC-27", 8),
        ("FABRIC-27", 23),
    }


NEURON = """\
#!/bin/bash
export FI_PROVIDER=efa
export FI_EFA_USE_DEVICE_RDMA=1
export FI_EFA_FORK_SAFE=1
NEURON_RT_ROOT_COMM_ID=$HEAD:62000 nccom-test all_reduce
"""


def test_what_neuron_asks_for_is_not_obsolete(tmp_path):
    """The plugin's defaults are NCCL's; the Neuron guide has all three of them set."""
    assert audited(tmp_path, NEURON, name="job.sh").findings == []
    of_nccl = NEURON.replace("NEURON_RT_ROOT_COMM_ID", "OTHER").replace("nccom-test", "train")
    found = audited(tmp_path, of_nccl, name="job.sh").findings
    assert [finding.rule for finding in found] == ["FABRIC-24"] * 3
    off = NEURON.replace("=efa", "=tcp")
    assert [f.rule for f in audited(tmp_path, off, name="job.sh").findings] == ["FABRIC-22"]


def test_what_a_tool_of_libfabric_is_told_is_no_job(tmp_path):
    """`fi_pingpong` has no plugin, and heeds what the plugin would override."""
    tool = "FI_EFA_ENABLE_SHM_TRANSFER=0 timeout 30 /opt/amazon/efa/bin/fi_pingpong -p efa\n"

    assert audited(tmp_path, tool, name="check.sh").findings == []
    job = tool.replace("/opt/amazon/efa/bin/fi_pingpong -p efa", "python train.py")
    assert [f.rule for f in audited(tmp_path, job, name="check.sh").findings] == ["FABRIC-24"]


def test_an_empty_value_sets_nothing(tmp_path):
    """`NCCL_TOPO_FILE=` is how configurations say: none."""
    script = "export NCCL_TOPO_FILE=\nexport NCCL_BUFFSIZE=\n"

    assert audited(tmp_path, script, name="job.sh").findings == []
    # libibverbs asks whether the variable is there, not what is in it.
    verbs = audited(tmp_path, "export RDMAV_FORK_SAFE=\n", name="job.sh")
    assert [f.rule for f in verbs.findings] == ["FABRIC-27"]


@pytest.mark.parametrize(
    "variable",
    ["FI_EFA_USE_DEVICE_RDMA=0", "NCCL_P2P_DISABLE=1", "NCCL_BUFFSIZE=2097152"],
)
def test_what_an_instance_type_does_not_have_cannot_be_spoilt(tmp_path, variable):
    """A g5 has neither GPUDirect RDMA nor NVLink; a P4d has both, and so may an unknown type."""
    name, _, value = variable.partition("=")
    for types, spoilt in (("g5.12xlarge", False), ("p4d.24xlarge", True), ("$KIND", True)):
        script = f"export INSTANCE_TYPE={types}\nexport {variable}\n"
        found = audited(tmp_path, script, name="env_vars").findings
        assert bool({f.rule for f in found} & {"FABRIC-22", "FABRIC-27"}) is spoilt

        variables = [{"name": name, "value": value}]
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "spec": {
                "nodeSelector": {"node.kubernetes.io/instance-type": types},
                "containers": [{"image": "x", "env": variables, "resources": EFA}],
            },
        }
        found = audited(tmp_path, json.dumps(body), name="pod.json").findings
        assert bool({f.rule for f in found} & {"FABRIC-22", "FABRIC-27"}) is spoilt
