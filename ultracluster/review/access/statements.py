"""Every IAM statement of given templates, in plain words.

for statement in statements(resolved.variants):
    print(statement.sentence, statement.marks)
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ultracluster.review.access import escalation
from ultracluster.review.access.grants import listed, token
from ultracluster.review.access.identities import ADMINISTRATOR, read_identities
from ultracluster.review.access.levels import by_level
from ultracluster.review.access.marks import (
    GUIDE,
    elsewhere,
    takes_part,
    trusted,
    unknown,
    wildcards,
)
from ultracluster.review.access.naming import Names, noun, short
from ultracluster.review.access.policies import IDENTITIES, Stated, read
from ultracluster.review.access.sentences import (
    actions,
    conditions,
    places,
    principals,
    sentence,
)
from ultracluster.review.access.statement import Escalation, Level, Mark, Statement
from ultracluster.templates.resolved import Link, ResolvedResource, Variant


def statements(variants: Iterable[Variant]) -> tuple[Statement, ...]:
    """Return every statement of every policy, in the order of the templates.

    What stands in only some of the variants is there once.
    """
    found: dict[tuple[str, str, str, str], Statement] = {}
    for variant in variants:
        reader = _Reader(variant.resources)
        for statement in reader.statements():
            key = (statement.stack, statement.resource, statement.property, statement.sentence)
            found.setdefault(key, statement)
    return tuple(found.values())


def escalations(variants: Iterable[Variant]) -> tuple[Escalation, ...]:
    """Return every way from what the templates allow to more, the widest first."""
    found: dict[tuple[str, str, str, tuple[str, ...]], Escalation] = {}
    for variant in variants:
        resources = variant.resources
        for each in escalation.find(resources, read_identities(resources, read(resources))):
            found.setdefault((each.stack, each.resource, each.name, each.towards), each)
    order = ("high", "medium", "low")
    return tuple(sorted(found.values(), key=lambda e: (order.index(e.severity), e.who, e.name)))


class _Reader:
    """Reads the statements of one variant."""

    def __init__(self, resources: Sequence[ResolvedResource]) -> None:
        self._names = Names(resources)
        self._resources = {(r.place.stack, r.place.logical_id): r for r in resources}
        self._stated = read(resources)
        found = escalation.find(resources, read_identities(resources, self._stated))
        self._escalations: dict[Any, list[Escalation]] = {}
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
        """Yield the policies of a role that are written elsewhere."""
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
        yield from unknown(stated)
        if not stated.allows:
            return
        yield from wildcards(stated)
        if stated.kind == "identity":
            yield from elsewhere(stated)
        if stated.kind != "identity":
            yield from trusted(stated, who, self._names)
        mine = {action.lower() for action in map(token, listed(stated.body.get("Action")))}
        for owner in stated.owners if stated.kind == "identity" else ():
            for each in self._escalations.get(owner, ()):
                if takes_part(each, mine):
                    yield Mark(
                        "escalation",
                        f"{each.name}: {each.says}, towards {', '.join(each.towards)}",
                        each.source,
                        each.severity,
                    )
