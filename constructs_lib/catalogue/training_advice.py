"""What is allowed in a training request, and hardly ever meant.

Sources: SageMaker Developer Guide, train-encrypt and managed spot training; the training facts,
c.1, c.3 and c.5 (read 2026-11-23).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from constructs_lib.catalogue import instances
from constructs_lib.catalogue.training_engines import MODEL_PARALLEL, version
from constructs_lib.catalogue.training_resources import instance_count, instance_type
from constructs_lib.catalogue.values import document, part
from constructs_lib.spec.problem import Problem

OFF_THE_FABRIC: Final = {"FI_PROVIDER": "tcp", "NCCL_NET": "Socket", "NCCL_NET_PLUGIN": "none"}
OBSOLETE: Final = ("NCCL_PROTO", "FI_EFA_FORK_SAFE", "FI_EFA_ENABLE_SHM_TRANSFER")


def spot_on_a_plan(request: Mapping[str, Any]) -> bool:
    """Whether a request asks for spare capacity and for a training plan's at once."""
    plan = part(request, "ResourceConfig", "TrainingPlanArn")
    return plan is not None and part(request, "EnableManagedSpotTraining") is True


def advice(request: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what SageMaker takes and whoever writes it should know."""
    if version(document(part(request, "HyperParameters", MODEL_PARALLEL))) == 1:
        fix = "version 1 of the library is archived and ends at PyTorch 2.0; use another engine"
        yield Problem(f"HyperParameters.{MODEL_PARALLEL}", "sharded data parallelism, v1", fix)
    efa = instance_type(request) in instances.names() and instance_count(request) > 1
    if part(request, "EnableInterContainerTrafficEncryption") is True and efa:
        fix = (
            "IPsec between hosts slows distributed training and needs UDP 500 and protocol 50 in "
            "the group; EFA's traffic passes the kernel by; write false unless a rule demands it"
        )
        yield Problem("EnableInterContainerTrafficEncryption", True, fix)
    if spot_on_a_plan(request):
        fix = "a training plan is capacity that is paid for; write false"
        yield Problem("EnableManagedSpotTraining", True, fix)
    spot = part(request, "EnableManagedSpotTraining") is True
    if spot and part(request, "CheckpointConfig") is None:
        fix = "an interrupted job starts from nothing; write CheckpointConfig"
        yield Problem("CheckpointConfig", "nothing", fix)
    environment = part(request, "Environment")
    for name, value in environment.items() if isinstance(environment, Mapping) else ():
        if name in OFF_THE_FABRIC and str(value).lower() == OFF_THE_FABRIC[name].lower():
            yield Problem(f"Environment.{name}", value, "it keeps the job off EFA; remove it")
        elif name in OBSOLETE:
            fix = "aws-ofi-nccl 1.7 and later choose it; remove it"
            yield Problem(f"Environment.{name}", value, fix)
