"""Environment variables of jobs and nodes, from templates and job files."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from ultracluster.catalogue import job_environment
from ultracluster.catalogue.job_environment import Version, version
from ultracluster.model.jobs import TrainingJob
from ultracluster.model.nodes import Node
from ultracluster.model.shell_variables import assignments
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import Place, ResolvedResource, Unknown
from ultracluster.templates.resolved_values import UndeterminedError

JOB_FILE: Final = "UltraCluster::JobFile"
"""Resource type for a script, a Dockerfile or a file of variables."""

BATCH: Final = "AWS::Batch::JobDefinition"

LINES: Final = "ultracluster:lines"
"""Metadata of a request in a file of its own: the line of each variable."""

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
"""Where scripts name the version of the plugin or of the EFA installer."""


@dataclass(frozen=True)
class JobEnvironment:
    """The variables that one job or node starts with."""

    place: Place
    variables: tuple[tuple[str, Any, int | None], ...]
    """Name, resolved value, and line where that is known."""
    texts: tuple[str, ...] = ()
    """Texts that may name the version of the plugin."""
    job: TrainingJob | None = None

    @cached_property
    def plugin(self) -> Version | None:
        """Version of aws-ofi-nccl; None if it is not stated."""
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
            return tuple(v for v in named if isinstance(v, str) and "$" not in v)
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
    """Return the environments of all jobs and nodes of a variant."""
    found = [_job_file(each) for each in resources if each.resource_type == JOB_FILE]
    lines = {r.place: r.metadata.get(LINES) or {} for r in resources if LINES in r.metadata}
    found += [_job_definition(each) for each in resources if each.resource_type == BATCH]
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


def _job_definition(resource: ResolvedResource) -> JobEnvironment:
    """Return the variables of all containers of a job definition of AWS Batch."""
    stated = [value for name, value in read.fields(resource.properties) if name == "Environment"]
    entries = [each for listed in stated for each in read.items(listed)]
    variables = tuple(
        (read.written(read.part(each, "Name")), read.part(each, "Value"), None) for each in entries
    )
    return JobEnvironment(resource.place, variables)
