"""What a rule is asked, what it answers, and the rules by the types that they judge."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from ultracluster.registry.schemas import Schema, any_schema, at, schema
from ultracluster.review.changes.change import Danger, Key
from ultracluster.review.changes.difference import Path
from ultracluster.review.changes.update import Update, VariantPair
from ultracluster.review.naming import named
from ultracluster.review.resolved import differs
from ultracluster.templates.resolved import ResolvedResource

ANY: Final = "*"


class Effect(NamedTuple):
    """One thing that a change does."""

    danger: Danger
    what: str
    why: str
    instead: str = ""
    new_id: bool = False
    """Whether the resource gets another id, which others follow."""


@dataclass(frozen=True, eq=False)
class Edit:
    """One thing that changes about a resource, with what is resolved before and after."""

    update: Update
    pair: VariantPair
    old_key: Key | None
    new_key: Key | None
    path: Path = ()
    """Empty where the whole resource came, went or was renamed; `("@DeletionPolicy",)` and the
    like for what stands beside the properties."""
    follows: bool = False
    """Whether the templates are equal here, and the change follows from another."""

    @property
    def old(self) -> ResolvedResource | None:
        return self.pair.old.at(self.old_key) if self.old_key else None

    @property
    def new(self) -> ResolvedResource | None:
        return self.pair.new.at(self.new_key) if self.new_key else None

    @property
    def resource(self) -> ResolvedResource:
        """The resource, as it will be where it is still there."""
        found = self.new or self.old
        assert found is not None  # noqa: S101  (a edit without either is never made)
        return found

    @property
    def type(self) -> str:
        return self.resource.resource_type

    @property
    def name(self) -> str:
        return named(self.resource)

    @property
    def was(self) -> Any:
        return self.both(*self.path)[0]

    @property
    def now(self) -> Any:
        return self.both(*self.path)[1]

    @property
    def region(self) -> str | None:
        """Where the resource goes; None where that is not known."""
        found = self.update.after.region or self.pair.new.variant.region
        return found if isinstance(found, str) else None

    @property
    def schema(self) -> Schema | None:
        """What the registry says of the type, in the stack's Region where it is known."""
        found = schema(self.type, self.region) if self.region else None
        return found or any_schema(self.type)

    @property
    def beside(self) -> bool:
        """Whether it is an attribute beside the properties, such as `DeletionPolicy`."""
        return bool(self.path) and self.path[0].startswith("@")

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


Rule = Callable[[Edit], Iterator[Effect]]
When = Literal["changed", "added", "removed"]

_RULES: Final[dict[tuple[When, str], list[Rule]]] = {}


def _registers(when: When) -> Callable[..., Callable[[Rule], Rule]]:
    def for_types(*types: str) -> Callable[[Rule], Rule]:
        def register(rule: Rule) -> Rule:
            for name in types:
                _RULES.setdefault((when, name), []).append(rule)
            return rule

        return register

    return for_types


when_changed = _registers("changed")
"""Register a rule over properties that changed, of some types or of `ANY`."""
when_added = _registers("added")
"""Register a rule over resources that are new."""
when_removed = _registers("removed")
"""Register a rule over resources that are removed."""


def effects(when: When, edit: Edit) -> list[Effect]:
    rules = [*_RULES.get((when, edit.type), ()), *_RULES.get((when, ANY), ())]
    return [effect for rule in rules for effect in rule(edit)]
