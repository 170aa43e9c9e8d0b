"""The role of EC2 nodes, and what a node does at its first boot."""

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from constructs_lib.permissions import EVERY_OBJECT, add_policy, allow, data_statements

# What AmazonSSMManagedInstanceCore grants for registration and sessions, without its reading of
# every parameter (Systems Manager User Guide, message API operations, copy read 2026-11-23).
SESSION_ACTIONS = (
    "ec2messages:AcknowledgeMessage",
    "ec2messages:DeleteMessage",
    "ec2messages:FailMessage",
    "ec2messages:GetEndpoint",
    "ec2messages:GetMessages",
    "ec2messages:SendReply",
    "ssm:ListInstanceAssociations",
    "ssm:UpdateInstanceAssociationStatus",
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
)


class NodeRole(Construct):
    """Define what a node may do: be managed, read and write the data, enter the image registry.

    Which images it may pull is said beside the repository, which it need not know.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        bucket: s3.IBucket,
        key: kms.IKey,
        path: str | None = None,
    ) -> None:
        """Define the role.

        Args:
            scope: the parent construct.
            construct_id: the id in that scope.
            bucket: whose objects nodes read and write.
            key: the key that encrypts them.
            path: path of the role, where a service takes roles by it.
        """
        super().__init__(scope, construct_id)

        self.role = iam.Role(
            self,
            "Resource",
            path=path,
            description="Cluster nodes",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
        )
        """The role."""
        add_policy(
            self,
            "Policy",
            self.role,
            [
                *data_statements(bucket, key),
                allow("SystemsManager", *SESSION_ACTIONS),
                allow("EnterRegistry", "ecr:GetAuthorizationToken"),
            ],
            {
                bucket.arn_for_objects("*"): EVERY_OBJECT,
                "*": (
                    "The agent's own actions act on the calling instance, and asking ECR for a "
                    "token has no resource; images are opened repository by repository."
                ),
            },
            description="Cluster nodes",
        )


def mount_lustre(*, dns_name: str, mount_name: str, directory: str = "/fsx") -> ec2.UserData:
    """Return user data that mounts a Lustre file system at boot, and fetches nothing.

    The image must hold a Lustre client for its kernel; where it does not, the node says so on
    its console and stays without the mount.

    Args:
        dns_name: the file system's DNS name.
        mount_name: the file system's mount name.
        directory: where it is mounted.
    """
    source = f"{dns_name}@tcp:/{mount_name}"
    options = (
        "defaults,noatime,flock,_netdev,x-systemd.automount,x-systemd.requires=network.service"
    )
    script = ec2.UserData.for_linux()
    script.add_commands(
        "modprobe lustre || { echo 'This image has no Lustre client; "
        f"{directory} is not mounted.' > /dev/console; exit 1; }}",
        f"mkdir -p {directory}",
        f"echo '{source} {directory} lustre {options} 0 0' >> /etc/fstab",
        "systemctl daemon-reload",
        f"mount {directory}",
    )
    return script
