"""Security groups: of the EFA fabric, of ordinary traffic apart from it, and of Slurm."""

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
    """A security group that lets nothing out but what its rules say.

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
        # Whatever depends on the group waits for its rules, too.
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

        The rules are resources of their own: a group cannot name itself within itself, and the
        inline egress that CDK leaves (to nowhere) keeps EC2 from adding its default, 0.0.0.0/0.

        Args:
            name: what the ids of the two rules begin with.
            protocol: `tcp`, or `-1` for every protocol.
            inward: description of the ingress rule.
            outward: description of the egress rule.
            ports: the first port and the last one; None opens all of them.

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
    """Define the ordinary traffic of nodes: HTTPS out; storage adds what its clients need.

    It is apart from the fabric group so that nothing but the fabric is ever opened to all
    protocols, and so that both groups can be attached to each interface.
    """

    def __init__(self, scope: Construct, construct_id: str, *, vpc: ec2.IVpc) -> None:
        super().__init__(
            scope, construct_id, vpc=vpc, description="Ordinary traffic of cluster nodes"
        )
        self.add_egress_rule(
            ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "HTTPS to AWS services and registries"
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
