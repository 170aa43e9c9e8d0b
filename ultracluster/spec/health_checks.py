"""The health checks of instances that AWS Parallel Computing Service (PCS) makes by itself."""

from collections.abc import Iterator
from typing import Any, Literal

from ultracluster.problem import Problem
from ultracluster.spec.base import Spec, rule

RepairAction = Literal["AUTO", "REPLACE", "ISOLATE", "NONE"]


class HealthChecksSpec(Spec):
    """Health checks that PCS makes of the instances that jobs run on, from Slurm 26.05 on.

    After a failed check PCS replaces the instance (`REPLACE`), keeps it for inspection without new
    jobs (`ISOLATE`), only records it in Slurm (`NONE`), or chooses by itself (`AUTO`, the default).
    Any change drains all instances of a group, and replaces them once their jobs have ended (AWS
    PCS API, `InstanceHealthChecks`, and user guide; read 2026-11-26).
    """

    monitoring_mode: Literal["STANDARD", "NONE"] = "STANDARD"
    """Whether PCS checks running instances. It replaces an instance only after its jobs have
    ended."""

    monitoring_repair_action: RepairAction | None = None
    """What PCS does with an instance that fails monitoring; None is `AUTO`."""

    deep_profile: Literal["NONE", "QUICK", "MEDIUM", "LONG"] = "NONE"
    """Level 1, 2 or 3 of NVIDIA's diagnostics (DCGM) whenever an instance starts, before its jobs,
    for minutes; groups without NVIDIA GPUs have none."""

    deep_repair_action: RepairAction | None = None
    """What PCS does with an instance that fails the diagnostics; None is `AUTO`."""

    @property
    def act(self) -> bool:
        """Whether PCS removes instances by itself, or runs diagnostics on their GPUs."""
        monitors = self.monitoring_mode != "NONE" and self.monitoring_repair_action != "NONE"
        return monitors or self.deep_profile != "NONE"

    def request(self, *, gpus: bool) -> dict[str, Any]:
        """Return `instanceHealthChecks` of a node group; empty where nothing is on.

        Args:
            gpus: whether its instances have NVIDIA GPUs.
        """
        monitoring = {"mode": self.monitoring_mode, "repairAction": self.monitoring_repair_action}
        deep = {"profile": "NONE", "repairAction": None}
        if gpus:
            deep = {"profile": self.deep_profile, "repairAction": self.deep_repair_action}
        if self.monitoring_mode == deep["profile"] == "NONE":
            return {}
        return {
            "healthMonitoring": {name: value for name, value in monitoring.items() if value},
            "deepHealthChecks": {"onStart": {name: value for name, value in deep.items() if value}},
        }

    @rule
    def _something_is_on(self) -> Iterator[Problem]:
        if self.monitoring_mode == self.deep_profile == "NONE":
            fix = 'with both checks off PCS checks nothing; write "STANDARD", or health_checks=None'
            yield self.problem_of("monitoring_mode", fix)

    @rule
    def _actions_follow_checks(self) -> Iterator[Problem]:
        for name, on in (
            ("monitoring", self.monitoring_mode),
            ("deep", self.deep_profile),
        ):
            field = f"{name}_repair_action"
            if on == "NONE" and getattr(self, field) is not None:
                fix = "the check of this action is off, and PCS refuses that; write None"
                yield self.problem_of(field, fix)
