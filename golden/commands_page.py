"""Write the reference of the command line: every command with its arguments, and the exit codes.

python -m golden.commands_page
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ultracluster.cli import COMMANDS, parser
from ultracluster.exit_status import MEANINGS

PAGE: Final = Path(__file__).parents[1] / "docs" / "reference" / "commands.md"
HEAD: Final = """# Every command and option

Written by `make reference` from the code; write nothing here by hand. What commands have in common:
[the command line](../command-line.md).
"""


def page() -> str:
    """Return the page's text."""
    lines = [HEAD]
    for name, says in COMMANDS.items():
        command = _chosen(parser([name]), name)
        lines += [f"## {name}", "", f"{says[0].upper()}{says[1:]}.", "", *_table(command)]
        for verb, inner in _verbs(command):
            lines += [f"### {name} {verb}", "", *_table(inner)]
    lines += ["## Exit codes", "", "| code | meaning |", "| --- | --- |"]
    lines += [f"| {code} | {meaning} |" for code, meaning in MEANINGS.items()]
    return "\n".join(lines) + "\n"


def _verbs(command: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in command._actions:  # noqa: SLF001 - argparse has no public way to list them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            yield from action.choices.items()


def _chosen(root: argparse.ArgumentParser, name: str) -> argparse.ArgumentParser:
    return dict(_verbs(root))[name]


def _table(command: argparse.ArgumentParser) -> list[str]:
    """Return the rows of a command's own arguments; help and what is hidden are left out."""
    rows = [
        f"| {_written(action)} | {_cell(action.help or '')} |"
        for action in command._actions  # noqa: SLF001
        if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)  # noqa: SLF001
        if action.help is not argparse.SUPPRESS
    ]
    return ["| argument | what it is |", "| --- | --- |", *rows, ""] if rows else []


def _written(action: argparse.Action) -> str:
    """Return how an argument is typed, with its choices."""
    value = str(action.metavar or "|".join(_texts(action.choices)) or action.dest.upper())
    if not action.option_strings:
        many = {"*": " ...", "+": " ..."}.get(str(action.nargs), "")
        return f"`{value}{many}`".replace("|", "\\|")
    shown = action.option_strings[0] if action.nargs == 0 else f"{action.option_strings[0]} {value}"
    return f"`{shown}`".replace("|", "\\|")


def _texts(choices: Any) -> list[str]:
    return [str(choice) for choice in choices or ()]


def _cell(text: str) -> str:
    return " ".join(text.replace("%%", "%").replace("|", "\\|").split())


if __name__ == "__main__":
    PAGE.write_text(page())
