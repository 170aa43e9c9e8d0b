"""Slurm controllers, endpoints, and the interfaces that SageMaker's jobs put into subnets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ultracluster.catalogue.training_request import ADDRESSES_WITH_EFA
from ultracluster.model.model import Model
from ultracluster.model.policies import Identity
from ultracluster.review.naming import Names, service_name, short
from ultracluster.review.resolved import NotKnown, linked, or_none, read, words
from ultracluster.review.topology.nodes import queue_groups
from ultracluster.templates.resolved import Place
from ultracluster.templates.resolved_values import Key, key, keys, links, text

SAGEMAKER: Final = "sagemaker."
NETWORK: Final = "ResourcesVpcConfig"
CREATE_INTERFACE: Final = "ec2:CreateNetworkInterface"


@dataclass(frozen=True)
class Scheduler:
    """A Slurm controller that AWS runs (PCS), or a Kubernetes control plane (EKS)."""

    title: str
    name: str
    place: Place
    version: str
    """For a reader: `Slurm 25.11`."""
    size: str | NotKnown | None
    """None of EKS, which has no sizes."""
    subnets: Sequence[Key] | NotKnown
    starts: str
    """What its queues do to nodes, for a reader."""
    queues: Sequence[tuple[str, Sequence[str]]]
    """Each queue with the node groups that serve it."""
    notes: Sequence[str]


@dataclass(frozen=True)
class Endpoint:
    """A VPC endpoint of an AWS service."""

    name: str
    service: str
    gateway: bool
    subnets: Sequence[Key] | NotKnown
    vpc: Key | NotKnown


@dataclass(frozen=True)
class JobInterfaces:
    """Interfaces that jobs of a service put into subnets when they run."""

    name: str
    service: str
    subnets: Sequence[Key] | NotKnown
    count: int | NotKnown | None
    """Instances of the jobs that the templates hold; None where jobs come later."""
    each: int
    """Addresses of each instance."""


def read_schedulers(model: Model, names: Names) -> Iterator[Scheduler]:
    for cluster in model.of("AWS::PCS::Cluster"):
        own = cluster.properties
        accounting = read(text, own, "SlurmConfiguration", "Accounting", "Mode")
        yield Scheduler(
            title="Slurm controller (AWS PCS)",
            name=short(cluster.place),
            place=cluster.place,
            version=f"Slurm {words(read(text, own, 'Scheduler', 'Version'), 'version not known')}",
            size=read(text, own, "Size") or NotKnown("it is not written"),
            subnets=read(keys, own, "Networking", "SubnetIds"),
            starts="starts jobs on",
            queues=[
                (f"queue {short(queue.place)}", list(map(names.key, queue_groups(queue))))
                for queue in model.of("AWS::PCS::Queue")
                if read(key, queue.properties, "ClusterId") == cluster.place.key
            ],
            notes=("keeps accounts of jobs",) if accounting == "STANDARD" else (),
        )


def read_control_planes(model: Model) -> Iterator[Scheduler]:
    """Yield the clusters of Amazon EKS with the groups that they run pods on."""
    for cluster in model.of("AWS::EKS::Cluster"):
        own = cluster.properties
        called = (cluster.place.key, or_none(read(text, own, "Name")) or cluster.place.key)
        pods = model.of("AWS::SageMaker::Cluster")
        node_groups = model.of("AWS::EKS::Nodegroup")
        served = [g for g in node_groups if read(key, g.properties, "ClusterName") in called]
        served += [p for p in pods if cluster.place.key in linked(p.properties.get("Orchestrator"))]
        groups = [short(group.place) for group in served]
        public = read(text, own, NETWORK, "EndpointPublicAccess")
        yield Scheduler(
            title="Kubernetes (Amazon EKS)",
            name=short(cluster.place),
            place=cluster.place,
            version=f"Kubernetes {words(read(text, own, 'Version'), 'version not known')}",
            size=None,
            subnets=read(keys, own, NETWORK, "SubnetIds"),
            starts="run on",
            queues=[("pods", groups)] if groups else [],
            notes=() if public == "false" else ("API reached from the internet",),
        )


def read_endpoints(model: Model) -> Iterator[Endpoint]:
    for resource in model.of("AWS::EC2::VPCEndpoint"):
        own = resource.properties
        gateway = read(text, own, "VpcEndpointType") in (None, "Gateway")
        yield Endpoint(
            name=short(resource.place),
            service=service_name(own),
            gateway=gateway,
            subnets=[] if gateway else read(keys, own, "SubnetIds"),
            vpc=read(key, own, "VpcId"),
        )


def read_job_interfaces(model: Model) -> Iterator[JobInterfaces]:
    """Yield where SageMaker may put interfaces: of jobs in the templates, and of later ones."""
    for job in model.training_jobs:
        count = read(job.count) if or_none(read(job.instance_types)) else NotKnown("type")
        if subnets := read(job.subnets):
            name = short(job.place)
            yield JobInterfaces(name, "SageMaker training job", subnets, count, ADDRESSES_WITH_EFA)
    for role in model.roles:
        services = or_none(read(lambda role=role: [name for name, _ in role.trusted()])) or []
        if not any(service.startswith(SAGEMAKER) for service in services):
            continue
        if subnets := list(dict.fromkeys(_subnets(model, role))):
            yield JobInterfaces(
                short(role.place), "SageMaker jobs", subnets, None, ADDRESSES_WITH_EFA
            )


def _subnets(model: Model, role: Identity) -> Iterator[Key]:
    """Yield the subnets in which a role may make network interfaces."""
    for statement in role.statements:
        if statement.effect != "Allow" or read(statement.names, CREATE_INTERFACE) is not True:
            continue
        for link in links(statement.body.get("Resource")):
            if found := model.find(link, "AWS::EC2::Subnet"):
                yield found.place.key
