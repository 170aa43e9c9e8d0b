"""What parts of the model have in common that are one resource of the templates."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ultracluster.templates.resolved import Place, ResolvedResource, Template
from ultracluster.templates.resolved_values import Key, UndeterminedError

T = TypeVar("T")


@dataclass(frozen=True)
class ModelResource:
    """One resource of the templates."""

    resource: ResolvedResource

    @property
    def place(self) -> Place:
        return self.resource.place

    @property
    def key(self) -> tuple[str, str]:
        """What references to it lead to."""
        return self.place.key

    @property
    def properties(self) -> Mapping[str, Any]:
        return self.resource.properties


@dataclass(frozen=True)
class Stack:
    """All resources of one template."""

    place: Place
    resources: tuple[ResolvedResource, ...]
    template: Template | None = None


@dataclass(frozen=True)
class Index(Generic[T]):
    """Things by what they are of, which is read of each of them in their order."""

    found: Mapping[Key, Sequence[T]]
    because: str | None
    """Why it is not known what the first thing behind those that were found is of."""

    def of(self, key: Key) -> Iterator[T]:
        """Yield the things that are of something.

        Raises:
            UndeterminedError: behind these, where a further thing may be of it as well.
        """
        yield from self.found.get(key, ())
        if self.because is not None:
            raise UndeterminedError(self.because)


def index(things: Iterable[T], keys: Callable[[T], Iterable[Key]]) -> Index[T]:
    """Return things by what they are of, as an index that many may ask."""
    found: dict[Key, list[T]] = {}
    try:
        for thing in things:
            mine: set[Key] = set()
            for key in keys(thing):
                if key not in mine:
                    mine.add(key)
                    found.setdefault(key, []).append(thing)
    except UndeterminedError as error:
        return Index(found, error.because)
    return Index(found, None)
