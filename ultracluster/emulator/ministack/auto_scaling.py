"""Instances of Auto Scaling groups that do not start, on purpose."""

from typing import Any

from ultracluster.emulator.faults import Faults, InjectedFaultError
from ultracluster.emulator.ministack import internals
from ultracluster.emulator.pcs_nodes import INSTANCE, LAUNCH


def install(faults: Faults) -> None:
    """Let launches fail; the group stays as it is, with fewer instances than it wants."""
    inner = internals.autoscaling._reconcile_instances

    def reconcile(group: dict[str, Any]) -> None:
        reached = len(group["Instances"])
        try:
            while reached < group["DesiredCapacity"]:
                faults.check(INSTANCE, LAUNCH, group["AutoScalingGroupName"])
                reached += 1
        except InjectedFaultError:
            inner({**group, "DesiredCapacity": reached})
        else:
            inner(group)

    internals.autoscaling._reconcile_instances = reconcile
