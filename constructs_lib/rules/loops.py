"""`Fn::ForEach`: entries of a mapping that are written once and stand for several.

Source: CloudFormation template reference, `Fn::ForEach` (transform AWS::LanguageExtensions), read
2026-11-24. `${Identifier}` and `&{Identifier}` are replaced in keys and values, the latter without
the characters that no logical id can have; `{"Ref": "Identifier"}` is the item.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from constructs_lib.rules.resolved import Unknown

FOR_EACH: Final = "Fn::ForEach::"
MOST_ENTRIES: Final = 5_000
"""Far more than a template may hold (500 resources); a loop beyond is not unrolled."""

_NOT_ALPHANUMERIC: Final = re.compile(r"[^A-Za-z0-9]")
_PARTS: Final = 3
_DEEPEST: Final = 100


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


def unrolled(mapping: Mapping[str, Any], collection: Collection) -> Iterator[Entry]:
    """Yield the entries of a mapping with every loop in it unrolled, those within loops too."""
    left = [MOST_ENTRIES]
    for key, value in mapping.items():
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
        """Yield what a loop stands for."""
        if not (isinstance(loop, list) and len(loop) == _PARTS and isinstance(loop[0], str)):
            yield self._open(key, f"{key} is not [identifier, collection, {{entries}}]")
            return
        identifier, given, body = loop
        if not isinstance(body, dict) or depth > _DEEPEST:
            yield self._open(key, f"{key} holds no entries")
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


def filled(  # noqa: PLR0911  (one return for each type)
    value: Any, identifier: str, item: str, depth: int = 0
) -> Any:
    """Return a part of a template with an item in every place of a loop's identifier."""
    if isinstance(value, str):
        if "{" not in value:
            return value
        bare = _NOT_ALPHANUMERIC.sub("", item)
        return value.replace(f"${{{identifier}}}", item).replace(f"&{{{identifier}}}", bare)
    if depth > 2 * _DEEPEST:
        return value
    if isinstance(value, dict):
        if len(value) == 1 and value.get("Ref") == identifier:
            return item
        return {
            filled(key, identifier, item): filled(inner, identifier, item, depth + 1)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [filled(inner, identifier, item, depth + 1) for inner in value]
    return value
