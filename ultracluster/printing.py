"""What commands print in the same way: JSON, and files that may be standard output."""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console

if TYPE_CHECKING:
    import argparse

STANDARD_OUTPUT: Final = Path("-")


def add_format(parser: "argparse._ActionsContainer") -> None:
    parser.add_argument(
        "--format", choices=("table", "json"), default="table", help="how to print it (table)"
    )
    parser.add_argument(
        "--json", dest="format", action="store_const", const="json", help="as --format json"
    )


def print_json(console: Console, document: object) -> None:
    """Print a document for a program; times are ISO 8601."""
    text = json.dumps(document, indent=2, default=_plain)
    console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)


def print_line(console: Console, text: str, style: str | None = None) -> None:
    """Print text as it is: a command that is broken over two lines cannot be copied."""
    console.print(text, markup=False, highlight=False, soft_wrap=True, style=style)


def save(path: Path, text: str) -> None:
    """Write a file; `-` is standard output.

    Raises:
        OSError: where it cannot be written.
    """
    if path == STANDARD_OUTPUT:
        sys.stdout.write(text)
    else:
        path.write_text(text, encoding="utf-8")


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
