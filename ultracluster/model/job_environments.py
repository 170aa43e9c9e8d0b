"""The environments that jobs run in, wherever a template or a job file writes them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from ultracluster.catalogue import job_environment
from ultracluster.catalogue.job_environment import Version, version
from ultracluster.model.containers import commanded, containers_of, variables_of
from ultracluster.model.jobs import TrainingJob
from ultracluster.model.nodes import Node
from ultracluster.model.shell_variables import assignments
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import Place, ResolvedResource, Unknown
from ultracluster.templates.resolved_values import UndeterminedError
from ultracluster.templates.texts import document

JOB_FILE: Final = "UltraCluster::JobFile"
"""Type of the resource that stands for a script, a Dockerfile or a file of variables."""

JOB_DOCUMENT: Final = "UltraCluster::JobDocument"
"""Type of the resource that stands for a manifest or a request."""

LINES: Final = "ultracluster:lines"
"""Metadata of such a resource: the line of each variable."""

CONTAINERS: Final = (
    "AWS::ECS::TaskDefinition",
    "AWS::Batch::JobDefinition",
    "Custom::AWSCDK-EKS-KubernetesResource",
    JOB_DOCUMENT,
)
ACCELERATED: Final = ("nvidia.com/", "amd.com/", "aws.amazon.com/neuron", "habana.ai/")
"""How the names of Kubernetes's resources begin that are accelerators."""

_DECIDES: Final = frozenset(
    {"kind", "containerProperties", "nodeProperties", "containerDefinitions"}
)
"""Keys of documents whose containers say which devices they are given."""

NEURON: Final = re.compile(r"\bnccom|neuronx?\b|neuron[-_/]|\b(?:ml\.)?(?:trn|inf)\d")

CHOSEN_LATER: Final = Unknown("it is chosen when the script runs")

STATED: Final = (
    re.compile(r"AWS_OFI_NCCL_VERSION\W{1,3}v?(\d+\.\d+(?:\.\d+)?)"),
    re.compile(r"aws-ofi-nccl(?:[-/ @=v]|/archive/|/releases/download/)+v?(\d+\.\d+(?:\.\d+)?)"),
)
INSTALLER: Final = (
    re.compile(r"EFA(?:_INSTALLER)?_VERSION\W{1,3}(\d+\.\d+\.\d+)"),
    re.compile(r"aws-efa-installer-(\d+\.\d+\.\d+)"),
)
"""Where people write which plugin, or which EFA installer, they build with."""


@dataclass(frozen=True)
class JobEnvironment:
    """The variables that one job, container or node starts with."""

    place: Place
    variables: tuple[tuple[str, Any, int | None], ...]
    """Name, resolved value, and line where that is known."""
    texts: tuple[str, ...] = ()
    """What may say which plugin it runs with."""
    job: TrainingJob | None = None
    devices: bool | None = None
    """Whether the container is given EFA devices; None where that is not its own business."""
    handed_on: frozenset[str] = frozenset()
    """Variables that its command hands to what it starts, here or on other machines."""
    types: tuple[str, ...] = ()
    """Instance types that its pod is bound to, where it says so."""

    @cached_property
    def plugin(self) -> Version | None:
        """Version of aws-ofi-nccl, None where nothing states it."""
        stated = "\n".join(
            (*self.texts, *(f"{n}={v}" for n, v, _ in self.variables if isinstance(v, str)))
        )
        for pattern in STATED:
            if found := pattern.search(stated):
                return version(found[1])
        for pattern in INSTALLER:
            if found := pattern.search(stated):
                return job_environment.plugin_of_installer(found[1])
        return None

    @property
    def without_efa(self) -> bool:
        """Whether it is known that nothing here runs on instances with EFA."""
        if self.job is None:
            return False
        try:
            return bool(self.job.type_names()) and not self.job.instance_types()
        except UndeterminedError:
            return False

    @cached_property
    def of_neuron(self) -> bool:
        """Whether its collectives are Neuron's, whose plugin is another one than NCCL's."""
        names = (name for name, _, _ in self.variables)
        return any(name.startswith("NEURON_") for name in names) or any(
            NEURON.search(written) for written in (*self.texts, *self.instance_names)
        )

    @cached_property
    def instance_names(self) -> tuple[str, ...]:
        """The instance types that it runs on, none where that is not known."""
        if self.job is None:
            # Scripts and files of exports call it so, as AWS's own do.
            named = [v for n, v, _ in self.variables if n == "INSTANCE_TYPE" and v]
            return self.types or tuple(v for v in named if isinstance(v, str) and "$" not in v)
        try:
            return tuple(self.job.type_names())
        except UndeterminedError:
            return ()

    def plain(self) -> dict[str, str]:
        """Return the variables as texts.

        Raises:
            UndeterminedError: where the value of one that matters is not known.
        """
        return {
            name: read.text(value) or ""
            for name, value, _ in self.variables
            if job_environment.known(name)
        }


@dataclass(frozen=True)
class Variable:
    """One variable of an environment."""

    environment: JobEnvironment
    name: str
    value: Any
    line: int | None

    @property
    def place(self) -> Place:
        place = self.environment.place
        return place if self.line is None else replace(place, line=self.line)


def read_environments(
    resources: Sequence[ResolvedResource], jobs: Sequence[TrainingJob], nodes: Sequence[Node]
) -> tuple[JobEnvironment, ...]:
    """Return the environments of all jobs, containers and nodes of a variant."""
    found: list[JobEnvironment] = []
    lines = {r.place: r.metadata.get(LINES) or {} for r in resources if LINES in r.metadata}
    for resource in resources:
        if resource.resource_type in CONTAINERS:
            found += _containers(resource, lines.get(resource.place, {}))
        elif resource.resource_type == JOB_FILE:
            found.append(_job_file(resource))
    for job in jobs:
        environment = job.request.get("Environment")
        if isinstance(environment, Mapping):
            at = lines.get(job.place, {})
            image = read.part(job.request, "AlgorithmSpecification", "TrainingImage")
            variables = tuple((str(n), v, at.get(n)) for n, v in environment.items())
            found.append(JobEnvironment(job.place, variables, (str(image),), job))
    for node in nodes:
        try:
            written = read.script(read.part(node.launch, "UserData"))
        except UndeterminedError:
            continue
        if any(word in written for word in ("NCCL_", "FI_", "RDMAV_")):
            # What the script exports ends with it; what it writes into files reaches every job.
            lasting = tuple(
                (each.name, _value(each.value), None)
                for each in assignments(written)
                if each.lasting
            )
            found.append(JobEnvironment(node.place, lasting, (written,)))
    return tuple(found)


def _value(stated: str | None) -> Any:
    # User data has this mark where the template does not tell a part of it.
    return CHOSEN_LATER if stated is None or "\x00" in stated else stated


def _job_file(resource: ResolvedResource) -> JobEnvironment:
    variables = tuple(
        (str(each["Name"]), _value(each.get("Value")), int(each["Line"]))
        for each in resource.properties["Variables"]
    )
    return JobEnvironment(resource.place, variables, tuple(resource.properties["Texts"]))


def _containers(resource: ResolvedResource, lines: Mapping[str, int]) -> Iterator[JobEnvironment]:
    stated: Any = resource.properties
    if "Manifest" in stated:
        stated = document(stated["Manifest"])
    for container, types in containers_of(stated):
        handed_on = commanded(container)
        own = [*variables_of(container), *((a.name, _value(a.value)) for a in handed_on)]
        variables = tuple((name, value, lines.get(name)) for name, value in own)
        image = container.get("Image", container.get("image"))
        accelerators = " ".join(_resource_names(container))
        yield JobEnvironment(
            resource.place,
            variables,
            (str(image), accelerators),
            devices=_devices(container, resource),
            handed_on=frozenset(item.name for item in handed_on),
            types=types,
        )


def _devices(container: Mapping[str, Any], resource: ResolvedResource) -> bool | None:
    """Whether a container is given EFA devices, None where it need not say so itself."""
    if container.get("privileged") or container.get("Privileged"):
        return True
    stated = [container.get(name) for name in ("resources", "Resources")]
    names = _resource_names(container)
    parameters = container.get("LinuxParameters", container.get("linuxParameters"))
    devices = any("/dev/infiniband" in found for found in read.texts_within(parameters))
    if devices or "vpc.amazonaws.com/efa" in names:
        return True
    # A claim is met by a driver's device class, which another manifest describes.
    if any(isinstance(value, Unknown) for value in (*stated, parameters)) or "claims" in names:
        return None
    # A pod that asks for memory and no accelerator trains nothing: the head of Ray, for one.
    if {"limits", "requests", "Limits", "Requests"} & set(names) and not any(
        name.startswith(ACCELERATED) for name in names
    ):
        return None
    document_of_ours = resource.resource_type == JOB_DOCUMENT
    return None if document_of_ours and not _DECIDES & set(resource.properties) else False


def _resource_names(container: Mapping[str, Any]) -> list[str]:
    return [n for key in ("resources", "Resources") for n in _names(container.get(key))]


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from _names(inner)
