"""IAM roles of EC2 nodes, and of those that AWS PCS launches."""

from typing import Final

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct, Dependable

from constructs_lib.permissions import EVERY_OBJECT, add_policy, allow, data_statements
from ultracluster.catalogue.slurm import REGISTERING, ROLE_PATH

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
REGISTRATION: Final = (
    "A node that registers knows its cluster only by the answer; PCS admits instances that it "
    "launched itself."
)


class NodeRole(Construct):
    """Define the role of a node: Systems Manager, data bucket, login to the image registry.

    `ImageRepository.grant_pull` adds the images that it may pull.

    Args:
        bucket: the bucket whose objects nodes read and write.
        key: the key that encrypts them.
        path: the role's IAM path, if a service requires one.
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


class SlurmNodeRole(Construct):
    """Define the role of a node that PCS launches: `NodeRole`, and registration with PCS.

    PCS accepts instance profiles of roles with a certain path, so that it needs no name.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        bucket: s3.IBucket,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, construct_id)

        self.role: iam.IRole = NodeRole(self, "Node", bucket=bucket, key=key, path=ROLE_PATH).role
        """The role."""
        add_policy(
            self,
            "Registration",
            self.role,
            [allow("Register", REGISTERING)],
            {"*": REGISTRATION},
            description="Registration with AWS PCS",
        )
        self.instance_profile = iam.InstanceProfile(self, "Profile", role=self.role, path=ROLE_PATH)
        """The profile that a node group of PCS names; who depends on it waits for the policies."""
        Dependable.implement(self.instance_profile, Dependable.of(self))
