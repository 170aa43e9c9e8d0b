"""Files that start jobs and are no templates: scripts, Dockerfiles, requests, manifests.

Each becomes a template of its own that holds what the rules ask about: a request to SageMaker is
the resource that it would make, anything else an environment (`ultracluster.model.
job_environments`), with the line of every variable.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ultracluster.given_file import UnreadableError
from ultracluster.job_files import dockerfile
from ultracluster.model.containers import containers_of
from ultracluster.model.job_environments import JOB_DOCUMENT, JOB_FILE, LINES
from ultracluster.model.shell_variables import Assignment, assignments, file_assignments
from ultracluster.templates import yaml_document
from ultracluster.templates.file_reading import Document, parsed_json
from ultracluster.templates.texts import mappings

LARGEST_BYTES: Final = 2_000_000
"""Scripts and manifests have kilobytes; more is data."""

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
        # A manifest may have any name: `job.yaml-template`, `train.yaml.j2`.
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
MARKS: Final = re.compile(
    r"""["']?(?:TrainingJobName|AlgorithmSpecification|TrainingJobDefinition|containerProperties"""
    r"""|nodeProperties|apiVersion)["']?\s*:"""
)
"""What a request to SageMaker, a job definition of Batch or a manifest of Kubernetes has."""
OF_CONTAINERS: Final = ("apiVersion", "containerProperties", "nodeProperties")
OF_KUBERNETES: Final = re.compile(r"v1|(?:apps|batch|autoscaling|policy|[a-z.]+\.k8s\.io)/v\d\w*")
KINDS: Final = re.compile(
    r"APIService|CSIDriver|CSINode|CertificateSigningRequest|ClusterRole|"
    r"ClusterRoleBinding|ConfigMap|ControllerRevision|CronJob|CustomResourceDefinition|"
    r"DaemonSet|Deployment|DeviceClass|Endpoints|EndpointSlice|FlowSchema|"
    r"HorizontalPodAutoscaler|Ingress|IngressClass|Job|Lease|LimitRange|List|"
    r"MutatingWebhookConfiguration|Namespace|NetworkPolicy|PersistentVolume|"
    r"PersistentVolumeClaim|Pod|PodDisruptionBudget|PodTemplate|PriorityClass|"
    r"PriorityLevelConfiguration|ReplicaSet|ReplicationController|ResourceClaim|"
    r"ResourceClaimTemplate|ResourceQuota|Role|RoleBinding|RuntimeClass|Secret|Service|"
    r"ServiceAccount|StatefulSet|StorageClass|ValidatingAdmissionPolicy|"
    r"ValidatingAdmissionPolicyBinding|ValidatingWebhookConfiguration|VolumeAttachment"
)
"""Kinds of Kubernetes's own API: some start containers, of the others no rule has anything to say
(Kubernetes API reference 1.34, read 2026-11-27)."""
NAMED: Final = re.compile(r"""["']?(?:[Nn]ame["']?\s*:\s*)?["']?(\b[A-Z][A-Z0-9_]{2,}\b)""")
"""A name of a variable as it stands in a line: as a key, or as the value of `name`."""

GIVEN: Final = re.compile(r"(?<![A-Za-z0-9_$.{])([A-Z][A-Z0-9_]{2,})=")
"""A name that a line of a command gives a value."""

UNFILLED: Final = re.compile(r"(?<!\$)\{\{")
"""What Helm and Jinja fill in; `${{` is GitHub's and stands in texts."""


def _of_documents(path: Path, text: str) -> Document | None:
    """Return the template that a request or manifest stands for, None where it is neither.

    Raises:
        UnreadableError: where it says that it is one and cannot be read, or no rule reads it.
    """
    # A template may carry manifests; that it has resources decides.
    if TEMPLATE.search(text) or not MARKS.search(text):
        return None
    try:
        if text.lstrip()[:1] == "{":
            parts = [parsed_json(path, text).body]
        else:
            parts = yaml_document.documents(path, text)
    except UnreadableError as error:
        if not UNFILLED.search(text):
            raise
        raise UnreadableError(
            f"{error}; it has {{{{ }}}} of Helm or Jinja in it: audit what `helm template` prints"
        ) from None
    parts = [part for part in parts if isinstance(part, Mapping)]
    if any(isinstance(part.get("Resources"), Mapping) for part in parts):
        return None  # a template all on one line
    metadata = {LINES: _lines(text)}
    resources = {
        f"Document{number}": {**found, "Metadata": metadata}
        for number, part in enumerate(parts, 1)
        if (found := _resource(part))
    }
    unknown = [why for why in map(_not_judged, parts) if why]
    if unknown and len(unknown) == len(parts):
        raise UnreadableError(f"{path}: not judged, because {unknown[0]}")
    if not resources:
        return None
    body = {"Resources": resources}
    return Document(body, dict.fromkeys(resources, 1), not_judged=tuple(dict.fromkeys(unknown)))


def _not_judged(part: Mapping[str, Any]) -> str | None:
    """Return why no rule reads a manifest, None where one does or there is nothing to say of it."""
    version, kind = part.get("apiVersion"), part.get("kind")
    if version is None:
        return None
    if OF_KUBERNETES.fullmatch(str(version)):
        if KINDS.fullmatch(str(kind)):
            return None
    elif any("containers" in each for each in mappings(part)) or any(containers_of(part)):
        return None
    named = f"kind {kind} of {version}" if kind is not None else f"{version} without a kind"
    maker = ": eksctl makes the nodes of it" if str(version).startswith("eksctl.io/") else ""
    return f"no rule reads {named}{maker}"


def _resource(part: Mapping[str, Any]) -> Mapping[str, Any] | None:
    request = part.get("TrainingJobDefinition", part)
    if isinstance(request, Mapping) and {"AlgorithmSpecification", "TrainingJobName"} & set(
        request
    ):
        return {"Type": "AWS::SageMaker::TrainingJob", "Properties": request}
    if any(name in part for name in OF_CONTAINERS):
        return {"Type": JOB_DOCUMENT, "Properties": part}
    return None


def _lines(text: str) -> dict[str, int]:
    """Return the first line on which each name of a variable stands."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip().lstrip("-{ ")
        match = NAMED.match(bare)
        if match:
            found.setdefault(match[1], number)
        for name in re.findall(r"""["']?[Nn]ame["']?\s*:\s*["']?([A-Z][A-Z0-9_]{2,})""", bare):
            found.setdefault(name, number)
        for name in GIVEN.findall(bare):
            found.setdefault(name, number)
    return found
