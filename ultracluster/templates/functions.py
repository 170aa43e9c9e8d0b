"""Intrinsic functions whose result depends on their arguments alone.

Each takes its resolved argument and returns a value, or `Unknown` with the reason. Source:
CloudFormation template reference, "Intrinsic function reference", read 2026-11-24.
"""

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from ultracluster.templates.resolved import Encoded, Link, Text, Unknown
from ultracluster.templates.texts import LONGEST, joined, kind, known, parts_of, scalar

MOST_SUBNETS: Final = 256
"""Largest `count` of Fn::Cidr."""

_PAIR: Final = 2
_TRIPLE: Final = 3
_NUMBER: Final = re.compile("[0-9]{1,9}")


def derived(unknown: Unknown, of: str) -> Unknown:
    """Return what a function gives of a value that is not known: the same reason, a new name."""
    symbol = None if unknown.symbol is None else f"{of} of {unknown.symbol}"
    return replace(unknown, symbol=symbol)


def unsettled(value: Any, of: str) -> Unknown | None:
    """Return why a function cannot be computed of a value, None where it can."""
    if isinstance(value, Unknown):
        return derived(value, of)
    if isinstance(value, Link):
        attribute = f".{value.attribute}" if value.attribute else ""
        name = f"{value.stack}/{value.logical_id}{attribute}"
        shown = f"{value.logical_id}{attribute}"
        return Unknown(f"{shown} is known only once it is deployed", f"{of} of {name}")
    if isinstance(value, Text | Encoded):
        inner = value.parts if isinstance(value, Text) else (value.content,)
        first = next(part for part in inner if not isinstance(part, str))
        reason = unsettled(first, of)
        return None if reason is None else replace(reason, symbol=None)
    return None


def malformed(name: str, needs: str) -> Unknown:
    """Return that a function is not written as CloudFormation wants it."""
    return Unknown(f"{name} is malformed: it takes {needs}")


def join(argument: Any) -> Any:
    """`Fn::Join`: [delimiter, [values]]."""
    if not (isinstance(argument, list) and len(argument) == _PAIR):
        return malformed("Fn::Join", "[delimiter, list]")
    delimiter, values = argument
    if not isinstance(delimiter, str):
        return unsettled(delimiter, "Fn::Join") or malformed("Fn::Join", "a text as delimiter")
    if not isinstance(values, list):
        return unsettled(values, f"Fn::Join {delimiter!r}") or malformed("Fn::Join", "a list")
    parts: list[str | Link | Unknown] = []
    for index, value in enumerate(values):
        if index:
            parts.append(delimiter)
        parts.extend(parts_of(value, "a value of Fn::Join"))
    return joined(parts)


def select(argument: Any) -> Any:  # noqa: PLR0911  (one return for each thing amiss)
    """`Fn::Select`: [index, [values]]."""
    if not (isinstance(argument, list) and len(argument) == _PAIR):
        return malformed("Fn::Select", "[index, list]")
    given, values = argument
    if reason := unsettled(given, "Fn::Select"):
        return replace(reason, symbol=None)
    written = scalar(given)
    if written is None or not (written.isascii() and written.isdigit()):
        return malformed("Fn::Select", "an index from 0")
    index = int(written[:9])
    if reason := unsettled(values, f"Fn::Select {index}"):
        return reason
    if not isinstance(values, list):
        return malformed("Fn::Select", "a list")
    if index >= len(values):
        return Unknown(f"Fn::Select asks for item {index} of a list of {len(values)}")
    return values[index]


def split(argument: Any) -> Any:
    """`Fn::Split`: [delimiter, text]."""
    if not (isinstance(argument, list) and len(argument) == _PAIR):
        return malformed("Fn::Split", "[delimiter, text]")
    delimiter, value = argument
    if not (isinstance(delimiter, str) and delimiter):
        return unsettled(delimiter, "Fn::Split") or malformed("Fn::Split", "a delimiter")
    if isinstance(value, Link) and delimiter == ",":
        # No id, name or ARN has a comma in it: a list of one, as exports of a single group are.
        return [value]
    if reason := unsettled(value, f"Fn::Split {delimiter!r}"):
        return reason
    written = scalar(value)
    return malformed("Fn::Split", "a text") if written is None else written.split(delimiter)


def encode(argument: Any) -> Any:
    """`Fn::Base64`: a text; one with parts that are not known is kept as it is."""
    if isinstance(argument, Text | Link | Unknown):
        return Encoded(argument)
    written = scalar(argument)
    if written is None:
        return malformed("Fn::Base64", "a text")
    return base64.b64encode(written.encode(errors="surrogatepass")).decode()


def length(argument: Any) -> Any:
    """`Fn::Length`: a list."""
    if reason := unsettled(argument, "Fn::Length"):
        return reason
    return len(argument) if isinstance(argument, list) else malformed("Fn::Length", "a list")


def to_json(argument: Any) -> Any:
    """`Fn::ToJsonString`: a list or a mapping."""
    if not isinstance(argument, list | dict):
        return unsettled(argument, "Fn::ToJsonString") or malformed(
            "Fn::ToJsonString", "a list or a mapping"
        )
    if not known(argument):
        return Unknown("Fn::ToJsonString is of values that are not all known")
    written = json.dumps(argument, separators=(",", ":"), ensure_ascii=False)
    return written if len(written) <= LONGEST else Unknown("it is a text of more than a megabyte")


def cidr(argument: Any) -> Any:  # noqa: PLR0911  (one return for each thing amiss)
    """`Fn::Cidr`: [block, count, bits for hosts]."""
    if not (isinstance(argument, list) and len(argument) in {_PAIR, _TRIPLE}):
        return malformed("Fn::Cidr", "[block, count, bits]")
    for value in argument:
        if reason := unsettled(value, "Fn::Cidr"):
            return reason
    if len(argument) == _PAIR:
        return Unknown("Fn::Cidr does not say how many bits its blocks have for hosts")
    block, count, bits = (scalar(value) or "" for value in argument)
    written = _NUMBER.fullmatch(count) and _NUMBER.fullmatch(bits)
    if not written or not 0 < int(count) <= MOST_SUBNETS:
        return malformed("Fn::Cidr", f"a count from 1 to {MOST_SUBNETS} and a number of bits")
    try:
        network = ipaddress.ip_network(block)
        blocks = islice(network.subnets(new_prefix=network.max_prefixlen - int(bits)), int(count))
        found = [str(part) for part in blocks]
    except ValueError as error:
        return Unknown(f"Fn::Cidr cannot divide {block[:50]}: {error}")
    if len(found) < int(count):
        return Unknown(f"Fn::Cidr asks for {count} blocks where {block} holds {len(found)}")
    return found


def find_in_map(argument: Any, mappings: Mapping[str, Any]) -> Any:
    """`Fn::FindInMap`: [map, key, key, {"DefaultValue": value}]; the last may be left out."""
    if not (isinstance(argument, list) and len(argument) in {_TRIPLE, _TRIPLE + 1}):
        return malformed("Fn::FindInMap", "[map, key, key]")
    names: list[str] = []
    for value in argument[:_TRIPLE]:
        if reason := unsettled(value, "Fn::FindInMap " + " ".join(names)):
            return reason
        written = scalar(value)
        if written is None:
            return malformed("Fn::FindInMap", f"texts, not {kind(value)}")
        names.append(written)
    found: Any = mappings
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    if found is not None:
        return found
    default = argument[_TRIPLE] if len(argument) > _TRIPLE else None
    if isinstance(default, dict) and "DefaultValue" in default:
        return default["DefaultValue"]
    return Unknown(f"mapping {' / '.join(names)} does not exist")


PURE: Final[Mapping[str, Callable[[Any], Any]]] = {
    "Fn::Join": join,
    "Fn::Select": select,
    "Fn::Split": split,
    "Fn::Base64": encode,
    "Fn::Length": length,
    "Fn::ToJsonString": to_json,
    "Fn::Cidr": cidr,
}
