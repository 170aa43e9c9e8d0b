"""Environments and recipes as YAML: the same specs and messages as in Python, with file and line.

    name: mine
    region: us-east-1
    nodes: {instance_type: p4d.24xlarge, count: 2}

Keys are the fields of the spec (docs/reference/specs.md); a list is what Python writes as a tuple.
Where a field takes one of several specs with the same fields, `spec: CpuGroupSpec` says which.
Several documents in one file are several environments.
"""

import ast
import keyword
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Final, get_args

import yaml

from ultracluster.problem import EnvironmentFileError
from ultracluster.spec.base import Spec
from ultracluster.untrusted_file import UnreadableError, refuse_depth, text_of

SUFFIXES: Final = (".yaml", ".yml")
PLAIN: Final = (str, int, float, bool, type(None))
MOST_BYTES: Final = 100_000
"""The largest environment of this repository has 3,000."""
MOST_VALUES: Final = 20_000
"""Values in a file, with YAML aliases expanded: aliases of aliases multiply with every level."""
DEEPEST: Final = 50
"""Nesting levels of a file; an environment has six."""


def namespace(path: Path, kind: type[Spec]) -> Mapping[str, Any]:
    """Return the specs of a YAML file by name, as the namespace of a Python file would have them.

    Raises:
        EnvironmentFileError: where the file is not YAML, or a document is not a mapping.
    """
    writer = _Writer(path)
    try:
        text = text_of(path, MOST_BYTES, "an environment has 0.003")
        levels = yaml.CollectionStartEvent, yaml.CollectionEndEvent
        refuse_depth(path, yaml.parse(text, Loader=yaml.SafeLoader), *levels, most=DEEPEST)
        documents = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
        calls = [writer.call(document, (kind,)) for document in documents if document is not None]
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise EnvironmentFileError(f"{path}{line}: {error.problem}") from error
    except UnreadableError as error:
        raise EnvironmentFileError(str(error)) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise EnvironmentFileError(f"{path}: the file is not valid YAML: {error}") from error
    # The Python that says the same, each call at the line of its mapping: so that a spec finds
    # its line as it does in a Python file.
    body: list[ast.stmt] = [
        ast.Assign([ast.Name(f"document_{number}", ast.Store())], call)
        for number, call in enumerate(calls)
    ]
    tree = ast.fix_missing_locations(ast.Module(body, type_ignores=[]))
    found: dict[str, Any] = dict(writer.classes)
    exec(compile(tree, str(path), "exec"), found)  # noqa: S102 - built above, of calls and constants
    return {name: value for name, value in found.items() if name.startswith("document_")}


def spec_kinds(annotation: Any) -> tuple[type[Spec], ...]:
    """Return the spec classes in a type annotation: `tuple[QueueSpec, ...] | None` has one."""
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return (annotation,)
    return tuple(kind for inner in get_args(annotation) for kind in spec_kinds(inner))


def _fit(kind: type[Spec], names: AbstractSet[str]) -> tuple[int, int]:
    """Return a sort key: how many of the names are fields of a spec, then how few it lacks."""
    needed = {name for name, field in kind.model_fields.items() if field.is_required()}
    return len(names & kind.model_fields.keys()), -len(needed - names)


class _Writer:
    """Translates the nodes of a YAML file to Python expressions."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values = 0
        self.classes: dict[str, type[Spec]] = {}

    def call(self, node: yaml.Node, kinds: tuple[type[Spec], ...]) -> ast.expr:
        """Return the call that creates a mapping's spec, of the class whose fields fit best."""
        if not isinstance(node, yaml.MappingNode) or not kinds:
            fields_of = f"a mapping with the fields of {kinds[0].__name__}" if kinds else "a value"
            raise self._error(node, f"write {fields_of}")
        fields = {self._name(key): value for key, value in node.value}
        if len(fields) < len(node.value):
            raise self._error(node, "the field is written twice; remove one")
        kind = self._kind(node, fields, kinds)
        self.classes[kind.__name__] = kind
        within = {name: spec_kinds(field.annotation) for name, field in kind.model_fields.items()}
        keywords = [
            ast.keyword(name, self._value(value, within.get(name, ())))
            for name, value in fields.items()
        ]
        call = ast.Call(ast.Name(kind.__name__, ast.Load()), [], keywords)
        call.lineno = call.end_lineno = node.start_mark.line + 1
        return call

    def _kind(
        self, node: yaml.Node, fields: dict[str, yaml.Node], kinds: tuple[type[Spec], ...]
    ) -> type[Spec]:
        """Return the class that `spec` names, or else the only one whose fields fit."""
        named = fields.pop("spec", None)
        names = " or ".join(kind.__name__ for kind in kinds)
        if named is not None:
            found = [kind for kind in kinds if kind.__name__ == named.value]
            if not found:
                got = named.value if isinstance(named, yaml.ScalarNode) else "no name"
                raise self._error(named, f"got spec: {got:.120}; write {names}")
            return found[0]
        fits = {kind: _fit(kind, fields.keys()) for kind in kinds}
        best = [kind for kind, fit in fits.items() if fit == max(fits.values())]
        if len(best) > 1:
            raise self._error(node, f"the fields fit {names}; say which one with spec: {names}")
        return best[0]

    def _value(self, node: yaml.Node, kinds: tuple[type[Spec], ...]) -> ast.expr:
        self._values += 1
        if self._values > MOST_VALUES:
            raise self._error(node, f"it stands for more than {MOST_VALUES:,} values; write fewer")
        if isinstance(node, yaml.SequenceNode):
            return ast.Tuple([self._value(item, kinds) for item in node.value], ast.Load())
        if isinstance(node, yaml.MappingNode):
            return self.call(node, kinds)
        try:
            value = yaml.constructor.SafeConstructor().construct_document(node)
        except ValueError:  # an impossible date, or a number with more digits than Python reads
            value = node.value
        return ast.Constant(value if isinstance(value, PLAIN) else node.value)

    def _name(self, key: yaml.Node) -> str:
        name = str(key.value)
        if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
            raise self._error(key, "write the name of a field")
        return name

    def _error(self, node: yaml.Node, words: str) -> EnvironmentFileError:
        return EnvironmentFileError(f"{self._path}:{node.start_mark.line + 1}: {words}")
