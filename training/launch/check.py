"""Whether a job can run on this node as it was asked for; said in seconds, in a sentence for each.

    python -m training.launch check --nodes 2
    python -m training.launch check --fabric efa --instance p4d.24xlarge

Ends with 0 where everything fits, 2 where job, image or instance are set up wrong (the next try
ends the same way), and 69 (EX_UNAVAILABLE of sysexits.h) where this node is less than its type is:
a GPU or a network card has gone, so the job belongs on another node and this one into repair.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from training.launch import findings
from training.launch.findings import Finding
from training.launch.instances import Instance, instance
from training.launch.machine import Machine
from training.launch.variables import written

FITS: Final = 0
MISTAKEN: Final = 2
UNAVAILABLE: Final = 69

Fabric = Literal["auto", "efa", "none"]
FABRICS: Final[tuple[Fabric, ...]] = ("auto", "efa", "none")

VARIABLE: Final = "ULTRACLUSTER_FABRIC"
"""What a job sets to one of them where it has no command line, as on SageMaker."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a node is, and what is wrong with it."""

    fabric: bool
    """Whether the job is to run over EFA."""
    facts: dict[str, Any]
    findings: tuple[Finding, ...]

    @property
    def status(self) -> int:
        weights = {finding.weight for finding in self.findings}
        if "mistake" in weights:
            return MISTAKEN
        return UNAVAILABLE if "sick" in weights else FITS


def asked(fabric: Fabric, kind: Instance | None, nodes: int, machine: Machine) -> bool:
    """Whether the job asks for EFA: in words, by FI_PROVIDER, or by its instance type and size."""
    if fabric != "auto":
        return fabric == "efa"
    if machine.environment.get("FI_PROVIDER") == "efa":
        return True
    return nodes > 1 and kind is not None and kind.cards > 0


def check(
    machine: Machine,
    *,
    fabric: Fabric = "auto",
    instance_type: str | None = None,
    nodes: int = 1,
    gpus: int | None = None,
    cards: int | None = None,
    least_gpus: int = 0,
) -> Report:
    """Return what does not fit; None takes what firmware, type and AWS's layouts say.

    Args:
        machine: This node.
        fabric: What the job asks for.
        instance_type: EC2 or SageMaker name.
        nodes: Nodes of the job.
        gpus: GPUs that the job takes.
        cards: EFA devices that it takes.
        least_gpus: GPUs that a node of an unknown type must have.
    """
    name = (instance_type or machine.instance_type or "").removeprefix("ml.") or None
    kind = instance(name)
    over_efa = asked(fabric, kind, nodes, machine)
    if gpus is None:
        gpus = kind.gpus if kind else least_gpus
    found = list(findings.gpus(machine, gpus, name if kind else None))
    if over_efa:
        if name is not None and kind is None and fabric == "efa" and "." in name:
            found.append(findings.finding("type-unknown", name=name))
        wanted = cards if cards is not None else kind.cards if kind else 1
        found += findings.devices(machine, wanted, name)
        found += findings.provider(machine)
        found += findings.plugin(machine, name)
        found += findings.memory(machine)
        found += findings.direct(machine, name)
    if nodes > 1 or over_efa:
        found += findings.network(machine)
    found += findings.environment(machine, name, over_efa=over_efa)
    facts = {
        "instance_type": name,
        "gpus": len(machine.topology.gpus),
        "efa_devices": len(machine.topology.cards),
        "driver": machine.driver_text,
    }
    if over_efa:
        facts["libfabric"] = machine.libfabric
        facts["aws_ofi_nccl"] = written(machine.plugin_version) if machine.plugin.path else None
        facts["nccl"] = written(machine.nccl_version) if machine.nccl_version else None
    return Report(over_efa, facts, tuple(found))
