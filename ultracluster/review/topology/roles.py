"""IAM roles: who may take them, and what they may reach, in short."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ultracluster.model.model import Model
from ultracluster.model.policies import Role as PolicyRole
from ultracluster.model.policies import Statement
from ultracluster.review.topology.model import NotKnown, Reach, Role, told
from ultracluster.review.topology.naming import Names
from ultracluster.templates.reading import items, links, part, written
from ultracluster.templates.resolved import Link, Unknown

VERBS: Final = {
    "read": ("get", "list", "describe", "batchget", "batchcheck", "head", "view", "lookup"),
    "use": ("decrypt", "encrypt", "generate", "reencrypt", "sign", "verify"),
    "pass": ("passrole",),
    "take": ("assumerole",),
}
"""What an action does, by how its name begins; anything else changes something."""
ARN_PARTS: Final = 5


def read_roles(model: Model, names: Names) -> Iterator[Role]:
    """Yield the roles of a variant."""
    for role in model.roles:
        reached: dict[str, list[Reach]] = {}
        for statement in role.statements:
            if told(statement.allows) is not True:
                continue
            conditional = bool(told(statement.conditions))
            for what, everywhere, verbs in _reaches(statement, names):
                found = Reach(what, ", ".join(verbs), everywhere, conditional)
                reached.setdefault(what, []).append(found)
        yield Role(
            name=names.of(role.place),
            place=role.place,
            takers=tuple(_takers(role)),
            reaches=[_together(found) for found in reached.values()],
            outside=[name.rpartition("/")[2].replace("\x00", "?") for name in _managed(role)],
        )


def _together(reaches: Sequence[Reach]) -> Reach:
    verbs = dict.fromkeys(verb for reach in reaches for verb in reach.how.split(", "))
    return Reach(
        reaches[0].what,
        ", ".join(verbs),
        any(reach.everywhere for reach in reaches),
        all(reach.conditional for reach in reaches),
    )


def _managed(role: PolicyRole) -> list[str]:
    found = told(role.outside_policies)
    return ["not known"] if isinstance(found, NotKnown) else found


def _takers(role: PolicyRole) -> Iterator[str]:
    services = told(lambda: [service for service, _ in role.trusted()])
    if isinstance(services, NotKnown):
        yield "whom is not known"
        return
    seen = dict.fromkeys(service_words(service) for service in services)
    document = role.properties.get("AssumeRolePolicyDocument")
    statements = told(lambda: items(part(document, "Statement")))
    for body in statements if isinstance(statements, list) else []:
        for kind in ("AWS", "Federated"):
            for principal in _listed(body, "Principal", kind):
                seen[_principal(principal)] = None
        if told(lambda b=body: part(b, "Principal")) == "*":  # type: ignore[misc]
            seen["anybody"] = None
    if isinstance(document, Unknown):
        seen["whom is not known"] = None
    yield from seen


def service_words(principal: str) -> str:
    """Return `ec2 service` of `ec2.amazonaws.com`."""
    name, dot, _ = principal.replace("\x00", "?").partition(".amazonaws.com")
    return f"{name} service" if dot else name


def _principal(value: Any) -> str:
    stated = written(value).replace("\x00", "?")
    if stated == "*":
        return "anybody"
    if stated.endswith(":root"):
        return "this account" if "?" in stated else f"account {stated.split(':')[4]}"
    if stated.isdigit():
        return f"account {stated}"
    return stated.rpartition(":")[2] or "whom is not known"


def _listed(body: Any, *path: str) -> list[Any]:
    found = told(lambda: items(part(body, *path)))
    return [] if isinstance(found, NotKnown) else found


def _reaches(statement: Statement, names: Names) -> Iterator[tuple[str, bool, list[str]]]:
    body: Mapping[str, Any] = statement.body
    if body.get("NotAction") is not None:
        yield "every service", True, ["everything but a few actions"]
        return
    actions = told(statement.actions)
    if isinstance(actions, NotKnown):
        yield "not known", False, ["not known"]
        return
    by_service: dict[str, list[str]] = {}
    for action in actions:
        service, _, name = action.partition(":")
        by_service.setdefault(service.replace("\x00", "?"), []).append(name)
    targets = told(statement.resources)
    if isinstance(targets, NotKnown):
        targets = [Unknown(targets.because)]
    for service, called in by_service.items():
        verbs = list(dict.fromkeys(verb(name) for name in called))
        for target in targets or ["*"]:
            what, everywhere = _target(target, service, names)
            yield what, everywhere, verbs


def verb(action: str) -> str:
    """Return in one word what an action does."""
    if action in ("*", ""):
        return "everything"
    for word, beginnings in VERBS.items():
        if action.startswith(beginnings):
            return word
    return "change"


def _target(value: Any, service: str, names: Names) -> tuple[str, bool]:
    everything = "every service" if service == "*" else f"all of {service}"
    if isinstance(value, str) and value == "*":
        return everything, True
    linked: list[Link] = list(links(value))
    if linked:
        return names.key((linked[0].stack, linked[0].logical_id)), False
    if isinstance(value, Unknown):
        return f"{service}: not known", False
    stated = written(value).replace("\x00", "?")
    arn = stated.split(":", ARN_PARTS)
    resource = arn[-1] if len(arn) > ARN_PARTS else stated
    return f"{service} {resource}", resource == "*"
