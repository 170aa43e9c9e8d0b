"""What a rule says of a change, and the rules by the types that they judge."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ultracluster.registry.schemas import Schema, any_schema, schema
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.difference import Path
from ultracluster.review.changes.update import Key, Moment, Update
from ultracluster.review.changes.words import named
from ultracluster.templates.resolved import Encoded, ResolvedResource, Text, Unknown
from ultracluster.templates.texts import identity

ANY: Final = "*"


class Verdict(NamedTuple):
    """One thing that a change does."""

    danger: Danger
    what: str
    why: str
    instead: str = ""
    remakes: bool = False
    """Whether the resource gets another id, which others follow."""


@dataclass(frozen=True, eq=False)
class Site:
    """Where a change is, with both sides resolved."""

    update: Update
    moment: Moment
    old_key: Key | None
    new_key: Key | None
    path: Path
    """Empty where the whole resource came, went or was renamed; `("@DeletionPolicy",)` and the
    like for what stands beside the properties."""
    raw_before: Any
    raw_after: Any
    follows: bool = False
    """Whether the templates are equal here, and the change follows from another."""

    @property
    def old(self) -> ResolvedResource | None:
        """The resource before."""
        return self.moment.old.resources.get(self.old_key) if self.old_key else None

    @property
    def new(self) -> ResolvedResource | None:
        """The resource after."""
        return self.moment.new.resources.get(self.new_key) if self.new_key else None

    @property
    def resource(self) -> ResolvedResource:
        """The resource, as it will be where it is still there."""
        found = self.new or self.old
        assert found is not None  # noqa: S101  (a site without either is never made)
        return found

    @property
    def type(self) -> str:
        """Type of the resource."""
        return self.resource.resource_type

    @property
    def name(self) -> str:
        """What a sentence calls the resource."""
        return named(self.resource)

    @property
    def was(self) -> Any:
        """The resolved value before, None where there is none."""
        return at(self.old.properties, self.path) if self.old else None

    @property
    def now(self) -> Any:
        """The resolved value after, None where there is none."""
        return at(self.new.properties, self.path) if self.new else None

    @property
    def schema(self) -> Schema | None:
        """What the registry says of the type, in the stack's Region where it is known."""
        region = self.update.region or self.moment.new.variant.region
        found = schema(self.type, region) if isinstance(region, str) else None
        return found or any_schema(self.type)

    def within(self, *path: str) -> bool:
        """Whether the change is at a path, or below it."""
        return self.path[: len(path)] == path

    def touches(self, *path: str) -> bool:
        """Whether the change is at a path, below it or above it."""
        return self.within(*path) or path[: len(self.path)] == self.path

    def both(self, *path: str) -> tuple[Any, Any]:
        """Return the resolved values at another path of the resource, before and after."""
        return (
            at(self.old.properties, path) if self.old else None,
            at(self.new.properties, path) if self.new else None,
        )

    def differs(self, *path: str) -> bool:
        """Whether the resolved values at a path differ, as far as is known."""
        return differs(*self.both(*path))


def at(value: Any, path: Iterable[str]) -> Any:
    """Return what lies at a path of a resolved value, for `*` of every item of a list."""
    parts = tuple(path)
    for index, part in enumerate(parts):
        if part == "*":
            rest = parts[index + 1 :]
            return [at(item, rest) for item in value] if isinstance(value, list) else None
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def differs(one: Any, other: Any) -> bool:
    """Whether two resolved values differ, or may."""
    mine, its = identity(one), identity(other)
    return mine is None or its is None or mine != its


def missing(value: Any) -> str | None:
    """Return why a value refers to nothing, None where everything in it leads somewhere."""
    left = [value]
    while left:
        found = left.pop()
        if isinstance(found, Unknown) and found.dangling:
            return found.because
        if isinstance(found, Mapping):
            left.extend(found.values())
        elif isinstance(found, list | tuple):
            left.extend(found)
        elif isinstance(found, Text):
            left.extend(found.parts)
        elif isinstance(found, Encoded):
            left.append(found.content)
    return None


Rule = Callable[[Site], Iterator[Verdict]]

_CHANGED: Final[dict[str, list[Rule]]] = {}
_COMING: Final[dict[str, list[Rule]]] = {}
_GOING: Final[dict[str, list[Rule]]] = {}


def _register(table: dict[str, list[Rule]], types: tuple[str, ...]) -> Callable[[Rule], Rule]:
    def registered(rule: Rule) -> Rule:
        for name in types:
            table.setdefault(name, []).append(rule)
        return rule

    return registered


def changed(*types: str) -> Callable[[Rule], Rule]:
    """Register a rule over properties that changed, of some types or of `ANY`."""
    return _register(_CHANGED, types)


def coming(*types: str) -> Callable[[Rule], Rule]:
    """Register a rule over resources that are new."""
    return _register(_COMING, types)


def going(*types: str) -> Callable[[Rule], Rule]:
    """Register a rule over resources that are removed."""
    return _register(_GOING, types)


def _asked(table: Mapping[str, list[Rule]], site: Site, kind: str) -> list[Verdict]:
    rules = [*table.get(kind, ()), *table.get(ANY, ())]
    return [verdict for rule in rules for verdict in rule(site)]


def on_change(site: Site) -> list[Verdict]:
    """Return what the rules say of a property that changed."""
    return _asked(_CHANGED, site, site.type)


def on_coming(site: Site) -> list[Verdict]:
    """Return what the rules say of a resource that is new."""
    return _asked(_COMING, site, site.new.resource_type if site.new else "")


def on_going(site: Site) -> list[Verdict]:
    """Return what the rules say of a resource that is removed."""
    return _asked(_GOING, site, site.old.resource_type if site.old else "")
