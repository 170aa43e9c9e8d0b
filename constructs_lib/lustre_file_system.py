"""A Lustre file system, defined or imported, and the security group rules of its clients."""

from collections.abc import Sequence
from typing import Any

import aws_cdk as cdk
import jsii
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from constructs_lib.acknowledgement import acknowledge
from constructs_lib.permissions import allow, grant
from ultracluster.catalogue.lustre import PORTS

RESTRICTED_PORTS = "NIST.800.53.R5::NIST.800.53.R5-EC2RestrictedCommonPorts"
OVER_EFA = (
    "Lustre over EFA bypasses the operating system with traffic of every protocol; the only peers "
    "are the group of the file servers and that of their clients, each named by its id."
)


@jsii.implements(ec2.IConnectable)
class LustreFileSystem(Construct):
    """A file system, defined by `LustreStorage` or imported."""

    file_system_id: str
    """The file system's id, `fs-...`."""
    mount_name: str
    """The name that follows `DNS@tcp:/`; SageMaker's DirectoryPath begins with it."""
    dns_name: str
    """The name that clients mount from."""
    security_group: ec2.ISecurityGroup
    """The group of the file servers."""

    def __init__(self, scope: Construct, construct_id: str, *, efa_enabled: bool) -> None:
        super().__init__(scope, construct_id)
        self._efa_enabled = efa_enabled
        self._connections: ec2.Connections | None = None
        self._admitted: set[str] = set()

    @property
    def connections(self) -> ec2.Connections:
        """The network connections of the file servers; `add_client` opens Lustre's ports."""
        if self._connections is None:  # one for all calls: CDK notes in it what it has visited
            self._connections = ec2.Connections(security_groups=[self.security_group])
        return self._connections

    @property
    def _ports(self) -> Sequence[tuple[int, int] | tuple[None, None]]:
        """Return the first and last port of each range; with EFA all traffic."""
        return [(None, None)] if self._efa_enabled else PORTS

    def add_client(self, client: ec2.IConnectable) -> None:
        """Let a security group, or a resource that has one, mount the file system.

        The rules are defined in the stack of the client's groups, which may depend on the file
        system's stack. Groups of stacks that the file system's stack depends on are passed to its
        constructor.

        Args:
            client: a security group, an instance, an Auto Scaling group or another connectable. An
                imported group gets no rules if it is not mutable, and egress rules only if it was
                imported with `allow_all_outbound=False`.
        """
        for group in client.connections.security_groups:
            if group.security_group_id in self._admitted:  # EC2 refuses a duplicate rule
                continue
            if isinstance(group, Construct):
                holder = Construct(group, f"Lustre{self.node.addr[-8:]}")
                self._client_rules(holder, "", group)
                continue
            its = ec2.Connections(security_groups=[group])
            for first, last in self._ports:
                port = ec2.Port.all_traffic()
                if first is not None and last is not None:
                    port = ec2.Port.tcp_range(first, last)
                its.allow_to(self, port, "Lustre")
                its.allow_from(self, port, "Lustre")

    def grant_describe(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a role call DescribeFileSystems.

        The action has no resource type in IAM. Security groups decide who can mount.
        """
        return grant(grantee, [allow(None, "fsx:DescribeFileSystems")])

    def _client_rules(
        self, scope: Construct, suffix: str, client: ec2.ISecurityGroup
    ) -> list[cdk.CfnResource]:
        """Define rules in both directions: the servers call clients back for locks."""
        self._admitted.add(client.security_group_id)
        servers, clients = self.security_group.security_group_id, client.security_group_id
        return [
            *self._rules(scope, f"FromClient{suffix}", clients, servers),
            *self._rules(scope, f"ToClient{suffix}", servers, clients),
        ]

    def _rules(
        self, scope: Construct, name: str, source: str, destination: str
    ) -> list[cdk.CfnResource]:
        """Define egress of the source and ingress of the destination, on Lustre's ports."""
        rules: list[cdk.CfnResource] = []
        protocol = "-1" if self._efa_enabled else "tcp"
        for first, last in self._ports:
            suffix = f"{name}{first or 'All'}"
            what: Any = {"ip_protocol": protocol, "from_port": first, "to_port": last}
            what["description"] = "Lustre"
            outward = ec2.CfnSecurityGroupEgress(
                scope,
                f"{suffix}Out",
                group_id=source,
                destination_security_group_id=destination,
                **what,
            )
            inward = ec2.CfnSecurityGroupIngress(
                scope,
                f"{suffix}In",
                group_id=destination,
                source_security_group_id=source,
                **what,
            )
            if self._efa_enabled:
                acknowledge(inward, {RESTRICTED_PORTS: OVER_EFA})
            rules += [outward, inward]
        return rules
