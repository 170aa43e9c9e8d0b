"""Requests and manifests in JSON or YAML that start jobs, as templates that the rules can ask."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ultracluster.given_file import UnreadableError
from ultracluster.model.containers import containers_of
from ultracluster.model.job_environments import JOB_DOCUMENT, LINES
from ultracluster.templates import yaml_document
from ultracluster.templates.file_reading import Document, parsed_json
from ultracluster.templates.texts import mappings

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


def document(path: Path, text: str) -> Document | None:
    """Return the template that a request or manifest stands for, None where it is neither.

    Raises:
        UnreadableError: where it says that it is one and cannot be read, or no rule reads it.
    """
    # A template may carry manifests; that it has resources decides.
    if TEMPLATE.search(text) or not MARKS.search(text):
        return None
    if text.lstrip()[:1] == "{":
        parts = [parsed_json(path, text).body]
    else:
        parts = yaml_document.documents(path, text)
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
