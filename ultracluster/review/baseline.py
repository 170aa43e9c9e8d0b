"""What templates are compared with: golden ones, those of a git revision, files, or what runs."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ultracluster.environments import project_folder
from ultracluster.input_files import Sources
from ultracluster.review.subject import Subject, SubjectError, expanded, golden_folder
from ultracluster.templates.document import UnreadableError, read

SUFFIX: Final = ".template.json"
DEPLOYED: Final = "deployed"
NONE: Final = "none"
Bodies = Mapping[str, Mapping[str, Any]]
Fetch = Callable[[str], Mapping[str, Any] | None]
"""Gives the template of a deployed stack by its name, None where there is no such stack."""


@dataclass(frozen=True)
class Baseline:
    """Templates as they were, by the name of their stack."""

    words: str
    """What they are, for a reader."""
    bodies: Bodies


def baseline(wanted: str | None, subject: Subject, fetch: Fetch | None = None) -> Baseline | None:
    """Return what a subject is compared with, None where there is nothing.

    Args:
        wanted: `golden`, `deployed`, `none`, a path, or a git revision; None takes the golden
            templates where there are any.
        subject: what is compared.
        fetch: how to get what is deployed.

    Raises:
        SubjectError: where there is nothing of what was wanted.
    """
    if wanted == NONE:
        return None
    if wanted is None:
        there = subject.environment and (golden_folder() / subject.environment).is_dir()
        return _golden(subject) if there else None
    if wanted == "golden":
        return _golden(subject)
    if wanted == DEPLOYED:
        return _deployed(subject, fetch)
    path = Path(wanted)
    return _files(path, subject) if path.exists() else _revision(wanted, subject)


def _golden(subject: Subject) -> Baseline:
    name = subject.environment
    files = sorted((golden_folder() / name).glob(f"*{SUFFIX}")) if name else []
    if not files:
        raise SubjectError(
            f"--baseline golden: {subject.title} has none; write a path or a revision"
        )
    bodies = {_stack(str(name), file.name): json.loads(file.read_text()) for file in files}
    return Baseline("the golden templates", bodies)


def _stack(environment: str, file: str) -> str:
    return f"{environment}-{file.removesuffix(SUFFIX)}"


def _revision(revision: str, subject: Subject) -> Baseline:
    git = shutil.which("git")
    if git is None:
        raise SubjectError(f"--baseline {revision}: no such file, and a revision needs git")
    name = subject.environment
    if name is None:
        return _revision_of_files(git, revision, subject)

    def ask(*arguments: str) -> str | None:
        done = subprocess.run(
            [git, "-C", str(project_folder()), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout if done.returncode == 0 else None

    # `--` and `^{commit}`: a name that begins with a dash is no option, and a file no revision.
    commit = ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit is None:
        raise SubjectError(
            f"--baseline {revision}: neither a file nor a revision of git; write golden, deployed, "
            "none, a path or a revision"
        )
    listed = ask("ls-tree", "--name-only", commit.strip(), f"golden/{name}/") or ""
    files = [line for line in listed.splitlines() if line.endswith(SUFFIX)]
    if not files:
        raise SubjectError(f"--baseline {revision}: it has no golden templates of {name}")
    bodies = {
        _stack(name, Path(file).name): json.loads(ask("show", f"{commit.strip()}:{file}") or "{}")
        for file in files
    }
    return Baseline(f"the golden templates of {revision} ({commit.strip()[:10]})", bodies)


def _revision_of_files(git: str, revision: str, subject: Subject) -> Baseline:
    """Return the given files as a revision of their own repositories has them."""
    bodies: dict[str, Mapping[str, Any]] = {}
    for template in subject.templates:
        file = Path(template.file or "").resolve()

        def ask(*arguments: str, folder: Path = file.parent) -> str | None:
            done = subprocess.run(
                [git, "-C", str(folder), *arguments], capture_output=True, text=True, check=False
            )
            return done.stdout if done.returncode == 0 else None

        commit = ask(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
        )
        if commit is None:
            raise SubjectError(
                f"--baseline {revision}: neither a file nor a revision of the git repository of "
                f"{file}; write none, a path or a revision"
            )
        text = ask("show", f"{commit.strip()}:./{file.name}")
        if text is not None:
            bodies[subject.titles[template.name]] = _parsed(revision, file, text)
    if not bodies:
        raise SubjectError(f"--baseline {revision}: it has none of the given files")
    return Baseline(f"the same files of {revision}", bodies)


def _parsed(revision: str, file: Path, text: str) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, file.name)
        copy.write_text(text)
        try:
            return read(copy).body
        except UnreadableError as error:
            why = str(error).replace(str(copy), str(file))
            raise SubjectError(f"--baseline {revision}: {why}") from None


def _files(path: Path, subject: Subject) -> Baseline:
    if path.is_file():
        if len(subject.templates) != 1:
            raise SubjectError(
                f"--baseline {path}: one file cannot stand for {len(subject.templates)} templates; "
                "write a directory"
            )
        try:
            body = read(path).body
        except UnreadableError as error:
            raise SubjectError(f"--baseline {error}") from None
        return Baseline(str(path), {next(iter(subject.titles.values())): body})
    sources = Sources(expanded([str(path)]))
    if sources.errors or not sources.templates:
        why = "; ".join(sources.errors) or "it holds no templates"
        raise SubjectError(f"--baseline {path}: {why}")
    wanted = list(subject.titles.values())
    bodies = {
        _alike(template.stack_name or template.name, wanted): template.body
        for template in sources.templates
    }
    return Baseline(str(path), bodies)


def _alike(name: str, wanted: Sequence[str]) -> str:
    """Return the stack that a file is of: `dev-Network` for `Network`, and the other way round."""
    if name in wanted:
        return name
    near = [one for one in wanted if one.endswith(f"-{name}") or name.endswith(f"-{one}")]
    return near[0] if len(near) == 1 else name


def _deployed(subject: Subject, fetch: Fetch | None) -> Baseline:
    if fetch is None:
        raise SubjectError("--baseline deployed: it needs AWS credentials; write golden instead")
    found = {title: fetch(title) for title in subject.titles.values()}
    return Baseline(
        "what is deployed", {title: body for title, body in found.items() if body is not None}
    )
