"""Who may do more, and who may do less."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ultracluster.model.policies import ATTACHED, IDENTITIES, MANAGED, Statement, statements_of
from ultracluster.review.access.grants import Cover, Grant, claim, grants
from ultracluster.review.access.sentences import principal
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.routes import lost
from ultracluster.review.changes.sources import BOUNDARY, IAM, PROFILE, SESSION
from ultracluster.review.changes.update import Side
from ultracluster.review.changes.verdict import ANY, Site, Verdict, changed, coming, going
from ultracluster.review.changes.words import count, named, quoted
from ultracluster.review.naming import Names
from ultracluster.templates.reading import Key
from ultracluster.templates.resolved import ResolvedResource

MOST_NAMED: Final = 4
"""Actions, resources or conditions that a sentence names."""


def _at(site: Site, resource: ResolvedResource) -> list[Statement]:
    """Return the statements of a resource that stand at, above or below the change."""
    here = ".".join(site.path)

    def touched(path: str) -> bool:
        policy = path.rsplit(".Statement[", maxsplit=1)[0]
        inside = here.startswith((f"{policy}.Statement", f"{policy}.Version"))
        return inside or path.startswith((f"{here}.", f"{here}["))

    return [each for each in statements_of(resource) if touched(each.path)]


def _compared(site: Site, old: Sequence[Statement], new: Sequence[Statement]) -> Iterator[Verdict]:
    """Judge what is allowed and denied more, and less."""
    every = [*old, *new]
    kind = next((each.kind for each in every), "identity")
    gained = _uncovered(site, site.moment.old, new, old)
    gone = _uncovered(site, site.moment.new, old, new)
    wider = _of("Allow", gained) + _of("Deny", gone)
    narrower = _of("Allow", gone) + _of("Deny", gained)
    who = _who(site, every)
    if wider:
        words = _words(site, wider)
        says = {
            "trust": f"{who} can be assumed in a new way: {words}",
            "resource": f"{who} gives access to more: {words}",
            "identity": f"{who} may do more: {words}",
        }[kind]
        if site.old is None and kind == "trust":
            says = f"{who} is new and can be assumed: {words}"
        advice = "name the actions, the resources and the conditions that are needed"
        yield Verdict(Danger.LOOSENS_SECURITY, says, IAM, advice)
    if narrower:
        words = _words(site, narrower)
        says = {
            "trust": f"{who} can no longer be assumed as before: {words}",
            "resource": f"{who} gives access to less, and what needs it is refused: {words}",
            "identity": f"{who} may do less, and what still needs it is refused: {words}",
        }[kind]
        advice = "see who uses it first (IAM last accessed information)"
        yield Verdict(Danger.INTERRUPTS, says, IAM, advice)


def _of(effect: str, some: Iterable[Grant]) -> list[Grant]:
    return [grant for grant in some if grant.effect == effect]


def _uncovered(
    site: Site, side: Side, some: Sequence[Statement], there: Sequence[Statement]
) -> list[Grant]:
    """Return what statements say and a side does not: of whoever has them, in any policy."""
    owners = _owners(site) if any(each.kind == "identity" for each in some) else []
    owned: list[Sequence[Statement]] = [side.identity_statements.get(o, ()) for o in owners]
    covers = [Cover(claim(each.body) for each in mine) for mine in owned or [there]]
    # What one of several owners lacks is no news to the others, and news to it.
    return [
        grant
        for each in some
        for grant in grants(each.body)
        if any(grant not in cover for cover in covers)
    ]


def _owners(site: Site) -> list[Key]:
    """Return who has the policies of a resource, before or after."""
    key = site.resource.place.key
    if site.type in IDENTITIES:
        return [key]
    sides = (site.moment.old, site.moment.new)
    found = [s for side in sides for s in side.model.statements if s.place.key == key]
    return list(dict.fromkeys(owner for statement in found for owner in statement.owners))


def _who(site: Site, statements: Sequence[Statement]) -> str:
    """Return whose rights a policy is about, or what it is the policy of."""
    kinds = {statement.kind for statement in statements}
    owners: list[Key] = []
    if kinds == {"identity"}:
        owners = _owners(site)
    elif kinds == {"resource"}:
        owners = list(dict.fromkeys(o for statement in statements for o in statement.owners))
    sides = (site.moment.new, site.moment.old)
    found = [side.model.at(owner) for owner in owners for side in sides]
    names = dict.fromkeys(named(resource) for resource in found if resource)
    return " and ".join(list(names)[:MOST_NAMED]) or site.name


def _names(site: Site) -> Names:
    return Names([*site.moment.old.variant.resources, *site.moment.new.variant.resources])


def _words(site: Site, some: Sequence[Grant]) -> str:
    """Return grants as a sentence lists them: those on one resource together."""
    names = _names(site)
    grouped: dict[tuple[str, str, bool], dict[str, None]] = {}
    for grant in some:
        key = (grant.resource, grant.principal, bool(grant.conditions))
        grouped.setdefault(key, {})[_action(grant.written or grant.action)] = None
    trust = all(grant.action.startswith("sts:") and grant.resource == "*" for grant in some)
    parts = []
    for (resource, by, conditional), actions in grouped.items():
        words = _some(sorted(actions), ", ", " and ")
        words += "" if trust else f" on {_place(names, resource)}"
        words += f" by {_principal(names, by)}" if by else ""
        parts.append(words + (" under a condition" if conditional else ""))
    return _some(parts, "; ", "; and ")


def _some(words: Sequence[str], joint: str, last: str) -> str:
    """Return the first of some words, and how many there are more."""
    more = len(words) - MOST_NAMED
    return joint.join(words[:MOST_NAMED]) + (f"{last}{more} more" if more > 0 else "")


def _action(name: str) -> str:
    if name in ("*", "*:*"):
        return "every action"
    return f"everything except {', '.join(name[1:].split('|'))}" if name.startswith("!") else name


def _place(names: Names, marked: str) -> str:
    if marked.startswith("!"):
        return f"everything except {', '.join(map(names.readable, marked[1:].split('|')))}"
    return "any resource" if marked == "*" else names.readable(marked)


def _principal(names: Names, marked: str) -> str:
    if marked.startswith("!"):
        return f"anybody except {', '.join(_principal(names, p) for p in marked[1:].split('|'))}"
    kind, _, value = marked.partition(":")
    return principal(kind, names.readable(value))


@changed(ANY)
def policy_changed(site: Site) -> Iterator[Verdict]:
    """Judge a policy, wherever it is, by what it allows before and after."""
    if site.path[0].startswith("@") or site.old is None or site.new is None:
        return
    old, new = _at(site, site.old), _at(site, site.new)
    if not old and not new:
        return
    found = list(_compared(site, old, new))
    same = "what the policy allows stays the same"
    yield from found or [Verdict(Danger.HARMLESS, same, IAM)]


@coming(*ATTACHED, "AWS::S3::BucketPolicy", "AWS::Lambda::Permission")
def policy_added(site: Site) -> Iterator[Verdict]:
    found = list(_compared(site, [], list(statements_of(site.resource))))
    same = "everything that it allows was allowed before"
    yield from found or [Verdict(Danger.HARMLESS, same, IAM)]


@coming("AWS::IAM::Role")
def role_added(site: Site) -> Iterator[Verdict]:
    yield from _compared(site, [], list(statements_of(site.resource)))


@going(*ATTACHED, "AWS::S3::BucketPolicy", "AWS::Lambda::Permission")
def policy_removed(site: Site) -> Iterator[Verdict]:
    found = list(_compared(site, list(statements_of(site.resource)), []))
    same = "everything that it allows is allowed elsewhere"
    yield from found or [Verdict(Danger.HARMLESS, same, IAM)]


@changed(*IDENTITIES, *ATTACHED)
def attachments(site: Site) -> Iterator[Verdict]:
    """Judge which policies somebody has, and within which limits."""
    top = site.path[0]
    if top in (MANAGED, "Roles", "Users", "Groups"):
        attached, detached = "is attached to", "is detached from"
        if top != MANAGED:
            attached, detached = "gets", "loses"
        for danger, verb, values in (
            (Danger.LOOSENS_SECURITY, attached, lost(site.now, site.was)),
            (Danger.INTERRUPTS, detached, lost(site.was, site.now)),
        ):
            if values:
                whom = ", ".join(map(_names(site).text, values))
                yield Verdict(danger, f"{whom} {verb} {site.name}", IAM)
    if top == "PermissionsBoundary":
        gone = site.now is None
        danger = Danger.LOOSENS_SECURITY if gone else Danger.CANNOT_TELL
        becomes = "is removed" if gone else f"becomes {quoted(site.now)}"
        yield Verdict(danger, f"the permissions boundary of {site.name} {becomes}", BOUNDARY)
    if top == "MaxSessionDuration":
        was, now = (count(v) or 3600 for v in (site.was, site.now))
        danger = Danger.LOOSENS_SECURITY if now > was else Danger.INTERRUPTS
        says = (
            f"a session of {site.name} lasts up to {now // 60:,} minutes instead of {was // 60:,}"
        )
        yield Verdict(danger, says, SESSION)


@changed("AWS::IAM::InstanceProfile")
def profile(site: Site) -> Iterator[Verdict]:
    """Judge which role nodes have."""
    if site.path == ("Roles",):
        says = (
            f"nodes with {site.name} have the rights of {quoted(site.now)} instead of "
            f"{quoted(site.was)}"
        )
        yield Verdict(Danger.INTERRUPTS, says, PROFILE)
        yield Verdict(Danger.LOOSENS_SECURITY, says, PROFILE)
