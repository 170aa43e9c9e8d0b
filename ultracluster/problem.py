"""One invalid value: what was given, why it is invalid, and what to write instead."""

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

    Rules over specs and rules over CloudFormation properties (`ultracluster.catalogue`) both yield
    it, so that one rule serves both.
    """

    field: str
    """The field or property path that holds the value, for example `storage.capacity_gib`."""

    got: object
    """The value as it was given."""

    fix: str
    """Why the value is invalid, and what to write instead, as the rest of a sentence."""

    source: str | None = dataclasses.field(default=None, compare=False)
    """`file:line` of the call that gave the value, where it is known."""

    code: str = dataclasses.field(default="", kw_only=True)
    """A short name of this kind of problem, for code that selects problems. Each module of the
    catalogue lists its codes. The text of `fix` may change, the code may not."""

    def __str__(self) -> str:
        line = f"{self.field}: got {shown(self.got)}; {self.fix}"
        return " ".join(line.split())

    def at(self, prefix: str) -> "Problem":
        """Return the same problem with the field's path as seen from the enclosing spec."""
        return replace(self, field=f"{prefix}.{self.field}" if self.field else prefix)


MISSING: Final = "nothing"
"""`Problem.got` of a field that was not given."""

LONGEST_VALUE: Final = 120
LONGEST_LIST: Final = 8
LARGEST_WRITTEN_OUT: Final = 10**15


def shown(value: object) -> str:
    """Return a value as a user would type it, cut after 120 characters."""
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
    """Return a large number in short form: 1e30 as an integer has 31 digits that nobody typed."""
    try:
        return f"{value:g}"
    except OverflowError:
        return f"a number of {math.floor(math.log10(abs(value))) + 1:,} digits"


def choices(values: Iterable[object]) -> str:
    """Return values as `a, b or c`; of a long list the first eight and how many more there are."""
    shown = [str(value) for value in values]
    if len(shown) > LONGEST_LIST:
        return f"{', '.join(shown[:LONGEST_LIST])} or {len(shown) - LONGEST_LIST} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def repeated(
    given: Iterable[tuple[str, object]], fix: str = "it is listed twice; remove one"
) -> Iterator[Problem]:
    """Yield a problem for each (field, value) whose value was there before; None is ignored."""
    seen: set[object] = set()
    for field, value in given:
        if value is not None and value in seen:
            yield Problem(field, value, fix)
        seen.add(value)


class SpecError(ValueError):
    """The values of a spec are invalid; `problems` has all that was found, not only the first."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


class EnvironmentFileError(ValueError):
    """A file defines no environment or recipe, or Python could not run it."""


@dataclass
class Collection:
    """The problems of all specs that are created inside `collecting()`."""

    found: list[tuple[object, Problem]] = dataclasses.field(default_factory=list)
    """Each problem with its spec, so that the path of the field can be completed later."""

    def problems(self, roots: Iterable[tuple[str, object]]) -> list[Problem]:
        """Return all problems; fields are given as paths from the named outermost specs."""
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
    """Collect problems instead of raising at the first invalid spec.

    An environment file creates its inner specs before the outer one, so that raising at the first
    invalid one would show one problem per attempt. Inside this context an invalid spec is created
    all the same, and the caller handles the collected problems.
    """
    collection = Collection()
    token = _collection.set(collection)
    try:
        yield collection
    finally:
        _collection.reset(token)


def report(spec: object, problems: list[Problem]) -> None:
    """Add the problems of a spec to the current collection, or raise them.

    Raises:
        SpecError: outside of `collecting()`.
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
