"""SAFETY rules about the policies of keys, topics and buckets: who is shut out, who is let in."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from ultracluster.model.model import Model
from ultracluster.model.permissions import (
    Question,
    Test,
    exactly,
    host,
    own_account,
    sample,
    service,
)
from ultracluster.model.policies import Statement, conditions_of, principals_of, token
from ultracluster.model.storage import keys_of
from ultracluster.rules.rule import About, Fault
from ultracluster.templates.resolved import Link, ResolvedResource
from ultracluster.templates.resolved_values import (
    UndeterminedError,
    beginning,
    flag,
    items,
    links,
    part,
    settled,
    text,
    unknown_within,
)

KEY: Final = "AWS::KMS::Key"
TOPIC: Final = "AWS::SNS::Topic"
BUCKET: Final = "AWS::S3::Bucket"
LOG_GROUP: Final = "AWS::Logs::LogGroup"
ASSOCIATION: Final = "AWS::FSx::DataRepositoryAssociation"
PUBLISHERS: Final = {
    "AWS::Budgets::Budget": "budgets",
    "AWS::CloudWatch::Alarm": "cloudwatch",
    "AWS::CloudWatch::CompositeAlarm": "cloudwatch",
    "AWS::Events::Rule": "events",
}
"""Who publishes to a topic that a resource names."""
REFERENCE: Final = re.compile(r"<[^<>?]+/[^<>]+>")
"""How a reference to a resource is marked."""
USING_KEY: Final = ("kms:Decrypt", "kms:GenerateDataKey")
FSX: Final = "FSxS3Access"
"""Part of the names of FSx's roles, one for each file system with associations."""
FSX_ARN: Final = (
    "arn:aws:iam::1:role/aws-service-role/s3.data-source.lustre.fsx.amazonaws.com/"
    f"AWSServiceRoleFor{FSX}_fs-0"
)
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
OF_SERVICE: Final[Mapping[str, Test]] = {
    "aws:securetransport": exactly("true"),
    "aws:sourceaccount": own_account,
    "aws:principalarn": lambda _: False,
    "kms:viaservice": lambda _: False,
}
"""What is known of a request that a service makes by itself, over TLS."""


def names(wanted: ResolvedResource) -> Callable[[Any], bool | None]:
    """Return whether a resource of a statement means a resource of the templates."""

    def test(value: Any) -> bool | None:
        if value == "*" or any(link.key == wanted.place.key for link in links(value)):
            return True
        # What is written may be its name.
        return None if unknown_within(value) or isinstance(value, str) else False

    return test


def _admits(model: Model, owner: ResolvedResource, question: Question) -> bool:
    return question.allowed(model.statements_by_owner.get(("resource", owner.place.key), ()))


def key_of(model: Model, stated: Any) -> ResolvedResource:
    """Return the key that a value names, also by its alias.

    Raises:
        UndeterminedError: where it is not in the templates.
    """
    found = model.given(stated, KEY, "AWS::KMS::Alias")
    if found.resource_type == KEY:
        return found
    return model.given(found.properties.get("TargetKeyId"), KEY)


def _key_faults(
    model: Model, stated: Any, who: str, principal: Test, circumstances: Mapping[str, Test]
) -> Iterator[Fault]:
    if not isinstance(stated, Link) and "alias/aws/" in str(text(stated)):
        if who in PUBLISHERS.values():
            yield Fault(f"{text(stated)} admits no {who}", fix="write a key of your own")
        return
    used = key_of(model, stated)
    for each in items(part(used.properties, "KeyPolicy", "Statement")):
        settled(each)
    missing = [
        action
        for action in USING_KEY
        if not _admits(
            model, used, Question(action, principal=principal, circumstances=circumstances)
        )
    ]
    if missing:
        yield Fault(f"key {used.place.logical_id} lets {who} do no {' and no '.join(missing)}")


def _of_log_group(model: Model, group: ResolvedResource) -> Iterator[Fault]:
    stated = group.properties.get("KmsKeyId")
    if stated is not None:
        named = _begins_apart(beginning(group.properties.get("LogGroupName", "")))
        context = {**OF_SERVICE, "kms:encryptioncontext:aws:logs:arn": named}
        principal = service("logs", model.region)
        yield from _key_faults(model, stated, "logs", principal, context)


def _begins_apart(begun: str) -> Test:
    """Return whether a pattern of ARNs may mean a log group whose name begins in some way."""

    def test(pattern: str) -> bool | None:
        wanted = re.split(r"[*?<]", pattern.partition(":log-group:")[2], maxsplit=1)[0]
        return None if wanted.startswith(begun) or begun.startswith(wanted) else False

    return test


def _of_topic(model: Model, topic: ResolvedResource) -> Iterator[Fault]:
    users = model.users.get(topic.place.key, ())
    key_stated = topic.properties.get("KmsMasterKeyId")
    policies = model.statements_by_owner.get(("resource", topic.place.key), ())
    for who in dict.fromkeys(PUBLISHERS.get(user.resource_type, "") for user in users):
        principal = service(who)
        # The policy that SNS makes itself admits alarms of the account.
        if who and (policies or who != "cloudwatch"):
            asked = Question("sns:Publish", principal, names(topic), OF_SERVICE)
            if not _admits(model, topic, asked):
                yield Fault(f"no policy of it lets {who}.amazonaws.com publish")
        if who and key_stated is not None:
            yield from _key_faults(model, key_stated, who, principal, OF_SERVICE)


def _of_association(model: Model, association: ResolvedResource) -> Iterator[Fault]:
    stated = association.properties.get("DataRepositoryPath")
    bucket = next((b for link in links(stated) if (b := model.found(link, BUCKET))), None)
    if bucket is None:
        raise UndeterminedError("its bucket is not in the given templates")
    circumstances: dict[str, Test] = {
        "aws:principalarn": _is_fsx,
        "kms:viaservice": host("s3", model.region),
        "kms:calleraccount": own_account,
    }
    for used in keys_of(bucket):
        if used is not None:
            yield from _key_faults(model, used, "FSx", _is_fsx, circumstances)


def _is_fsx(marked: str) -> bool | None:
    return FSX in marked or sample(FSX_ARN)(marked)


def _of_bucket(model: Model, bucket: ResolvedResource) -> Iterator[Fault]:
    stated = part(bucket.properties, "LoggingConfiguration", "DestinationBucketName")
    target = None if stated is None else model.found(stated, BUCKET)
    if target is None or text(target.properties.get("AccessControl")) == "LogDeliveryWrite":
        return
    context = {**OF_SERVICE, "aws:sourcearn": _is_of(bucket)}
    asked = Question("s3:PutObject", service("logging.s3"), names(target), context)
    if not _admits(model, target, asked):
        yield Fault(
            f"no policy of {target.place.logical_id} lets logging.s3.amazonaws.com write",
            fix="allow logging.s3.amazonaws.com s3:PutObject in the policy of that bucket",
        )


def _is_of(bucket: ResolvedResource) -> Test:
    """Return whether a value may be the ARN of a bucket; another resource's is not."""

    def test(value: str) -> bool | None:
        if f"/{bucket.place.logical_id}" in value:
            return True
        return False if REFERENCE.search(value) else None

    return test


USERS: Final[Mapping[str, Callable[[Model, ResolvedResource], Iterator[Fault]]]] = {
    LOG_GROUP: _of_log_group,
    TOPIC: _of_topic,
    ASSOCIATION: _of_association,
    BUCKET: _of_bucket,
}


@About(lambda model: list(model.of(*USERS))).error(
    "SAFETY-16",
    what="A policy of a key, a topic or a bucket shuts out the service that has to use it.",
    why="The log group is refused, an alarm or a budget reaches nobody, a data repository "
    "association neither imports nor exports, and most of it happens without a word.",
    source="FSx guide, server-side encrypted buckets; SNS developer guide, key management; "
    "CloudWatch Logs user guide, encryption; S3 user guide, server access logs; read 2026-11-27",
    fix="allow the service kms:Decrypt and kms:GenerateDataKey* in the key's policy, sns:Publish "
    "in the topic's; FSx by its role AWSServiceRoleForFSxS3Access_*",
    check="aws kms get-key-policy --key-id <key> --policy-name default; "
    "aws sns get-topic-attributes --topic-arn <topic>",
)
def services_may_use_it(model: Model, user: ResolvedResource) -> Iterator[Fault]:
    yield from USERS[user.resource_type](model, user)


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


def _may_be_public(model: Model) -> list[Statement | ResolvedResource]:
    return [*_open(*OPEN_TYPES)(model), *model.of(BUCKET)]


@About(_may_be_public).warning(
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
