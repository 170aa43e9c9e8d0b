"""Amazon EFS for the home directories of a cluster's users."""

from collections.abc import Sequence
from typing import Final, cast

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_efs as efs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from constructs_lib.acknowledgement import acknowledge
from constructs_lib.feature_flags import pin
from constructs_lib.retention import removal_policy
from constructs_lib.security_group import OwnSecurityGroup
from ultracluster.spec.users import HomeStorageSpec

IN_A_BACKUP_PLAN: Final = "NIST.800.53.R5::NIST.800.53.R5-EFSInBackupPlan"
BACKUPS: Final = (
    "BackupPolicy puts the file system into the backup plan that EFS itself keeps; the rule looks "
    "for a plan in the template. Whoever has none said so in the spec."
)


class HomeStorage(efs.FileSystem):
    """Define a file system for `/home`, its security group and mount targets.

    It is an `efs.FileSystem`: `grant_root_access` lets a role mount it and create home directories.
    Mounting needs TLS and such a role, because the file system policy replaces EFS's default, which
    gives full access to every client that reaches a mount target (EFS user guide, using IAM to
    control access to file systems, read 2026-11-27).

    Args:
        spec: size and backups.
        vpc: the network of the subnets.
        subnets: the subnets of mount targets, each in another zone, as EFS takes one in each.
        key: the key that encrypts it.
        clients: security groups of clients; `connections` adds others later.
        keep: whether the file system is kept when the stack is deleted; mount targets are not.
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
        # A child with the feature flags of this library, because EFS's construct reads them.
        pinned = Construct(scope, construct_id)
        pin(pinned)
        super().__init__(
            pinned,
            "Resource",
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=list(subnets)),
            security_group=OwnSecurityGroup(pinned, "Group", vpc=vpc, description="Homes, by NFS"),
            encrypted=True,
            kms_key=key,
            throughput_mode=efs.ThroughputMode.ELASTIC,
            lifecycle_policy=efs.LifecyclePolicy.AFTER_30_DAYS,
            out_of_infrequent_access_policy=efs.OutOfInfrequentAccessPolicy.AFTER_1_ACCESS,
            file_system_policy=_tls_alone(),
            # Otherwise CDK adds a statement that lets everybody write as root.
            allow_anonymous_access=True,
            removal_policy=removal_policy(keep=keep),
        )
        for client in clients:
            self.connections.allow_default_port_from(client, "Homes")
        resource = cast("efs.CfnFileSystem", self.node.default_child)
        resource.backup_policy = efs.CfnFileSystem.BackupPolicyProperty(
            status="ENABLED" if spec.backups else "DISABLED"
        )
        acknowledge(resource, {IN_A_BACKUP_PLAN: BACKUPS})


def _tls_alone() -> iam.PolicyDocument:
    """Return a policy that denies clients without TLS, as in AWS's own example."""
    refusal = iam.PolicyStatement(
        sid="RefusePlain",
        effect=iam.Effect.DENY,
        principals=[iam.AnyPrincipal()],
        actions=["*"],
        conditions={"Bool": {"aws:SecureTransport": "false"}},
    )
    return iam.PolicyDocument(statements=[refusal])
