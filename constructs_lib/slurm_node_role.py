"""The role of nodes that AWS PCS launches."""

from typing import Final

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from constructs_lib.node_role import NodeRole
from constructs_lib.permissions import add_policy, allow
from ultracluster.catalogue.slurm import REGISTERING, ROLE_PATH

REGISTRATION: Final = (
    "A node that registers knows its cluster only by the answer; PCS admits instances that it "
    "launched itself."
)


class SlurmNodeRole(Construct):
    """Define what a node of PCS may do: all that a node may, and to register with the service.

    PCS takes profiles by the path of their role, so that none of them needs a name.
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
        """The profile that a node group of PCS names."""
