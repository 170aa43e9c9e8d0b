"""The command `ultracluster review`.

ultracluster review ENVIRONMENT | FILE ... | cdk.out
                    [--baseline golden|deployed|none|PATH|REVISION]
                    [--format html,md,json] [--output DIRECTORY | -] [--fail-on CLASS]

Exit codes: 0, 1 where a change is at least as dangerous as `--fail-on`, 2 where the review could
not be made.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from ultracluster.command_line import (
    EXTRAS,
    STANDARD_OUTPUT,
    add_environment,
    complete,
    need,
    parameters_of,
    progress,
    write_output,
)
from ultracluster.environments import find, registered
from ultracluster.exit_status import ALL_WELL, SOME_FAIL, UsageError
from ultracluster.review.changes.change import Danger, at_least
from ultracluster.untrusted_file import bounded, text_of

if TYPE_CHECKING:
    from ultracluster.review.report import Review
    from ultracluster.review.subject import Subject

FORMATS: Final = ("html", "md", "json", "svg", "mermaid")
BASELINES: Final = ("golden", "deployed", "none")
"""Besides paths and revisions."""
NEVER: Final = "never"
CLASSES: Final = {danger.value.replace(" ", "-"): danger for danger in Danger}
WRITTEN: Final = re.compile(r"^availability_zone_id\s*:", re.MULTILINE)
"""What every environment has that is written as YAML, and no template."""
SHOWN: Final = 10
MOST_PLACES: Final = 3
"""Causes, and places of a cause, that are printed; the report has all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_environment(
        parser,
        "subject",
        nargs="+",
        help="an environment (a name, or a Python or YAML file), templates, or a cdk.out",
    )
    against = parser.add_argument(
        "--baseline",
        help="golden, deployed, none, a path, or a git revision whose golden templates are taken; "
        "golden where there are golden templates",
    )
    complete(against, lambda: BASELINES)
    written = f"{', '.join(FORMATS)}; several by commas"
    complete(parser.add_argument("--format", default="html", help=written), lambda: FORMATS)
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("build", "review"),
        metavar="DIRECTORY",
        help="where the files are written (build/review); - writes one format to standard output",
    )
    parser.add_argument(
        "--fail-on",
        choices=(*CLASSES, NEVER),
        default=NEVER,
        help="least dangerous change that gives exit code 1 (never)",
    )
    parser.add_argument("--parameter", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--region", help="Region of templates that do not name one")


def run(arguments: argparse.Namespace, console: Console) -> int:
    formats = list(dict.fromkeys(arguments.format.split(",")))
    parameters = parameters_of(arguments.parameter)
    errors = [f"--format {n}: write {', '.join(FORMATS)}" for n in formats if n not in FORMATS]
    if str(arguments.output) == STANDARD_OUTPUT and len(formats) > 1:
        errors.append(
            f"--output -: it takes one format, got {arguments.format}; or name a directory"
        )
    if errors:
        raise UsageError("\n".join(errors))
    need(EXTRAS["review"])
    # An environment is synthesized in a process of its own, for as long as that takes.
    given = not _names_environment(arguments.subject)
    with bounded("review") if given else nullcontext():
        return _reviewed(arguments, console, formats, parameters)


def _reviewed(
    arguments: argparse.Namespace,
    console: Console,
    formats: list[str],
    parameters: Mapping[str, str],
) -> int:
    # Imported here: the command line is read before anything that takes time is loaded.
    from ultracluster.input_files import parameter_errors  # noqa: PLC0415
    from ultracluster.review.baseline import baseline, deployed  # noqa: PLC0415
    from ultracluster.review.report import review  # noqa: PLC0415

    with _subject(arguments) as subject:
        if wrong := list(parameter_errors(parameters, subject.templates)):
            raise UsageError("\n".join(wrong))
        fetch = deployed(subject, arguments.region) if arguments.baseline == "deployed" else None
        before = baseline(arguments.baseline, subject, fetch)
        with progress("reviewing"):
            made = review(subject, before, parameters=parameters, region=arguments.region)
    texts = list(_texts(made, formats, arguments.subject[0]))
    if str(arguments.output) == STANDARD_OUTPUT:
        sys.stdout.write("\n".join(text for _, text in texts))
    else:
        _write(texts, arguments.output)
        _show(made, console)
        for name, _ in texts:
            path = str(arguments.output / name)
            console.print(path, markup=False, highlight=False, soft_wrap=True)
    if arguments.fail_on == NEVER:
        return ALL_WELL
    return SOME_FAIL if at_least(made.changes, CLASSES[arguments.fail_on]) else ALL_WELL


def _names_environment(given: list[str]) -> bool:
    first = Path(given[0]), Path(given[0].partition("=")[2] or given[0])
    if given[0].endswith((".yaml", ".yml")) and first[0].is_file():
        return WRITTEN.search(text_of(first[0])) is not None
    if given[0].endswith((".json", ".template")):
        return False
    if given[0].endswith(".py") or not any(path.exists() for path in first):
        return True
    from ultracluster.review.subject import without_templates  # noqa: PLC0415

    # A folder may be called like an environment: this project's package is.
    return without_templates(first[0]) and given[0] in {each.name for each in registered()}


def _subject(arguments: argparse.Namespace) -> "AbstractContextManager[Subject]":
    """Return what is reviewed: files where all are files, else one environment."""
    from ultracluster.review.subject import SubjectError, of_files, synthesized  # noqa: PLC0415

    given = arguments.subject
    if not _names_environment(given):
        return nullcontext(of_files(given))
    if len(given) > 1:
        raise SubjectError(f"{given[0]}: name one environment, or files that are there")
    spec, path = find(given[0])
    if arguments.baseline == "deployed":
        # Asked before a synthesis, which takes a while.
        from ultracluster.aws import Account, caller_of  # noqa: PLC0415

        with progress("asking AWS"):
            caller_of(Account(spec.region, account=spec.account), spec.region)
    return synthesized(spec, path)


def _texts(made: "Review", formats: list[str], given: str) -> Iterator[tuple[str, str]]:
    from ultracluster.review.page import pages  # noqa: PLC0415
    from ultracluster.review.report import file_name  # noqa: PLC0415

    path = Path(given.rpartition("=")[2])
    now = pages.provenance(path if path.is_dir() else path.parent)
    name = file_name(made.title)
    writers = {"html": pages.html, "md": pages.markdown, "json": pages.document}
    for kind in formats:
        if kind in writers:
            yield f"{name}.{kind}", writers[kind](made, now)
            continue
        for number, figure in enumerate(made.figures, start=1):
            part = name if len(made.figures) == 1 else f"{name}-{number}"
            end, text = ("svg", figure.svg) if kind == "svg" else ("mmd", figure.mermaid)
            yield f"{part}.{end}", f"{text}\n"


def _write(texts: list[tuple[str, str]], directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output {directory}: {error.strerror}; write another path") from error
    for name, text in texts:
        write_output(directory / name, text, "--output")


def _show(made: "Review", console: Console) -> None:
    from ultracluster.review.naming import counted  # noqa: PLC0415
    from ultracluster.review.page.causes import grouped  # noqa: PLC0415
    from ultracluster.review.page.contents import cost, sentence, verdict  # noqa: PLC0415

    def say(line: str, style: str = "") -> None:
        # A path may be longer than a terminal is wide: it is copied, and so never broken or cut.
        lines = wrap(line, console.width, break_long_words=False, break_on_hyphens=False)
        console.print(Text("\n".join(lines), style=style), soft_wrap=True, highlight=False)

    say(f"{made.title}: {made.headline}.")
    say(verdict(made), "bold")
    say(f"Cost: {cost(made)}.")
    for note in made.notes:
        say(f"Note: {sentence(note)}")
    groups = grouped(made.changes)
    for group in groups[:SHOWN]:
        first = group.changes[0].what
        say(f"{group.danger.value}: {first if len(group.changes) == 1 else group.cause}")
        for place in group.places[:MOST_PLACES]:
            line = " ".join(place.split())
            console.print(f"  {line}", markup=False, soft_wrap=True, highlight=False)
        if len(group.places) > MOST_PLACES:
            say(f"  and {counted(len(group.places) - MOST_PLACES, 'more place')}")
    if len(groups) > SHOWN:
        say(f"and {counted(len(groups) - SHOWN, 'more cause')} in the report")
