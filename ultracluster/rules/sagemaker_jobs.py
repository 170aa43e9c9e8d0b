"""SAGEMAKER rules about training jobs."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from ultracluster.catalogue.training_request import ADDRESSES_WITH_EFA
from ultracluster.model.jobs import HyperPodGroup, TrainingJob, efa_type
from ultracluster.model.model import Model
from ultracluster.rules.fabric_groups import closed_to_members
from ultracluster.rules.lustre_access import zones_apart
from ultracluster.rules.rule import About, Fault
from ultracluster.rules.subjects import jobs
from ultracluster.templates.resolved_values import (
    UndeterminedError,
    beginning,
    items,
    keys,
    part,
    shown,
    text,
)

MODEL: Final = "botocore 1.44.5 sagemaker model, CreateTrainingJob, read 2026-11-23"
VPC_GUIDE: Final = "SageMaker developer guide, train-vpc, read 2026-11-23"
DESCRIBE: Final = "aws sagemaker describe-training-job --training-job-name <job>"


@jobs.fatal(
    "SAGEMAKER-3",
    what="The security groups of a job with EFA do not admit each other.",
    why="Instances with EFA talk to each other only through groups that admit all traffic from "
    "and to themselves; the job hangs in NCCL's initialisation, or is refused.",
    source=f"{VPC_GUIDE}; sagemaker-training-toolkit#240",
    fix="add ingress and egress with IpProtocol -1 between the group and itself",
    check="aws ec2 describe-security-groups --group-ids <group>",
)
def job_members_exchange(model: Model, job: TrainingJob) -> Iterator[Fault]:
    groups = items(job.at("VpcConfig", "SecurityGroupIds"))
    # A job of one instance has nobody to talk to.
    if not groups or efa_type(job) is None or job.count() == 1:
        return
    for message in closed_to_members(model, groups, "in", "out"):
        yield Fault(message)


@jobs.fatal(
    "SAGEMAKER-4",
    what="The subnets of a job have fewer addresses than its instances take.",
    why="SageMaker takes 5 addresses for each instance with EFA, so that 500 need 2,500; the job "
    "fails after it has waited for capacity.",
    source=f"{VPC_GUIDE}; awsome-distributed-ai#1122",
    fix="write subnets of /20 or larger in the zone of the file system",
    check="aws ec2 describe-subnets --subnet-ids <subnets> "
    "--query 'Subnets[].AvailableIpAddressCount'",
)
def job_with_addresses(model: Model, job: TrainingJob) -> Iterator[Fault]:
    subnets = job.subnets()
    if not subnets or efa_type(job) is None:
        return
    need = job.count() * ADDRESSES_WITH_EFA
    have = sum(model.networks.subnet(name).addresses() for name in subnets)
    if need > have:
        yield Fault(f"{job.count()} instances take {need} addresses of {have}")


@jobs.fatal(
    "SAGEMAKER-6",
    what="The path of a Lustre input does not begin with the file system's mount name.",
    why="DirectoryPath is /<mount name>/..., and the job is refused for any other.",
    source="SageMaker API reference, FileSystemDataSource, read 2026-11-23",
    fix="write DirectoryPath /${FileSystem.LustreMountName}/<directory>",
    check="aws fsx describe-file-systems --query 'FileSystems[].LustreConfiguration.MountName'",
)
def path_with_mount_name(model: Model, job: TrainingJob) -> Iterator[Fault]:
    # The mount name itself is known after creation only.
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


@jobs.error(
    "SAGEMAKER-7",
    what="A job is in no subnet of the zone that its file system is in.",
    why="SageMaker mounts a file system from a subnet of its zone only; the job is refused.",
    source=f"{VPC_GUIDE}; read 2026-11-23",
    fix="write the subnet of the file system into VpcConfig.Subnets",
    check="aws fsx describe-file-systems --query 'FileSystems[].SubnetIds'",
)
def file_system_in_the_zone(model: Model, job: TrainingJob) -> Iterator[Fault]:
    for channel, source in job.file_systems():
        name = part(source, "FileSystemId")
        system = next((s for s in model.file_systems if s.key in keys(name)), None)
        subnets = job.subnets()
        if not subnets:
            return
        if system is None:
            raise UndeterminedError(f"file system {shown(name)} is not in the given templates")
        if apart := zones_apart(model, system, subnets):
            yield Fault(f"channel {channel} is in {apart[0]}, the job in {apart[1]}")


def _instance_types(job: TrainingJob | HyperPodGroup) -> list[Any]:
    if isinstance(job, HyperPodGroup):
        return [part(job.group, "InstanceType")]
    return [part(entry, "InstanceType") for entry in job.resources()]


def _of_sagemaker(model: Model) -> Sequence[TrainingJob | HyperPodGroup]:
    return [*model.training_jobs, *model.hyperpod_groups]


@About(_of_sagemaker).fatal(
    "SAGEMAKER-11",
    what="An instance type of a job or of a HyperPod group does not begin with ml.",
    why="SageMaker's types begin with ml.; the job is refused for p4d.24xlarge.",
    source=MODEL,
    fix="write ml.p4d.24xlarge",
    check=f"{DESCRIBE} --query ResourceConfig.InstanceType",
)
def type_with_ml(_model: Model, job: TrainingJob | HyperPodGroup) -> Iterator[Fault]:
    for name in filter(None, map(text, _instance_types(job))):
        if name[:3] != "ml.":
            yield Fault(f"InstanceType is {name}", fix=f"write ml.{name}")
