"""What follows from a replacement: whoever is made with the old one's id is made anew as well."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.review.changes.change import Danger, Difference
from ultracluster.review.changes.difference import Path, dotted
from ultracluster.review.changes.nodes import TEMPLATE, template_data
from ultracluster.review.changes.replacement import CONNECTIONS, IN_PLACE, of, source
from ultracluster.review.changes.update import Key, Moment, Update, linked
from ultracluster.review.changes.verdict import Site, Verdict, at

Follower = tuple[Site, Difference, Difference, list[Verdict]]
"""A site that follows, its place, what it follows from, and what it does."""

CONSEQUENT: Final = (
    Danger.LOSES_DATA,
    Danger.REPLACES,
    Danger.FAILS,
    Danger.INTERRUPTS,
    Danger.REDUCES_CAPACITY,
)
"""What of a consequence is worth a line of its own."""


def followers(
    update: Update, moment: Moment, replaced: Mapping[Key, Difference]
) -> Iterator[Follower]:
    """Yield everything that follows from replacements.

    Args:
        update: both sides.
        moment: one choice of open conditions.
        replaced: new keys of what is replaced, each with the change that replaces it.
    """
    seen = set(replaced)
    waiting = deque(replaced.items())
    told: set[tuple[Key, Path]] = set()
    while waiting:
        target, cause = waiting.popleft()
        for user in moment.new.users.get(target, ()):
            key = (user.place.stack, user.place.logical_id)
            # What is new itself, or was renamed, is made anew anyhow.
            if key not in moment.old.resources or key == target:
                continue
            for path in _paths(user.properties, target):
                site = Site(update, moment, key, key, path, None, None, follows=True)
                pointer = _create_only(site, path)
                if pointer is not None and key not in seen:
                    seen.add(key)
                    place = Difference(*key, dotted(path))
                    waiting.append((key, place))
                    if site.type not in CONNECTIONS:
                        yield site, place, cause, list(_replacement(site, pointer, cause))
                elif pointer is None and (key, path) not in told and key not in seen:
                    told.add((key, path))
                    verdicts = [v for v in _in_place(site) if v.danger in CONSEQUENT]
                    if verdicts:
                        yield site, Difference(*key, dotted(path)), cause, verdicts


def _paths(properties: Mapping[str, Any], target: Key) -> Iterator[Path]:
    """Yield the paths of the values that refer to a resource; lists are one value."""
    left: list[tuple[Path, Any]] = [((str(name),), value) for name, value in properties.items()]
    while left:
        path, value = left.pop()
        if isinstance(value, Mapping):
            left.extend(((*path, str(name)), inner) for name, inner in value.items())
        elif target in linked(value):
            yield path


def _create_only(site: Site, path: Path) -> Path | None:
    schema = site.schema
    if schema is None:
        return None
    known = [p for p in schema.create_only if p[: len(path)] == path or path[: len(p)] == p]
    for pointer in known:
        if linked(at(site.resource.properties, pointer)):
            return pointer
    return next(
        (
            p
            for p in schema.conditional_create_only
            if path[: len(p)] == p and p[0] not in IN_PLACE.get(site.type, ())
        ),
        None,
    )


def _replacement(site: Site, pointer: Path, cause: Difference) -> Iterator[Verdict]:
    schema = site.schema
    assert schema is not None  # noqa: S101  (its pointer was just found)
    because = f"it refers to {cause.resource}, which is replaced; {source(schema, pointer)}"
    yield from of(site, because, pointer)
    if site.type == "AWS::EC2::CapacityReservation":
        from_count = at(site.resource.properties, ("InstanceCount",))
        yield Verdict(
            Danger.REDUCES_CAPACITY,
            f"{from_count} instances are reserved a second time before the first reservation is "
            "cancelled",
            because,
        )


def _in_place(site: Site) -> Iterator[Verdict]:
    if site.type == TEMPLATE and site.path[0] == "LaunchTemplateData":
        yield from template_data(site)
