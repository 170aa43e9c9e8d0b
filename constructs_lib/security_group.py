"""What the security groups of this library have in common."""

from aws_cdk import aws_ec2 as ec2
from constructs import Construct, Dependable


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

    @property
    def security_group(self) -> ec2.SecurityGroup:
        """The group itself, by the name that it had in 0.1."""
        return self

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
        rule = ec2.CfnSecurityGroupIngress(
            self._holder,
            f"{name}Ingress",
            group_id=self.security_group_id,
            source_security_group_id=self.security_group_id,
            ip_protocol=protocol,
            from_port=first,
            to_port=last,
            description=inward,
        )
        ec2.CfnSecurityGroupEgress(
            self._holder,
            f"{name}Egress",
            group_id=self.security_group_id,
            destination_security_group_id=self.security_group_id,
            ip_protocol=protocol,
            from_port=first,
            to_port=last,
            description=outward,
        )
        return rule
