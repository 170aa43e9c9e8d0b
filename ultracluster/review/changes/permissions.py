"""Who may do more, and who may do less."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ultracluster.review.access.grants import Cover, Grant, claim, grants
from ultracluster.review.access.naming import OF_SERVICES, Names
from ultracluster.review.access.policies import ATTACHED, IDENTITIES, Kind, Stated, of
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.routes import lost
from ultracluster.review.changes.sources import BOUNDARY, IAM, PROFILE, SESSION
from ultracluster.review.changes.update import Side
from ultracluster.review.changes.verdict import ANY, Site, Verdict, changed, coming, going
from ultracluster.review.changes.words import count, named, quoted
from ultracluster.templates.reading import Key
from ultracluster.templates.resolved import ResolvedResource

MOST_NAMED: Final = 4
"""Actions, resources or conditions that a sentence names."""


@changed(ANY)
def policy_changed(site: Site) -> Iterator[Verdict]:
    """Judge a policy, wherever it is, by what it allows before and after."""
    if site.path[0].startswith("@") or site.old is None or site.new is None:
        return
    old, new = _at(site, site.old), _at(site, site.new)
    if not old and not new:
        return
    yield from _compared(site, old, new)


def _at(site: Site, resource: ResolvedResource) -> list[Stated]:
    """Return the statements of a resource that stand at, above or below the change."""
    here = ".".join(site.path)
    return [
        stated
        for stated in of(resource)
        if stated.property.startswith((f"{here}.", f"{here}[")) or _below(stated.property, here)
    ]


def _below(prefix: str, here: str) -> bool:
    document = prefix.rsplit(".Statement[", maxsplit=1)[0]
    return here.startswith((f"{document}.Statement", f"{document}.Version"))


def _compared(
    site: Site, old: Sequence[Stated], new: Sequence[Stated], *, coming_or_going: bool = False
) -> Iterator[Verdict]:
    kinds = {stated.kind for stated in [*old, *new]}
    gained = _uncovered(site, site.moment.old, new, old)
    gone = _uncovered(site, site.moment.new, old, new)
    who = _who(site, [*old, *new])
    found = list(_said(site, who, kinds, gained, gone))
    yield from found
    if not found and not coming_or_going:
        yield Verdict(Danger.HARMLESS, _same(who, kinds), IAM)


def _uncovered(
    site: Site, side: Side, some: Sequence[Stated], there: Sequence[Stated]
) -> list[Grant]:
    """Return what statements say and a side does not: of whoever has them, in any policy."""
    owners = _owners(site) if any(stated.kind == "identity" for stated in some) else []
    covers = [
        Cover(claim(stated.body) for stated in side.identity_statements.get(owner, ()))
        for owner in owners
    ] or [Cover(claim(stated.body) for stated in there)]
    every = (grant for stated in some for grant in grants(stated.body))
    # What one of several owners lacks is no news to the others, and news to it.
    return [grant for grant in every if any(grant not in cover for cover in covers)]


def _owners(site: Site) -> list[Key]:
    key = site.new_key or site.old_key
    assert key is not None  # noqa: S101  (a site is somewhere)
    if site.type in IDENTITIES:
        return [key]
    return list(
        dict.fromkeys(
            owner
            for side in (site.moment.old, site.moment.new)
            for stated in _all(side, key)
            for owner in stated.owners
        )
    )


def _all(side: Side, key: tuple[str, str]) -> Iterable[Stated]:
    return (
        stated
        for owned in side.identity_statements.values()
        for stated in owned
        if (stated.place.stack, stated.place.logical_id) == key
    )


def _who(site: Site, statements: Sequence[Stated]) -> str:
    """Return whose rights a policy is about, or what it is the policy of."""
    kinds = {stated.kind for stated in statements}
    owners: Sequence[Key] = ()
    if kinds == {"identity"}:
        owners = _owners(site)
    elif kinds == {"resource"}:
        owners = list(dict.fromkeys(o for stated in statements for o in stated.owners))
    found = [
        side.resources.get((owner[0], owner[1]))
        for owner in owners
        if isinstance(owner, tuple)
        for side in (site.moment.new, site.moment.old)
    ]
    names = dict.fromkeys(named(resource) for resource in found if resource)
    return " and ".join(list(names)[:MOST_NAMED]) or site.name


def _same(who: str, kinds: set[Kind]) -> str:
    if kinds == {"identity"}:
        return f"{who} may do the same as before"
    verb = "be taken by" if kinds == {"trust"} else "be used by"
    return f"{who} may {verb} the same as before"


def _said(
    site: Site,
    who: str,
    kinds: set[Kind],
    gained: Sequence[Grant],
    gone: Sequence[Grant],
) -> Iterator[Verdict]:
    wider = [*(g for g in gained if g.effect == "Allow"), *(g for g in gone if g.effect == "Deny")]
    narrower = [
        *(g for g in gone if g.effect == "Allow"),
        *(g for g in gained if g.effect == "Deny"),
    ]
    if wider:
        words = _words(site, wider)
        sentence = {
            "trust": f"{who} may be taken in a way that it could not: {words}",
            "resource": f"more may be done with {who}: {words}",
        }.get(next(iter(kinds)), f"{who} may do more: {words}")
        if site.old is None and kinds == {"trust"}:
            sentence = f"{who} is new, and may be taken: {words}"
        yield Verdict(
            Danger.LOOSENS_SECURITY,
            sentence,
            IAM,
            "name the actions, the resources and the conditions that are needed",
        )
    if narrower:
        words = _words(site, narrower)
        yield Verdict(
            Danger.INTERRUPTS,
            {
                "trust": f"{who} can no longer be taken as before: {words}",
                "resource": f"less may be done with {who}, and what needs it is refused: {words}",
            }.get(
                next(iter(kinds)), f"{who} may do less, and what still needs it is refused: {words}"
            ),
            IAM,
            "see who uses it first (IAM last accessed information)",
        )


def _words(site: Site, some: Sequence[Grant]) -> str:
    names = Names([*site.moment.old.variant.resources, *site.moment.new.variant.resources])
    grouped: dict[tuple[str, str, bool], list[str]] = {}
    for grant in some:
        key = (grant.resource, grant.principal, bool(grant.conditions))
        grouped.setdefault(key, []).append(grant.written or grant.action)
    parts = []
    for (resource, principal, conditional), actions in list(grouped.items())[:MOST_NAMED]:
        listed = ", ".join(_action(name) for name in sorted(set(actions))[:MOST_NAMED])
        more = len(set(actions)) - MOST_NAMED
        words = listed + (f" and {more} more" if more > 0 else "")
        if not _trust(some):
            words += f" on {_place(names, resource)}"
        if principal:
            words += f" by {_principal(names, principal)}"
        parts.append(words + (" under a condition" if conditional else ""))
    left = len(grouped) - MOST_NAMED
    return "; ".join(parts) + (f"; and {left} more" if left > 0 else "")


def _action(name: str) -> str:
    if name in ("*", "*:*"):
        return "every action"
    return f"everything but {', '.join(name[1:].split('|'))}" if name.startswith("!") else name


def _trust(some: Sequence[Grant]) -> bool:
    return all(grant.action.startswith("sts:") and grant.resource == "*" for grant in some)


def _place(names: Names, token: str) -> str:
    if token == "*":  # noqa: S105  (a pattern of resources)
        return "everything"
    if token.startswith("!"):
        return f"everything but {', '.join(names.readable(part) for part in token[1:].split('|'))}"
    return names.readable(token)


def _principal(names: Names, principal: str) -> str:
    if principal.startswith("!"):
        excluded = ", ".join(_principal(names, part) for part in principal[1:].split("|"))
        return f"anybody but {excluded}"
    kind, _, value = principal.partition(":")
    if kind == "Service":
        return OF_SERVICES.get(value, value)
    if value == "*":
        return "anybody"
    return names.readable(value)


@coming(*ATTACHED, "AWS::S3::BucketPolicy", "AWS::Lambda::Permission")
def policy_added(site: Site) -> Iterator[Verdict]:
    """Judge a policy that is new."""
    assert site.new is not None  # noqa: S101  (it is there)
    found = list(_compared(site, [], list(of(site.new)), coming_or_going=True))
    yield from found
    if not found:
        yield Verdict(Danger.HARMLESS, "everything that it allows was allowed before", IAM)


@coming("AWS::IAM::Role")
def role_added(site: Site) -> Iterator[Verdict]:
    """Judge a role that is new."""
    assert site.new is not None  # noqa: S101  (it is there)
    yield from _compared(site, [], list(of(site.new)), coming_or_going=True)


@going(*ATTACHED, "AWS::S3::BucketPolicy", "AWS::Lambda::Permission")
def policy_removed(site: Site) -> Iterator[Verdict]:
    """Judge a policy that goes."""
    assert site.old is not None  # noqa: S101  (it was there)
    found = list(_compared(site, list(of(site.old)), [], coming_or_going=True))
    yield from found
    if not found:
        yield Verdict(Danger.HARMLESS, "everything that it allows is allowed elsewhere", IAM)


@changed(*IDENTITIES, *ATTACHED)
def attachments(site: Site) -> Iterator[Verdict]:
    """Judge which policies somebody has, and within which limits."""
    top = site.path[0]
    if top in ("ManagedPolicyArns", "Roles", "Users", "Groups"):
        come, gone = lost(site.now, site.was), lost(site.was, site.now)
        names = Names([*site.moment.old.variant.resources, *site.moment.new.variant.resources])
        if come:
            yield Verdict(
                Danger.LOOSENS_SECURITY,
                f"{', '.join(map(names.text, come))} {_joins(top)} {site.name}",
                IAM,
            )
        if gone:
            yield Verdict(
                Danger.INTERRUPTS,
                f"{', '.join(map(names.text, gone))} {_leaves(top)} {site.name}",
                IAM,
            )
    if top == "PermissionsBoundary":
        gone_at_all = site.now is None
        yield Verdict(
            Danger.LOOSENS_SECURITY if gone_at_all else Danger.CANNOT_TELL,
            f"the permissions boundary of {site.name} "
            f"{'is gone' if gone_at_all else f'becomes {quoted(site.now)}'}",
            BOUNDARY,
        )
    if top == "MaxSessionDuration":
        was, now = (count(v) or 3600 for v in (site.was, site.now))
        yield Verdict(
            Danger.LOOSENS_SECURITY if now > was else Danger.INTERRUPTS,
            f"a session of {site.name} lasts up to {now // 60:,} minutes instead of {was // 60:,}",
            SESSION,
        )


def _joins(top: str) -> str:
    return "is added to" if top == "ManagedPolicyArns" else "is given"


def _leaves(top: str) -> str:
    return "is taken from" if top == "ManagedPolicyArns" else "no longer has"


@changed("AWS::IAM::InstanceProfile")
def profile(site: Site) -> Iterator[Verdict]:
    """Judge which role nodes have."""
    if site.path == ("Roles",):
        for danger in (Danger.INTERRUPTS, Danger.LOOSENS_SECURITY):
            yield Verdict(
                danger,
                f"nodes with {site.name} have the rights of {quoted(site.now)} instead of "
                f"{quoted(site.was)}",
                PROFILE,
            )
