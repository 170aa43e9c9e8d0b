"""The repository of training images."""

import json
from typing import Any

import pytest
from aws_cdk import aws_iam as iam

from constructs_lib.image_repository import IMAGES_KEPT, ImageRepository
from tests.constructs.bare import Surroundings, bare_stack, only, text


def repository(*, keep: bool = True) -> dict[str, Any]:
    stack = bare_stack()
    around = Surroundings(stack)
    ImageRepository(stack, "Images", key=around.key, keep=keep)
    return only(stack, "AWS::ECR::Repository")


@pytest.fixture(scope="session")
def properties() -> dict[str, Any]:
    found: dict[str, Any] = repository()["Properties"]
    return found


def test_tags_never_move_and_images_are_scanned(properties: dict[str, Any]):
    """What a job runs is what was tested under that tag."""
    assert properties["ImageTagMutability"] == "IMMUTABLE"
    assert properties["ImageScanningConfiguration"] == {"ScanOnPush": True}


def test_images_are_encrypted_with_the_key_that_is_given(properties: dict[str, Any]):
    """Weights and code are in the layers."""
    assert properties["EncryptionConfiguration"]["EncryptionType"] == "KMS"
    assert "key/somebodys" in text(properties["EncryptionConfiguration"]["KmsKey"])


def test_old_images_go(properties: dict[str, Any]):
    """Training images have 20 GB each; ECR wants the rule for any tag to come last."""
    rules = json.loads(properties["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]

    untagged, oldest = sorted(rules, key=lambda rule: rule["rulePriority"])
    assert (untagged["rulePriority"], oldest["rulePriority"]) == (1, 2)
    assert untagged["selection"]["tagStatus"] == "untagged"
    assert untagged["selection"]["countNumber"] == 7
    assert oldest["selection"]["tagStatus"] == "any"
    assert oldest["selection"]["countNumber"] == IMAGES_KEPT


@pytest.mark.parametrize(("keep", "policy"), [(True, "RetainExceptOnCreate"), (False, "Delete")])
def test_images_are_kept_or_go_with_the_stack(*, keep: bool, policy: str):
    """ECR deletes a repository with images only if it is told to."""
    found = repository(keep=keep)

    assert found["DeletionPolicy"] == policy
    assert found["Properties"]["EmptyOnDelete"] is not keep


def test_a_role_of_theirs_pulls_images():
    stack = bare_stack()
    images = ImageRepository(stack, "Images", key=Surroundings(stack).key, keep=True)
    role = iam.Role(stack, "Puller", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
    images.grant_pull(role)

    assert "ecr:BatchGetImage" in text(only(stack, "AWS::IAM::Policy"))


def test_there_is_no_policy(properties: dict[str, Any]):
    """Roles of the account are admitted by their own policies alone."""
    assert "RepositoryPolicyText" not in properties
