"""The base class of all specs: frozen values that report every problem when they are created."""

import difflib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import (
    Annotated,
    Any,
    ClassVar,
    Final,
    Literal,
    NamedTuple,
    Self,
    TypeVar,
    get_args,
    get_origin,
)

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ultracluster.problem import (
    LARGEST_WRITTEN_OUT,
    MISSING,
    Problem,
    choices,
    report,
    shown,
    source_line,
)

HERE: Final = Path(__file__).parent
OF_CDK: Final = re.compile(r"\{Token\[|^-1\.\d+e\+289$")
"""How CDK writes a token as a text, within a list, and as a number."""
LATER: Final = "CDK knows it at deployment, and a spec is judged before; write the value itself"

Rule = Callable[[Any], Iterator[Problem]]
_RuleT = TypeVar("_RuleT", bound=Rule)


class UndeterminedError(Exception):
    """A rule read a field whose value is itself invalid, so that the rule cannot be judged.

    It is not an AttributeError, because Python calls `__getattr__` after a property raises one.
    """


def rule(method: _RuleT) -> _RuleT:
    """Mark a method of a spec that yields problems of several fields, or that need arithmetic.

    A rule that reads an invalid field is skipped, and the others still run: one mistake gives one
    message.
    """
    method.__is_rule__ = True  # type: ignore[attr-defined]
    return method


class TextFormat(NamedTuple):
    """The format of a string, for `Annotated`: of a field, or of the items of a tuple."""

    pattern: str
    """A regular expression that the whole string has to match."""
    fix: str | Callable[[str], str]
    """Why a string without a match is invalid, and what to write instead."""


def valid_name(given: str, *, instead: str, most: int | None = None) -> str:
    """Return a valid name like the given one: lower case, with single hyphens."""
    words = re.sub(r"[^a-z0-9]+", "-", given.lower()).lstrip("-0123456789")
    return words[:most].rstrip("-") or instead


class Spec(BaseModel):
    """A frozen, strictly typed value; creating an invalid one reports all of its problems at once.

    Raises:
        SpecError: with every problem of this spec, unless it is created inside
            `problem.collecting()`.
    """

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True
    )

    _rules: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Collect the rules of the class, in the order they are written, bases first."""
        names = {
            name: None
            for base in reversed(cls.__mro__)
            for name, member in vars(base).items()
            if getattr(member, "__is_rule__", False)
        }
        cls._rules = tuple(names)

    def __init__(self, **given: Any) -> None:
        found: list[Problem] = []
        fields = type(self).model_fields
        wrong_numbers = {
            name: fix
            for name, value in given.items()
            if (fix := _number_problem(value, fields.get(name)))
        }
        faulty = {*wrong_numbers}
        given = {name: _hide_mappings(value) for name, value in given.items()}
        try:
            super().__init__(**given)
        except ValidationError as error:
            # pydantic reports once for each member of a union; the user made one mistake. A tuple
            # with a faulty item is also reported as too short: the item is what counts.
            details = {
                _place(detail): detail
                for detail in reversed(error.errors())
                # A default that is computed from an invalid field is no mistake of its own.
                if detail["type"] != "default_factory_not_called"
            }
            for whole in {place.partition("[")[0] for place in details if place.endswith("]")}:
                details.pop(whole, None)
            found += [_problem(type(self), detail) for detail in reversed(details.values())]
            faulty |= {str(detail["loc"][0]) for detail in details.values()}
        reported = {problem.field.partition("[")[0] for problem in found}
        others = sorted(wrong_numbers.keys() - reported)
        found += [Problem(name, given[name], wrong_numbers[name]) for name in others]
        if faulty:
            self._keep_sound_fields(given, faulty)
        ruled = list(self.problems())
        # For a missing field a rule may know a better value to propose than pydantic.
        better = {problem.field: problem for problem in ruled if problem.got is MISSING}
        faulty = {problem.field for problem in found}
        found = [better.get(p.field, p) if p.got is MISSING else p for p in found]
        found += [p for p in ruled if p.got is not MISSING or p.field not in faulty]
        found = [replace(p, fix=LATER) if OF_CDK.search(str(p.got)) else p for p in found]
        if found:
            source = source_line(sys._getframe(1), HERE)  # noqa: SLF001
            report(self, [replace(p, source=p.source or source) for p in found])

    def _keep_sound_fields(self, given: dict[str, Any], faulty: set[str]) -> None:
        sound: dict[str, Any] = {}
        for name, info in type(self).model_fields.items():
            if name not in faulty:
                # A default may follow from the fields before it.
                default = info.get_default(call_default_factory=True, validated_data=sound)
                sound[name] = given.get(name, default)
        object.__setattr__(self, "__dict__", sound)
        object.__setattr__(self, "__pydantic_fields_set__", set(sound) & set(given))
        object.__setattr__(self, "__pydantic_extra__", None)
        object.__setattr__(self, "__pydantic_private__", None)

    def __getattr__(self, name: str) -> Any:
        """Raise UndeterminedError for an invalid field, and AttributeError for other names."""
        if name in type(self).model_fields:
            raise UndeterminedError(name)
        return super().__getattr__(name)  # type: ignore[misc]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with the fields of `update` changed; it is validated like any other spec.

        pydantic's own method does not validate `update`, so that a copy could be invalid.
        """
        if update:
            given = {name: getattr(self, name) for name in self.model_fields_set}
            return type(self)(**{**given, **update})
        return super().model_copy(deep=deep)

    def problem_of(self, field: str, fix: str) -> Problem:
        """Return a problem of a field's value; `part.field` is a field of a nested spec."""
        return Problem(field, attrgetter(field)(self), fix)

    def problems(self) -> Iterator[Problem]:
        """Yield all problems of this spec beyond the type and range of single fields."""
        yield from self._text_formats()
        for name in self._rules:
            with suppress(UndeterminedError):
                yield from list(getattr(self, name)())

    def _text_formats(self) -> Iterator[Problem]:
        """Yield strings that do not have the format of their fields."""
        for name, info in type(self).model_fields.items():
            value = vars(self).get(name)
            items = enumerate(value) if isinstance(value, tuple) else ()
            texts = {f"{name}[{index}]": item for index, item in items} or {name: value}
            for pattern, fix in (each for each in info.metadata if isinstance(each, TextFormat)):
                for field, text in texts.items():
                    if isinstance(text, str) and not re.fullmatch(pattern, text):
                        yield Problem(field, text, fix if isinstance(fix, str) else fix(text))


class _HiddenMapping:
    """A dictionary that was given where a spec is expected, hidden from pydantic.

    pydantic would create a spec from it, for a union of every class in turn, and report problems of
    a class that the user never wrote.
    """

    def __init__(self, value: Mapping[str, Any]) -> None:
        self._value = dict(value)

    def __repr__(self) -> str:
        return repr(self._value)


def _number_problem(value: object, field: FieldInfo | None) -> str:
    """Return what to write for a number that pydantic accepts wrongly; empty for other values."""
    if not isinstance(value, int | float):
        return ""
    if not abs(value) < LARGEST_WRITTEN_OUT:  # sums and prices of it could not be printed
        return f"write a number below {LARGEST_WRITTEN_OUT:g}"
    kinds = (field.annotation, *get_args(field.annotation)) if field else ()
    # Literal[1, 2] takes True for 1, however strict it is.
    odd = type(value) is not int and any(get_origin(kind) is Literal for kind in kinds)
    return "write a whole number" if odd and type(value) not in kinds else ""


def _hide_mappings(value: Any) -> Any:
    """Return a value with its dictionaries hidden from pydantic: no field takes one."""
    if isinstance(value, Mapping):
        return _HiddenMapping(value)
    if isinstance(value, tuple):
        return tuple(_hide_mappings(item) for item in value)
    return value


def _place(detail: ErrorDetails) -> str:
    """Return the name of the field, with an index if it is an item of a tuple: `notify[0]`."""
    name, *rest = detail["loc"]
    return "".join([str(name), *(f"[{part}]" for part in rest if isinstance(part, int))])


def _problem(spec: type[Spec], detail: ErrorDetails) -> Problem:
    """Return what pydantic found as a problem, in words for the user."""
    path = _place(detail)
    context = detail.get("ctx", {})
    got: object = detail["input"]
    kind = detail["type"]
    if kind == "missing":
        return Problem(path, MISSING, f"write {path}=... ({_meaning(spec, path)})")
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(path, spec.model_fields, n=1)
        names = ", ".join(spec.model_fields)
        hint = f"write {near[0]}" if near else f"remove it; the fields are {names}"
        return Problem(path, got, f"{spec.__name__} has no field of that name; {hint}")
    if kind == "literal_error":
        return Problem(path, got, f"choose {context['expected']}")
    bounds = {
        "greater_than": ("gt", "write more than {}"),
        "greater_than_equal": ("ge", "write at least {}"),
        "less_than": ("lt", "write less than {}"),
        "less_than_equal": ("le", "write at most {}"),
        "too_short": ("min_length", "write at least {}, as in (one,) or (one, two)"),
        "too_long": ("max_length", "write at most {} items"),
    }
    if kind in bounds:
        key, words = bounds[kind]
        return Problem(path, got, words.format(context[key]))
    return Problem(path, got, _expected(spec, path))


def _expected(spec: type[Spec], path: str) -> str:
    """Return which values a field takes, from its annotation and description."""
    name, _, item = path.partition("[")
    field = spec.model_fields[name]
    kinds = get_args(field.annotation) or (field.annotation,)
    if item:
        kinds = tuple(kind for kind in kinds if kind is not ...)
    elif get_origin(field.annotation) is tuple:
        kinds = (tuple,)
    return f"write {choices([_type_name(kind) for kind in kinds])} ({_meaning(spec, path)})"


def _type_name(kind: object) -> str:
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) is Literal:
        return choices([shown(value) for value in get_args(kind)])
    words: dict[object, str] = {
        int: "a whole number",
        float: "a number",
        str: "a text",
        bool: "True or False",
        tuple: "a tuple, (one, two) or (one,)",
        type(None): "None",
    }
    name = getattr(kind, "__name__", str(kind))
    return words.get(kind) or f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def _meaning(spec: type[Spec], path: str) -> str:
    field = spec.model_fields.get(path.partition("[")[0])
    text = (field.description if field else None) or spec.__name__
    return text.split("\n\n")[0].replace("\n", " ").rstrip(".")
