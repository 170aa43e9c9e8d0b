"""What is allowed in a training request and hardly ever meant, and variables of its environment.

Sources: SageMaker Developer Guide, train-encrypt and managed spot training; the training facts,
c.1, c.3 and c.5 (read 2026-11-23). Variables are judged by the table that nodes and the audit judge
them by, `ultracluster.catalogue.job_environment`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from ultracluster.catalogue import instances, job_environment
from ultracluster.catalogue.training_request import (
    ENCRYPTED,
    MODEL_PARALLEL,
    NO_CHECKPOINTS,
    VARIABLE,
    TrainingRequest,
)
from ultracluster.catalogue.values import text
from ultracluster.problem import MISSING, Problem, choices

SECRET: Final = re.compile(r"(TOKEN|SECRET|PASSWORD|API_KEY)$")
FABRIC: Final = "ULTRACLUSTER_FABRIC"
"""What `training.launch` asks for."""
FABRICS: Final = ("auto", "efa", "none")
OF_OTHER_RULES: Final = ("needed", "verbs")
"""Standings of variables that are judged elsewhere: what is missing, and what breaks a job."""


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


def over_efa(environment: Mapping[str, object], instance_type: str, nodes: int) -> bool:
    """Whether a job runs over EFA: on several nodes of a type that has it, unless it says no."""
    known = instance_type.removeprefix("ml.") in instances.names()
    return known and nodes > 1 and environment.get(FABRIC) != "none"


def ending_problems(
    where: str, environment: Mapping[str, object], instance_type: str, nodes: int
) -> Iterator[Problem]:
    """Yield variables that a job over EFA does not survive, or survives with wrong results."""
    if over_efa(environment, instance_type, nodes):
        values = {name: text(value) for name, value in environment.items()}
        for name, row in job_environment.ends(values, None, [instance_type]):
            fix = f"{row.why}; {row.fix}"
            yield Problem(f"{where}.{name}", environment[name], fix, code=VARIABLE)


def variable_problems(request: TrainingRequest) -> Iterator[Problem]:
    """Yield variables with which a job does not run as its request says."""
    kinds = [name for _, name in request.type_names]
    kind = kinds[0] if len(set(kinds)) == 1 else ""
    yield from ending_problems("Environment", request.environment, kind, request.instance_count)
    asked = request.environment.get(FABRIC)
    if asked is None:
        return
    where = f"Environment.{FABRIC}"
    if asked not in FABRICS:
        yield Problem(where, asked, f"there is no such choice; write {choices(FABRICS)}")
    elif asked == "efa" and kind and kind.removeprefix("ml.") not in instances.names():
        fix = f"it has no EFA, which {where} asks for; write none there, or a type that has it"
        yield Problem(request.type_names[0][0], kind, fix)


def variable_advice(request: TrainingRequest) -> Iterator[Problem]:
    """Yield variables that a job survives, and that are hardly ever meant."""
    wrong = {problem.field for problem in variable_problems(request)}
    for name, value in request.environment.items():
        field = f"Environment.{name}"
        for row, held in job_environment.rows(str(name), text(value), None):
            if held and row.standing not in OF_OTHER_RULES and field not in wrong:
                yield Problem(field, value, f"{row.why}; {row.fix}", code=VARIABLE)
