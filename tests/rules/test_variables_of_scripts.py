"""Variables of a script that are right for what it starts, or mean nothing."""

import pytest

from tests.audit.files import audited

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
    for types, spoilt in (("g5.12xlarge", False), ("p4d.24xlarge", True), ("$KIND", True)):
        script = f"export INSTANCE_TYPE={types}\nexport {variable}\n"
        found = audited(tmp_path, script, name="env_vars").findings
        assert bool({f.rule for f in found} & {"FABRIC-22", "FABRIC-27"}) is spoilt
