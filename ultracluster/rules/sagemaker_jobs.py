"""SAGEMAKER rules about training jobs."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from ultracluster.model.jobs import HyperPodGroup, TrainingJob, efa_type
from ultracluster.model.model import Model
from ultracluster.rules.rule import Fault, rule
from ultracluster.spec.problem import choices
from ultracluster.templates.reading import (
    UndeterminedError,
    beginning,
    flag,
    items,
    keys,
    number,
    part,
    settled,
    shown,
    text,
)

MOST_SUBNETS: Final = 16
MOST_GROUPS: Final = 5
ADDRESSES: Final = 5
"""Addresses that SageMaker takes for each instance with EFA (train-vpc guide)."""
MOST_SECONDS: Final = 28 * 24 * 3600
MOST_KEPT_ALIVE: Final = 21600
RETRIES: Final = range(1, 31)
MODEL: Final = "botocore 1.44.5 sagemaker model, CreateTrainingJob, read 2026-11-23"
VPC_GUIDE: Final = "SageMaker developer guide, train-vpc, read 2026-11-23"
DESCRIBE: Final = "aws sagemaker describe-training-job --training-job-name <job>"


def jobs(model: Model) -> Sequence[TrainingJob]:
    """Return the training jobs."""
    return model.training_jobs


@rule(
    "SAGEMAKER-1",
    "error",
    jobs,
    what="A training job names more subnets or security groups than SageMaker takes.",
    why="VpcConfig takes 16 subnets and 5 security groups; the job is refused.",
    source=MODEL,
    fix="keep 16 Subnets and 5 SecurityGroupIds",
    check=f"{DESCRIBE} --query VpcConfig",
    acknowledgeable=False,
)
def too_large_a_vpc_config(_picture: Model, job: TrainingJob) -> Iterator[Fault]:
    """Count both."""
    for name, most in (("Subnets", MOST_SUBNETS), ("SecurityGroupIds", MOST_GROUPS)):
        if (count := len(items(job.at("VpcConfig", name)))) > most:
            yield Fault(f"{count} {name}", fix=f"keep {most}")


@rule(
    "SAGEMAKER-2",
    "error",
    jobs,
    what="A key is given for volumes of an instance type with local NVMe.",
    why="Local disks are encrypted by the hardware and take no key: SageMaker refuses "
    "VolumeKmsKeyId on ml.p4d and its like.",
    source="SageMaker API reference, ResourceConfig; aws-cdk issues; read 2026-11-23",
    fix="remove VolumeKmsKeyId",
    check=f"{DESCRIBE} --query ResourceConfig.VolumeKmsKeyId",
    acknowledgeable=False,
)
def key_on_local_disks(_picture: Model, job: TrainingJob) -> Iterator[Fault]:
    """Look for a key where a type has disks of its own."""
    if settled(job.at("ResourceConfig", "VolumeKmsKeyId")) is None:
        return
    for instance in job.instance_types():
        if instance.local_nvme_gb:
            yield Fault(f"VolumeKmsKeyId on ml.{instance.name}")


@rule(
    "SAGEMAKER-3",
    "error",
    jobs,
    what="The security groups of a job with EFA do not admit each other.",
    why="Instances with EFA talk to each other only through groups that admit all traffic from "
    "and to themselves; the job hangs in NCCL's initialisation, or is refused.",
    source=f"{VPC_GUIDE}; sagemaker-training-toolkit#240",
    fix="add ingress and egress with IpProtocol -1 between the group and itself",
    check="aws ec2 describe-security-groups --group-ids <group>",
    acknowledgeable=False,
)
def closed_groups(model: Model, job: TrainingJob) -> Iterator[Fault]:
    """Look for rules between members, both ways."""
    groups = items(job.at("VpcConfig", "SecurityGroupIds"))
    # A job of one instance has nobody to talk to.
    if not groups or efa_type(job) is None or job.count() == 1:
        return
    for words, open_ in (
        ("ingress from", model.groups.members_exchange(groups, "in")),
        ("egress to", model.groups.members_exchange(groups, "out")),
    ):
        if not open_:
            yield Fault(f"no {words} a member of {shown(groups)} with IpProtocol -1")


@rule(
    "SAGEMAKER-4",
    "error",
    jobs,
    what="The subnets of a job have fewer addresses than its instances take.",
    why="SageMaker takes 5 addresses for each instance with EFA, so that 500 need 2,500; the job "
    "fails after it has waited for capacity.",
    source=f"{VPC_GUIDE}; awsome-distributed-ai#1122",
    fix="write subnets of /20 or larger in the zone of the file system",
    check="aws ec2 describe-subnets --subnet-ids <subnets> "
    "--query 'Subnets[].AvailableIpAddressCount'",
    acknowledgeable=False,
)
def too_few_addresses(model: Model, job: TrainingJob) -> Iterator[Fault]:
    """Compare."""
    subnets = job.subnets()
    if not subnets or efa_type(job) is None:
        return
    need = job.count() * ADDRESSES
    have = sum(model.networks.subnet(name).addresses() for name in subnets)
    if need > have:
        yield Fault(f"{job.count()} instances take {need} addresses of {have}")


@rule(
    "SAGEMAKER-5",
    "error",
    jobs,
    what="A job reads a Lustre file system without being in a VPC.",
    why="The file system is reached through the VPC only; the job is refused.",
    source=f"{VPC_GUIDE}; SageMaker API reference, FileSystemDataSource",
    fix="write VpcConfig with the subnet and a client group of the file system",
    check=f"{DESCRIBE} --query '[VpcConfig,InputDataConfig]'",
    acknowledgeable=False,
)
def file_system_without_vpc(_picture: Model, job: TrainingJob) -> Iterator[Fault]:
    """Look for the input and for VpcConfig."""
    for channel, _ in job.file_systems():
        if settled(job.at("VpcConfig")) is None:
            yield Fault(f"channel {channel} is a file system, and VpcConfig is not written")


@rule(
    "SAGEMAKER-6",
    "error",
    jobs,
    what="The path of a Lustre input does not begin with the file system's mount name.",
    why="DirectoryPath is /<mount name>/..., and the job is refused for any other.",
    source="SageMaker API reference, FileSystemDataSource, read 2026-11-23",
    fix="write DirectoryPath /${FileSystem.LustreMountName}/<directory>",
    check="aws fsx describe-file-systems --query 'FileSystems[].LustreConfiguration.MountName'",
    acknowledgeable=False,
)
def path_without_mount_name(model: Model, job: TrainingJob) -> Iterator[Fault]:
    """Look at how the path begins; the mount name itself is known after creation only."""
    for channel, source in job.file_systems():
        stated = part(source, "DirectoryPath")
        known = beginning(stated)
        # `fsx` is the mount name of SCRATCH_1 alone; elsewhere it is where nodes mount it.
        named = keys(part(source, "FileSystemId"))
        own = [
            text(system.configuration("DeploymentType"))
            for system in model.file_systems
            if system.key in named
        ]
        of_nodes = own not in ([], [None], ["SCRATCH_1"]) and known.startswith("/fsx/")
        if stated is None or (known and not known.startswith("/")) or of_nodes:
            yield Fault(f"channel {channel}: DirectoryPath is {shown(stated or 'nothing')}")


@rule(
    "SAGEMAKER-7",
    "error",
    jobs,
    what="A job is in no subnet of the zone that its file system is in.",
    why="SageMaker mounts a file system from a subnet of its zone only; the job is refused.",
    source=f"{VPC_GUIDE}; read 2026-11-23",
    fix="write the subnet of the file system into VpcConfig.Subnets",
    check="aws fsx describe-file-systems --query 'FileSystems[].SubnetIds'",
)
def file_system_in_another_zone(model: Model, job: TrainingJob) -> Iterator[Fault]:
    """Compare the zones."""
    for channel, source in job.file_systems():
        name = part(source, "FileSystemId")
        system = next((s for s in model.file_systems if s.key in keys(name)), None)
        subnets = job.subnets()
        if not subnets:
            return
        if system is None:
            raise UndeterminedError(f"file system {shown(name)} is not in the given templates")
        if system.subnet() in subnets:
            continue
        every = model.networks.zones([*subnets, system.subnet()])
        (own,) = model.networks.zones([system.subnet()])
        if own not in model.networks.zones(subnets):
            zones = ", ".join(sorted(zone.name for zone in every - {own}))
            yield Fault(f"channel {channel} is in {own.name}, the job in {zones}")


@rule(
    "SAGEMAKER-8",
    "error",
    jobs,
    what="A time or a number of attempts of a job is outside of what SageMaker takes.",
    why="A job runs 28 days at most with all its retries, is retried 1 to 30 times, and its "
    "instances are kept for 21,600 s; anything else is refused at the start of the job.",
    source=MODEL,
    fix="write MaxRuntimeInSeconds up to 2419200, KeepAlivePeriodInSeconds up to 21600, "
    "MaximumRetryAttempts 1 to 30",
    check=f"{DESCRIBE} --query '[StoppingCondition,ResourceConfig,RetryStrategy]'",
    acknowledgeable=False,
)
def times_out_of_range(_picture: Model, job: TrainingJob) -> Iterator[Fault]:
    """Compare each with its range."""
    limits: tuple[tuple[tuple[str, ...], range], ...] = (
        (("StoppingCondition", "MaxRuntimeInSeconds"), range(1, MOST_SECONDS + 1)),
        (("ResourceConfig", "KeepAlivePeriodInSeconds"), range(MOST_KEPT_ALIVE + 1)),
        (("RetryStrategy", "MaximumRetryAttempts"), RETRIES),
    )
    for path, allowed in limits:
        value = number(job.at(*path))
        if value is not None and value not in allowed:
            yield Fault(
                f"{'.'.join(path)} is {value}", fix=f"write {allowed.start} to {allowed.stop - 1}"
            )


@rule(
    "SAGEMAKER-9",
    "warning",
    jobs,
    what="Traffic between containers is encrypted on instances with EFA.",
    why="It asks for IPsec between hosts, which slows distributed training and costs more, while "
    "EFA's traffic does not pass through the kernel that would encrypt it.",
    source="SageMaker developer guide, train-encrypt; training facts c.5; read 2026-11-23",
    fix="write EnableInterContainerTrafficEncryption: false, or excuse it with what demands it",
    check=f"{DESCRIBE} --query EnableInterContainerTrafficEncryption",
)
def encrypted_between_containers(_picture: Model, job: TrainingJob) -> Iterator[Fault]:
    """Look at the flag."""
    if not flag(job.at("EnableInterContainerTrafficEncryption")):
        return
    instance = efa_type(job)
    if instance is not None and instance.network_cards.count > 1:
        yield Fault(f"EnableInterContainerTrafficEncryption on ml.{instance.name}")


@rule(
    "SAGEMAKER-10",
    "warning",
    jobs,
    what="A job on spot capacity has no checkpoints, or waits for less than it runs.",
    why="SageMaker starts an interrupted job from nothing, and refuses a MaxWaitTimeInSeconds "
    "below MaxRuntimeInSeconds.",
    source=f"SageMaker developer guide, managed spot training; {MODEL}",
    fix="write CheckpointConfig.S3Uri, and MaxWaitTimeInSeconds of MaxRuntimeInSeconds or more",
    check=f"{DESCRIBE} --query '[EnableManagedSpotTraining,CheckpointConfig,StoppingCondition]'",
)
def spot_without_checkpoints(_picture: Model, job: TrainingJob) -> Iterator[Fault]:
    """Look for both where spot is asked for."""
    if not flag(job.at("EnableManagedSpotTraining")):
        return
    if settled(job.at("CheckpointConfig")) is None:
        yield Fault("EnableManagedSpotTraining without CheckpointConfig")
    wait = number(job.at("StoppingCondition", "MaxWaitTimeInSeconds"))
    run = number(job.at("StoppingCondition", "MaxRuntimeInSeconds"))
    if wait is not None and run is not None and wait < run:
        yield Fault(f"MaxWaitTimeInSeconds {wait} is below MaxRuntimeInSeconds {run}")


def _instance_types(job: TrainingJob | HyperPodGroup) -> list[Any]:
    if isinstance(job, HyperPodGroup):
        return [part(job.group, "InstanceType")]
    return [part(entry, "InstanceType") for entry in job.resources()]


def _of_sagemaker(model: Model) -> Sequence[TrainingJob | HyperPodGroup]:
    return [*model.training_jobs, *model.hyperpod_groups]


@rule(
    "SAGEMAKER-11",
    "error",
    _of_sagemaker,
    what="An instance type of a job or of a HyperPod group is not written as SageMaker writes it.",
    why="SageMaker's types begin with ml.; the job is refused for p4d.24xlarge.",
    source=MODEL,
    fix="write ml.p4d.24xlarge",
    check=f"{DESCRIBE} --query ResourceConfig.InstanceType",
    acknowledgeable=False,
)
def type_without_ml(_picture: Model, job: TrainingJob | HyperPodGroup) -> Iterator[Fault]:
    """Look at the beginning."""
    wrong = [
        name for stated in _instance_types(job) if (name := text(stated)) and name[:3] != "ml."
    ]
    for name in wrong:
        yield Fault(f"InstanceType is {name}", fix=f"write {choices([f'ml.{name}'])}")
