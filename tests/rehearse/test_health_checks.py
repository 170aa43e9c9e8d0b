"""PCS's own health checks, from the spec through a deployment to what is proved of them."""

import app
from tests.rehearse.conftest import Deployer
from tests.spec.samples import SLURM, changed
from ultracluster.prove.proof import Evidence
from ultracluster.prove.slurm_proof import node_groups
from ultracluster.spec.slurm import HealthChecksSpec, SlurmSpec

CHECKS = HealthChecksSpec(monitoring_repair_action="ISOLATE", deep_profile="MEDIUM")
CHECKED = changed(SLURM, {"slurm": SlurmSpec(version="26.05", repairs=False, health_checks=CHECKS)})
GROUP = "Slurm/SmallNodes/Resource"


def failed(deployed):
    """Return what the proof of the node groups finds wrong."""
    evidence = Evidence(deployed.spec, deployed.deployment, deployed.cloud)
    return [str(each) for each in node_groups(evidence, deployed.spec.slurm) if not each.ok]


def test_they_are_set_by_a_deployment_and_proved(emulator, tmp_path):
    app.build([CHECKED], outdir=str(tmp_path)).synth()
    deployed = Deployer(emulator, tmp_path, accounts=950).deploy(CHECKED)
    assert failed(deployed) == []
    group = deployed.deployment.id_at("Cluster", GROUP).split("/")
    names = {"clusterIdentifier": group[1], "computeNodeGroupIdentifier": group[3]}
    asked = CHECKS.request(gpus=True)
    found = deployed.cloud.ask("pcs", "get_compute_node_group", **names)["computeNodeGroup"]
    assert found["instanceHealthChecks"] == asked

    # Somebody turns one half off by a call.
    deployed.cloud.ask(
        "pcs",
        "update_compute_node_group",
        **names,
        instanceHealthChecks={"healthMonitoring": asked["healthMonitoring"]},
    )

    (line,) = failed(deployed)
    assert "PCS's own health checks" in line
