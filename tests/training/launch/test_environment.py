"""The environment that a job is given, and the table that says why."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facts import job_environment as carried
from training.launch import variables
from training.launch.environment import chosen, of_torch, settings
from training.launch.variables import missing, rows, table, version, written
from ultracluster.catalogue import job_environment

NEW = (1, 20, 0)
NEVER = ("RDMAV_FORK_SAFE", "RDMAV_HUGEPAGES_SAFE", "NCCL_PROTO", "NCCL_ALGO", "NCCL_BUFFSIZE")
plugins = st.none() | st.tuples(st.integers(1, 2), st.integers(0, 30), st.integers(0, 5))
names = st.sampled_from([row.name.replace("*", "X") for row in table()])
values = st.sampled_from(
    ["", "0", "1", "efa", "tcp", "simple", "LL128", "^LL", "Socket", "ofi", "Libfabric", "8388608"]
) | st.text(max_size=8)
types = st.sampled_from([None, "p4d.24xlarge", "p5.48xlarge", "trn1.32xlarge"])


@given(plugins, types, st.booleans())
def test_what_is_harmful_is_never_set(plugin, kind, fabric):
    """For any plugin, any type, with and without EFA; SageMaker's launchers do set two of them."""
    found = chosen({}, plugin=plugin, instance=kind, fabric=fabric)
    assert not set(NEVER) & set(found)
    for name, value in found.items():
        standings = {row.standing for row, held in rows(name, value, plugin) if held}
        assert standings <= {"obsolete", "needed"}


def test_p4d_gets_the_classic_advice_and_a_refusal_of_tcp():
    """FI_PROVIDER and FI_EFA_USE_DEVICE_RDMA are harmless; NCCL_NET is what makes NCCL fail."""
    assert chosen({}, plugin=NEW, instance="p4d.24xlarge", fabric=True) == {
        **of_torch(),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "NCCL_SOCKET_IFNAME": "^docker0,lo",
        "NCCL_NET": "AWS Libfabric",
        "FI_PROVIDER": "efa",
        "FI_EFA_USE_HUGE_PAGE": "0",
        "FI_EFA_USE_DEVICE_RDMA": "1",
    }


def test_p5_with_a_new_plugin_is_not_told_what_it_knows():
    """The old advice is set where somebody may look for it, and nowhere else."""
    assert "FI_EFA_USE_DEVICE_RDMA" not in chosen(
        {}, plugin=NEW, instance="p5.48xlarge", fabric=True
    )
    assert "FI_EFA_USE_DEVICE_RDMA" in chosen(
        {}, plugin=(1, 6, 0), instance="p5.48xlarge", fabric=True
    )


@given(plugins)
def test_the_name_that_forbids_tcp_is_known_to_every_plugin(plugin):
    """A name that the plugin does not have would end every job."""
    assert not [row for row, held in rows("NCCL_NET", "AWS Libfabric", plugin) if held is not False]


def test_every_program_can_explain_its_end():
    """With and without EFA: the flight recorder, NCCL's words, and ends that ranks tell each other.

    gloo connects lazily: every rank to every other at the start would take an hour on 4,096.
    """
    for fabric in (True, False):
        found = chosen({}, plugin=NEW, instance="p4d.24xlarge", fabric=fabric)
        assert {
            "TORCH_FR_BUFFER_SIZE": "2000",
            "TORCH_NCCL_DUMP_ON_TIMEOUT": "1",
            "TORCH_NCCL_PROPAGATE_ERROR": "1",
            "TORCH_GLOO_LAZY_INIT": "1",
            "NCCL_DEBUG": "WARN",
        }.items() <= found.items()
    own = chosen({"NCCL_DEBUG": "INFO"}, plugin=NEW, instance=None, fabric=True)
    assert own["NCCL_DEBUG"] == "INFO"


def test_without_fabric_nccl_may_use_what_it_finds():
    """One node, or a machine without EFA."""
    assert "NCCL_NET" not in chosen({}, plugin=None, instance=None, fabric=False)


@given(
    st.dictionaries(
        st.sampled_from(["NCCL_DEBUG", "NCCL_SOCKET_IFNAME", "FI_EFA_USE_HUGE_PAGE"]),
        st.text(max_size=5),
    )
)
def test_the_job_s_own_values_win(own):
    """Whoever sets a variable means it."""
    found = chosen(own, plugin=NEW, instance="p4d.24xlarge", fabric=True)
    assert {name: found[name] for name in own} == own


@pytest.mark.parametrize(
    ("name", "value", "plugin", "standing"),
    [
        ("FI_PROVIDER", "efa", (1, 5, 0), "needed"),
        ("FI_PROVIDER", "efa", (1, 6, 0), "obsolete"),
        ("FI_PROVIDER", "tcp;ofi_rxm", NEW, "off-fabric"),
        ("FI_PROVIDER", "^efa", NEW, "off-fabric"),
        ("FI_PROVIDER", "^tcp,efa", NEW, "off-fabric"),
        ("FI_PROVIDER", "cxi", NEW, "off-fabric"),
        ("FI_HMEM_DISABLE_P2P", "1", NEW, "off-fabric"),
        ("NCCL_NET", "EFA", NEW, "unfit"),
        ("NCCL_P2P_LEVEL", "LOC", NEW, "slowing"),
        ("FI_EFA_USE_DEVICE_RDMA", "1", (1, 6, 5), "needed"),
        ("FI_EFA_USE_DEVICE_RDMA", "1", (1, 7, 0), "obsolete"),
        ("FI_EFA_USE_DEVICE_RDMA", "0", NEW, "off-fabric"),
        ("NCCL_SOCKET_IFNAME", "lo", NEW, "off-fabric"),
        ("NCCL_SOCKET_IFNAME", "=lo,docker0", NEW, "off-fabric"),
        ("NCCL_SOCKET_IFNAME", "ens5,lo", NEW, "off-fabric"),
        ("NCCL_SOCKET_IFNAME", "docker0,docker1", NEW, "off-fabric"),
        ("NCCL_SOCKET_IFNAME", "^docker0", NEW, "off-fabric"),
        ("NCCL_SOCKET_IFNAME", "^=docker0,eth0", NEW, "off-fabric"),
        ("GLOO_SOCKET_IFNAME", "ens5,lo", NEW, "off-fabric"),
        ("GLOO_SOCKET_IFNAME", "^docker0,lo", NEW, "unfit"),
        ("FI_PROVIDER", "efa,tcp", NEW, "overriding"),
        ("NCCL_TUNER_PLUGIN", "none", NEW, "overriding"),
        ("OFI_NCCL_PROTOCOL", "SENDRECV", NEW, "overriding"),
        ("NCCL_PROTO", "simple", (1, 5, 0), "needed"),
        ("NCCL_PROTO", "Simple", (1, 7, 0), "forced"),
        ("NCCL_PROTO", "LL,LL128,Simple", NEW, "corrupting"),
        ("NCCL_PROTO", "^LL128", NEW, "corrupting"),
        ("NCCL_PROTO", "^LL", NEW, "corrupting"),
        ("NCCL_PROTO", "^LL128,LL", NEW, "forced"),
        ("NCCL_PROTO", "^Simple", NEW, "corrupting"),
        ("RDMAV_FORK_SAFE", "1", NEW, "verbs"),
        ("NCCL_NET", "Libfabric", (1, 12, 0), "unfit"),
        ("NCCL_NET_PLUGIN", "ofi", (1, 14, 2), "unfit"),
        ("NCCL_BUFFSIZE", "4194304", NEW, "overriding"),
        ("NCCL_BUFFSIZE", "8388608", NEW, "obsolete"),
        ("NCCL_MIN_CHANNELS", "16", NEW, "nameless"),
    ],
)
def test_a_variable_stands_as_its_version_has_it(name, value, plugin, standing):
    """The verdict changes with the plugin; advice without a version is half of it."""
    assert [row.standing for row, held in rows(name, value, plugin) if held] == [standing]


@pytest.mark.parametrize(
    ("name", "value", "plugin"),
    [
        ("NCCL_NET", "Libfabric", (1, 13, 0)),
        ("NCCL_NET", "AWS Libfabric", (1, 7, 0)),
        ("NCCL_NET_PLUGIN", "ofi", (1, 15, 0)),
        ("NCCL_DEBUG", "INFO", NEW),
        ("FI_EFA_USE_HUGE_PAGE", "0", NEW),
        ("NCCL_SOCKET_IFNAME", "^docker0,lo", NEW),
        ("NCCL_SOCKET_IFNAME", "^lo,docker,veth", NEW),
        ("NCCL_SOCKET_IFNAME", "^=lo", NEW),
        ("NCCL_SOCKET_IFNAME", "ens5,docker0", NEW),
        ("NCCL_SOCKET_IFNAME", "local0", NEW),
        ("GLOO_SOCKET_IFNAME", "ens5,ens6", NEW),
        ("NCCL_TUNER_PLUGIN", "libnccl-ofi-tuner.so", NEW),
        ("NCCL_P2P_DISABLE", "0", NEW),
        ("NCCL_NET_GDR_LEVEL", "PHB", NEW),
        ("FI_PROVIDER", "^tcp", NEW),
        ("FI_HMEM_DISABLE_P2P", "0", NEW),
    ],
)
def test_what_does_no_harm_is_not_mentioned(name, value, plugin):
    """A lint that cries at everything is switched off."""
    assert list(rows(name, value, plugin)) == []


def test_an_old_plugin_s_needs_are_told():
    """Up to 1.5 the provider and the protocol, before 1.7 RDMA; nothing today."""
    assert {row.name for row in missing({}, (1, 5, 0))} == {
        "FI_PROVIDER", "FI_EFA_USE_DEVICE_RDMA", "NCCL_PROTO",
    }  # fmt: skip
    assert [row.name for row in missing({}, (1, 6, 0))] == ["FI_EFA_USE_DEVICE_RDMA"]
    assert list(missing({}, NEW)) == list(missing({}, None)) == []


@pytest.mark.parametrize("row", table(), ids=lambda row: f"{row.name}={row.value}:{row.standing}")
def test_every_row_has_its_source_with_a_date(row):
    """A number or a claim from outside carries where it is from."""
    assert re.search(r"\d{4}-\d{2}-\d{2}|v1\.\d+\.\d+", row.source)
    assert len(row.why) > 20
    assert row.fix
    re.compile(row.value)


def test_every_setting_has_its_source():
    """Likewise for what is set."""
    every = settings(plugin=(1, 6, 0), instance="p4d.24xlarge", fabric=True)
    assert all(len(setting.source) > 10 and setting.why for setting in every)


def test_both_sides_of_the_wall_have_the_same_tables():
    """`python -m facts.job_environment` writes them; neither side imports the other."""
    for path, data in (
        (carried.INSTANCES, carried.instances()),
        (carried.REGISTRIES, carried.registries()),
        (carried.SETTINGS, carried.settings()),
    ):
        assert path.read_text() == carried.text(data), path.name


def test_the_audit_reads_the_same_table():
    """One folder under two names, so that a job that passes the audit passes the check."""
    command, image = (Path(str(module.__file__)) for module in (job_environment, variables))
    assert command.parent.is_symlink()
    assert command.resolve() == image.resolve()


@given(st.lists(st.integers(0, 99), min_size=2, max_size=4))
def test_versions_are_read_as_they_are_written(parts):
    """1.9 comes before 1.10."""
    assert version(f"v{written(tuple(parts))}-aws") == tuple(parts)
