"""Security groups for EFA, for other traffic of nodes, and for Slurm."""

from typing import Any, Final

from aws_cdk import aws_ec2 as ec2
from constructs import Construct, Dependable

from constructs_lib.acknowledgement import acknowledge
from ultracluster.catalogue.slurm import SLURMCTLD_PORT, SLURMDBD_PORT, SRUN_PORTS

PORTS: Final = (
    ("Daemons", SLURMCTLD_PORT, SLURMDBD_PORT, "slurmctld, slurmd and slurmdbd"),
    ("Steps", *SRUN_PORTS, "srun"),
)


class OwnSecurityGroup(ec2.SecurityGroup):
    """A security group without the default egress rule.

    It is an `ec2.SecurityGroup`: pass it wherever CDK takes a group or a connectable. In the tree
    it is the child "Resource" of a construct with the given id, which also holds its rules.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, vpc: ec2.IVpc, description: str
    ) -> None:
        self._holder = Construct(scope, construct_id)
        super().__init__(
            self._holder,
            "Resource",
            vpc=vpc,
            description=description,
            # CDK silently skips an egress rule to itself where everything is allowed out.
            allow_all_outbound=False,
        )
        # Resources that depend on the group also depend on its rules.
        Dependable.implement(self, Dependable.of(self._holder))

    def admit_itself(
        self,
        name: str,
        protocol: str,
        inward: str,
        outward: str,
        ports: tuple[int, int] | None = None,
    ) -> ec2.CfnSecurityGroupIngress:
        """Let members reach each other, in both directions.

        The rules are separate resources, because a group cannot refer to itself. CDK's inline
        egress rule (to no address) keeps EC2 from adding its default, 0.0.0.0/0.

        Args:
            name: the beginning of the two rules' construct ids.
            protocol: `tcp`, or `-1` for every protocol.
            inward: description of the ingress rule.
            outward: description of the egress rule.
            ports: first and last port; None for all ports.

        Returns:
            The ingress rule.
        """
        first, last = ports or (None, None)
        own, scope = self.security_group_id, self._holder
        what: Any = {"group_id": own, "ip_protocol": protocol, "from_port": first, "to_port": last}
        rule = ec2.CfnSecurityGroupIngress(
            scope, f"{name}Ingress", source_security_group_id=own, description=inward, **what
        )
        ec2.CfnSecurityGroupEgress(
            scope, f"{name}Egress", destination_security_group_id=own, description=outward, **what
        )
        return rule


class FabricSecurityGroup(OwnSecurityGroup):
    """Define a group whose members exchange EFA traffic only with each other.

    EFA needs rules that name the group itself in both directions, for all protocols; a rule for
    0.0.0.0/0 does not satisfy it (EC2 User Guide, "Get started with EFA", copy read 2026-11-23).
    """

    def __init__(self, scope: Construct, construct_id: str, *, vpc: ec2.IVpc) -> None:
        super().__init__(
            scope, construct_id, vpc=vpc, description="EFA traffic between cluster nodes"
        )
        inward = self.admit_itself("", "-1", "EFA from nodes", "EFA to nodes")
        acknowledge(
            inward,
            {
                "NIST.800.53.R5::NIST.800.53.R5-EC2RestrictedCommonPorts": (
                    "EFA bypasses the operating system with traffic of every protocol; the only "
                    "peer that the rule admits is the group itself."
                )
            },
        )


class NodeSecurityGroup(OwnSecurityGroup):
    """Define the group for traffic of nodes other than EFA: HTTPS out; storage adds its rules.

    It is separate from the fabric group, so that only EFA traffic is open to all protocols.
    """

    def __init__(self, scope: Construct, construct_id: str, *, vpc: ec2.IVpc) -> None:
        super().__init__(
            scope, construct_id, vpc=vpc, description="Ordinary traffic of cluster nodes"
        )
        self.add_egress_rule(
            ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "HTTPS to AWS services and registries"
        )


class SlurmSecurityGroup(OwnSecurityGroup):
    """Define the group for Slurm between controller, nodes and login nodes.

    It opens only the ports that PCS documents; the fabric group has the nodes' other traffic.
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
