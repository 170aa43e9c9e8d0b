"""Security groups of a cluster's nodes: the EFA fabric, and ordinary traffic apart from it."""

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from constructs_lib.acknowledgement import acknowledge


class FabricSecurityGroup(Construct):
    """Define a group whose members exchange EFA traffic only with each other.

    EFA needs rules that name the group itself in both directions, for all protocols; a rule for
    0.0.0.0/0 does not satisfy it (EC2 User Guide, "Get started with EFA", copy read 2026-11-23).
    """

    def __init__(self, scope: Construct, construct_id: str, *, vpc: ec2.IVpc) -> None:
        super().__init__(scope, construct_id)

        self.security_group = ec2.SecurityGroup(
            self,
            "Resource",
            vpc=vpc,
            description="EFA traffic between cluster nodes",
            # CDK silently skips an egress rule to itself where everything is allowed out.
            allow_all_outbound=False,
        )
        group = self.security_group.security_group_id
        # Rules of their own: a group cannot name itself within itself, and the inline egress that
        # CDK leaves here (to nowhere) is what keeps EC2 from adding its default, 0.0.0.0/0.
        inward = ec2.CfnSecurityGroupIngress(
            self,
            "Ingress",
            group_id=group,
            source_security_group_id=group,
            ip_protocol="-1",
            description="EFA from nodes",
        )
        ec2.CfnSecurityGroupEgress(
            self,
            "Egress",
            group_id=group,
            destination_security_group_id=group,
            ip_protocol="-1",
            description="EFA to nodes",
        )
        acknowledge(
            inward,
            {
                "NIST.800.53.R5::NIST.800.53.R5-EC2RestrictedCommonPorts": (
                    "EFA bypasses the operating system with traffic of every protocol; the only "
                    "peer that the rule admits is the group itself."
                )
            },
        )


class NodeSecurityGroup(Construct):
    """Define the ordinary traffic of nodes: HTTPS out; storage adds what its clients need.

    It is apart from the fabric group so that nothing but the fabric is ever opened to all
    protocols, and so that both groups can be attached to each interface.
    """

    def __init__(self, scope: Construct, construct_id: str, *, vpc: ec2.IVpc) -> None:
        super().__init__(scope, construct_id)

        self.security_group = ec2.SecurityGroup(
            self,
            "Resource",
            vpc=vpc,
            description="Ordinary traffic of cluster nodes",
            allow_all_outbound=False,
        )
        self.security_group.add_egress_rule(
            ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "HTTPS to AWS services and registries"
        )
