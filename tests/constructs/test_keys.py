"""The keys of what is logged and what is stored."""

from typing import Any

import pytest

from constructs_lib.keys import DataKey, LogKey
from tests.constructs.bare import bare_stack, only, text

BOTH = pytest.mark.parametrize("key", [LogKey, DataKey])


def key_policy(key: Any, region: str | None = None) -> list[dict[str, Any]]:
    stack = bare_stack(region)
    key(stack, "Key", keep=True)
    found: list[dict[str, Any]] = only(stack, "AWS::KMS::Key")["Properties"]["KeyPolicy"][
        "Statement"
    ]
    return found


@BOTH
@pytest.mark.parametrize(("keep", "policy"), [(True, "RetainExceptOnCreate"), (False, "Delete")])
def test_a_key_lives_as_long_as_what_it_encrypts(key: Any, *, keep: bool, policy: str):
    """Kept data without its key is noise."""
    stack = bare_stack()
    key(stack, "Key", keep=keep)

    found = only(stack, "AWS::KMS::Key")
    assert found["DeletionPolicy"] == policy
    assert found["Properties"]["EnableKeyRotation"] is True


def test_only_log_groups_of_this_account_use_the_log_key():
    """CloudWatch Logs encrypts for every account of the Region."""
    _, statement = key_policy(LogKey, "us-east-1")

    assert statement["Principal"]["Service"]["Fn::Join"][1][0] == "logs.us-east-1."
    groups = statement["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    assert groups["Fn::Join"][1][-1] == ":log-group:*"
    assert {"Ref": "AWS::AccountId"} in groups["Fn::Join"][1]


def test_file_systems_of_this_account_use_the_data_key_through_s3_only():
    """Associations act as a role that does not exist yet, so that a pattern must do."""
    _, statement = key_policy(DataKey, "us-east-1")

    assert statement["Condition"]["StringEquals"] == {
        "kms:CallerAccount": {"Ref": "AWS::AccountId"},
        "kms:ViaService": {"Fn::Join": ["", ["s3.us-east-1.", {"Ref": "AWS::URLSuffix"}]]},
    }
    role = text(statement["Condition"]["ArnLike"]["aws:PrincipalArn"])
    assert "lustre.fsx.amazonaws.com/AWSServiceRoleForFSxS3Access_fs-*" in role


@BOTH
def test_nobody_but_the_account_administers_a_key(key: Any):
    """Every statement beyond the account's own is for using the key."""
    owner, *others = key_policy(key)

    assert owner["Action"] == "kms:*"
    assert text(owner["Principal"]).endswith(':root"]]}}')
    for statement in others:
        assert not [a for a in statement["Action"] if a.startswith(("kms:Put", "kms:Create"))]
        assert "kms:*" not in statement["Action"]
        assert statement["Condition"]
