"""The security group of a Slurm cluster."""

from typing import Final

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from constructs_lib.security_group import OwnSecurityGroup
from ultracluster.catalogue.slurm import SLURMCTLD_PORT, SLURMDBD_PORT, SRUN_PORTS

PORTS: Final = (
    ("Daemons", SLURMCTLD_PORT, SLURMDBD_PORT, "slurmctld, slurmd and slurmdbd"),
    ("Steps", *SRUN_PORTS, "srun"),
)


class SlurmSecurityGroup(OwnSecurityGroup):
    """Define a group whose members speak Slurm with each other: controller, nodes, login nodes.

    It opens the ports that PCS documents instead of everything, as the fabric's own group is
    there for the nodes' other traffic.
    """

    def __init__(self, scope: Construct, construct_id: str, *, vpc: ec2.IVpc) -> None:
        super().__init__(
            scope,
            construct_id,
            vpc=vpc,
            description="Slurm between controller, nodes and login nodes",
        )
        for name, first, last, what in PORTS:
            self.admit_itself(
                name, "tcp", f"{what} from members", f"{what} to members", (first, last)
            )
