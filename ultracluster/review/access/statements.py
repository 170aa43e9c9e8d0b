"""Every IAM statement of given templates, in plain words.

for statement in statements(resolved.variants):
    print(statement.sentence, statement.warnings)
"""

from collections.abc import Iterable, Iterator

from ultracluster.model.model import Model
from ultracluster.model.policies import MANAGED, Identity, Statement, listed, token
from ultracluster.review.access.escalation import ADMINISTRATOR, Ways
from ultracluster.review.access.levels import by_level
from ultracluster.review.access.policy_warnings import GUIDE, warnings
from ultracluster.review.access.sentences import (
    ANYBODY,
    actions,
    conditions,
    named_by_conditions,
    places,
    principals,
    sentence,
)
from ultracluster.review.access.statement import (
    Escalation,
    ExplainedStatement,
    Level,
    PolicyWarning,
)
from ultracluster.review.naming import Names
from ultracluster.templates.resolved import Link, Variant


def statements(variants: Iterable[Variant]) -> tuple[ExplainedStatement, ...]:
    """Return every statement of every policy, in the order of the templates.

    What stands in only some of the variants is there once.
    """
    found: dict[tuple[str, str, str, str], ExplainedStatement] = {}
    for variant in variants:
        for each in _explained(Model(variant)):
            found.setdefault((each.stack, each.resource, each.property, each.sentence), each)
    return tuple(found.values())


def escalations(variants: Iterable[Variant]) -> tuple[Escalation, ...]:
    """Return every way from what the templates allow to more, the widest first."""
    found: dict[tuple[str, str, str, tuple[str, ...]], Escalation] = {}
    for variant in variants:
        for each in Ways(Model(variant), Names(variant.resources)):
            found.setdefault((each.stack, each.resource, each.name, each.towards), each)
    order = ("high", "medium", "low")
    return tuple(sorted(found.values(), key=lambda e: (order.index(e.severity), e.who, e.name)))


def _explained(model: Model) -> Iterator[ExplainedStatement]:
    names = Names(model.resources)
    found = list(Ways(model, names))
    for statement in model.statements:
        owners = set(statement.owners) if statement.kind == "identity" else set()
        mine = [each for each in found if (each.stack, each.resource) in owners]
        yield _statement(statement, names, mine)
    for identity in model.identities:
        yield from _written_elsewhere(identity, names)


def _statement(
    statement: Statement, names: Names, escalations_: list[Escalation]
) -> ExplainedStatement:
    place = statement.place
    owners = [names.of(owner) for owner in statement.owners]
    own = " and ".join(owners)
    if statement.kind == "identity" or not owners:
        own = names.of(place.key)
    who = tuple(owners) or ("whoever has this policy",)
    if statement.kind != "identity":
        who = tuple(principals(statement, names))
    on = tuple(places(statement, names, own))
    under = tuple(conditions(statement, names))
    levels = by_level(token(action) for action in listed(statement.body.get("Action")))
    sid = statement.body.get("Sid")
    allows = statement.effect == "Allow"
    # Conditions that name the caller say more than "anybody".
    callers = named_by_conditions(statement, names) if allows and who == (ANYBODY,) else ()
    left = [c for c in under if not c.startswith("if the caller is ") and c != "from this account"]
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
        warnings=tuple(warnings(statement, who, names, escalations_)),
        sentence=sentence(
            callers or who, statement, actions(levels, statement), on, left if callers else under
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
