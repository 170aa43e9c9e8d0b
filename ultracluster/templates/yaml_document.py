"""YAML templates with short-form functions, with the line of every resource.

Values follow CloudFormation and not all of YAML 1.1: a date is a text, and so is a number that
would be written differently again (an account may begin with 0, `22:22` are two ports).
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ultracluster.templates.file_reading import Document, by_id
from ultracluster.untrusted_file import DEEPEST, UnreadableError, refuse_depth

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML without libyaml: the same, only slower
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

# libyaml's composer calls itself for each level and dies of some 50,000.
_DEEPEST_TEXT: Final = 10_000
DEEP_BY_PYYAML: Final = "maximum nesting depth"
"""PyYAML's own words, from 6.0.4 on."""
MOST_AGAIN: Final = 200_000
"""Values that aliases may add to a document. CloudFormation takes no aliases at all (its guide,
"template formats", read 2026-11-27); aliases of aliases multiply with every level."""
_DOCUMENT: Final = re.compile(r"^---", re.MULTILINE)
_WHOLE: Final = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_CORE: Final = "tag:yaml.org,2002:"
_TRUE: Final = {"true", "yes", "on"}
_PLAIN_NAMES: Final = {"Ref", "Condition"}


def parse(path: Path, text: str) -> Document:
    """Return the template of a text.

    Raises:
        UnreadableError: where the text is no YAML.
    """
    with _loader(path, text) as loader:
        root = loader.get_single_node()
        body: Any = None if root is None else _Values(path).value(root, 0)
    return Document(body, by_id(path, _ids(root)))


def documents(path: Path, text: str) -> list[Any]:
    """Return every document of a text, as a manifest has several.

    Raises:
        UnreadableError: where the text is no YAML.
    """
    found = []
    with _loader(path, text) as loader:
        while loader.check_node():
            found.append(_Values(path).value(loader.get_node(), 0))
    return found


@contextmanager
def _loader(path: Path, text: str) -> Iterator[Any]:
    """Give a loader of a text, and say in one line what is wrong with the text."""
    loader: Any = None
    try:
        if _may_be_deep(text):
            # By events, without libyaml's composer.
            levels = yaml.CollectionStartEvent, yaml.CollectionEndEvent
            refuse_depth(path, yaml.parse(text, Loader=_Loader), *levels, most=DEEPEST)
        loader = _Loader(text)
        yield loader
    except yaml.MarkedYAMLError as error:
        if DEEP_BY_PYYAML in str(error.problem):
            raise UnreadableError(f"{path}: its nesting is too deep") from None
        mark = error.problem_mark or error.context_mark
        # What is missing at the end is missing on the last line, not on one behind it.
        last = text.rstrip().count("\n") + 1
        where = f"{path}:{min(mark.line + 1, last)}" if mark is not None else str(path)
        raise UnreadableError(
            f"{where}: not valid YAML: {error.problem or error.context}"
        ) from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise UnreadableError(f"{path}: not valid YAML: {reason[:200]}") from None
    except (RecursionError, _DepthError):
        raise UnreadableError(f"{path}: its nesting is too deep") from None
    finally:
        if loader is not None:
            loader.dispose()


def _may_be_deep(text: str) -> bool:
    """Whether a text could be nested beyond what libyaml survives; most cannot, by their shape."""
    longest = max(map(len, text.splitlines()), default=0)
    # Nothing is open where a document begins.
    parts = _DOCUMENT.split(text) if text.count("[") + text.count("{") > _DEEPEST_TEXT else ()
    brackets = max((part.count("[") + part.count("{") for part in parts), default=0)
    return brackets + longest > _DEEPEST_TEXT


class _DepthError(ValueError):
    """A document that is nested too deeply, or holds itself."""


class _Values:
    """Makes values of nodes; what is anchored once is one value, however often it is used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._made: dict[int, tuple[Any, int]] = {}
        """What was made of a collection, and of how many values it consists written out."""
        self._count = self._again = 0

    def value(self, node: Node, depth: int) -> Any:
        """Return the value of a node, with short-form functions in their long form."""
        if isinstance(node, ScalarNode):
            self._count += 1
            return _scalar(node)
        if depth > DEEPEST:
            raise _DepthError
        if known := self._made.get(id(node)):
            self._count += known[1]
            self._again += known[1]
            if self._again > MOST_AGAIN:
                raise UnreadableError(
                    f"{self._path}: its aliases (*name) stand for more than {MOST_AGAIN:,} values "
                    "written out; write what is needed without them"
                )
            return known[0]
        before = self._count
        made = self._collection(node, depth)
        self._count += 1
        self._made[id(node)] = made, self._count - before
        return made

    def _collection(self, node: Node, depth: int) -> Any:
        found: Any
        if isinstance(node, SequenceNode):
            found = [self.value(item, depth + 1) for item in node.value]
        elif isinstance(node, MappingNode):
            found = {}
            for key, value in node.value:
                if key.tag == f"{_CORE}merge":
                    found = {**self._merged(value, depth + 1), **found}
                else:
                    found[_key(key)] = self.value(value, depth + 1)
        else:
            found = None
        return _function(node.tag, found) if node.tag[:1] == "!" else found

    def _merged(self, node: Node, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for part in node.value if isinstance(node, SequenceNode) else [node]:
            value = self.value(part, depth + 1)
            if isinstance(value, dict):
                found = {**value, **found}
        return found


def _key(node: Node) -> str:
    # Keys are texts as they are written: an account in a mapping may begin with 0.
    return str(node.value) if isinstance(node, ScalarNode) else f"line {node.start_mark.line + 1}"


def _scalar(node: ScalarNode) -> Any:
    text: str = node.value
    tag = node.tag
    if tag[:1] == "!":
        return _function(tag, text)
    kind = tag.removeprefix(_CORE)
    if kind == "bool":
        return text.lower() in _TRUE
    if kind == "int":
        return int(text) if _WHOLE.fullmatch(text) and text != "-0" else text
    if kind == "float":
        try:
            number = float(text)
        except ValueError:
            return text
        return number if repr(number) == text else text
    return None if kind == "null" else text


def _function(tag: str, argument: Any) -> Mapping[str, Any]:
    name = tag[1:]
    if name in _PLAIN_NAMES or name.startswith("Fn::"):
        return {name: argument}
    if name == "GetAtt" and isinstance(argument, str):
        return {"Fn::GetAtt": argument.split(".", 1)}
    return {f"Fn::{name}": argument}


def _ids(root: Node | None) -> Iterator[tuple[str, int]]:
    """Yield each key of Resources with its line."""
    for title, resources in root.value if isinstance(root, MappingNode) else ():
        if _key(title) == "Resources" and isinstance(resources, MappingNode):
            for key, _ in resources.value:
                yield _key(key), key.start_mark.line + 1
