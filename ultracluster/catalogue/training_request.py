"""A CreateTrainingJob request as a frozen value, which all rules read.

What is not as the service's model has it is None or empty here: the model says so itself. A value
that a template leaves open is neither text nor number, and counts as given where a field only has
to be there.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Annotated, Any, Final, TypeVar, get_type_hints

from ultracluster.catalogue import instances
from ultracluster.catalogue.values import document, items, number, part, table, text

SOURCES: Final = ("S3DataSource", "FileSystemDataSource", "DatasetSource")
S3_PATHS: Final = (
    ("OutputDataConfig", "S3OutputPath"),
    ("CheckpointConfig", "S3Uri"),
    ("TensorBoardOutputConfig", "S3OutputPath"),
    ("DebugHookConfig", "S3OutputPath"),
    ("ProfilerConfig", "S3OutputPath"),
)
ARN_PATHS: Final = (
    ("OutputDataConfig", "KmsKeyId"),
    ("ResourceConfig", "VolumeKmsKeyId"),
    ("ResourceConfig", "TrainingPlanArn"),
    ("MlflowConfig", "MlflowResourceArn"),
)
MODEL_PARALLEL: Final = "mp_parameters"
"""Hyperparameter that holds the parameters of SageMaker's model parallel library."""
SHARDED: Final = "sharded_data_parallel_degree"

TOO_MANY_IN_VPC: Final = "training-vpc-size"
"""Code: more subnets or security groups than a job takes."""
OUT_OF_RANGE: Final = "training-range"
"""Code: a time or a number of attempts that SageMaker does not take."""
WAIT_BELOW_RUN: Final = "training-wait"
"""Code: MaxWaitTimeInSeconds, which holds the run as well, is below MaxRuntimeInSeconds."""
NO_VPC: Final = "training-no-vpc"
"""Code: a file system as input of a job that is in no VPC."""
VARIABLE: Final = "training-variable"
"""Code: a variable of NCCL, libfabric or the plugin, which rules over environments judge too."""
VOLUME_KEY: Final = "training-volume-key"
"""Code: a key for volumes that are local disks, which the hardware encrypts."""
ENCRYPTED: Final = "training-encrypted"
"""Code: traffic between containers is encrypted, on instances with several EFA cards."""
NO_CHECKPOINTS: Final = "training-spot-checkpoints"
"""Code: spot capacity without checkpoints."""
ADDRESSES_WITH_EFA: Final = 5
"""Addresses that SageMaker takes for each instance with EFA (Developer Guide, train-vpc, 2023)."""

T = TypeVar("T")


def mapping(value: object) -> Mapping[str, Any]:
    """Return a mapping, an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


READERS: Final[Mapping[object, Callable[[Any], Any]]] = {
    str: text,
    bool: lambda value: value is True,
    list[Any]: items,
    Mapping[str, Any]: mapping,
    Any: lambda value: value,
}
"""How a field is read, by its type."""


@cache
def _fields(kind: type) -> Mapping[str, tuple[Callable[[Any], Any], tuple[str, ...]]]:
    """Return how each field of a class is read that is annotated with its path in the request."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        name: (READERS[hint.__origin__], tuple(hint.__metadata__[0].split(".")))
        for name, hint in hints.items()
        if hasattr(hint, "__metadata__")
    }


def _read(kind: type[T], stated: Any, **given: Any) -> T:
    found = {name: read(part(stated, *path)) for name, (read, path) in _fields(kind).items()}  # type: ignore[arg-type]  # classes are hashable
    return kind(**given, **found)


@dataclass(frozen=True)
class Instances:
    """The resource configuration, or one of its instance groups."""

    where: str
    instance_type: Annotated[str, "InstanceType"]
    count: Annotated[Any, "InstanceCount"]


@dataclass(frozen=True)
class Channel:
    """One input channel."""

    where: str
    name: Annotated[str, "ChannelName"]
    own_mode: Annotated[Any, "InputMode"]
    source: Annotated[Any, "DataSource"]
    s3_uri: Annotated[str, "DataSource.S3DataSource.S3Uri"]
    file_system: Annotated[Any, "DataSource.FileSystemDataSource"]
    file_system_id: Annotated[str, "DataSource.FileSystemDataSource.FileSystemId"]
    file_system_kind: Annotated[Any, "DataSource.FileSystemDataSource.FileSystemType"]
    access: Annotated[str, "DataSource.FileSystemDataSource.FileSystemAccessMode"]
    directory: Annotated[str, "DataSource.FileSystemDataSource.DirectoryPath"]

    @property
    def sources(self) -> list[str]:
        return [name for name in SOURCES if part(self.source, name) is not None]


SYNC_MEMBERS: Final = tuple(table("training")["sync_members"])
"""Members that Step Functions' `createTrainingJob.sync` is known to pass on (`training.toml`)."""


@dataclass(frozen=True)
class TrainingRequest:
    """What rules ask of a request."""

    resource_config: Annotated[Any, "ResourceConfig"]
    volume_key: Annotated[Any, "ResourceConfig.VolumeKmsKeyId"]
    volume_size: Annotated[Any, "ResourceConfig.VolumeSizeInGB"]
    kept_alive: Annotated[Any, "ResourceConfig.KeepAlivePeriodInSeconds"]
    training_plan: Annotated[Any, "ResourceConfig.TrainingPlanArn"]
    serverless: Annotated[Any, "ServerlessJobConfig"]
    spot: Annotated[bool, "EnableManagedSpotTraining"]
    encrypted: Annotated[bool, "EnableInterContainerTrafficEncryption"]
    retry_strategy: Annotated[Any, "RetryStrategy"]
    attempts: Annotated[Any, "RetryStrategy.MaximumRetryAttempts"]
    run_seconds: Annotated[Any, "StoppingCondition.MaxRuntimeInSeconds"]
    wait_seconds: Annotated[Any, "StoppingCondition.MaxWaitTimeInSeconds"]
    image: Annotated[Any, "AlgorithmSpecification.TrainingImage"]
    algorithm_name: Annotated[Any, "AlgorithmSpecification.AlgorithmName"]
    input_mode: Annotated[Any, "AlgorithmSpecification.TrainingInputMode"]
    entrypoint: Annotated[list[Any], "AlgorithmSpecification.ContainerEntrypoint"]
    image_config: Annotated[Any, "AlgorithmSpecification.TrainingImageConfig"]
    role: Annotated[Any, "RoleArn"]
    vpc: Annotated[Any, "VpcConfig"]
    subnets: Annotated[list[Any], "VpcConfig.Subnets"]
    security_groups: Annotated[list[Any], "VpcConfig.SecurityGroupIds"]
    checkpoint: Annotated[Any, "CheckpointConfig"]
    local_checkpoints: Annotated[Any, "CheckpointConfig.LocalPath"]
    tags: Annotated[list[Any], "Tags"]
    hyperparameters: Annotated[Mapping[str, Any], "HyperParameters"]
    environment: Annotated[Mapping[str, Any], "Environment"]
    configured: Instances
    groups: tuple[Instances, ...]
    channels: tuple[Channel, ...]
    s3_locations: tuple[tuple[str, str], ...]
    """Every field that names a place in S3, with what it names."""
    arns: tuple[tuple[str, str], ...]
    """Every field that names something of one Region by an ARN."""

    @property
    def listed(self) -> tuple[Instances, ...]:
        """The configuration itself with its groups."""
        return (self.configured, *self.groups)

    @property
    def type_names(self) -> list[tuple[str, str]]:
        """Every instance type beside the field that names it."""
        named = [(f"{each.where}.InstanceType", each.instance_type) for each in self.listed]
        return [(where, name) for where, name in named if name]

    @property
    def instance_count(self) -> int:
        """How many instances it takes; 0 where it does not say."""
        return sum(number(each.count) or 0 for each in self.groups or (self.configured,))

    @property
    def efa_type(self) -> instances.InstanceType | None:
        """Its instance type; None where it names none or several, or where that has no EFA."""
        kinds = {group.instance_type for group in self.groups}
        named = self.configured.instance_type or (kinds.pop() if len(kinds) == 1 else "")
        name = named.removeprefix("ml.")
        return instances.find(name) if name in instances.names() else None

    @property
    def file_systems(self) -> list[Channel]:
        return [each for each in self.channels if isinstance(each.file_system, Mapping)]

    @property
    def has_own_entry_point(self) -> bool:
        """Whether `training.launch` starts it: only then do hyperparameters mean what ours do."""
        return any("training.launch" in text(word) for word in self.entrypoint)

    def hyperparameter(self, name: str) -> Any:
        return document(self.hyperparameters.get(name))

    @cached_property
    def model_parallel(self) -> Mapping[str, Any] | None:
        """Parameters of SageMaker's model parallel library."""
        found = self.hyperparameter(MODEL_PARALLEL)
        return found if isinstance(found, Mapping) else None

    @property
    def library(self) -> int | None:
        """Version of that library that the parameters are for."""
        if self.model_parallel is None:
            return None
        return 1 if {SHARDED, "ddp", "partitions"} & set(self.model_parallel) else 2


def parsed(request: Mapping[str, Any]) -> TrainingRequest:
    """Return a request, given in the API's own names, as a value."""
    config = part(request, "ResourceConfig")
    channels = _each(Channel, request, "InputDataConfig")
    return _read(
        TrainingRequest,
        request,
        configured=_read(Instances, config, where="ResourceConfig"),
        groups=_each(Instances, config, "InstanceGroups", "ResourceConfig."),
        channels=channels,
        s3_locations=tuple(_s3_locations(request, channels)),
        arns=tuple((".".join(path), text(part(request, *path))) for path in ARN_PATHS),
    )


def _each(kind: type[T], stated: Any, name: str, within: str = "") -> tuple[T, ...]:
    listed = enumerate(items(part(stated, name)))
    return tuple(_read(kind, entry, where=f"{within}{name}[{index}]") for index, entry in listed)


def _s3_locations(
    request: Mapping[str, Any], channels: tuple[Channel, ...]
) -> Iterator[tuple[str, str]]:
    for path in S3_PATHS:
        yield ".".join(path), text(part(request, *path))
    for channel in channels:
        yield f"{channel.where}.DataSource.S3DataSource.S3Uri", channel.s3_uri
    source = part(request, "HyperParameters", "sagemaker_submit_directory")
    yield "HyperParameters.sagemaker_submit_directory", text(document(source) or source)
