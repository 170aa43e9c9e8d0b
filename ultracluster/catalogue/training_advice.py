"""What is allowed in a training request, and hardly ever meant.

Sources: SageMaker Developer Guide, train-encrypt and managed spot training; the training facts,
c.1, c.3 and c.5 (read 2026-11-23).
"""

import re
from collections.abc import Iterator
from typing import Final

from ultracluster.catalogue.training_request import (
    ENCRYPTED,
    MODEL_PARALLEL,
    NO_CHECKPOINTS,
    TrainingRequest,
)
from ultracluster.catalogue.training_variables import variable_advice
from ultracluster.problem import MISSING, Problem

SECRET: Final = re.compile(r"(TOKEN|SECRET|PASSWORD|API_KEY)$")


def advice(request: TrainingRequest) -> Iterator[Problem]:
    """Yield what SageMaker takes and whoever writes it should know."""
    if request.library == 1:
        fix = "version 1 of the library is archived and ends at PyTorch 2.0; use another engine"
        yield Problem(f"HyperParameters.{MODEL_PARALLEL}", "sharded data parallelism, v1", fix)
    kind = request.efa_type
    several = kind is not None and kind.network_cards.count > 1 and request.instance_count != 1
    if request.encrypted and several:
        fix = (
            "IPsec between hosts slows distributed training and needs UDP 500 and protocol 50 in "
            "the group; EFA's traffic passes the kernel by; write false unless a rule demands it"
        )
        yield Problem("EnableInterContainerTrafficEncryption", True, fix, code=ENCRYPTED)
    if request.spot and request.training_plan is not None:
        fix = "a training plan is capacity that is paid for; write false"
        yield Problem("EnableManagedSpotTraining", True, fix)
    if request.spot and request.checkpoint is None:
        fix = "an interrupted job starts from nothing; write CheckpointConfig"
        yield Problem("CheckpointConfig", MISSING, fix, code=NO_CHECKPOINTS)
    yield from variable_advice(request)
    for name, value in request.environment.items():
        if SECRET.search(str(name)) and value:
            fix = "whoever may describe the job reads it; have the program ask Secrets Manager"
            yield Problem(f"Environment.{name}", "a secret, by its name", fix)
