"""`Fn::ForEach`: entries of a mapping that are written once and stand for several.

Source: CloudFormation template reference, `Fn::ForEach` (transform AWS::LanguageExtensions), read
2026-11-24. `${Identifier}` and `&{Identifier}` are replaced in keys and values, the latter without
the characters that no logical id can have; `{"Ref": "Identifier"}` is the item.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.templates.conditions import DEEPEST
from ultracluster.templates.resolved import Unknown

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
