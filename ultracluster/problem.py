"""One thing that cannot be as it was written, and what to write instead."""

import dataclasses
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final


@dataclass(frozen=True)
class Problem:
    """A value that AWS would refuse, or that could never work.

    The same type is yielded by the rules over specs and by the rules over plain
    CloudFormation properties (`ultracluster.catalogue`), so that one rule serves both.
    """

    field: str
    """The field or property path that holds the value, for example `storage.capacity_gib`."""

    got: object
    """The value as it was given."""

    fix: str
    """Why it cannot be, and what to write instead, as the rest of a sentence."""

    source: str | None = dataclasses.field(default=None, compare=False)
    """`file:line` of the call that gave the value, where it is known."""

    code: str = dataclasses.field(default="", kw_only=True)
    """A short, stable word for this kind of problem, where somebody needs to find it again. Each
    module of the catalogue lists its codes. Wording may change, and a code may not."""

    def __str__(self) -> str:
        line = f"{self.field}: got {shown(self.got)}; {self.fix}"
        return " ".join(line.split())

    def at(self, prefix: str) -> "Problem":
        """Return the same problem seen from the spec that holds this one."""
        return replace(self, field=f"{prefix}.{self.field}" if self.field else prefix)


MISSING: Final = "nothing"
"""What `Problem.got` holds for a field that was not given at all."""

LONGEST_VALUE: Final = 120
LONGEST_LIST: Final = 8
LARGEST_WRITTEN_OUT: Final = 10**15


def shown(value: object) -> str:
    """Return a value as a user would type it, cut where it is very long."""
    if value is MISSING:
        return MISSING
    if isinstance(value, str):
        text = f'"{value}"'
    elif isinstance(value, int) and abs(value) >= LARGEST_WRITTEN_OUT:
        text = _rounded(value)
    else:
        text = str(value) if isinstance(value, int | float) else repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def _rounded(value: int) -> str:
    """Return a large number in few letters: 1e30 as an integer has 31 digits that nobody typed."""
    try:
        return f"{value:g}"
    except OverflowError:
        return f"a number of {math.floor(math.log10(abs(value))) + 1:,} digits"


def choices(values: Iterable[object]) -> str:
    """Return values as a person lists choices, the first few of a long list."""
    shown = [str(value) for value in values]
    if len(shown) > LONGEST_LIST:
        return f"{', '.join(shown[:LONGEST_LIST])} or {len(shown) - LONGEST_LIST} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def repeated(
    given: Iterable[tuple[str, object]], fix: str = "it is listed twice; remove one"
) -> Iterator[Problem]:
    """Yield each value that stood at a place before its own; None is no value."""
    seen: set[object] = set()
    for field, value in given:
        if value is not None and value in seen:
            yield Problem(field, value, fix)
        seen.add(value)


class SpecError(ValueError):
    """A spec that cannot exist; holds every problem that was found, not only the first."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


class EnvironmentFileError(ValueError):
    """A file that holds no environment, or that Python could not run."""


@dataclass
class Collection:
    """Problems of all the specs that are built while a collection is in force."""

    found: list[tuple[object, Problem]] = dataclasses.field(default_factory=list)
    """Each problem with the spec that has it, so that its place can be named later."""

    def problems(self, roots: Iterable[tuple[str, object]]) -> list[Problem]:
        """Return what was found, with the path of each spec below one of the named roots."""
        places: dict[int, str] = {}
        for name, root in roots:
            _name_places(root, name, places)
        return [
            problem.at(places.get(id(spec), type(spec).__name__)) for spec, problem in self.found
        ]


def _name_places(value: object, name: str, places: dict[int, str]) -> None:
    if isinstance(value, tuple | list):
        for index, item in enumerate(value):
            _name_places(item, f"{name}[{index}]", places)
    elif hasattr(type(value), "model_fields") and id(value) not in places:
        places[id(value)] = name
        for key, item in vars(value).items():
            _name_places(item, f"{name}.{key}", places)


_collection: ContextVar[Collection | None] = ContextVar("_collection", default=None)


@contextmanager
def collecting() -> Iterator[Collection]:
    """Gather problems instead of raising at the first spec that has one.

    An environment file builds its inner specs before the outer one. Raising at the first faulty
    one would show a user one problem per attempt; within this context a faulty spec is kept as
    it is, and whoever opened the context decides what to do with what was found.
    """
    collection = Collection()
    token = _collection.set(collection)
    try:
        yield collection
    finally:
        _collection.reset(token)


def report(spec: object, problems: list[Problem]) -> None:
    """Hand the problems of a spec to the collection in force, or raise them.

    Raises:
        SpecError: where no collection is in force.
    """
    collection = _collection.get()
    if collection is None:
        raise SpecError(problems)
    collection.found.extend((spec, problem) for problem in problems)


def source_line(frame: Any, skip: Path) -> str | None:
    """Return `file:line` of the nearest caller outside this package and pydantic."""
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if file.parent != skip and "pydantic" not in file.parts:
            return f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return None
