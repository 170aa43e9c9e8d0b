"""What a value of a run's settings may be, and values given as text on a command line."""

import difflib
import math
import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NamedTuple,
    Self,
    get_args,
    get_origin,
    get_type_hints,
)

from training.problems import Problem, UserError


class Bounds(NamedTuple):
    """The least that a number may be, and the most that can be meant."""

    least: float
    most: float | None = None


MOST: Final = 2**31 - 1
"""No count is larger; of layers that a slip of the hand makes, a run would never have all."""
Positive = Annotated[int, Bounds(1, MOST)]
Count = Annotated[int, Bounds(0, MOST)]
Seed = Annotated[int, Bounds(0, 2**32 - 1)]
"""Larger ones would give the order of data of a smaller one (`training.data.Order`)."""
Amount = Annotated[float, Bounds(0)]
Share = Annotated[float, Bounds(0, 1)]

WORDS: Final = {bool: "true or false", str: "a text", int: "a whole number", float: "a number"}
OTHER_TYPE: Final = "is of another type"
LEAST_SHARE: Final = 1 / 2**16
"""Of a source: `training.data.Mixture` deals in blocks of that many sequences."""


def bounds(part: type) -> dict[str, Bounds]:
    """Return the bounds of a part's numbers, by their names."""
    hints = get_type_hints(part, include_extras=True)
    return {name: get_args(k)[1] for name, k in hints.items() if get_origin(k) is Annotated}


def value_problems(settings: Any) -> Iterator[Problem]:
    """Yield every single value that cannot be, whatever the others are."""
    for part in fields(settings):
        values = getattr(settings, part.name)
        limits = bounds(type(values))
        for name, kind in get_type_hints(type(values)).items():
            value, where = getattr(values, name), f"{part.name}.{name}"
            if words := _misfit(value, kind):
                yield Problem(where, value, OTHER_TYPE, f"write {words}")
            elif isinstance(value, str) and not value.strip():
                yield Problem(where, value, "is empty", "write a text that is not")
            elif name in limits and (reason := _out_of_range(value, *limits[name])):
                yield Problem(where, value, *reason)


def _misfit(value: object, kind: Any) -> str | None:
    """Return what to write instead of a value that is not of its type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        good, words = value in arguments, " or ".join(arguments)
    elif origin is types.UnionType:
        return None if value is None else _misfit(value, arguments[0])
    elif origin is tuple:
        good = isinstance(value, tuple) and not any(_misfit(each, arguments[0]) for each in value)
        words = "numbers, as in 0.9,0.95"
    else:
        # bool is a kind of int to Python, and to nobody who writes a recipe.
        wanted = (int, float) if kind is float else kind
        good = isinstance(value, wanted) and (kind is bool or not isinstance(value, bool))
        words = WORDS[kind]
    return None if good else words


def _out_of_range(value: Any, least: float, most: float | None) -> tuple[str, str] | None:
    """Return why a number cannot be meant, and what to write instead."""
    # That a count ends somewhere is news for who is beyond it alone.
    open_ended = most is None or (most == MOST and value < least)
    fix = f"write {least} or more" if open_ended else f"write {least} to {most}"
    if not math.isfinite(value):
        return "is no finite number", fix
    if value < least:
        return f"must be at least {least}", fix
    if most is not None and value > most:
        return f"must be at most {most}", fix
    return None


class Checked:
    """Settings of a run, in parts, of which none that cannot be is ever made.

    Raises:
        UserError: With every problem of every part.
    """

    def __post_init__(self) -> None:
        if error := UserError.of(self.problems()):
            raise error

    def problems(self) -> Iterator[Problem]:
        """Yield everything that cannot be."""
        yield from value_problems(self)

    def override(self, changes: Mapping[str, str]) -> Self:
        """Return these settings with `part.name` replaced by the value its text stands for.

        Raises:
            UserError: If a name does not exist or a text is not of its type.
        """
        parts: dict[str, dict[str, object]] = {}
        for name, text in changes.items():
            part, _, leaf = name.partition(".")
            known = get_type_hints(type(getattr(self, part, None)))
            if not is_dataclass(getattr(self, part, None)) or leaf not in known:
                raise UserError(f"--set {name}={text}: no such setting; {self._hint(name)}")
            parts.setdefault(part, {})[leaf] = parse(name, text, known[leaf])
        changed: dict[str, Any] = {
            part: replace(getattr(self, part), **values) for part, values in parts.items()
        }
        return replace(self, **changed)  # type: ignore[type-var]

    def _hint(self, name: str) -> str:
        """Say which settings may have been meant."""
        parts = fields(self)  # type: ignore[arg-type]
        names = [f"{p.name}.{f.name}" for p in parts for f in fields(getattr(self, p.name))]
        last = name.partition(".")[2] or name
        near = [n for n in names if n.endswith(f".{last}")]
        near = near or [n for n in names if n.startswith(f"{name}.")]
        near = near or difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        return f"write {' or '.join(near)}" if near else "write PART.NAME=VALUE"


def parse(name: str, text: str, kind: Any) -> object:
    """Return the value of the given type that a text stands for."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        if text in arguments:
            return text
        raise UserError(f"--set {name}={text}: no such choice; write {' or '.join(arguments)}")
    if origin is types.UnionType:
        return None if text in {"", "none", "None"} else parse(name, text, arguments[0])
    if origin is tuple:
        return tuple(parse(name, part, arguments[0]) for part in text.split(","))
    if kind is bool:
        if text.lower() in {"true", "false"}:
            return text.lower() == "true"
        raise UserError(f"--set {name}={text}: is yes or no; write true or false")
    try:
        return kind(text)
    except ValueError:
        raise UserError(f"--set {name}={text}: is not of type {kind.__name__}") from None
