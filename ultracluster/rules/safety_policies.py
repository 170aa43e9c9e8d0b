"""SAFETY rules about the policies of keys, topics and buckets."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ultracluster.model.model import Model
from ultracluster.model.permissions import (
    REFERENCE,
    Question,
    Test,
    exactly,
    host,
    own_account,
    sample,
    service,
)
from ultracluster.model.storage import keys_of
from ultracluster.rules.rule import About, Fault
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import Link, ResolvedResource
from ultracluster.templates.resolved_values import UndeterminedError

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
USING_KEY: Final = ("kms:Decrypt", "kms:GenerateDataKey")
FSX: Final = "FSxS3Access"
"""Part of the names of FSx's roles, one for each file system with associations."""
FSX_ARN: Final = (
    "arn:aws:iam::1:role/aws-service-role/s3.data-source.lustre.fsx.amazonaws.com/"
    f"AWSServiceRoleFor{FSX}_fs-0"
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
        if value == "*" or any(link.key == wanted.place.key for link in read.links(value)):
            return True
        # What is written may be its name.
        return None if read.unknown_within(value) or isinstance(value, str) else False

    return test


def _admits(model: Model, owner: ResolvedResource, question: Question) -> bool:
    return question.allowed(model.statements_by_owner.get(("resource", owner.place.key), ()))


def key_of(model: Model, stated: Any) -> ResolvedResource:
    """Return the key that a value names, also by its alias.

    Raises:
        UndeterminedError: where it is not in the templates.
    """
    found = model.get(stated, KEY, "AWS::KMS::Alias")
    if found.resource_type == KEY:
        return found
    return model.get(found.properties.get("TargetKeyId"), KEY)


def _key_faults(
    model: Model, stated: Any, who: str, principal: Test, circumstances: Mapping[str, Test]
) -> Iterator[Fault]:
    if not isinstance(stated, Link) and "alias/aws/" in read.written(stated):
        if who in PUBLISHERS.values():
            yield Fault(f"{read.shown(stated)} admits no {who}", fix="write a key of your own")
        return
    used = key_of(model, stated)
    for each in read.items(used.properties, "KeyPolicy", "Statement"):
        read.settled(each)
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
        named = _begins_apart(read.beginning(group.properties.get("LogGroupName", "")))
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
    bucket = next((b for link in read.links(stated) if (b := model.find(link, BUCKET))), None)
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
    stated = read.part(bucket.properties, "LoggingConfiguration", "DestinationBucketName")
    target = None if stated is None else model.find(stated, BUCKET)
    if target is None or read.text(target.properties, "AccessControl") == "LogDeliveryWrite":
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
    what="The policy of a key, a topic or a bucket does not allow the service that has to use it.",
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
