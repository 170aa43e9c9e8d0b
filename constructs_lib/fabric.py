"""Security groups of a cluster's nodes: the EFA fabric, and ordinary traffic apart from it."""

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from constructs_lib.acknowledgement import acknowledge
from constructs_lib.security_group import OwnSecurityGroup


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
