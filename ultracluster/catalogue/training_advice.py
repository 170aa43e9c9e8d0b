"""What is allowed in a training request, and hardly ever meant.

Sources: SageMaker Developer Guide, train-encrypt and managed spot training; the training facts,
c.1, c.3 and c.5 (read 2026-11-23).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.catalogue import instances
from ultracluster.catalogue.training_engines import MODEL_PARALLEL, version
from ultracluster.catalogue.training_resources import instance_count, instance_type, type_names
from ultracluster.catalogue.values import document, part, text
from ultracluster.spec.problem import Problem

OFF_THE_FABRIC: Final = {"FI_PROVIDER": "tcp", "NCCL_NET": "Socket", "NCCL_NET_PLUGIN": "none"}
SECRET: Final = re.compile(r"(TOKEN|SECRET|PASSWORD|API_KEY)$")
ACCELERATED: Final = re.compile(r"ml\.(p|g|trn|inf)\d")
OWN_FOLDERS: Final = ("/opt/ml/input", "/opt/ml/model", "/opt/ml/output", "/opt/ml/code")
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
    yield from _without_effect(request)
    environment = part(request, "Environment")
    for name, value in environment.items() if isinstance(environment, Mapping) else ():
        if name in OFF_THE_FABRIC and str(value).lower() == OFF_THE_FABRIC[name].lower():
            yield Problem(f"Environment.{name}", value, "it keeps the job off EFA; remove it")
        elif name in OBSOLETE:
            fix = "aws-ofi-nccl 1.7 and later choose it; remove it"
            yield Problem(f"Environment.{name}", value, fix)
        elif SECRET.search(str(name)) and value:
            fix = "whoever may describe the job reads it; have the program ask Secrets Manager"
            yield Problem(f"Environment.{name}", "a secret, by its name", fix)


def _without_effect(request: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what SageMaker takes, and what does not do as it seems to say."""
    kinds = [name for _, name in type_names(request)]
    pending = part(request, "StoppingCondition", "MaxPendingTimeInSeconds")
    if pending is not None and kinds and not any(ACCELERATED.match(kind) for kind in kinds):
        fix = f"it has no effect on {kinds[0]}, which has no accelerator; remove it"
        yield Problem("StoppingCondition.MaxPendingTimeInSeconds", pending, fix)
    kept = part(request, "ResourceConfig", "KeepAlivePeriodInSeconds")
    if kept and len(set(kinds)) > 1 and part(request, "ResourceConfig", "InstanceGroups"):
        fix = "as far as is known no warm pool is kept of instances of several types; write 0"
        yield Problem("ResourceConfig.KeepAlivePeriodInSeconds", kept, fix)
    local = text(part(request, "CheckpointConfig", "LocalPath")).rstrip("/")
    if local == "/opt/ml" or local.startswith(OWN_FOLDERS):
        fix = "SageMaker uses that folder itself; write /opt/ml/checkpoints"
        yield Problem("CheckpointConfig.LocalPath", local, fix)
