"""The actions that make an environment, each with a name of what it would make.

One action for each kind of resource: enough to see a service that is not allowed at all, or
allowed elsewhere. A name of the right form and place is given, as a policy may be limited to it.
"""

from collections.abc import Iterator
from typing import Final

from ultracluster.catalogue.slurm import ROLE_PATH
from ultracluster.preflight.finding import Situation
from ultracluster.spec.network import NetworkSpec

HEX: Final = "0123456789abcdef0"


def needed(situation: Situation) -> dict[str, list[str]]:
    """Return the actions by the resource that they are asked for on."""
    grants: dict[str, list[str]] = {}
    for action, resource in _pairs(situation):
        grants.setdefault(resource, []).append(action)
    return grants


def _pairs(situation: Situation) -> Iterator[tuple[str, str]]:
    name, arn = situation.spec.name, situation.arn
    partition = situation.caller.partition
    for action, kind in _ec2(situation):
        yield f"ec2:{action}", arn("ec2", kind)
    if situation.spec.slurm is None:
        group = f"autoScalingGroup:*:autoScalingGroupName/{name}-Cluster-Nodes"
        yield "autoscaling:CreateAutoScalingGroup", arn("autoscaling", group)
    else:
        yield from _slurm(situation)
    yield "fsx:CreateFileSystem", arn("fsx", f"file-system/fs-{HEX}")
    if situation.spec.storage.data_repositories:
        association = f"association/fs-{HEX}/dra-{HEX}"
        yield "fsx:CreateDataRepositoryAssociation", arn("fsx", association)
    yield "s3:CreateBucket", f"arn:{partition}:s3:::{name.lower()}-storage-data"
    yield "kms:CreateKey", "*"
    yield "iam:CreateRole", situation.role_arn(f"{name}-Cluster-NodeRole")
    yield "iam:PassRole", situation.role_arn(f"{name}-Cluster-NodeRole")
    yield "logs:CreateLogGroup", arn("logs", f"log-group:/aws/fsx/{name}")
    machine = f"stateMachine:{name}-Training-Unattended"
    yield "states:CreateStateMachine", arn("states", machine)
    yield "ssm:PutParameter", arn("ssm", f"parameter/ultracluster/{name}/instance-type")
    yield "ecr:CreateRepository", arn("ecr", f"repository/{name}-training-images")


def _slurm(situation: Situation) -> Iterator[tuple[str, str]]:
    """Yield what PCS asks of whoever has it make a cluster and its node groups.

    PCS calls EC2 and Secrets Manager in the caller's name when it is asked (AWS PCS user guide,
    "Minimum permissions", copy read 2026-11-24).
    """
    arn = situation.arn
    cluster = f"cluster/pcs_{HEX[:10]}"
    yield "pcs:CreateCluster", arn("pcs", "cluster/*")
    yield "pcs:CreateComputeNodeGroup", arn("pcs", f"{cluster}/computenodegroup/*")
    yield "pcs:CreateQueue", arn("pcs", f"{cluster}/queue/*")
    yield "ec2:CreateNetworkInterface", arn("ec2", f"network-interface/eni-{HEX}")
    yield "ec2:CreateFleet", arn("ec2", "fleet/*")
    yield "ec2:RunInstances", arn("ec2", "instance/*")
    secret = f"secret:pcs!slurm-secret-pcs_{HEX[:10]}"
    for action in ("CreateSecret", "TagResource"):
        yield f"secretsmanager:{action}", arn("secretsmanager", secret)
    yield (
        "iam:CreateInstanceProfile",
        situation.profile_arn(f"{ROLE_PATH[1:]}{situation.spec.name}"),
    )


def _ec2(situation: Situation) -> Iterator[tuple[str, str]]:
    spec = situation.spec
    yield "CreateSecurityGroup", f"security-group/sg-{HEX}"
    yield "CreateLaunchTemplate", f"launch-template/lt-{HEX}"
    if isinstance(spec.network, NetworkSpec):
        yield "CreateVpc", f"vpc/vpc-{HEX}"
        yield "CreateSubnet", f"subnet/subnet-{HEX}"
        if spec.network.public_subnet_cidr is not None:
            yield "CreateNatGateway", f"natgateway/nat-{HEX}"
            yield "AllocateAddress", f"elastic-ip/eipalloc-{HEX}"
    if spec.network.interface_endpoints:
        yield "CreateVpcEndpoint", f"vpc-endpoint/vpce-{HEX}"
    if spec.nodes.placement_group:
        yield "CreatePlacementGroup", f"placement-group/{spec.name}-Cluster-PlacementGroup"
    if spec.nodes.makes_reservation:
        yield "CreateCapacityReservation", f"capacity-reservation/cr-{HEX}"
