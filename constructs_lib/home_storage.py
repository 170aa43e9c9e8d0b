"""Amazon EFS for the homes of a cluster's users."""

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
    """Define a file system for `/home`, its group and mount targets; roles mount it, over TLS.

    It is an `efs.FileSystem`: `grant_root_access` lets nodes mount it and make homes of others. A
    policy of one's own ends the default one, by which every client that reaches a mount target has
    full access (EFS user guide, using IAM to control access to file systems, read 2026-11-27).

    Args:
        spec: what is asked for.
        vpc: the network of the subnets.
        subnets: where it has mount targets, of different zones: EFS takes one in each.
        key: the key that encrypts it.
        clients: whose members mount it; `connections` lets others in later.
        keep: whether the files outlive the stack. Its mount targets do not: new ones reach it.
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
        # Whose flags are this library's, before the file system reads them.
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
            # Else CDK adds to the policy that everybody may write as root.
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
    """Return a policy that refuses whoever comes without TLS, as AWS's own example has it."""
    refusal = iam.PolicyStatement(
        sid="RefusePlain",
        effect=iam.Effect.DENY,
        principals=[iam.AnyPrincipal()],
        actions=["*"],
        conditions={"Bool": {"aws:SecureTransport": "false"}},
    )
    return iam.PolicyDocument(statements=[refusal])
