"""Checks a request by botocore's model of the service, before it is sent.

botocore checks required members and types, and nothing of an enumeration, a pattern, a maximum or
the length of a list: a request that it sends may be refused minutes later. Here all of them are
checked, by the same model (botocore 1.43.106). This module reads models and asks nobody.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from botocore.loaders import Loader, create_loader
from botocore.model import ServiceModel

from ultracluster.problem import MISSING, Problem, choices

ADDED: Final = str(Path(__file__).parent / "catalogue" / "botocore")
"""Members that this botocore's models lack, as its loader merges them: PCS's health checks of
instances (botocore 1.44.8, read 2026-11-26)."""
SESSION: Final = {"data_path": ("data_path", "AWS_DATA_PATH", ADDED, None)}
"""Variable by which a session of botocore's finds them."""
MOST_CHOICES: Final = 6
JAVA_CLASSES: Final = {
    # Character properties of Java's regular expressions in Python's words, within a class. A
    # separator is no control character, so that it is not \s.
    r"\p{Alnum}": "A-Za-z0-9",
    r"\p{L}": r"\w",
    r"\p{N}": r"\w",
    r"\p{Z}": " \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
}
LARGEST: Final[Mapping[str, int]] = {"integer": 2**31 - 1, "long": 2**63 - 1}
TYPES: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "string": ((str,), "a text"),
    "integer": ((int,), "a whole number"),
    "long": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "double": ((int, float), "a number"),
    "boolean": ((bool,), "true or false"),
    "structure": ((Mapping,), "an object"),
    "map": ((Mapping,), "an object"),
    "list": ((list, tuple), "a list"),
}


@cache
def reader(paths: str) -> Loader:
    """Return what reads models from folders, and keeps them; each session would read its own."""
    return create_loader(paths)


@cache
def model(service: str) -> Any:
    """Return botocore's model of a service, with the members that are added to it."""
    # By the loader alone: a session reads the user's profiles, which have no say in a model.
    return ServiceModel(reader(ADDED).load_service_model(service, "service-2"), service)


@cache
def _input_shape(service: str, operation: str) -> Any:
    return model(service).operation_model(operation).input_shape


def problems(service: str, operation: str, request: object) -> Iterator[Problem]:
    """Yield everything in a request that the service's model does not allow.

    Args:
        service: botocore's name, for example `sagemaker`.
        operation: the API's name, for example `CreateTrainingJob`.
        request: the request, in the API's names.
    """
    yield from _problems(_input_shape(service, operation), request, "")


def _problems(shape: Any, value: object, where: str) -> Iterator[Problem]:
    kinds, words = TYPES.get(shape.type_name, ((object,), ""))
    wrong_number = isinstance(value, bool) and bool not in kinds and object not in kinds
    if not isinstance(value, kinds) or wrong_number:
        yield Problem(where or "the request", value, f"write {words}")
        return
    if isinstance(value, Mapping) and shape.type_name == "structure":
        yield from _structure(shape, value, where)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _limits(shape.key, key, f"{where}, name {str(key)[:40]!r}")
            yield from _problems(shape.value, item, _below(where, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _problems(shape.member, item, f"{where}[{index}]")
    yield from _limits(shape, value, where)


def _structure(shape: Any, value: Mapping[str, Any], where: str) -> Iterator[Problem]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield Problem(_below(where, name), MISSING, "the field is required; write it")
    for name, item in value.items():
        member = shape.members.get(name)
        if member is None:
            near = difflib.get_close_matches(str(name), shape.members, n=1)
            hint = f"write {near[0]}" if near else f"there are: {', '.join(shape.members)}"
            fix = f"the request has no field of that name; {hint}"
            yield Problem(_below(where, name), item, fix)
        elif item is not None:
            yield from _problems(member, item, _below(where, name))
        elif name not in shape.required_members:
            yield Problem(_below(where, name), None, "write a value, or leave the field out")


def _limits(shape: Any, value: object, where: str) -> Iterator[Problem]:
    size, noun = _size(value)
    smallest, largest = shape.metadata.get("min"), shape.metadata.get("max")
    if size is not None and smallest is not None and size < smallest:
        yield Problem(where, _measured(value, size, noun), f"write at least {smallest:,}{noun}")
    elif size is not None and largest is not None and size > largest:
        yield Problem(where, _measured(value, size, noun), f"write at most {largest:,}{noun}")
    elif isinstance(value, str):
        yield from _text(shape, value, where)
    elif size is not None and abs(size) > (bound := LARGEST.get(shape.type_name, abs(size))):
        yield Problem(where, value, f"write at most {bound:,}")


def _text(shape: Any, value: str, where: str) -> Iterator[Problem]:
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        near = difflib.get_close_matches(value, allowed, n=2) or list(allowed)[:MOST_CHOICES]
        more = "" if len(allowed) <= MOST_CHOICES else f" (one of {len(allowed)})"
        yield Problem(where, value, f"the field has no such value; write {choices(near)}{more}")
    pattern = shape.metadata.get("pattern")
    if pattern and not allowed and not _compiled(pattern).fullmatch(value):
        yield Problem(where, value, f"it must match {pattern}")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern of the model, which is Java's, as Python's."""
    for java, python in JAVA_CLASSES.items():
        pattern = pattern.replace(java, python)
    return re.compile(pattern)


def _size(value: object) -> tuple[float | None, str]:
    if isinstance(value, bool):
        return None, ""
    if isinstance(value, int | float):
        return value, ""
    if isinstance(value, str):
        return len(value), " characters"
    return (len(value), " entries") if isinstance(value, list | tuple | Mapping) else (None, "")


def _measured(value: object, size: float, noun: str) -> object:
    return value if not noun else f"{size:,}{noun}"


def _below(where: str, name: object) -> str:
    return f"{where}.{name}" if where else str(name)
