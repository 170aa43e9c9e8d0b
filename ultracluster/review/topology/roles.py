"""IAM roles: who may assume them, and what they may reach, in short."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.model.model import Model
from ultracluster.model.policies import TRUST, Identity, Statement, listed, token
from ultracluster.review.access.levels import level
from ultracluster.review.access.sentences import EVERYTHING, principals, verb
from ultracluster.review.access.statement import Level
from ultracluster.review.naming import Names, short
from ultracluster.templates.resolved import Place, Unknown
from ultracluster.templates.resolved_values import links

ARN_PARTS: Final = 5
UNKNOWN: Final = "not known"


@dataclass(frozen=True)
class Reach:
    """What a role may do somewhere."""

    what: str
    how: str
    everywhere: bool = False
    """Whether it is every resource of the service."""
    conditional: bool = False
    """Whether conditions narrow it."""


@dataclass(frozen=True)
class Role:
    """An IAM role: who may take it, and what it may reach."""

    name: str
    place: Place
    takers: Sequence[str]
    reaches: Sequence[Reach]
    outside: Sequence[str] = ()
    """Managed policies whose statements the templates do not hold."""


def read_roles(model: Model, names: Names) -> Iterator[Role]:
    for role in model.roles:
        reached: dict[str, list[Reach]] = {}
        for statement in role.statements:
            if statement.effect == "Allow":
                for reach in _reaches(statement, names):
                    reached.setdefault(reach.what, []).append(reach)
        yield Role(
            name=short(role.place),
            place=role.place,
            takers=tuple(dict.fromkeys(_takers(role, names))),
            reaches=[_together(found) for found in reached.values()],
            outside=[names.text(arn).rpartition("/")[2] for arn in role.outside_policies],
        )


def _together(reaches: Sequence[Reach]) -> Reach:
    verbs = dict.fromkeys(verb for reach in reaches for verb in reach.how.split(", "))
    return Reach(
        reaches[0].what,
        ", ".join(verbs),
        any(reach.everywhere for reach in reaches),
        all(reach.conditional for reach in reaches),
    )


def _takers(role: Identity, names: Names) -> Iterator[str]:
    if isinstance(role.properties.get(TRUST), Unknown):
        yield "whom is not known"
    for statement in role.trust:
        yield from principals(statement, names)


def _reaches(statement: Statement, names: Names) -> Iterator[Reach]:
    conditional = bool(statement.body.get("Condition"))
    if statement.body.get("NotAction") is not None:
        yield Reach("every service", "everything but a few actions", True, conditional)
        return
    verbs: dict[str, dict[str, None]] = {}
    for action in map(token, listed(statement.body.get("Action"))):
        service = action.partition(":")[0].lower() if ":" in action or action == "*" else UNKNOWN
        verbs.setdefault(service, {})[_verb(action)] = None
    for service, mine in verbs.items():
        for target in listed(statement.body.get("Resource")) or ["*"]:
            what, everywhere = _target(target, service, names)
            yield Reach(what, ", ".join(mine), everywhere, conditional)


def _verb(action: str) -> str:
    about = level(action)
    said = UNKNOWN if about is Level.UNKNOWN else verb(action, about)
    return "everything" if said.startswith(EVERYTHING) else said


def _target(value: Any, service: str, names: Names) -> tuple[str, bool]:
    if value == "*":
        return ("every service" if service == "*" else f"all of {service}"), True
    linked = next(links(value), None)
    if linked is not None:
        return names.key(linked.key), False
    if isinstance(value, Unknown):
        return f"{service}: not known", False
    arn = names.text(value).split(":", ARN_PARTS)
    return f"{service} {arn[-1]}", arn[-1] == "*"
