"""Variables of a training job's environment, by the table that nodes and the audit judge them by.

The table is `ultracluster.catalogue.job_environment`; what is a mistake there is one here.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from ultracluster.catalogue import instances, job_environment
from ultracluster.catalogue.training_request import VARIABLE, TrainingRequest
from ultracluster.catalogue.values import text
from ultracluster.problem import Problem, choices

FABRIC: Final = "ULTRACLUSTER_FABRIC"
"""What `training.launch` asks for."""
FABRICS: Final = ("auto", "efa", "none")
OF_OTHER_RULES: Final = ("needed", "verbs")
"""Standings of variables that are judged elsewhere: what is missing, and what breaks a job."""


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
