"""SAFETY rules about trust policies, and about resources that are open to anybody or to nobody."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from ultracluster.catalogue.values import table
from ultracluster.model.jobs import definition
from ultracluster.model.model import Model
from ultracluster.model.permissions import Question, sample, service
from ultracluster.model.policies import (
    TRUST,
    Identity,
    Statement,
    conditions_of,
    principals_of,
    token,
)
from ultracluster.rules.rule import About, Fault
from ultracluster.rules.safety_policies import BUCKET, KEY, OF_SERVICE, TOPIC, names
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import ResolvedResource
from ultracluster.templates.resolved_values import UndeterminedError

FLOW_LOG: Final = "AWS::EC2::FlowLog"
MACHINE: Final = "AWS::StepFunctions::StateMachine"
ASSUME: Final = "sts:AssumeRole"
PASSING: Final = "iam:PassRole"
TAKERS: Final[Mapping[str, tuple[str, str]]] = table("roles")["takers"]
"""Where a resource names a role, and the service that takes it."""
WAITING: Final = table("roles")["waiting"]
"""What Step Functions needs to wait for a job that it started, and its rule of EventBridge."""
EVENTS: Final = ("events:PutTargets", "events:PutRule", "events:DescribeRule")
UNNAMED: Final = "a name that CloudFormation makes"
WRITING: Final = ("logs:CreateLogStream", "logs:PutLogEvents")


def _roles_of(model: Model, taker: ResolvedResource) -> list[Identity]:
    """Return the roles that a resource names; those of other templates are left out."""
    stated = read.items(taker.properties, TAKERS[taker.resource_type][0])
    named = [read.key(value) for value in stated]
    return model.roles_named(named)


def _trusts(role: Identity, name: str) -> bool:
    for each in read.items(role.properties, TRUST, "Statement"):
        read.settled(each)
    return Question(ASSUME, service(name)).allowed(role.trust)


def _not_trusted(model: Model, taker: ResolvedResource | Statement) -> Iterator[Fault]:
    if isinstance(taker, ResolvedResource):
        name = TAKERS[taker.resource_type][1]
        for role in _roles_of(model, taker):
            if not _trusts(role, name):
                yield Fault(f"role {role.place.logical_id} does not trust {name}.amazonaws.com")
        return
    if taker.kind != "identity" or not taker.names(PASSING) or not taker.allows():
        return
    services = [
        token(value).partition(".amazonaws.com")[0]
        for _, name, values in conditions_of(taker.body)
        for value in values
        if name == "iam:passedtoservice"
    ]
    for role in model.roles_named(link.key for link in read.links(taker.resources())):
        if services and not any("<" in s or "*" in s or _trusts(role, s) for s in services):
            yield Fault(
                f"iam:PassRole of {role.place.logical_id} to {', '.join(services)}, which it "
                "does not trust"
            )


def _missing(
    model: Model, role: Identity, actions: Sequence[str], reaches: Callable[[Any], bool | None]
) -> list[str]:
    """Return what a role may not do."""
    by_name = model.statements_by_owner.get(("identity", str(role.properties.get("RoleName"))), ())
    statements = [*role.statements, *by_name]
    lacking = [a for a in actions if not Question(a, None, reaches).allowed(statements)]
    if lacking and role.outside_policies:
        named = read.shown(role.outside_policies[0])
        raise UndeterminedError(f"policy {named} is not in the given templates")
    return lacking


def _group_of(model: Model, log: ResolvedResource) -> Callable[[Any], bool | None]:
    """Return whether a resource of a statement is the log group that flow logs go to."""
    stated = log.properties.get("LogGroupName") or log.properties.get("LogDestination")
    found = [model.find(link, "AWS::Logs::LogGroup") for link in read.links(stated)]
    group = found[0] if found else None
    written_name = stated if group is None else group.properties.get("LogGroupName")
    name = token(written_name or UNNAMED).rpartition(":log-group:")[2].partition(":*")[0]

    def test(value: Any) -> bool | None:
        if value == "*" or (group is not None and names(group)(value)):
            return True
        head, _, pattern = token(value).partition(":log-group:")
        if not pattern or "<?" in name:
            # The ARN of something else, or of everything; or a name that is not known.
            return None if "*" in head or "<?" in head + name else False
        return sample(f"{name}:*")(pattern)

    return test


def _flow_log_faults(model: Model, log: ResolvedResource) -> Iterator[Fault]:
    if read.text(log.properties, "LogDestinationType") in ("s3", "kinesis-data-firehose"):
        return
    if not {"DeliverLogsPermissionArn", "DeliverCrossAccountRole"} & set(log.properties):
        yield Fault("no DeliverLogsPermissionArn, with which it would write to a log group")
    for role in _roles_of(model, log):
        if missing := _missing(model, role, WRITING, _group_of(model, log)):
            yield Fault(f"role {role.place.logical_id} allows no {', '.join(missing)} on its group")


def _waited_for(machine: ResolvedResource) -> Iterator[str]:
    """Yield the jobs that a state machine starts and waits for, in the words of Step Functions."""
    for name, value in read.fields(definition(machine)):
        task, _, pattern = read.written(value).rpartition(":::")[2].partition(".")
        if name == "Resource" and pattern.startswith("sync") and task in WAITING:
            yield task


def _is_rule(arn: str) -> Callable[[Any], bool | None]:
    return lambda value: sample(arn.rpartition(":")[2])(token(value).rpartition(":")[2])


def _without_rights(model: Model, taker: ResolvedResource | Statement) -> Iterator[Fault]:
    if isinstance(taker, ResolvedResource) and taker.resource_type == FLOW_LOG:
        yield from _flow_log_faults(model, taker)
    elif isinstance(taker, ResolvedResource) and taker.resource_type == MACHINE:
        tasks = sorted(set(_waited_for(taker)))
        for role in _roles_of(model, taker):
            for task in tasks:
                missing = _missing(model, role, WAITING[task]["actions"], lambda _: True)
                arn = f"arn:aws:events:r:1:rule/{WAITING[task]['rule']}"
                missing += _missing(model, role, EVENTS, _is_rule(arn))
                if missing:
                    yield Fault(f"role {role.place.logical_id} allows no {', '.join(missing)}")


role_for_its_service = About[ResolvedResource | Statement](
    lambda model: [*model.of(*TAKERS), *model.statements]
).error(
    "SAFETY-20",
    what="A role does not trust the service that uses it, or lacks permissions that it needs.",
    why="Flow logs are never written, an instance or a function is refused the role, or a state "
    "machine that waits for a job (.sync) ends with AccessDenied, some of them after the job has "
    "begun to cost money.",
    source="IAM user guide, roles for services; VPC user guide, IAM role for flow logs; Step "
    "Functions developer guide, policies for SageMaker (.sync); read 2026-11-27",
    fix="allow the service sts:AssumeRole in AssumeRolePolicyDocument, and the role the actions of "
    "the message, for flow logs on the ARN of their own log group",
    check="aws iam get-role --role-name <role> --query Role.AssumeRolePolicyDocument; "
    "aws iam simulate-principal-policy --policy-source-arn <role> --action-names <action>",
)(_not_trusted, _without_rights)


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
    what="A policy locks out everybody, or nobody in the account can administer a key.",
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
        places = {resource.place.key for resource in model.of(*types)}
        return [
            each
            for each in model.statements
            if each.place.key in places or each.kind == "trust" in types
        ]

    return found


@About(_open(KEY, "AWS::KMS::ReplicaKey", "trust")).error(
    "SAFETY-18",
    what="A key or a role is open to anybody, from any account.",
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
    off = [name for name in BLOCKS if blocks is not None and not read.flag(blocks, name)]
    if off:
        yield Fault(f"{', '.join(off)} off")
    access = read.text(store.properties, "AccessControl")
    if access in ("PublicRead", "PublicReadWrite", "AuthenticatedRead"):
        yield Fault(f"AccessControl is {access}")
