"""PCS's health checks of instances: settings of a node group that its API alone takes.

Modelled: what is refused, what an update without a half of them means, and that a change replaces
the instances (AWS PCS API, `InstanceHealthChecks`, botocore 1.44.8; user guide; read 2026-11-26).
Not modelled: the checks themselves.
"""

from collections.abc import Mapping
from typing import Any, Final

from ultracluster.catalogue import instances
from ultracluster.catalogue.slurm import CHECKS_OFF, HEALTH_CHECKS_SINCE
from ultracluster.emulator import pcs, pcs_nodes, wire
from ultracluster.emulator.faults import Faults
from ultracluster.emulator.provisioning import Record, Scope

MEMBER: Final = "instanceHealthChecks"


def update(faults: Faults, scope: Scope, arguments: wire.Arguments) -> dict[str, Any]:
    """Answer UpdateComputeNodeGroup, which changes nothing else of a group here."""
    given = {name: value for name, value in arguments.items() if name != "clientToken"}
    cluster = pcs.find_cluster(scope, str(given.pop("clusterIdentifier")))
    groups = pcs.children(scope, pcs.NODE_GROUP, cluster.state["id"])
    name = str(given.pop("computeNodeGroupIdentifier"))
    group = pcs.find_record(groups, pcs.NODE_GROUP, name)
    checks = given.pop(MEMBER, None)
    if given:
        raise pcs.refused(f"an update of {', '.join(given)} by the API is not emulated")
    if checks is not None:
        _require_taken(group, str(cluster.properties["Scheduler"]["Version"]), checks)
        wanted = {**CHECKS_OFF, **checks}
        if wanted != group.state.get(MEMBER, CHECKS_OFF):
            pcs_nodes.stop(group)
        group.state[MEMBER] = wanted
        pcs_nodes.follow(faults, group, group.properties)
    return {"computeNodeGroup": pcs.description(group)}


def _require_taken(group: Record, version: str, checks: Mapping[str, Any]) -> None:
    """Refuse what PCS refuses; the words are not AWS's."""
    if not checks:
        raise pcs.refused(f"{MEMBER} must have at least one member")
    if version < HEALTH_CHECKS_SINCE:
        raise pcs.refused(
            f"{MEMBER} is only supported for Slurm version {HEALTH_CHECKS_SINCE} or later"
        )
    monitoring = checks.get("healthMonitoring", {"mode": "NONE"})
    deep = checks.get("deepHealthChecks", CHECKS_OFF["deepHealthChecks"])["onStart"]
    for name, half in (("mode", monitoring), ("profile", deep)):
        if half[name] == "NONE" and "repairAction" in half:
            raise pcs.refused(f"repairAction must not be specified when {name} is NONE")
    try:
        kind = instances.find(str(group.properties["InstanceConfigs"][0]["InstanceType"]))
        has_gpus = kind.accelerator.is_nvidia
    except instances.UnknownInstanceTypeError:
        has_gpus = False
    if deep["profile"] != "NONE" and not has_gpus:
        raise pcs.refused("deepHealthChecks requires instance types with NVIDIA GPUs")
