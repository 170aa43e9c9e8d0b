"""SAFETY rules about policies that let anybody in, or lock everybody out."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ultracluster.model.model import Model
from ultracluster.model.permissions import Question
from ultracluster.model.policies import Statement, conditions_of, principals_of, token
from ultracluster.rules.rule import About, Fault
from ultracluster.rules.safety_policies import BUCKET, KEY, OF_SERVICE, TOPIC
from ultracluster.templates.resolved import ResolvedResource
from ultracluster.templates.resolved_values import flag, part, text

NO_LIMIT: Final = (
    *("aws:securetransport", "kms:viaservice", "kms:grantisforawsresource", "aws:requestedregion"),
    *("s3:x-amz-acl", "kms:encryptioncontext"),
)
"""Condition keys that say how something is asked for, and not by whom."""
BLOCKS: Final = (
    *("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"),
)
OPEN_TYPES: Final = (
    *("AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy", "AWS::SNS::TopicInlinePolicy"),
    *("AWS::SQS::QueuePolicy", "AWS::ECR::Repository", "AWS::SecretsManager::ResourcePolicy"),
)


def _policies(model: Model, owner: ResolvedResource) -> Sequence[Statement]:
    return model.statements_by_owner.get(("resource", owner.place.key), ())


LOCKS: Final = {KEY: "kms:PutKeyPolicy", BUCKET: "s3:GetObject", TOPIC: "sns:Publish"}


@About(lambda model: [r for r in model.of(*LOCKS) if _policies(model, r)]).error(
    "SAFETY-17",
    what="A policy locks out everybody, or leaves a key to nobody of the account.",
    why="A Deny without a condition holds for administrators as well, and a key that nobody may "
    "administer stays as it is for ever; KMS refuses such a policy unless it is told not to.",
    source="KMS developer guide, default key policy; IAM user guide, evaluation logic; "
    "read 2026-11-27",
    fix="write the condition into the Deny, and allow the account's root kms:* on the key",
    check="aws kms get-key-policy --key-id <key> --policy-name default; "
    "aws s3api get-bucket-policy --bucket <bucket>",
)
def nobody_locked_out(model: Model, owner: ResolvedResource) -> Iterator[Fault]:
    action, statements = LOCKS[owner.resource_type], _policies(model, owner)
    anybody = Question(action, lambda _: False, circumstances=OF_SERVICE)
    for each in statements:
        if not each.allows() and anybody.is_meant_by(each) and anybody.holds(each.body):
            yield Fault(f"{each.path} denies {action} to everybody", place=each.place)
    person = Question(action, lambda principal: principal.startswith(("AWS:", "Federated:")))
    if owner.resource_type == KEY and not any(
        e.allows() and person.is_meant_by(e) for e in statements
    ):
        yield Fault(f"no statement allows anybody {action}")


def _admits_anybody(statement: Statement) -> bool:
    """Whether a statement lets in whoever asks, of any account."""
    if not statement.allows() or "Principal" not in statement.body:
        return False
    anybody = any(value == "*" and kind == "AWS" for kind, value in principals_of(statement.body))
    limits = [
        values
        for _, name, values in conditions_of(statement.body)
        if not name.startswith(NO_LIMIT) and any(token(v).strip("*") for v in values)
    ]
    return anybody and not limits


def _open(*types: str) -> Callable[[Model], list[Statement]]:
    def found(model: Model) -> list[Statement]:
        stated = [(each, model.at(each.place.key)) for each in model.statements]
        return [
            each
            for each, where in stated
            if where and (where.resource_type in types or each.kind == "trust" in types)
        ]

    return found


@About(_open(KEY, "AWS::KMS::ReplicaKey", "trust")).error(
    "SAFETY-18",
    what="A key or a role is open to anybody, of whatever account.",
    why="Whoever knows its ARN decrypts the data, or acts with the rights of the role.",
    source="KMS developer guide, key policies; IAM user guide, principals; read 2026-11-27",
    fix="name the principals, or write a condition such as StringEquals kms:CallerAccount "
    "${AWS::AccountId}",
    check="aws accessanalyzer list-findings --analyzer-arn <analyzer>",
)
def keys_and_roles_closed(_model: Model, statement: Statement) -> Iterator[Fault]:
    if _admits_anybody(statement):
        yield Fault(f"{statement.path} allows Principal * without a condition on who asks")


@About[Statement | ResolvedResource](
    lambda model: [*_open(*OPEN_TYPES)(model), *model.of(BUCKET)]
).warning(
    "SAFETY-19",
    what="A bucket, a topic or a repository of images is open to anybody.",
    why="Datasets and checkpoints can be read, or written, from outside; a block of S3 that is "
    "written by halves is off for the rest.",
    source="S3 user guide, blocking public access; IAM user guide, principals; read 2026-11-27",
    fix="name the principals or a condition on who asks, and write all four public access blocks",
    check="aws s3api get-bucket-policy-status --bucket <bucket>; "
    "aws s3api get-public-access-block --bucket <bucket>",
)
def stores_closed(_model: Model, store: Statement | ResolvedResource) -> Iterator[Fault]:
    if isinstance(store, Statement):
        if _admits_anybody(store):
            yield Fault(f"{store.path} allows Principal * without a condition on who asks")
        return
    blocks = store.properties.get("PublicAccessBlockConfiguration")
    off = [name for name in BLOCKS if blocks is not None and not flag(part(blocks, name))]
    if off:
        yield Fault(f"{', '.join(off)} off")
    access = text(store.properties.get("AccessControl"))
    if access in ("PublicRead", "PublicReadWrite", "AuthenticatedRead"):
        yield Fault(f"AccessControl is {access}")
