"""The baseline of a comparison: golden templates, a git revision, files, or deployed stacks."""

import ast
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ultracluster.environments import project_folder
from ultracluster.input_files import Sources
from ultracluster.review.subject import Subject, SubjectError, expanded, golden_folder
from ultracluster.templates.file_reading import parsed
from ultracluster.templates.resolved import Template
from ultracluster.untrusted_file import UnreadableError, json_of, text_of

SUFFIX: Final = ".template.json"
PROTECTED: Final = ("Network", "Storage")
"""Stacks that the stage protects where its environment asks for it (`stacks/environment.py`)."""
NODES: Final = "Cluster"
Fetch = Callable[[str], Template | None]
"""Gives the template of a deployed stack by its name, None where there is no such stack."""


@dataclass(frozen=True)
class Baseline:
    """Templates as they were, each with the name of its stack."""

    title: str
    """What they are, for a reader: `the golden templates`."""
    templates: Sequence[Template]


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
    if wanted is None:
        there = subject.environment and (golden_folder() / subject.environment).is_dir()
        wanted = "golden" if there else "none"
    if wanted == "none":
        return None
    path = Path(wanted)
    try:
        if wanted == "golden":
            return _golden(subject)
        if wanted == "deployed":
            return _deployed(subject, fetch)
        return _files(path, subject) if path.exists() else _revision(wanted, subject)
    except (SubjectError, UnreadableError) as error:
        raise SubjectError(f"--baseline {wanted}: {error}") from None


def _golden(subject: Subject) -> Baseline:
    name = subject.environment or ""
    files = sorted((golden_folder() / name).glob(f"*{SUFFIX}")) if name else []
    if not files:
        raise SubjectError(f"{subject.title} has none; write a path or a revision")
    # As long as nobody changed the golden templates, they are of the same commit as HEAD's
    # environment file.
    committed = git("diff", "--quiet", "HEAD", "--", f"golden/{name}") is not None
    texts = {file.name: text_of(file) for file in files}
    return Baseline("the golden templates", _templates(name, texts, "HEAD" if committed else None))


def _templates(environment: str, texts: Mapping[str, str], commit: str | None) -> list[Template]:
    """Return the golden templates of an environment by the text of each file."""
    asked = _protected(commit, environment) if commit else None
    bodies = {file.removesuffix(SUFFIX): json_of(file, text) for file, text in texts.items()}
    return [
        # That of nodes is protected where it reserves capacity: its file does not say it plainly.
        Template(
            f"{environment}-{stack}",
            body,
            protected=None if stack == NODES else asked and stack in PROTECTED,
        )
        for stack, body in bodies.items()
    ]


def git(*arguments: str, folder: Path | None = None) -> str | None:
    """Return what git answers in a folder, None where it refuses or is not there."""
    program = shutil.which("git")
    if program is None:
        return None
    command = [program, "-C", str(folder or project_folder()), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def _commit(revision: str, folder: Path | None = None) -> str | None:
    # `--` and `^{commit}`: a name that begins with a dash is no option, and a file no revision.
    wanted = f"{revision}^{{commit}}"
    found = git("rev-parse", "--verify", "--quiet", "--end-of-options", wanted, folder=folder)
    return found.strip() if found else None


def _protected(commit: str, name: str) -> bool | None:
    """Return whether the stacks of an environment were protected, as its file in a commit says it.

    Golden templates do not tell it: termination protection is a setting of a stack and stands in
    no template. None where the file is not there, or does not write the value plainly.
    """
    text = git("show", f"{commit}:./environments/{name}.py")
    try:
        tree = ast.parse(text or "")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        written = {keyword.arg: keyword.value for keyword in call.keywords}
        own = written.get("name")
        if isinstance(own, ast.Constant) and own.value == name:
            value = written.get("termination_protection")
            if value is None:
                # Imported here: a review of files needs no specs.
                from ultracluster.spec.environment import EnvironmentSpec  # noqa: PLC0415

                return bool(EnvironmentSpec.model_fields["termination_protection"].default)
            return bool(value.value) if isinstance(value, ast.Constant) else None
    return None


def _revision(revision: str, subject: Subject) -> Baseline:
    if shutil.which("git") is None:
        raise SubjectError("no such file, and a revision needs git")
    name = subject.environment
    if name is None:
        return _revision_of_files(revision, subject)
    commit = _commit(revision)
    if commit is None:
        why = "neither a file nor a revision of git; write golden, deployed, none, a path or a "
        raise SubjectError(f"{why}revision")
    listed = (git("ls-tree", "--name-only", commit, f"golden/{name}/") or "").splitlines()
    texts = {
        Path(file).name: git("show", f"{commit}:./{file}") or "{}"
        for file in listed
        if file.endswith(SUFFIX)
    }
    if not texts:
        raise SubjectError(f"it has no golden templates of {name}")
    title = f"the golden templates of {revision} ({commit[:10]})"
    return Baseline(title, _templates(name, texts, commit))


def _revision_of_files(revision: str, subject: Subject) -> Baseline:
    """Return the given files as a revision of their own repositories has them."""
    templates: list[Template] = []
    for template in subject.templates:
        file = Path(template.file or "").resolve()
        commit = _commit(revision, file.parent)
        if commit is None:
            why = f"neither a file nor a revision of the git repository of {file}; write none, a "
            raise SubjectError(f"{why}path or a revision")
        text = git("show", f"{commit}:./{file.name}", folder=file.parent)
        if text is not None:
            templates.append(Template(template.name, parsed(file, text).body))
    if not templates:
        raise SubjectError("it has none of the given files")
    return Baseline(f"the same files of {revision}", templates)


def _files(path: Path, subject: Subject) -> Baseline:
    wanted = [template.name for template in subject.templates]
    if path.is_file() and len(wanted) != 1:
        raise SubjectError(f"one file cannot stand for {len(wanted)} templates; write a directory")
    sources = Sources(expanded([str(path)]))
    if sources.errors or not sources.templates:
        raise SubjectError("; ".join(sources.errors) or "it holds no templates")
    names = {t.name: _alike(t.stack_name or t.name, wanted) for t in sources.templates}
    sources.rename(dict.fromkeys(names, wanted[0]) if path.is_file() else names)
    return Baseline(str(path), sources.templates)


def _alike(name: str, wanted: Sequence[str]) -> str:
    """Return the stack that a file is of: `dev-Network` for `Network`, and the other way round."""
    if name in wanted:
        return name
    near = [one for one in wanted if one.endswith(f"-{name}") or name.endswith(f"-{one}")]
    return near[0] if len(near) == 1 else name


def _deployed(subject: Subject, fetch: Fetch | None) -> Baseline:
    if fetch is None:
        raise SubjectError("it needs AWS credentials; write golden instead")
    found = (fetch(template.name) for template in subject.templates)
    return Baseline("what is deployed", [template for template in found if template is not None])


def deployed(subject: Subject, region: str | None) -> Fetch:
    """Return how the templates of a subject are asked for, in a Region or where they go.

    Raises:
        SubjectError: where nothing says the Region; while asking, what AWS refuses.
    """
    # Imported here: boto3 takes long, and no other baseline needs it.
    from ultracluster.aws import Account, CloudError  # noqa: PLC0415

    region = region or next((t.region for t in subject.templates if t.region), None)
    if region is None:
        raise SubjectError("--baseline deployed: no template says its Region; write --region")
    account = Account(region, account=subject.spec.account if subject.spec else None)

    def fetch(stack: str) -> Template | None:
        try:
            answer = account.ask(
                "cloudformation", "get_template", StackName=stack, TemplateStage="Original"
            )
            described = account.ask("cloudformation", "describe_stacks", StackName=stack)
        except CloudError as error:
            if error.no_stack:
                return None
            raise SubjectError(str(error)) from error
        protected = described["Stacks"][0].get("EnableTerminationProtection") is True
        return Template(stack, body_of(stack, answer.get("TemplateBody")), protected=protected)

    return fetch


def body_of(stack: str, answer: Any) -> Mapping[str, Any]:
    """Return a template of the API, which gives JSON as a mapping, and YAML as a text."""
    if isinstance(answer, Mapping):
        return json.loads(json.dumps(answer))  # type: ignore[no-any-return]
    return parsed(Path(stack), str(answer)).body
