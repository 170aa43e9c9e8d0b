"""Slurm controllers, endpoints, and the interfaces that SageMaker's jobs put into subnets."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, Final

from ultracluster.model.model import Model
from ultracluster.review.naming import Names, short
from ultracluster.review.topology.model import (
    Endpoint,
    JobInterfaces,
    NotKnown,
    Scheduler,
    told,
)
from ultracluster.review.topology.nodes import queue_groups
from ultracluster.spec.environment import SAGEMAKER_ADDRESSES_PER_EFA_INSTANCE
from ultracluster.templates.reading import Key, items, key, keys, links, part, same, text, written

SAGEMAKER: Final = "sagemaker."
NETWORK: Final = "ResourcesVpcConfig"
CREATE_INTERFACE: Final = "ec2:createnetworkinterface"


def read_schedulers(model: Model, names: Names) -> Iterator[Scheduler]:
    """Yield the Slurm clusters of AWS PCS."""
    for cluster in model.of("AWS::PCS::Cluster"):
        own = (cluster.place.stack, cluster.place.logical_id)
        properties = cluster.properties
        queues = []
        for queue in model.of("AWS::PCS::Queue"):
            if told(lambda q=queue, o=own: same(q.properties.get("ClusterId"), o)) is True:  # type: ignore[misc]
                groups = [names.key(group) for group in queue_groups(queue.properties)]
                queues.append((short(queue.place), groups))
        accounting = told(
            lambda p=properties: text(part(p, "SlurmConfiguration", "Accounting", "Mode"))  # type: ignore[misc]
        )
        yield Scheduler(
            name=short(cluster.place),
            place=cluster.place,
            version=_told(properties, "Scheduler", "Version"),
            size=_told(properties, "Size"),
            subnets=told(lambda p=properties: keys(part(p, "Networking", "SubnetIds"))),  # type: ignore[misc]
            queues=queues,
            notes=("keeps accounts of jobs",) if accounting == "STANDARD" else (),
        )


def read_control_planes(model: Model) -> Iterator[Scheduler]:
    """Yield the clusters of Amazon EKS with the groups that they run pods on."""
    for cluster in model.of("AWS::EKS::Cluster"):
        own, properties = (cluster.place.stack, cluster.place.logical_id), cluster.properties
        name = told(lambda p=properties: text(p.get("Name")))  # type: ignore[misc]
        groups = [
            short(group.place)
            for group in model.of("AWS::EKS::Nodegroup")
            if told(lambda g=group, o=own: same(g.properties.get("ClusterName"), o)) is True  # type: ignore[misc]
            or (isinstance(name, str) and group.properties.get("ClusterName") == name)
        ]
        groups += [
            short(pod.place)
            for pod in model.of("AWS::SageMaker::Cluster")
            if own in told_links(pod.properties.get("Orchestrator"))
        ]
        public = told(lambda p=properties: text(part(p, NETWORK, "EndpointPublicAccess")))  # type: ignore[misc]
        yield Scheduler(
            name=short(cluster.place),
            place=cluster.place,
            version=_told(properties, "Version"),
            size=NotKnown("EKS has no sizes"),
            subnets=told(lambda p=properties: keys(part(p, NETWORK, "SubnetIds"))),  # type: ignore[misc]
            queues=[("pods", groups)] if groups else [],
            notes=() if public == "false" else ("API reached from the internet",),
            kubernetes=True,
        )


def told_links(value: Any) -> set[Key]:
    """Return what a value refers to."""
    return {(link.stack, link.logical_id) for link in links(value)}


def _told(properties: Any, *path: str) -> str | NotKnown:
    found = told(lambda: text(part(properties, *path)))
    return NotKnown("it is not written") if found is None else found


def read_endpoints(model: Model) -> Iterator[Endpoint]:
    """Yield the VPC endpoints."""
    for resource in model.of("AWS::EC2::VPCEndpoint"):
        own = resource.properties
        kind = told(lambda o=own: text(o.get("VpcEndpointType")))  # type: ignore[misc]
        gateway = kind is None or kind == "Gateway"
        yield Endpoint(
            name=short(resource.place),
            service=service_name(written(own.get("ServiceName"))),
            gateway=gateway,
            subnets=[] if gateway else told(lambda o=own: keys(o.get("SubnetIds"))),  # type: ignore[misc]
            vpc=told(lambda o=own: key(o.get("VpcId"))),  # type: ignore[misc]
        )


def service_name(stated: str) -> str:
    """Return `ecr.api` of `com.amazonaws.us-east-1.ecr.api`; the Region may not be known."""
    parts = stated.split(".")
    if parts[:2] == ["com", "amazonaws"] and len(parts) > 3:  # noqa: PLR2004  (Region and service)
        return ".".join(parts[3:])
    return stated.replace("\x00", "?") or "a service that is not known"


def read_job_interfaces(model: Model) -> Iterator[JobInterfaces]:
    """Yield where SageMaker may put interfaces: of jobs in the templates, and of later ones."""
    for job in model.training_jobs:
        types = told(job.instance_types)
        count = told(job.count) if types and not isinstance(types, NotKnown) else NotKnown("type")
        subnets = told(job.subnets)
        if subnets:
            yield JobInterfaces(
                short(job.place),
                "SageMaker training job",
                subnets,
                count,
                SAGEMAKER_ADDRESSES_PER_EFA_INSTANCE,
            )
    for role in model.roles:
        takers = told(lambda r=role: [service for service, _ in r.trusted()])  # type: ignore[misc]
        if isinstance(takers, NotKnown) or not any(t.startswith(SAGEMAKER) for t in takers):
            continue
        subnets_of: dict[Key, None] = {}
        for statement in role.statements:
            if told(statement.allows) is not True or not _creates(statement.body.get("Action")):
                continue
            for link in links(statement.body.get("Resource")):
                found = model.found(link, "AWS::EC2::Subnet")
                if found is not None:
                    subnets_of[found.place.stack, found.place.logical_id] = None
        if subnets_of:
            yield JobInterfaces(
                short(role.place),
                "SageMaker jobs",
                list(subnets_of),
                None,
                SAGEMAKER_ADDRESSES_PER_EFA_INSTANCE,
            )


def _creates(actions: Any) -> bool:
    stated = told(lambda: [written(a).lower() for a in items(actions)])
    if isinstance(stated, NotKnown):
        return False
    return any(fnmatchcase(CREATE_INTERFACE, action) for action in stated)
