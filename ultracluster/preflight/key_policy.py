"""Whether a KMS key's policy lets FSx read and write a linked bucket.

FSx does so as a service-linked role whose name ends with the file system's id. The role has no
KMS permission of its own, so that a statement for the account alone ("root") does not admit it
(FSx for Lustre User Guide, "Working with server-side encrypted Amazon S3 buckets", 2026-11-23).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from ultracluster.preflight.finding import Caller

ROLE: Final = (
    "role/aws-service-role/s3.data-source.lustre.fsx.amazonaws.com/AWSServiceRoleForFSxS3Access_"
)
NEW_FILE_SYSTEM: Final = "fs-0123456789abcdef0"
POSITIVE: Final = ("StringEquals", "StringLike", "ArnEquals", "ArnLike", "StringEqualsIgnoreCase")


@dataclass(frozen=True)
class Use:
    """What FSx does with the key, for a file system that is not there yet."""

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
        """What it calls: reading what is imported, and writing what is exported."""
        return ("kms:Decrypt", "kms:GenerateDataKey") if self.exports else ("kms:Decrypt",)

    def facts(self) -> Mapping[str, str]:
        """Return the condition keys whose values are known beforehand."""
        domain = "amazonaws.com.cn" if self.caller.partition == "aws-cn" else "amazonaws.com"
        bucket = f"arn:{self.caller.partition}:s3:::{self.bucket}"
        return {
            "aws:principalarn": f"{self.role}{NEW_FILE_SYSTEM}",
            "aws:principalaccount": self.caller.account,
            "kms:calleraccount": self.caller.account,
            "kms:viaservice": f"s3.{self.region}.{domain}",
            # The object's name, or with S3 Bucket Keys the bucket's.
            "kms:encryptioncontext:aws:s3:arn": f"{bucket}/object",
            "bucket": bucket,
        }


def admits(statements: Any, use: Use) -> bool | None:
    """Return whether a policy's statements admit a use; None where conditions leave it open."""
    rows = [statements] if isinstance(statements, Mapping) else list(statements)
    verdicts = [_one(rows, action, use) for action in use.actions]
    if all(verdicts):
        return True
    return False if False in verdicts else None


def _one(rows: Sequence[Mapping[str, Any]], action: str, use: Use) -> bool | None:
    """Return whether one action is admitted: an explicit denial wins, as in IAM."""
    fitting = [
        (row["Effect"], _conditions_hold(row.get("Condition") or {}, use))
        for row in rows
        if _has_action(row, action) and _has_principal(row)
    ]
    if ("Deny", True) in fitting:
        return False
    # What these leave out is for a reader to judge.
    fitting += [(row["Effect"], None) for row in rows if {"NotPrincipal", "NotAction"} & set(row)]
    allowed = [holds for effect, holds in fitting if effect == "Allow"]
    if True in allowed and ("Deny", None) not in fitting:
        return True
    return None if None in allowed or True in allowed else False


def _has_action(row: Mapping[str, Any], action: str) -> bool:
    patterns = [pattern.lower() for pattern in _list(row.get("Action"))]
    return any(fnmatchcase(action.lower(), pattern) for pattern in patterns)


def _has_principal(row: Mapping[str, Any]) -> bool:
    principal = row.get("Principal")
    named = [principal] if isinstance(principal, str) else _list((principal or {}).get("AWS"))
    # A policy takes no wildcard inside a name: the role of one file system is not the next one's.
    return "*" in named


def _conditions_hold(conditions: Mapping[str, Any], use: Use) -> bool | None:
    verdict: bool | None = True
    for operator, pairs in conditions.items():
        for key, wanted in pairs.items():
            holds = _holds(operator, key.lower(), _list(wanted), use)
            if holds is False:
                return False
            if holds is None:
                verdict = None
    return verdict


def _holds(operator: str, key: str, wanted: list[str], use: Use) -> bool | None:
    facts = use.facts()
    if operator.removesuffix("IfExists") not in POSITIVE or key not in facts:
        return None
    actual = [facts[key]]
    if key == "kms:encryptioncontext:aws:s3:arn":
        actual.append(facts["bucket"])
    return any(fnmatchcase(value, pattern) for value in actual for pattern in wanted)


def _list(value: Any) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)
