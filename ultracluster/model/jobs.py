"""SageMaker training jobs and HyperPod clusters, and the environment that jobs run in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from ultracluster.catalogue.instances import InstanceType
from ultracluster.model.nodes import catalogued
from ultracluster.model.policies import listed
from ultracluster.model.storage import plain
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import Place, ResolvedResource
from ultracluster.templates.resolved_values import Key, UndeterminedError
from ultracluster.templates.scope import mapping
from ultracluster.templates.texts import document

if TYPE_CHECKING:
    from ultracluster.catalogue.training_request import TrainingRequest

TRAINING_JOB: Final = "AWS::SageMaker::TrainingJob"
"""Type of the resource that a request to train is, in a template or in a file of its own."""


@dataclass(frozen=True)
class TrainingJob:
    """A request to train, in the words of `CreateTrainingJob`."""

    place: Place
    request: Mapping[str, Any]

    @cached_property
    def parsed(self) -> "TrainingRequest":
        """The request as the catalogue judges it."""
        # Loaded for templates with a job alone: most have none.
        from ultracluster.catalogue.training_request import parsed  # noqa: PLC0415

        return parsed(plain(dict(self.request)))

    def at(self, *path: str) -> Any:
        return read.part(self.request, *path)

    def resources(self) -> list[Mapping[str, Any]]:
        """Return its resource configuration, or those of its instance groups."""
        groups = read.items(self.at("ResourceConfig", "InstanceGroups"))
        return groups or [self.at("ResourceConfig")]

    def type_names(self) -> list[str]:
        stated = [read.text(entry, "InstanceType") for entry in self.resources()]
        return [name for name in stated if name]

    def instance_types(self) -> list[InstanceType]:
        """Return those of its instance types that have EFA."""
        return [found for name in self.type_names() if (found := catalogued(name))]

    def count(self) -> int:
        return sum(read.number(entry, "InstanceCount") or 1 for entry in self.resources())

    def subnets(self) -> list[Key]:
        """Return its subnets, none where it runs in SageMaker's network."""
        return read.keys(self.at("VpcConfig", "Subnets"))

    def file_systems(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield channel and source of each input that is a Lustre file system."""
        for channel in read.items(self.at("InputDataConfig")):
            source = read.part(channel, "DataSource", "FileSystemDataSource")
            if source is not None and read.text(source, "FileSystemType") == "FSxLustre":
                yield read.text(channel, "ChannelName") or "without a name", source


@dataclass(frozen=True)
class HyperPodGroup:
    """One instance group of a HyperPod cluster."""

    place: Place
    cluster: Mapping[str, Any]
    group: Mapping[str, Any]

    def name(self) -> str:
        return read.written(read.part(self.group, "InstanceGroupName"))

    def instance_type(self) -> InstanceType | None:
        """Return its instance type, None where it has no EFA."""
        name = read.text(self.group, "InstanceType")
        return catalogued(name) if name else None

    def vpc_config(self) -> Any:
        """Return the network that it runs in, None where that is SageMaker's."""
        own = read.part(self.group, "OverrideVpcConfig")
        return self.cluster.get("VpcConfig") if own is None else own

    def subnets(self) -> list[Key]:
        """Return its subnets, none where it runs in SageMaker's network."""
        return list(dict.fromkeys(read.keys(self.vpc_config(), "Subnets")))


def read_training_jobs(resources: Sequence[ResolvedResource]) -> tuple[TrainingJob, ...]:
    """Return the training jobs of a variant, also those that a state machine starts."""
    found: list[TrainingJob] = []
    for resource in resources:
        if resource.resource_type == TRAINING_JOB:
            found.append(TrainingJob(resource.place, resource.properties))
        elif resource.resource_type == "AWS::StepFunctions::StateMachine":
            found += [TrainingJob(resource.place, a) for a in _requests(definition(resource))]
    return tuple(found)


def definition(machine: ResolvedResource) -> Any:
    """Return what a state machine does, with the values that stand for its substitutions."""
    stated = machine.properties
    written = stated.get("DefinitionString") or stated.get("Definition")
    return document(written, mapping(stated.get("DefinitionSubstitutions")))


def _requests(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        if ":sagemaker:createTrainingJob" in read.written(value.get("Resource")):
            asked = value.get("Parameters") or value.get("Arguments")
            if isinstance(asked, Mapping):
                yield asked
        for inner in value.values():
            yield from _requests(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _requests(inner)


def read_hyperpod_groups(resources: Sequence[ResolvedResource]) -> tuple[HyperPodGroup, ...]:
    found = []
    for resource in resources:
        if resource.resource_type == "AWS::SageMaker::Cluster":
            found += [
                HyperPodGroup(resource.place, resource.properties, group)
                for group in listed(resource.properties.get("InstanceGroups"))
                if isinstance(group, Mapping)
            ]
    return tuple(found)


def efa_type(job: TrainingJob) -> InstanceType | None:
    """Return the first instance type of a job that has EFA, None where none has."""
    if not job.type_names():
        raise UndeterminedError("no instance type is written for it")
    return next(iter(job.instance_types()), None)
