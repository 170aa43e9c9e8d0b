"""The command `ultracluster review`.

ultracluster review ENVIRONMENT | FILE ... | cdk.out
                    [--baseline golden|deployed|none|PATH|REVISION]
                    [--format html,md,json] [--output DIRECTORY] [--fail-on CLASS]

Exit codes: 0, 1 where a change is at least as dangerous as `--fail-on`, 2 where the review could
not be made.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ultracluster.command_line import add_environment
from ultracluster.environments import find
from ultracluster.review.changes.change import Danger, at_least

FORMATS: Final = ("html", "md", "json", "svg", "mermaid")
NEVER: Final = "never"
CLASSES: Final = {danger.value.replace(" ", "-"): danger for danger in Danger}
FINE, DANGEROUS, CANNOT_RUN = 0, 1, 2
SHOWN: Final = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_environment(
        parser,
        "subject",
        nargs="+",
        help="an environment (a name, or the path of a Python file), templates, or a cdk.out",
    )
    parser.add_argument(
        "--baseline",
        help="golden, deployed, none, a path, or a git revision whose golden templates are taken; "
        "golden where there are golden templates",
    )
    parser.add_argument("--format", default="html", help=f"{', '.join(FORMATS)}; several by commas")
    parser.add_argument("--output", type=Path, default=Path("build", "review"), metavar="DIRECTORY")
    parser.add_argument(
        "--fail-on",
        choices=(*CLASSES, NEVER),
        default=NEVER,
        help="least dangerous change that makes the exit code 1 (never)",
    )
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--region", help="where templates go that do not say it themselves")


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Review, write the report, and say what is most dangerous."""
    # Imported here: the command line is read before anything that takes time is loaded.
    from ultracluster.review.baseline import baseline  # noqa: PLC0415
    from ultracluster.review.report import file_name, review  # noqa: PLC0415

    formats = arguments.format.split(",")
    parameters = dict(written.partition("=")[::2] for written in arguments.parameter)
    errors = [
        f"--format {name}: write {', '.join(FORMATS)}" for name in formats if name not in FORMATS
    ]
    errors += [f"--parameter {p}: write NAME=VALUE" for p in arguments.parameter if "=" not in p]
    if errors:
        return _refuse("\n".join(errors))
    try:
        with _subject(arguments) as subject:
            from ultracluster.input_files import parameter_errors  # noqa: PLC0415

            wrong = list(parameter_errors(parameters, subject.templates))
            if wrong:
                return _refuse("\n".join(wrong))
            fetch = _deployed(arguments, subject) if arguments.baseline == "deployed" else None
            before = baseline(arguments.baseline, subject, fetch)
            made = review(subject, before, parameters=parameters, region=arguments.region)
            name = file_name(made.title)
            written = _write(made, formats, arguments.output, name)
    except OSError as error:
        return _refuse(f"--output {arguments.output}: {error.strerror or error}")
    _show(made, console)
    for path in written:
        console.print(f"{path}", markup=False, highlight=False, soft_wrap=True)
    if arguments.fail_on == NEVER:
        return FINE
    return DANGEROUS if at_least(made.changes, CLASSES[arguments.fail_on]) else FINE


def _subject(arguments: argparse.Namespace) -> AbstractContextManager[Any]:
    """Return what is reviewed: files where all are files, else one environment."""
    from ultracluster.review.subject import SubjectError, of_files, synthesized  # noqa: PLC0415

    given = arguments.subject
    environment = given[0].endswith(".py") or not _exists(given[0])
    if not environment:
        return nullcontext(of_files(given))
    if len(given) > 1:
        raise SubjectError(f"{given[0]}: name one environment, or files that are there")
    return synthesized(*find(given[0]))


def _exists(name: str) -> bool:
    return Path(name).exists() or Path(name.partition("=")[2] or name).exists()


def _deployed(
    arguments: argparse.Namespace, subject: Any
) -> Callable[[str], Mapping[str, Any] | None]:
    from ultracluster.aws import Account, CloudError  # noqa: PLC0415
    from ultracluster.review.subject import SubjectError  # noqa: PLC0415

    region = arguments.region or next((t.region for t in subject.templates if t.region), None)
    if region is None:
        raise SubjectError("--baseline deployed: no template says its Region; write --region")

    def fetch(stack: str) -> Mapping[str, Any] | None:
        try:
            answer = Account(region).ask(
                "cloudformation", "get_template", StackName=stack, TemplateStage="Original"
            )
        except CloudError as error:
            if error.code == "ValidationError" and "does not exist" in error.message:
                return None
            raise SubjectError(f"--baseline deployed: {error}") from error
        body = answer.get("TemplateBody")
        return _template(stack, body)

    return fetch


def _template(stack: str, body: Any) -> Mapping[str, Any]:
    """Return a template as the API gave it: JSON is a mapping already, YAML a text."""
    from ultracluster.review.subject import SubjectError  # noqa: PLC0415
    from ultracluster.templates import yaml_document  # noqa: PLC0415
    from ultracluster.templates.document import UnreadableError  # noqa: PLC0415

    if isinstance(body, Mapping):
        return json.loads(json.dumps(body))  # type: ignore[no-any-return]
    try:
        return yaml_document.parse(Path(stack), str(body)).body
    except UnreadableError as error:
        raise SubjectError(f"--baseline deployed: {error}") from None


def _write(made: Any, formats: list[str], directory: Path, name: str) -> list[Path]:
    from ultracluster.review.page import html, machine, markdown  # noqa: PLC0415

    directory.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for kind in dict.fromkeys(formats):
        if kind in ("svg", "mermaid"):
            for number, figure in enumerate(made.figures, start=1):
                suffix = "" if len(made.figures) == 1 else f"-{number}"
                text = figure.svg if kind == "svg" else figure.mermaid
                ending = "svg" if kind == "svg" else "mmd"
                written.append(directory / f"{name}{suffix}.{ending}")
                written[-1].write_text(f"{text}\n", encoding="utf-8")
            continue
        writer = {"html": html.write, "md": markdown.write, "json": machine.write}[kind]
        written.append(directory / f"{name}.{kind}")
        written[-1].write_text(writer(made), encoding="utf-8")
    return written


def _show(made: Any, console: Console) -> None:
    from ultracluster.review.page.contents import verdict  # noqa: PLC0415

    def say(line: str, style: str | None = None) -> None:
        console.print(Text(line, style=style or ""), highlight=False)

    say(f"{made.title}: {made.headline}.")
    say(verdict(made), "bold")
    for note in made.notes:
        say(f"Note: {note}")
    if made.changes:
        shown = Table(expand=True, show_lines=False)
        for column in ("danger", "what happens", "where"):
            shown.add_column(column, overflow="fold")
        for change in made.changes[:SHOWN]:
            shown.add_row(Text(change.worst.value), Text(change.what), Text(change.place))
        console.print(shown)
        if len(made.changes) > SHOWN:
            say(f"and {len(made.changes) - SHOWN} more in the report")


def _refuse(errors: str) -> int:
    console = Console(file=sys.stderr, soft_wrap=True, highlight=False)
    for error in errors.splitlines():
        console.print(f"ERROR {error}", markup=False)
    return CANNOT_RUN
