"""The parts of a statement in words."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ultracluster.model.policies import Statement, conditions_of, listed, principals_of, token
from ultracluster.review.access.statement import Level
from ultracluster.review.naming import NOT_IN_TEMPLATES, Names
from ultracluster.review.tables import table

ANYBODY: Final = "anybody"
EVERYTHING: Final = "do everything"
WORDS: Final[Mapping[str, Mapping[str, str]]] = table("iam_words")
"""What a sentence calls services, operators and condition keys."""
EQUAL: Final = ("stringequals", "stringlike", "arnequals", "arnlike")
SERVICE_ROLE: Final = re.compile(r"^arn:[^:]*:iam::[^:]*:role/aws-service-role/([^/]+)/(.+)$")
FSX: Final = "fsx.amazonaws.com"
ACCOUNT: Final = re.compile(r"(?:arn:[^:]*:iam::)?(ACCOUNT|[0-9]+)(?::root)?")


def principals(statement: Statement, names: Names) -> Iterator[str]:
    named, excluded = (
        [principal(kind, names.text(value)) for kind, value in principals_of(statement.body, field)]
        for field in ("Principal", "NotPrincipal")
    )
    yield from named
    if excluded:
        yield f"{ANYBODY} except {' and '.join(excluded)}"


def principal(kind: str, written: str) -> str:
    """Return a principal of a kind, `AWS` or `Service` for example, in words."""
    if written == "*":
        return ANYBODY
    if kind == "Service":
        return service(written)
    if kind == "Federated":
        return f"users of {written}"
    if kind == "CanonicalUser":
        return f"the S3 owner {written}"
    return f"{_account(written)} (through IAM policies)" if _account(written) else written


def _account(written: str) -> str:
    """Return an account in words, empty where it is none."""
    found = ACCOUNT.fullmatch(written)
    if found is None:
        return ""
    return "this account" if found[1] == "ACCOUNT" else f"account {found[1]}"


def service(principal: str) -> str:
    """Return a service's name: `S3` of `s3.us-east-1.amazonaws.com`, also in any Region."""
    in_any_region = re.sub(
        r"^(\w+)\.(?:REGION|[a-z]+(?:-[a-z0-9]+)+)\.amazonaws", r"\1.amazonaws", principal
    )
    return WORDS["services"].get(in_any_region, principal)


def places(statement: Statement, names: Names, own: str) -> Iterator[str]:
    before = ""
    for value in listed(statement.body.get("Resource")):
        written = names.text(value)
        if written == "*":
            yield own if statement.kind == "resource" else "any resource"
        else:
            yield "everything in it" if written == f"everything in {before}" else written
        before = written
    for value in listed(statement.body.get("NotResource")):
        yield f"everything except {names.text(value)}"
    if not before and "NotResource" not in statement.body:
        yield own


def conditions(statement: Statement, names: Names) -> Iterator[str]:
    for operator, name, values in conditions_of(statement.body):
        yield condition(operator, name, [names.text(value) for value in values])


def condition(operator: str, name: str, values: Sequence[str]) -> str:
    """Return one condition in words that can end a sentence."""
    quantifier, _, plain = operator.rpartition(":")
    optional = plain.endswith("ifexists")
    plain = plain.removesuffix("ifexists")
    if operator == "?" or not values:
        return f"under a condition {NOT_IN_TEMPLATES}"
    if name == "aws:securetransport" and plain == "bool":
        return "without TLS" if values == ["false"] else "over TLS"
    subject = WORDS["keys"].get(name, name)
    if plain == "null":
        return f"{'without' if values == ['true'] else 'with'} {subject}"
    if name in WORDS["prepositions"] and plain in EQUAL and not quantifier and not optional:
        said = " or ".join(_account(value) or service(value) for value in values)
        return f"{WORDS['prepositions'][name]} {said}"
    if quantifier == "forallvalues":
        subject, optional = f"each of {subject}", True
    elif quantifier == "foranyvalue":
        subject = f"one of {subject}"
    joint = " nor " if "not" in plain else " or "
    words = f"if {subject} {WORDS['operators'].get(plain, operator)} {joint.join(values)}"
    return f"{words} or is not set" if optional else words


def named_by_conditions(statement: Statement, names: Names) -> tuple[str, ...]:
    """Return which principals the conditions leave of "anybody", none where they leave all."""

    def in_words(role: re.Match[str]) -> str:
        owner = "FSx" if role[1].endswith(FSX) else service(role[1])
        return f"the {owner} service role {role[2]}"

    for operator, name, values in conditions_of(statement.body):
        if name == "aws:principalarn" and operator in EQUAL:
            return tuple(SERVICE_ROLE.sub(in_words, names.text(value)) for value in values)
    return ()


def actions(levels: Sequence[tuple[Level, Sequence[str]]], statement: Statement) -> str:
    excluded = [token(value) for value in listed(statement.body.get("NotAction"))]
    if excluded:
        return f"{EVERYTHING} except {', '.join(excluded)}"
    by_verb: dict[str, list[str]] = {}
    for level, names in levels:
        for name in names:
            by_verb.setdefault(verb(name, level), []).append(name)
    if EVERYTHING in by_verb:
        return EVERYTHING
    parts = (
        said if said.startswith(EVERYTHING) else f"{said} ({', '.join(names)})"
        for said, names in by_verb.items()
    )
    return ", ".join(parts) or "do nothing"


def verb(action: str, level: Level) -> str:
    service, _, name = action.partition(":")
    if service == "*":
        return EVERYTHING
    if name == "*":
        return f"{EVERYTHING} in {service}"
    if service == "kms" and level is not Level.PERMISSIONS:
        return "use"
    return {"iam:PassRole": "pass", "sts:AssumeRole": "assume"}.get(action, WORDS["verbs"][level])


def sentence(
    who: Sequence[str], statement: Statement, what: str, on: Sequence[str], under: Sequence[str]
) -> str:
    subject = " and ".join(who) or "nobody"
    ifs = [each.removeprefix("if ") for each in under if each.startswith("if ")]
    rest = [each for each in under if not each.startswith("if ")]
    end = f" if {' and '.join(ifs)}" if ifs else ""
    where = " and ".join(filter(None, [", ".join(on[:-1]), *on[-1:]]))
    if statement.effect == "Allow":
        may = f"may {what} on"
        if statement.kind == "trust":
            may = "may assume" if "sts:AssumeRole" in what else f"may {what} for"
        return f"{' '.join([subject, may, where, *rest])}{end}"
    denied = ", ".join(map(token, listed(statement.body.get("Action")))) or what.removeprefix("do ")
    subject = f"everyone{subject.removeprefix(ANYBODY)}" if subject.startswith(ANYBODY) else subject
    return f"{' '.join(['denied to', subject, *rest])}: {denied} on {where}{end}"
