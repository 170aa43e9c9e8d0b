"""The instances of a compute node group: who is launched, with which tags, and who is replaced.

Modelled: a group runs its least number of instances, on the version of the launch template that it
names. Not modelled: what runs on them, and what Slurm starts on top of that number.
"""

from collections.abc import Mapping
from typing import Any, Final

from ultracluster.emulator.faults import Faults, InjectedFaultError
from ultracluster.emulator.ministack import network
from ultracluster.emulator.provisioning import Record

INSTANCE: Final = "AWS::EC2::Instance"
LAUNCH: Final = "launch"
SCALING: Final = "ScalingConfiguration"
REPLACES_NOTHING: Final = {SCALING, "Tags", "Name", "ClusterId"}
"""Properties of a group that may change without its instances; any other change replaces them all
(AWS PCS user guide, "Updating an AWS PCS compute node group", read 2026-11-27)."""


def follow(faults: Faults, record: Record, before: Mapping[str, Any]) -> None:
    """Launch, replace and stop instances until they are what a group's properties say.

    The group itself stays active where an instance cannot be launched: PCS tries again, which is
    UNVERIFIED (2026-11-27) and happens here at the next update.

    Args:
        faults: what fails on purpose, such as capacity that is not there.
        record: the group as it is now.
        before: its properties as they were; empty where it is new.
    """
    state, given = record.state, record.properties
    if SCALING not in given:
        return  # a cluster or a queue
    changed = {name for name in {*before, *given} if before.get(name) != given.get(name)}
    if changed - REPLACES_NOTHING:
        stop(record)
    running = state.setdefault("instances", [])
    least = int(given[SCALING]["MinInstanceCount"])
    network.terminate(running[least:])
    del running[least:]
    while len(running) < least:
        try:
            faults.check(INSTANCE, LAUNCH, str(given["Name"]))
        except InjectedFaultError as error:
            state["errors"] = [{"code": "InsufficientInstanceCapacity", "message": str(error)}]
            return
        running.append(_launched(record))
    state["errors"] = []


def stop(record: Record) -> None:
    network.terminate(record.state.pop("instances", []))


def _launched(record: Record) -> str:
    """Launch one instance; it has the tags of the launch template, never those of the group.

    PCS tags its own resources only, and instances have what the template's tag specifications say
    (AWS PCS user guide, "Using Amazon EC2 launch templates", read 2026-11-27). The two `aws:pcs:`
    tags are PCS's own.
    """
    given = record.properties
    return network.launch(
        template=given["CustomLaunchTemplate"],
        instance_type=str(given["InstanceConfigs"][0]["InstanceType"]),
        image=given.get("AmiId"),
        subnet_id=str(given["SubnetIds"][0]),
        tags={
            "aws:pcs:cluster-id": str(given["ClusterId"]),
            "aws:pcs:compute-node-group-id": str(record.state["id"]),
        },
    )
