"""The ECR repository of training images."""

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from constructs_lib.retention import removal_policy

IMAGES_KEPT = 20
PULL_ACTIONS = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
)


class ImageRepository(Construct):
    """Define a repository with immutable tags, so that a job runs the image that was tested.

    Args:
        key: the key that images are encrypted with.
        keep: whether repository and images are kept when their stack is deleted.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: kms.IKey,
        keep: bool,
    ) -> None:
        super().__init__(scope, construct_id)

        self.repository = ecr.Repository(
            self,
            "Resource",
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            image_scan_on_push=True,
            encryption=ecr.RepositoryEncryption.KMS,
            encryption_key=key,
            lifecycle_rules=[
                ecr.LifecycleRule(
                    rule_priority=1,
                    description="Layers of failed pushes",
                    tag_status=ecr.TagStatus.UNTAGGED,
                    max_image_age=cdk.Duration.days(7),
                ),
                ecr.LifecycleRule(
                    rule_priority=2,
                    description=f"The {IMAGES_KEPT} newest images",
                    tag_status=ecr.TagStatus.ANY,
                    max_image_count=IMAGES_KEPT,
                ),
            ],
            removal_policy=removal_policy(keep=keep),
            empty_on_delete=not keep,
        )
        """The repository."""

    def grant_pull(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a role pull images and log in to the registry."""
        return self.repository.grant_pull(grantee)
