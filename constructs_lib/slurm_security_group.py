"""The security group of a Slurm cluster."""

from typing import Final

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from ultracluster.catalogue.slurm import SLURMCTLD_PORT, SLURMDBD_PORT, SRUN_PORTS

PORTS: Final = (
    ("Daemons", SLURMCTLD_PORT, SLURMDBD_PORT, "slurmctld, slurmd and slurmdbd"),
    ("Steps", *SRUN_PORTS, "srun"),
)


class SlurmSecurityGroup(Construct):
    """Define a group whose members speak Slurm with each other: controller, nodes, login nodes.

    It opens the ports that PCS documents instead of everything, as the fabric's own group is
    there for the nodes' other traffic.
    """

    def __init__(self, scope: Construct, construct_id: str, *, vpc: ec2.IVpc) -> None:
        super().__init__(scope, construct_id)

        self.security_group = ec2.SecurityGroup(
            self,
            "Resource",
            vpc=vpc,
            description="Slurm between controller, nodes and login nodes",
            # CDK silently skips an egress rule to itself where everything is allowed out.
            allow_all_outbound=False,
        )
        group = self.security_group.security_group_id
        for name, first, last, what in PORTS:
            ec2.CfnSecurityGroupIngress(
                self,
                f"{name}Ingress",
                group_id=group,
                source_security_group_id=group,
                ip_protocol="tcp",
                from_port=first,
                to_port=last,
                description=f"{what} from members",
            )
            ec2.CfnSecurityGroupEgress(
                self,
                f"{name}Egress",
                group_id=group,
                destination_security_group_id=group,
                ip_protocol="tcp",
                from_port=first,
                to_port=last,
                description=f"{what} to members",
            )
