"""Files that start jobs and are no templates: scripts, Dockerfiles, requests, variables.

Each becomes a template of its own that holds what the rules ask about: a request to SageMaker is
the resource that it would make, anything else an environment (`ultracluster.model.
job_environments`), with the line of every variable.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ultracluster.job_files import dockerfile
from ultracluster.model.job_environments import JOB_FILE, LINES
from ultracluster.model.jobs import TRAINING_JOB
from ultracluster.model.shell_variables import Assignment, assignments, file_assignments
from ultracluster.templates import yaml_document
from ultracluster.templates.file_reading import Document, parsed_json
from ultracluster.untrusted_file import UnreadableError

LARGEST_BYTES: Final = 2_000_000
"""Scripts have kilobytes; more is data."""

SCRIPTS: Final = frozenset({".sh", ".bash", ".zsh", ".ksh", ".csh", ".tcsh", ".sbatch", ".slurm",
                            ".pbs", ".batch", ".job"})  # fmt: skip
VARIABLE_FILES: Final = re.compile(
    r"(?:.*\.env|\.env(?:\..*)?|nccl\.conf|\.nccl\.conf|environment)"
)
DOCKERFILES: Final = re.compile(r"(?:.*[._-])?(?:dockerfile|containerfile)(?:\..*)?", re.IGNORECASE)
SHEBANG: Final = re.compile(r"#!.*\b(?:ba|z|k|da|c|tc)?sh\b")
DIRECTIVE: Final = re.compile(r"^#(?:SBATCH|PBS|BSUB) ", re.MULTILINE)
VERSIONED: Final = re.compile(r"efa|ofi|nccom|neuron", re.IGNORECASE)
"""Lines that may say which plugin or installer is meant."""

EXPORTS: Final = re.compile(r"\A(?:\s|#[^\n]*+)*+export\s+[A-Za-z_]\w*=")
"""A file to be sourced, whatever its name: it begins with an export."""

FROM: Final = re.compile(r"\A(?:\s|#[^\n]*+|ARG [^\n]*+\n)*+FROM\s+\S", re.IGNORECASE)


def document(path: Path, text: str) -> Document | None:
    """Return the template that a job file stands for, None where the file is no job file.

    Raises:
        UnreadableError: where it is far too large.
    """
    if path.suffix in {".json", ".yaml", ".yml"}:
        return _of_documents(path, text)
    reader = _reader(path, text)
    if reader is None:
        # A request may have any name.
        return _of_documents(path, text)
    if len(text) > LARGEST_BYTES:
        raise UnreadableError(f"{path}: it has {len(text) / 1e6:,.0f} MB; no job file has")
    return _template(reader(text), text)


def _reader(path: Path, text: str) -> Callable[[str], Sequence[Assignment]] | None:
    name = path.name.lower()
    if DOCKERFILES.fullmatch(name) or FROM.match(text):
        return dockerfile.assignments
    if VARIABLE_FILES.fullmatch(name):
        return lambda whole: list(file_assignments(whole))
    if path.suffix.lower() in SCRIPTS or SHEBANG.match(text) or DIRECTIVE.search(text):
        return assignments
    if EXPORTS.match(text):
        return assignments
    return None


def _template(items: Sequence[Assignment], text: str) -> Document:
    variables = [{"Name": a.name, "Value": a.value, "Line": a.line} for a in items]
    properties: Mapping[str, Any] = {
        "Variables": variables,
        "Texts": [line for line in text.splitlines() if VERSIONED.search(line)],
    }
    resource = {"Type": JOB_FILE, "Properties": properties}
    return Document({"Resources": {"Environment": resource}}, {"Environment": 1})


TEMPLATE: Final = re.compile(r"""^[ \t]*+(?:\{\s*+)?["']?Resources["']?\s*:""", re.MULTILINE)
REQUEST: Final = re.compile(
    r"""["']?(?:TrainingJobName|AlgorithmSpecification|TrainingJobDefinition)["']?\s*:"""
)
MANIFEST: Final = re.compile(r"""^[ \t]*+(?:\{\s*+)?["']?apiVersion["']?\s*:""", re.MULTILINE)
NAMED: Final = re.compile(r"""["']?\b([A-Z][A-Z0-9_]{2,})["']?\s*:""")
"""A name of a variable, as the key that it is in a request."""


def _of_documents(path: Path, text: str) -> Document | None:
    """Return the template that requests to SageMaker stand for, None where there are none.

    Raises:
        UnreadableError: where it says that it is one and cannot be read, and for a manifest of
            Kubernetes, of which no rule knows anything.
    """
    # A template may carry requests and manifests; that it has resources decides.
    if TEMPLATE.search(text):
        return None
    if MANIFEST.search(text):
        raise UnreadableError(
            f"{path}: not judged, because no rule reads manifests of Kubernetes (apiVersion); the "
            "audit reads CloudFormation, scripts, Dockerfiles and requests to SageMaker"
        )
    if not REQUEST.search(text):
        return None
    if text.lstrip()[:1] == "{":
        parts = [parsed_json(path, text).body]
    else:
        parts = yaml_document.documents(path, text)
    parts = [part for part in parts if isinstance(part, Mapping)]
    if any(isinstance(part.get("Resources"), Mapping) for part in parts):
        return None  # a template all on one line
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        for name in NAMED.findall(line):
            lines.setdefault(name, number)
    resources = {
        f"Document{number}": {
            "Type": TRAINING_JOB,
            "Properties": request,
            "Metadata": {LINES: lines},
        }
        for number, part in enumerate(parts, 1)
        if isinstance(request := part.get("TrainingJobDefinition", part), Mapping)
        and {"AlgorithmSpecification", "TrainingJobName"} & set(request)
    }
    return Document({"Resources": resources}, dict.fromkeys(resources, 1)) if resources else None
