"""Checks of existing buckets that the file system is linked to: Region and key policy.

FSx reads and writes a bucket as a service-linked role whose name ends with the file system's id.
The role has no KMS permission of its own, so that a statement for the account alone ("root") does
not admit it (FSx for Lustre User Guide, "Working with server-side encrypted Amazon S3 buckets",
2026-11-23).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Final

from ultracluster.aws import Caller
from ultracluster.model.permissions import Question, Test
from ultracluster.model.policies import Statement, listed
from ultracluster.preflight.finding import Finding, Situation, check, failed, passed, skipped
from ultracluster.preflight.inquiry import question
from ultracluster.spec.lustre import DataRepositorySpec
from ultracluster.templates.resolved import Place

ROLE: Final = (
    "role/aws-service-role/s3.data-source.lustre.fsx.amazonaws.com/AWSServiceRoleForFSxS3Access_"
)
NEW_FILE_SYSTEM: Final = "fs-0123456789abcdef0"
KEY: Final = Place("", "")
EXCLUDING: Final = {"NotPrincipal", "NotAction"}


@dataclass(frozen=True)
class Use:
    """The use of a key by FSx, for a file system that does not exist yet."""

    caller: Caller
    region: str
    bucket: str
    exports: bool

    @property
    def role(self) -> str:
        """The role's name up to the file system's id."""
        return f"arn:{self.caller.partition}:iam::{self.caller.account}:{ROLE}"

    @property
    def actions(self) -> tuple[str, ...]:
        """KMS actions of imports, and of exports if there are any."""
        return ("kms:Decrypt", "kms:GenerateDataKey") if self.exports else ("kms:Decrypt",)

    def facts(self) -> Mapping[str, Test]:
        """Return the condition keys with known values."""
        domain = "amazonaws.com.cn" if self.caller.partition == "aws-cn" else "amazonaws.com"
        bucket = f"arn:{self.caller.partition}:s3:::{self.bucket}"
        known = {
            "aws:principalarn": (f"{self.role}{NEW_FILE_SYSTEM}",),
            "aws:principalaccount": (self.caller.account,),
            "kms:calleraccount": (self.caller.account,),
            "kms:viaservice": (f"s3.{self.region}.{domain}",),
            # The object's name, or with S3 Bucket Keys the bucket's.
            "kms:encryptioncontext:aws:s3:arn": (f"{bucket}/object", bucket),
        }
        return {key: partial(_is_one_of, values) for key, values in known.items()}


def _is_one_of(values: Sequence[str], pattern: str) -> bool:
    return any(fnmatchcase(value, pattern) for value in values)


def admits(policy: Sequence[Mapping[str, Any]], use: Use) -> bool | None:
    """Return whether a policy's statements allow a use; None if that depends on conditions."""
    statements = [Statement(KEY, "resource", "", body, ()) for body in policy]
    verdicts = [_admits(statements, action, use) for action in use.actions]
    if all(verdicts):
        return True
    return False if False in verdicts else None


def _admits(statements: Sequence[Statement], action: str, use: Use) -> bool | None:
    # A policy takes no wildcard inside a name: the role of one file system is not the next one's.
    asked = Question(action, lambda _: False, circumstances=use.facts())
    if not asked.allowed(statements):
        return False
    # What exclusions leave is for a reader to judge.
    verdicts = [
        (each.allows(), None if EXCLUDING & set(each.body) else asked.holds(each.body))
        for each in statements
        if EXCLUDING & set(each.body) or asked.is_meant_by(each)
    ]
    surely = (True, True) in verdicts and (False, None) not in verdicts
    return True if surely else None


NONE_GIVEN: Final = "the file system is not linked to an existing bucket"
NO_BUCKET: Final = ("NoSuchBucket", "404")
NO_ENCRYPTION: Final = "ServerSideEncryptionConfigurationNotFoundError"
"""A bucket from before January 2023 that nobody gave a default encryption."""
OLD_NAMES: Final = {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}
"""What GetBucketLocation answers for the first Regions (S3 API reference, 2026-11-23)."""


@check("bucket-region", "Linked buckets are in the file system's Region")
def _region(situation: Situation) -> Iterator[Finding]:
    repositories = _given(situation)
    if not repositories:
        yield skipped("linked buckets", NONE_GIVEN)
    for name, entries in repositories.items():
        asked = question("s3", "get_bucket_location", Bucket=name)
        answer = situation.ask_unless(asked, *NO_BUCKET)
        if answer is None:
            fix = "write the name of a bucket that exists in bucket_name, or leave it out"
            yield failed(name, "no such bucket", "there", fix, asked)
            continue
        location = answer.get("LocationConstraint")
        region = OLD_NAMES.get(location, str(location))
        if region == situation.spec.region:
            yield passed(f"Region of {name}", region, asked)
        elif any(entry.auto_import for entry in entries):
            # FSx for Lustre User Guide, data repository associations (copy read 2026-11-23):
            # automatic import needs the bucket's Region, automatic export does not.
            fix = "use a bucket of the environment's Region, or write auto_import=()"
            wanted = situation.spec.region
            yield failed(f"Region of {name}", region, wanted, fix, asked)
        else:
            words = f"{region}; another Region is allowed, as auto_import is empty"
            yield passed(f"Region of {name}", words, asked)


@check("bucket-key-policy", "Key policies of linked buckets allow FSx")
def _key_policy(situation: Situation) -> Iterator[Finding]:
    repositories = _given(situation)
    if not repositories:
        yield skipped("keys of linked buckets", NONE_GIVEN)
    for name, entries in repositories.items():
        asked = question("s3", "get_bucket_encryption", Bucket=name)
        answer = situation.ask_unless(asked, *NO_BUCKET, NO_ENCRYPTION)
        if answer is None:
            yield skipped(f"key of {name}", "it has none, or is no bucket; see bucket-region")
            continue
        rules = answer["ServerSideEncryptionConfiguration"]["Rules"]
        defaults = [rule.get("ApplyServerSideEncryptionByDefault") or {} for rule in rules]
        by_kms = [d for d in defaults if str(d.get("SSEAlgorithm", "")).startswith("aws:kms")]
        key = by_kms[0].get("KMSMasterKeyID") if by_kms else None
        if key is None:
            yield passed(f"key of {name}", "S3's own, which FSx may use", asked)
        else:
            yield from _judged(situation, name, key, exports=any(e.auto_export for e in entries))


def _judged(situation: Situation, bucket: str, key: str, *, exports: bool) -> Iterator[Finding]:
    subject = f"key of {bucket}"
    here = (situation.spec.region, situation.caller.account)
    region, owner = key.split(":")[3:5] if key.startswith("arn:") else here
    if (region, owner) != here:
        why = f"it is in {region} of account {owner}, and its policy can be read only there"
        yield skipped(subject, why)
        return
    described = question("kms", "describe_key", KeyId=key)
    answer = situation.ask_unless(described, "NotFoundException")
    if answer is None:
        fix = "encrypt the bucket by a key that exists"
        yield failed(subject, f"no such key: {key}", "there", fix, described)
        return
    metadata = answer["KeyMetadata"]
    if metadata.get("KeyManager") == "AWS":
        yield passed(subject, "S3's own, which FSx may use", described)
        return
    if metadata.get("KeyState", "Enabled") != "Enabled":
        fix = "enable it, or encrypt the bucket by another"
        yield failed(subject, metadata["KeyState"], "Enabled", fix, described)
        return
    # GetKeyPolicy takes no alias.
    asked = question("kms", "get_key_policy", KeyId=metadata["KeyId"], PolicyName="default")
    statements = json.loads(situation.ask(asked)["Policy"])["Statement"]
    use = Use(caller=situation.caller, region=situation.spec.region, bucket=bucket, exports=exports)
    verdict = admits(listed(statements), use)
    if verdict:
        yield passed(subject, "its policy allows FSx's role for S3", asked)
    elif verdict is None:
        yield skipped(subject, "its policy allows FSx under conditions; read them", question=asked)
    else:
        yield failed(
            subject,
            "its policy does not allow FSx",
            f"{' and '.join(use.actions)} for {use.role}*",
            "add the statement that the FSx for Lustre User Guide gives under "
            '"Working with server-side encrypted Amazon S3 buckets"',
            asked,
        )


def _given(situation: Situation) -> dict[str, list[DataRepositorySpec]]:
    found: dict[str, list[DataRepositorySpec]] = {}
    for entry in situation.spec.storage.data_repositories:
        if entry.bucket_name is not None:
            found.setdefault(entry.bucket_name, []).append(entry)
    return found
