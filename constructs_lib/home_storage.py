"""Amazon EFS for the homes of a cluster's users."""

from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
import jsii
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_efs as efs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from constructs_lib.acknowledgement import acknowledge
from constructs_lib.permissions import allow, grant
from constructs_lib.retention import removal_policy
from constructs_lib.security_group import OwnSecurityGroup
from ultracluster.spec.users import HomeStorageSpec

NFS: Final = ec2.Port.tcp(2049)
IN_A_BACKUP_PLAN: Final = "NIST.800.53.R5::NIST.800.53.R5-EFSInBackupPlan"
BACKUPS: Final = (
    "BackupPolicy puts the file system into the backup plan that EFS itself keeps; the rule looks "
    "for a plan in the template. Whoever has none said so in the spec."
)


@jsii.implements(ec2.IConnectable)
class HomeStorage(Construct):
    """Define a file system for `/home`, which roles mount over TLS and nobody else.

    A file system policy of one's own ends the default one, by which every client that reaches a
    mount target has full access; what it allows nobody is then allowed by policies of roles alone
    (EFS user guide, using IAM to control access to file systems, read 2026-11-27).
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        spec: HomeStorageSpec,
        vpc: ec2.IVpc,
        subnets: Sequence[ec2.ISubnet],
        key: kms.IKey,
        clients: Sequence[ec2.IConnectable] = (),
        keep: bool = True,
    ) -> None:
        """Define the file system, its security group and its mount targets.

        Args:
            scope: the parent construct.
            construct_id: the id in that scope.
            spec: what is asked for.
            vpc: the network of the subnets.
            subnets: where it has mount targets, of different zones: EFS takes one in each.
            key: the key that encrypts it.
            clients: whose members mount it; `connections` lets others in later.
            keep: whether the files outlive the stack. Its mount targets do not: new ones reach it.
        """
        super().__init__(scope, construct_id)
        group = OwnSecurityGroup(self, "Group", vpc=vpc, description="Homes, by NFS")
        self.connections = ec2.Connections(security_groups=[group], default_port=NFS)
        """The network connections of the mount targets."""
        for client in clients:
            self.connections.allow_default_port_from(client, "Homes")

        self.file_system = efs.CfnFileSystem(
            self,
            "Resource",
            encrypted=True,
            kms_key_id=key.key_arn,
            throughput_mode="elastic",
            backup_policy=efs.CfnFileSystem.BackupPolicyProperty(
                status="ENABLED" if spec.backups else "DISABLED"
            ),
            lifecycle_policies=[
                efs.CfnFileSystem.LifecyclePolicyProperty(transition_to_ia="AFTER_30_DAYS"),
                efs.CfnFileSystem.LifecyclePolicyProperty(
                    transition_to_primary_storage_class="AFTER_1_ACCESS"
                ),
            ],
            file_system_policy=_tls_alone(),
        )
        """The L1 resource."""
        self.file_system.apply_removal_policy(removal_policy(keep=keep))
        acknowledge(self.file_system, {IN_A_BACKUP_PLAN: BACKUPS})
        self.file_system_id = self.file_system.ref
        """The file system's id, `fs-...`."""
        for index, subnet in enumerate(subnets):
            target = efs.CfnMountTarget(
                self,
                f"Target{index}",
                file_system_id=self.file_system_id,
                subnet_id=subnet.subnet_id,
                security_groups=[group.security_group_id],
            )
            target.node.add_dependency(group)

    def mount_statement(self) -> iam.PolicyStatement:
        """Return a statement that lets nodes mount it, and their root make homes of others."""
        verbs = ("ClientMount", "ClientRootAccess", "ClientWrite")
        arn = cdk.Stack.of(self).format_arn(
            service="elasticfilesystem", resource="file-system", resource_name=self.file_system_id
        )
        actions = [f"elasticfilesystem:{verb}" for verb in verbs]
        by_mount_target = {"Bool": {"elasticfilesystem:AccessedViaMountTarget": "true"}}
        return allow("MountHomes", *actions, on=arn, where=by_mount_target)

    def grant_mount(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a role mount it, and its root act as root there.

        Args:
            grantee: the role, or whatever has one.
        """
        return grant(grantee, [self.mount_statement()])


def _tls_alone() -> iam.PolicyDocument:
    """Return a policy that refuses whoever comes without TLS, as AWS's own example has it."""
    refusal = iam.PolicyStatement(
        sid="RefusePlain",
        effect=iam.Effect.DENY,
        principals=[iam.AnyPrincipal()],
        actions=["*"],
        conditions={"Bool": {"aws:SecureTransport": "false"}},
    )
    return iam.PolicyDocument(statements=[refusal])
