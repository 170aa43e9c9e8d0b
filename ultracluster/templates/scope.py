"""The sections of one template with their loops unrolled, and what its parameters are given.

Source: CloudFormation template reference, `Fn::ForEach` (transform AWS::LanguageExtensions), read
2026-11-24. `${Identifier}` and `&{Identifier}` are replaced in keys and values, the latter without
the characters that no logical id can have; `{"Ref": "Identifier"}` is the item.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ultracluster.templates.resolved import Template, Unknown
from ultracluster.templates.texts import scalar

DEEPEST: Final = 200
"""Levels of nesting, also by reference, that are followed."""
FOR_EACH: Final = "Fn::ForEach::"
MOST_ENTRIES: Final = 5_000
"""Far more than a template may hold (500 resources); a loop beyond is not unrolled."""

_NOT_ALPHANUMERIC: Final = re.compile(r"[^A-Za-z0-9]")
_PARTS: Final = 3
_MOST_LOOPS: Final = 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a mapping, after loops are unrolled."""

    key: str
    value: Any
    written_as: str
    """The key at the top of the mapping that it comes from."""
    open_because: str | None = None
    """Why it is not known how often the entry exists; then it stands for all of them."""


Collection = Callable[[Any], Any]
"""Returns the items of a loop, resolved: a list of texts, or Unknown."""


def unrolled(entries: Mapping[str, Any], collection: Collection) -> Iterator[Entry]:
    """Yield the entries of a mapping with every loop in it unrolled, those within loops too."""
    left = [MOST_ENTRIES]
    for key, value in entries.items():
        if key.startswith(FOR_EACH):
            yield from _Unrolling(key, collection, left).loop(key, value)
        else:
            yield Entry(key, value, key)


@dataclass
class _Unrolling:
    """One loop at the top of a mapping, with all that are within it."""

    top: str
    collection: Collection
    left: list[int]
    """How many entries may still be made of the mapping."""

    def loop(self, key: str, loop: Any, depth: int = 0) -> Iterator[Entry]:
        if not (isinstance(loop, list) and len(loop) == _PARTS and isinstance(loop[0], str)):
            yield self._open(key, f"{key} is not [identifier, collection, {{entries}}]")
            return
        identifier, given, body = loop
        if not isinstance(body, dict) or depth > _MOST_LOOPS:
            reason = f"{key} holds no entries"
            if isinstance(body, dict):
                reason = f"{self.top} holds more than {_MOST_LOOPS} loops within each other"
            yield self._open(key, reason)
            return
        items = self.collection(given)
        if not _texts(items):
            because = f"{key} runs over something that is no list of texts"
            if isinstance(items, Unknown):
                because = f"it is not known what {key} runs over: {items.because}"
            # One entry stands for all of them, however many there are.
            yield from (Entry(inner, value, self.top, because) for inner, value in body.items())
            return
        for item in dict.fromkeys(str(item) for item in items):
            for inner, value in body.items():
                self.left[0] -= 1
                if self.left[0] < 0:
                    yield self._open(key, f"{self.top} makes more than {MOST_ENTRIES} entries")
                    return
                yield from self._entry(
                    filled(inner, identifier, item), filled(value, identifier, item), depth
                )

    def _entry(self, key: str, value: Any, depth: int) -> Iterator[Entry]:
        if key.startswith(FOR_EACH):
            yield from self.loop(key, value, depth + 1)
        else:
            yield Entry(key, value, self.top)

    def _open(self, key: str, because: str) -> Entry:
        return Entry(key, None, self.top, because)


def _texts(items: Any) -> bool:
    return isinstance(items, list) and all(isinstance(item, str | int | float) for item in items)


def filled(value: Any, identifier: str, item: str) -> Any:
    """Return a part of a template with an item in every place of a loop's identifier."""
    marks = ((f"${{{identifier}}}", item), (f"&{{{identifier}}}", _NOT_ALPHANUMERIC.sub("", item)))

    def replaced(text: Any) -> Any:
        if isinstance(text, str) and "{" in text:
            for mark, written in marks:
                text = text.replace(mark, written)
        return text

    # Not recursive: a loop's body may be nested deeper than what calls this leaves of the stack.
    root: list[Any] = [None]
    left: list[tuple[Any, Any, Any, int]] = [(value, root, 0, 0)]
    while left:
        raw, holder, at, depth = left.pop()
        if depth > DEEPEST:
            # Nothing that lies deeper is ever resolved.
            made: Any = None
        elif isinstance(raw, dict) and not (len(raw) == 1 and raw.get("Ref") == identifier):
            made = dict.fromkeys(map(replaced, raw))
            left.extend((inner, made, replaced(key), depth + 1) for key, inner in raw.items())
        elif isinstance(raw, list):
            made = [None] * len(raw)
            left.extend((inner, made, index, depth + 1) for index, inner in enumerate(raw))
        else:
            made = item if isinstance(raw, dict) else replaced(raw)
        holder[at] = made
    return root[0]


_WHOLE_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_SSM: Final = "AWS::SSM::Parameter::Value<"


@dataclass
class Scope:
    """Everything that a name in a template can mean."""

    template: Template
    parameters: Mapping[str, Any]
    mappings: Mapping[str, Any]
    given: Mapping[str, str]
    """Values of parameters, by name or by `template:name`."""
    region: str | None
    conditions: dict[str, Entry] = field(default_factory=dict)
    resources: dict[str, Entry] = field(default_factory=dict)
    outputs: dict[str, Entry] = field(default_factory=dict)
    enumerated: frozenset[str] = frozenset()
    """Symbols of parameters of which every allowed value is looked at."""
    taken: dict[str, str] = field(default_factory=dict)
    """Parameters of which the default alone was looked at, with it, as they were met."""

    @property
    def name(self) -> str:
        return self.template.name

    def unroll(self, collection: Callable[[Any], Any]) -> None:
        """Fill the sections in which a loop may stand, with every loop unrolled."""
        for title, target in (
            ("Conditions", self.conditions),
            ("Resources", self.resources),
            ("Outputs", self.outputs),
        ):
            for entry in unrolled(section(self.template.body, title), collection):
                target[entry.key] = entry

    def symbol(self, parameter: str) -> str:
        """Return the name by which assumptions know a parameter's value."""
        return f"{self.name}/{parameter}"

    def parameter(self, name: str) -> Any:
        """Return the value of a declared parameter, from what was given or from its default."""
        declared = self.parameters[name]
        if not isinstance(declared, dict):
            return Unknown(f"parameter {name} is not a mapping", self.symbol(name))
        if self.symbol(name) in self.enumerated:
            return Unknown(f"parameter {name} has several allowed values", self.symbol(name))
        given = self._given(name)
        written = declared.get("Default") if given is None else given
        declared_type = str(declared.get("Type", "String"))
        if declared_type.startswith(_SSM):
            source = "an SSM parameter" if written is None else f"SSM parameter {written}"
            return Unknown(
                f"parameter {name} takes the value of {source} at deployment",
                self.symbol(name) if written is None else source,
            )
        if written is None:
            return Unknown(f"parameter {name} has no default", self.symbol(name))
        if given is None:
            self.taken[name] = as_text(written)
        return typed(written, declared_type)

    def _given(self, name: str) -> str | None:
        return self.given.get(f"{self.name}:{name}", self.given.get(name))

    def allowed(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield the symbols of parameters that take only certain texts, with these.

        The default is the first of them.
        """
        for name, declared in self.parameters.items():
            values = declared.get("AllowedValues") if isinstance(declared, dict) else None
            kind = str(mapping(declared).get("Type"))
            if not isinstance(values, list) or is_list(kind) or kind.startswith(_SSM):
                continue
            texts = dict.fromkeys(as_text(value) for value in values)
            default = as_text(declared.get("Default"))
            if texts:
                first = [default] if default in texts else []
                yield self.symbol(name), tuple(dict.fromkeys([*first, *texts]))

    def enumerable(self) -> frozenset[str]:
        """Return the symbols of parameters that nobody gives and that take only certain texts."""
        given = {self.symbol(name) for name in self.parameters if self._given(name) is not None}
        return frozenset(symbol for symbol, _ in self.allowed()) - given


def mapping(value: Any) -> dict[str, Any]:
    """Return a value that should be a mapping; an empty one where it is something else."""
    return value if isinstance(value, dict) else {}


def section(body: Mapping[str, Any], title: str) -> dict[str, Any]:
    """Return a section of a template, empty where it is absent or malformed."""
    return mapping(body.get(title))


def is_list(declared_type: str) -> bool:
    return declared_type == "CommaDelimitedList" or declared_type.startswith("List<")


def as_text(value: Any) -> str:
    """Return a default or an allowed value as it would be typed."""
    if isinstance(value, list):
        return ",".join(as_text(item) for item in value)
    return scalar(value) or str(value)


def typed(written: Any, declared_type: str) -> Any:
    """Return a parameter's text as its type has it: a text, a number, or a list of these."""
    text = as_text(written)
    if is_list(declared_type):
        items = [item.strip() for item in text.split(",")] if text.strip() else []
        return [_number(item) for item in items] if declared_type == "List<Number>" else items
    return _number(text) if declared_type == "Number" else text


def _number(text: str) -> int | str:
    # Only where the number is written again as it was: "007" in a text must stay "007".
    return int(text) if _WHOLE_NUMBER.fullmatch(text) and text != "-0" else text
