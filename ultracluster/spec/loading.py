"""Loads environments and recipes from Python files, and reports all problems of a file at once."""

import ast
import re
import runpy
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeVar

from ultracluster.problem import (
    Collection,
    EnvironmentFileError,
    Problem,
    SpecError,
    collecting,
)
from ultracluster.spec import data_files
from ultracluster.spec.base import Spec

__all__ = ["EnvironmentFileError", "load", "load_folder", "read"]

SpecT = TypeVar("SpecT", bound=Spec)

NOUNS: Final = {
    "EnvironmentSpec": ("environment", "MINE = EnvironmentSpec(name=..., region=..., ...)"),
    "RecipeSpec": ("recipe", "MINE = RecipeSpec(name=..., model=..., ...)"),
}
"""By class name: the noun for messages, and an example."""
MOST_BYTES: Final = 5_000_000
"""Largest size of a Python file."""
LONGEST_NAME: Final = 60
"""Longest name of an environment or recipe in a message, in characters."""
PACKAGES: Final = ("environments.", "recipes.")
"""Packages that the files of a project import from one another."""


def load(path: Path, kind: type[SpecT], *, project: Path | None = None) -> tuple[SpecT, ...]:
    """Return the specs that a Python file defines.

    Args:
        path: a file that assigns specs to names, alone or in lists, tuples, sets and dictionaries.
            It is run by Python; specs that it imports from other files do not count.
        kind: the class of the specs to return.
        project: a folder whose modules the file may import, besides those of its own folder.

    Raises:
        EnvironmentFileError: where the file is missing, does not run, or defines none.
        SpecError: with every problem of its specs.
    """
    specs, problems = read(path, kind, project=project)
    if problems:
        raise SpecError(list(problems))
    return specs


def read(
    path: Path, kind: type[SpecT], *, project: Path | None = None
) -> tuple[tuple[SpecT, ...], tuple[Problem, ...]]:
    """Return the specs of a Python file, as `load` does, and their problems without raising.

    Raises:
        EnvironmentFileError: where the file is missing, does not run, or defines none.
        SpecError: where its problems stopped it from running.
    """
    with collecting() as collection, _importing(path.parent, project):
        found = _own(_run(path, collection, kind), path, kind)
        if not found and not collection.found:
            raise _empty(path, kind)
        return found, tuple(_problems(collection, [(spec, path) for spec in found]))


def load_folder(folder: Path, kind: type[SpecT], *, also: Path | None = None) -> tuple[SpecT, ...]:
    """Return the specs of all Python files of a folder, in the order of the files' names.

    Files may import from one another; a file that defines no spec is skipped.

    Args:
        folder: the folder of the files.
        kind: the class of the specs to return.
        also: a file outside of the folder that must define a spec; it comes last.

    Raises:
        SpecError: with every problem of every file, and one for each name that is used twice.
        EnvironmentFileError: where one file does not run.
        ExceptionGroup: of both kinds, where several files are at fault.
    """
    names = ("[!_.]*.py", *(f"[!_.]*{suffix}" for suffix in data_files.SUFFIXES))
    files = sorted((file for name in names for file in folder.glob(name)), key=_in_order)
    if also is not None and also.resolve() not in [file.resolve() for file in files]:
        files.append(also)
    found: list[tuple[SpecT, Path]] = []
    errors: list[Exception] = []
    with collecting() as collection, _importing(folder.parent, also and also.parent):
        for path in files:
            module = f"{folder.name}.{path.stem}" if path is not also else None
            try:
                own = _own(_imported(path) or _run(path, collection, kind, module), path, kind)
                if path is also and not own:
                    raise _empty(path, kind)
                found += [(spec, path) for spec in own]
            except EnvironmentFileError as error:
                errors.append(error)
            except SpecError:
                continue  # its problems are in the collection
        problems = _problems(collection, found)
    if problems:
        errors.append(SpecError(problems))
    if len(errors) > 1:
        raise ExceptionGroup(f"files of {folder}", errors)
    if errors:
        raise errors[0]
    return tuple(spec for spec, _ in found)


def _in_order(path: Path) -> list[str | int]:
    """Return a sort key by words and numbers, so that gpt_1b comes before gpt_13b."""
    parts = re.split(r"(\d+)", path.stem)
    return [int(part) if part.isdecimal() else part for part in parts]


def _empty(path: Path, kind: type[Spec]) -> EnvironmentFileError:
    noun, example = NOUNS[kind.__name__]
    return EnvironmentFileError(f"{path}: the file defines no {noun}; write {example}")


@contextmanager
def _importing(*folders: Path | None) -> Iterator[None]:
    """Let a file import modules from folders, as a script may from its own folder.

    Modules of a project are unloaded afterwards: another project has others of the same names.
    """
    added = [str(folder.resolve()) for folder in folders if folder is not None]
    known = dict(sys.modules)
    sys.path[:0] = added
    try:
        yield
    finally:
        for folder in added:
            sys.path.remove(folder)
        for name in [each for each in sys.modules if each.startswith(PACKAGES)]:
            if name in known:
                sys.modules[name] = known[name]
            else:
                del sys.modules[name]


def _run(
    path: Path, collection: Collection, kind: type[Spec], module_name: str | None = None
) -> Mapping[str, Any]:
    """Run a file as a module that others may import, and return its namespace."""
    if path.is_dir():
        raise EnvironmentFileError(f"{path}: it is a directory; write the path of a file")
    if not path.is_file():
        raise EnvironmentFileError(f"{path}: no such file; write the path of a Python or YAML file")
    if path.suffix in data_files.SUFFIXES:
        return data_files.namespace(path, kind)
    if (size := path.stat().st_size) > MOST_BYTES:
        raise EnvironmentFileError(f"{path}: it has {size / 1e6:,.0f} MB, and is no Python file")
    known = len(collection.found)
    try:
        namespace = runpy.run_path(str(path), run_name=module_name or "<run_path>")
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        if len(collection.found) > known:  # the collected problems explain why it did not run
            raise SpecError(collection.problems(())) from error
        raise EnvironmentFileError(_where(path, error)) from error
    if module_name is not None:
        sys.modules[module_name] = ModuleType(module_name)
        vars(sys.modules[module_name]).update(namespace)
    return namespace


def _imported(path: Path) -> Mapping[str, Any] | None:
    """Return the namespace of a file that another one has imported already."""
    resolved = path.resolve()
    alike = (path.name, resolved.name)
    for module in list(sys.modules.values()):
        file = vars(module).get("__file__")
        # Of thousands of modules few are called like it, and only those are looked up on the disk.
        if isinstance(file, str) and file.endswith(alike) and Path(file).resolve() == resolved:
            return vars(module)
    return None


def _own(namespace: Mapping[str, Any], path: Path, kind: type[SpecT]) -> tuple[SpecT, ...]:
    """Return the part of a file's namespace that it does not import from other files."""
    if path.suffix in data_files.SUFFIXES:
        return tuple(_specs(namespace, kind))
    package = str(namespace.get("__package__") or "")
    others = {id(spec) for values in _imports(path, package) for spec in _specs(values, kind)}
    own = {id(spec): spec for spec in _specs(namespace, kind) if id(spec) not in others}
    return tuple(own.values())


def _imports(path: Path, package: str) -> Iterator[Mapping[str, Any]]:
    """Yield the names and values that the import statements of a file bring."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield _names_of(alias.name)
        elif isinstance(node, ast.ImportFrom):
            prefix = f"{package}." if node.level else ""
            module = f"{prefix}{node.module or ''}".rstrip(".")
            source = _names_of(module)
            names = {alias.name for alias in node.names}
            yield source if "*" in names else {n: source[n] for n in names & set(source)}
            for name in names:
                yield _names_of(f"{module}.{name}")


def _names_of(module: str) -> Mapping[str, Any]:
    return vars(sys.modules[module]) if module in sys.modules else {}


def _specs(namespace: Mapping[str, Any], kind: type[SpecT]) -> Iterator[SpecT]:
    """Yield the specs of a namespace, also those inside lists, tuples, sets and dictionaries."""
    values = [value for name, value in namespace.items() if not name.startswith("__")]
    seen: set[int] = set()
    while values:
        value = values.pop(0)
        if isinstance(value, kind):
            yield value
        elif isinstance(value, list | tuple | set | frozenset | dict) and id(value) not in seen:
            seen.add(id(value))
            values[:0] = value.values() if isinstance(value, dict) else value


def _problems(collection: Collection, known: Sequence[tuple[Spec, Path]]) -> list[Problem]:
    files: dict[str, Path] = {}
    roots: list[tuple[str, Spec]] = []
    for index, (spec, path) in enumerate(known):
        noun, _ = NOUNS[type(spec).__name__]
        given = vars(spec).get("name")
        name = given[:LONGEST_NAME] if isinstance(given, str) and given else f"{noun}s[{index}]"
        if name in files:
            other = "another" if files[name] == path else f"in {files[name]} an"
            fix = f"{other} {noun} has that name; give each a name of its own"
            collection.found.append((spec, Problem("name", name, fix, str(path))))
        files.setdefault(name, path)
        roots.append((name, spec))
    return collection.problems(roots)


def _where(path: Path, error: BaseException) -> str:
    """Return one line that says which error stopped a file, and in which line."""
    if isinstance(error, SyntaxError):
        place = f"{path}" if error.lineno is None else f"{error.filename}:{error.lineno}"
        return f"{place}: {error.msg}"
    steps = traceback.extract_tb(error.__traceback__)
    lines = [step.lineno for step in steps if step.filename == str(path)]
    place = f"{path}:{lines[-1]}" if lines else str(path)
    # An exception's own text may raise another one.
    said = traceback.format_exception_only(error)[-1]
    return " ".join(f"{place}: {said}".split())
