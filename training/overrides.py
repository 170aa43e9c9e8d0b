"""Single values of a run's settings, replaced by the text that a command line gives."""

import difflib
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from training.problems import UserError

if TYPE_CHECKING:
    from training.settings import Settings

Whole = TypeVar("Whole", bound="Settings")


def overridden(settings: Whole, changes: Mapping[str, str]) -> Whole:
    """Return settings with `part.name` replaced by the value its text stands for."""
    parts: dict[str, dict[str, object]] = {}
    for name, text in changes.items():
        part, _, leaf = name.partition(".")
        known = typing.get_type_hints(type(getattr(settings, part, None)))
        if not is_dataclass(getattr(settings, part, None)) or leaf not in known:
            names = [
                f"{p.name}.{f.name}"
                for p in fields(settings)
                for f in fields(getattr(settings, p.name))
            ]
            last = leaf or part
            near = [n for n in names if n.endswith(f".{last}")]
            near = near or [n for n in names if n.startswith(f"{name}.")]
            near = near or difflib.get_close_matches(name, names, n=3, cutoff=0.5)
            hint = f"write {' or '.join(near)}" if near else "write PART.NAME=VALUE"
            raise UserError(f"--set {name}={text}: no such setting; {hint}")
        parts.setdefault(part, {})[leaf] = parse(name, text, known[leaf])
    changed: dict[str, Any] = {
        part: replace(getattr(settings, part), **values) for part, values in parts.items()
    }
    return replace(settings, **changed)


def parse(name: str, text: str, kind: Any) -> object:
    """Return the value of the given type that a text stands for."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
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
