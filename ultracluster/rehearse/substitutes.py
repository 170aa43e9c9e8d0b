"""Creates in the emulated AWS the existing resources that an environment names."""

from pathlib import Path
from typing import Final

from ultracluster.aws import Cloud
from ultracluster.catalogue.images import EXAMPLE_IMAGE
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.network import ExistingNetworkSpec, ExistingSubnetSpec

IMPORTS: Final = """from ultracluster.spec.budget import *
from ultracluster.spec.environment import *
from ultracluster.spec.lustre import *
from ultracluster.spec.network import *
from ultracluster.spec.nodes import *
from ultracluster.spec.slurm import *
from ultracluster.spec.users import *
"""


def substitute_network(cloud: Cloud, network: ExistingNetworkSpec) -> ExistingNetworkSpec:
    """Make a VPC of the same shape, and return the spec that names it.

    Args:
        cloud: the emulated account.
        network: the network as it is in the user's account.
    """
    vpc = cloud.ask("ec2", "create_vpc", CidrBlock=network.cidr)["Vpc"]["VpcId"]
    for cidr in network.secondary_cidrs:
        cloud.ask("ec2", "associate_vpc_cidr_block", VpcId=vpc, CidrBlock=cidr)
    for attribute in ("EnableDnsSupport", "EnableDnsHostnames"):
        cloud.ask("ec2", "modify_vpc_attribute", VpcId=vpc, **{attribute: {"Value": True}})
    return ExistingNetworkSpec(
        vpc_id=vpc,
        cidr=network.cidr,
        secondary_cidrs=network.secondary_cidrs,
        training_subnets=tuple(_subnet(cloud, vpc, subnet) for subnet in network.training_subnets),
        interface_endpoints=network.interface_endpoints,
    )


def _subnet(cloud: Cloud, vpc: str, subnet: ExistingSubnetSpec) -> ExistingSubnetSpec:
    made = cloud.ask(
        "ec2",
        "create_subnet",
        VpcId=vpc,
        CidrBlock=subnet.cidr,
        AvailabilityZoneId=subnet.availability_zone_id,
    )["Subnet"]["SubnetId"]
    table = None
    if subnet.route_table_id is not None:
        answer = cloud.ask("ec2", "create_route_table", VpcId=vpc)
        table = answer["RouteTable"]["RouteTableId"]
        cloud.ask("ec2", "associate_route_table", RouteTableId=table, SubnetId=made)
    return subnet.model_copy(update={"subnet_id": made, "route_table_id": table})


def substitute_image_parameter(cloud: Cloud, image: str) -> str | None:
    """Make the SSM parameter that an image is named by, if it is a user's own; return its name.

    AWS's public parameters are there already.
    """
    if not image.startswith("/") or image.startswith("/aws/service/"):
        return None
    name = image.partition(":")[0]
    cloud.ask("ssm", "put_parameter", Name=name, Value=EXAMPLE_IMAGE, Type="String")
    return name


def environment_file(spec: EnvironmentSpec, directory: Path) -> Path:
    """Write an environment as the file that the app reads, and return its path."""
    path = directory / "environment.py"
    path.write_text(f"{IMPORTS}\nENVIRONMENT = {spec!r}\n", "utf-8")
    return path
