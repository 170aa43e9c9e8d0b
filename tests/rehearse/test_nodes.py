"""A node of staging, booted by its template's own user data in a virtual machine."""

import email
import json
import os
import re
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from tests.repository import ROOT
from training.launch.acceptance import SOUND, judge
from ultracluster.cli import main
from ultracluster.exit_status import COULD_NOT_RUN, CommandError
from ultracluster.prove.deployment import StackTemplate
from ultracluster.rehearse.machine.faults import FAULTS
from ultracluster.rehearse.machine.image import image
from ultracluster.rehearse.machine.rehearsal import JOB, boot_findings, job_runs
from ultracluster.rehearse.machine.user_data import (
    BootedNodes,
    booted_nodes,
    text_of,
)
from ultracluster.rehearse.machine.virtual_cluster import VirtualCluster

CLOUD = "root/etc/cloud/cloud.cfg.d/99_ultracluster.cfg"
MODULES = ("cloud_init_modules", "cloud_config_modules", "cloud_final_modules")


def booted(environment: str) -> BootedNodes:
    """Return what the reviewed templates of an environment boot."""
    template = json.loads((ROOT / "golden" / environment / "Cluster.template.json").read_text())
    return booted_nodes([StackTemplate(environment, "Cluster", template, False)])


@pytest.fixture(scope="module")
def cluster() -> Iterator[VirtualCluster]:
    """One node of staging, with the controller of its Slurm beside it."""
    with VirtualCluster(image(), booted("staging"), ("n1",)) as cluster:
        yield cluster


@pytest.mark.needs("qemu")
def test_a_node_boots_takes_a_job_and_is_drained_where_it_is_unfit(cluster: VirtualCluster):
    (node,) = cluster.nodes
    node.wait_for_boot()
    wrong = [each for each in boot_findings(node, training=True, slurm=True) if not each.ok]
    assert not wrong
    cluster.start_slurm()
    healthy = job_runs(cluster, "a healthy node takes a job")
    assert healthy.ok, healthy

    # What breaks the check itself: nothing on the node can tell whether it is fit.
    (fault,) = (each for each in FAULTS if each.name == "check-broken")
    node.ask(fault.plant)
    job = cluster.submit(JOB)
    cluster.until("the node is drained", lambda: cluster.states()["n1"].startswith("drain"))

    assert fault.reason in cluster.reason("n1")
    # It waits for another node, and for no operator.
    cluster.until("the job is back", lambda: cluster.job(job)["JobState"] == "PENDING")
    assert cluster.job(job)["Priority"] != "0"
    assert not Path(cluster.shared / f"slurm-{job}.out").exists()


@pytest.mark.parametrize("environment", ["dev", "staging", "ultracluster"])
def test_user_data_is_filled_in_as_cloudformation_does_it(environment: str):
    found = booted(environment)

    assert "fs-0123456789abcdef0.fsx.us-east-1.amazonaws.com@tcp:/abcdefgh\n" in found.node
    assert (found.login is None) == (found.slurm_version is None) == (environment == "dev")
    assert "Fn::" not in found.node


@pytest.mark.parametrize("environment", ["dev", "staging", "ultracluster"])
def test_the_virtual_image_runs_what_user_data_asks_for(environment: str):
    """Its cloud-init has fewer modules than Debian's, and leaves out other keys in silence."""
    run = yaml.safe_load((ROOT / "ultracluster" / "rehearse" / "machine" / CLOUD).read_text())
    modules = {name for part in MODULES for name in run[part]}
    found = booted(environment)
    for text in filter(None, (found.node, found.login)):
        _, config, script = email.message_from_string(text).walk()
        asked = {
            re.sub("^package_.*", "package_update_upgrade_install", key)
            for key in yaml.safe_load(str(config.get_payload()))
        }
        assert asked <= modules
        assert script.get_content_type() == "text/x-shellscript"
    assert {"scripts_user", "scripts_per_boot"} <= modules


def test_a_reference_that_nothing_stands_in_for_is_refused():
    with pytest.raises(CommandError, match="HomeFileSystem"):
        text_of({"Fn::Base64": {"Fn::Join": ["", ["mount ", {"Ref": "HomeFileSystem"}]]}})


def test_what_is_not_installed_is_said_with_what_brings_it(monkeypatch, capsys):
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)

    assert main(["rehearse", "dev", "--nodes"]) == COULD_NOT_RUN
    assert capsys.readouterr().err.endswith(
        "sudo apt-get install -y --no-install-recommends e2fsprogs mmdebstrap qemu-system-x86\n"
    )


def test_the_stand_in_for_nccl_tests_passes_for_two_sound_nodes():
    """The acceptance of the training program judges it as it judges a real log."""
    program = files("ultracluster.rehearse.machine") / "program" / "all_reduce_perf"
    environment = {**os.environ, "SLURM_PROCID": "0"}
    shown = subprocess.check_output(["/bin/bash", str(program)], text=True, env=environment)

    assert judge(shown, "p4d.24xlarge", 2).status == SOUND
