"""The sections of one template, and what its parameters are given."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ultracluster.templates.loops import Entry, unrolled
from ultracluster.templates.resolved import Unknown
from ultracluster.templates.template import Template
from ultracluster.templates.texts import scalar

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
