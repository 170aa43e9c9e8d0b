"""Changes of IAM permissions: who may do more, and who may do less."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from ultracluster.model.grants import Conditions, Cover, Grant, claims_of
from ultracluster.model.model import Model
from ultracluster.model.policies import (
    ATTACHED,
    IDENTITIES,
    MANAGED,
    ROLE,
    Statement,
    statements_of,
)
from ultracluster.review import tables as source
from ultracluster.review.access.sentences import condition, principal
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.update import ANY, Edit, Effect, when
from ultracluster.review.naming import first_of, named
from ultracluster.review.resolved import lost
from ultracluster.templates.resolved import ResolvedResource
from ultracluster.templates.resolved_values import Key

POLICIES: Final = (*ATTACHED, "AWS::S3::BucketPolicy", "AWS::Lambda::Permission")
MOST_NAMED: Final = 4
"""Actions, resources or conditions that a sentence names."""
SAYS: Final = {
    "trust": ("can be assumed in a new way", "can no longer be assumed as before"),
    "resource": ("gives access to more", "gives access to less, and what needs it is refused"),
    "identity": ("may do more", "may do less, and what still needs it is refused"),
}
"""What a policy of each kind does if it allows more than before, and if it allows less."""


def _at(edit: Edit, resource: ResolvedResource | None) -> list[Statement]:
    """Return the statements of a resource that stand at, above or below the change."""
    found: Sequence[Statement] = ()
    if resource:
        once = edit.pair.new.once
        found = once("statements", resource, lambda: tuple(statements_of(resource)))
    here = ".".join(edit.path)

    def touched(path: str) -> bool:
        policy = path.rsplit(".Statement[", maxsplit=1)[0]
        inside = here.startswith((f"{policy}.Statement", f"{policy}.Version"))
        return inside or path.startswith((f"{here}.", f"{here}["))

    return [each for each in found if not here or touched(each.path)]


def _compared(edit: Edit, old: Sequence[Statement], new: Sequence[Statement]) -> Iterator[Effect]:
    """Judge what is allowed and denied more, and less."""
    every = [*old, *new]
    kind = next((each.kind for each in every), "identity")
    gained = _uncovered(edit, edit.pair.old, new, old)
    gone = _uncovered(edit, edit.pair.new, old, new)
    wider, narrower = (
        [g for g in allowed if g.effect == "Allow"] + [g for g in denied if g.effect == "Deny"]
        for allowed, denied in ((gained, gone), (gone, gained))
    )
    who = _who(edit, every)
    was, now = (
        frozenset(c for each in claims_of(m.once, some) for c in each.conditions)
        for m, some in ((edit.pair.old, old), (edit.pair.new, new))
    )
    more, less = SAYS[kind]
    if edit.old is None and kind == "trust":
        more = "is new and can be assumed"
    if wider:
        says = f"{who} {more}: {_words(edit, wider, was)}"
        advice = "name the actions, the resources and the conditions that are needed"
        yield Effect(Danger.LOOSENS_SECURITY, says, source.IAM, advice)
    if narrower:
        says = f"{who} {less}: {_words(edit, narrower, now)}"
        advice = "see who uses it first (IAM last accessed information)"
        yield Effect(Danger.INTERRUPTS, says, source.IAM, advice)


def _uncovered(
    edit: Edit, variant: Model, some: Sequence[Statement], there: Sequence[Statement]
) -> list[Grant]:
    """Return what statements say and a variant does not: of whoever has them, in any policy."""
    owners = _owners(edit) if any(each.kind == "identity" for each in some) else []
    owned: list[Sequence[Statement]] = [
        variant.statements_by_owner.get(("identity", o), ()) for o in owners
    ]

    def cover(mine: Sequence[Statement]) -> Cover:
        return Cover(claims_of(variant.once, mine))

    # One role may have a thousand policies: what it has is worked out once for all of them.
    covers = [variant.once("cover", mine, partial(cover, mine)) for mine in owned] or [cover(there)]
    # What one of several owners lacks is no news to the others, and news to it.
    return [
        grant
        for each in claims_of(variant.once, some)
        for grant in each.grants()
        if any(grant not in cover for cover in covers)
    ]


def _owners(edit: Edit) -> list[Key]:
    """Return who has the policies of a resource, before or after."""
    key = edit.resource.place.key
    return [key] if edit.type in IDENTITIES else list(edit.pair.owners.get(key, ()))


def _who(edit: Edit, statements: Sequence[Statement]) -> str:
    kinds = {statement.kind for statement in statements}
    owners: list[Key] = _owners(edit) if kinds == {"identity"} else []
    if kinds == {"resource"}:
        owners = [owner for statement in statements for owner in statement.owners]
    variants = (edit.pair.new, edit.pair.old)
    found = [variant.at(owner) for owner in owners for variant in variants]
    names = dict.fromkeys(named(resource) for resource in found if resource)
    return " and ".join(list(names)[:MOST_NAMED]) or edit.name


def _words(edit: Edit, some: Sequence[Grant], known: Conditions) -> str:
    """Return what is allowed, under which of the conditions that are not known before or after."""
    names = edit.pair.names

    def caller(marked: str) -> str:
        kind, _, value = marked.partition(":")
        return principal(kind, names.readable(value))

    grouped: dict[tuple[str, str, str], dict[str, None]] = {}
    for grant in some:
        new = [
            condition(operator, name, sorted(map(names.readable, values)))
            for operator, name, values in grant.conditions - known
        ]
        under = first_of(sorted(new), MOST_NAMED, " and ") or "under a condition"
        key = (grant.resource, grant.principal, under if grant.conditions else "")
        action = grant.written or grant.action
        says = "every action" if action in ("*", "*:*") else _named(action, str)
        grouped.setdefault(key, {})[says] = None
    trust = all(grant.action.startswith("sts:") and grant.resource == "*" for grant in some)
    parts = []
    for (resource, by, under), actions in grouped.items():
        words = first_of(sorted(actions), MOST_NAMED)
        place = "any resource" if resource == "*" else _named(resource, names.readable)
        words += "" if trust else f" on {place}"
        words += f" by {_named(by, caller, 'anybody')}" if by else ""
        parts.append(f"{words} {under}".rstrip())
    return first_of(parts, MOST_NAMED, "; ", "; and ")


def _named(marked: str, name: Callable[[str], str], everything: str = "everything") -> str:
    """Return what is named; `!` begins what is excluded, with `|` between."""
    if marked.startswith("!"):
        return f"{everything} except {', '.join(map(name, marked[1:].split('|')))}"
    return name(marked)


@when("changed", ANY)
@when("added", *POLICIES, ROLE)
@when("removed", *POLICIES)
def policy(edit: Edit) -> Iterator[Effect]:
    """Judge a policy, wherever it is, by what it allows before and after."""
    old, new = _at(edit, edit.old), _at(edit, edit.new)
    found = list(_compared(edit, old, new))
    yield from found
    if not found and (edit.type in POLICIES if not edit.path else old or new):
        says = "what the policy allows stays the same"
        if edit.old is None or edit.new is None:
            elsewhere = "was allowed before" if edit.new else "is allowed elsewhere"
            says = f"everything that it allows {elsewhere}"
        yield Effect(Danger.HARMLESS, says, source.IAM)


@when("changed", *IDENTITIES, *ATTACHED)
def attachments(edit: Edit) -> Iterator[Effect]:
    top = edit.path[0]
    if top not in (MANAGED, "Roles", "Users", "Groups"):
        return
    gets, loses = ("is attached to", "is detached from") if top == MANAGED else ("gets", "loses")
    for danger, verb, values in (
        (Danger.LOOSENS_SECURITY, gets, lost(edit.now, edit.was)),
        (Danger.INTERRUPTS, loses, lost(edit.was, edit.now)),
    ):
        if values:
            whom = ", ".join(map(edit.pair.names.text, values))
            yield Effect(danger, f"{whom} {verb} {edit.name}", source.IAM)
