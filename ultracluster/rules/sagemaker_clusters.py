"""SAGEMAKER rules about HyperPod clusters and roles."""

import re
from collections.abc import Iterator
from typing import Final

from ultracluster.catalogue.values import table
from ultracluster.model.jobs import HyperPodGroup
from ultracluster.model.model import Model
from ultracluster.model.policies import (
    Identity,
    Statement,
    conditions_of,
    listed,
    principals_of,
    token,
)
from ultracluster.model.resource import Index, index
from ultracluster.rules.rule import About, Fault, hyperpod_groups, roles
from ultracluster.rules.sagemaker_jobs import without_prefix
from ultracluster.templates import resolved_values as read

HYPERPOD_GUIDE: Final = "SageMaker HyperPod guide, prerequisites; registry schema of 2026-10-20"
DESCRIBE: Final = "aws sagemaker describe-cluster --cluster-name <cluster>"
SERVICE: Final = "sagemaker.amazonaws.com"
SOURCES: Final = (
    *("aws:sourceaccount", "aws:sourcearn", "aws:sourceorg", "aws:sourceowner"),
    *("aws:principal", "kms:calleraccount", "kms:encryptioncontext:"),
)
"""Beginnings of condition keys that tell one account from another."""
ANY_ACCOUNT: Final = re.compile(r"\*|arn:[^:]*:[^:]*:[^:]*:\*?:.*")
DEPUTIES: Final = re.compile(
    r"(sagemaker|states|vpc-flow-logs|pcs|budgets|scheduler|cloudwatch|logs|logging\.s3|cloudtrail"
    r"|delivery\.logs)(?:\.[^.]+)??\.(?:amazonaws|\x00)"
)
"""Services whose guides ask for such a condition; EventBridge's asks for none."""
OF_ROLES: Final = ("sagemaker", "states", "vpc-flow-logs", "pcs", "budgets", "scheduler")
P5: Final = "p5.48xlarge"
WITH_SLURM, WITH_KUBERNETES = 32, 81
"""Addresses of one P5 instance."""
MOST_INSTANCES: Final = 6758
MOST_IN_CLUSTER: Final = 100
ANY_ROLE: Final = re.compile(r"\*|arn:[^:]*:iam::[^:]*:(?:\*|(?:role|policy|user|group)/?\*)")
"""Resources that are every role, policy or user of the account; a reference within is a mark."""
RIGHTS: Final = table("roles")
ADMINISTRATION: Final = (":policy/AdministratorAccess", ":policy/PowerUserAccess")


def _scripts_elsewhere(model: Model, group: HyperPodGroup) -> Iterator[Fault]:
    stated = read.part(group.group, "LifeCycleConfig", "SourceS3Uri")
    if stated is None:
        return
    if read.begins(stated, "s3://") and read.shown(stated).startswith("s3://<"):
        bucket = model.get(stated, "AWS::S3::Bucket")
        name = bucket.properties.get("BucketName")
        if name is None:
            yield Fault(
                f"bucket {bucket.place.logical_id} has a name that CloudFormation makes",
                fix="write BucketName sagemaker-<name>",
            )
        elif not read.begins(name, "sagemaker-"):
            yield Fault(f"bucket {read.shown(name)}")
    elif not read.begins(stated, "s3://sagemaker-"):
        yield Fault(f"SourceS3Uri is {read.shown(stated)}")


def _too_large(_model: Model, group: HyperPodGroup) -> Iterator[Fault]:
    if (groups := len(read.items(group.cluster, "InstanceGroups"))) > MOST_IN_CLUSTER:
        yield Fault(f"{groups} instance groups", fix="write another cluster for the rest")
    count = read.number(group.group, "InstanceCount")
    if count is not None and count > MOST_INSTANCES:
        yield Fault(
            f"InstanceCount is {count} in {group.name()}", fix="write another cluster for the rest"
        )


cluster_that_is_taken = hyperpod_groups.fatal(
    "SAGEMAKER-12",
    what="SageMaker refuses the size, the instance types or the scripts of a HyperPod cluster.",
    why="A group has at most 6,758 instances and a cluster 100 groups, and HyperPod reads scripts "
    "only from buckets whose name begins with sagemaker-, and types begin with ml.; the cluster "
    "is refused.",
    source=HYPERPOD_GUIDE,
    fix="write SourceS3Uri s3://sagemaker-<name>/<prefix>",
    check=f"{DESCRIBE} --query 'InstanceGroups[].[TargetCount,LifeCycleConfig]'",
)(_scripts_elsewhere, _too_large, lambda _model, group: without_prefix(group.group))


@hyperpod_groups.warning(
    "SAGEMAKER-19",
    what="The subnets of a HyperPod group have fewer addresses than its instances take.",
    why="A P5 instance takes 32 addresses with Slurm and 81 with EKS, where pods have their own: "
    "instances beyond that are not added, and the cluster stays below its size.",
    source="SageMaker HyperPod guide, prerequisites (facts sheet, 6); awsome-distributed-ai#1122",
    fix="write larger subnets, or OverrideVpcConfig with subnets of the group's own",
    check="aws ec2 describe-subnets --subnet-ids <subnets> "
    "--query 'Subnets[].AvailableIpAddressCount'",
)
def cluster_with_addresses(model: Model, group: HyperPodGroup) -> Iterator[Fault]:
    # The need of one type is documented.
    instance, count = group.instance_type(), read.number(group.group, "InstanceCount")
    subnets = group.subnets()
    if instance is None or instance.name != P5 or not count or not subnets:
        return
    by_kubernetes = read.settled(group.cluster, "Orchestrator", "Eks") is not None
    each = WITH_KUBERNETES if by_kubernetes else WITH_SLURM
    have = sum(model.networks.subnet(name).addresses() for name in subnets)
    if count * each > have:
        yield Fault(f"{group.name()}: {count} instances take {count * each} addresses of {have}")


@About[Statement](lambda model: model.statements).warning(
    "SAGEMAKER-16",
    what="A role, a key, a topic or a bucket allows an AWS service without naming the account.",
    why="Without a condition on the source account or ARN the service can be made to act for "
    "another account (confused deputy).",
    source="SageMaker developer guide, sagemaker-roles and cross-service confused deputy; VPC "
    "user guide, IAM role for flow logs; read 2026-11-27",
    fix="write Condition StringEquals aws:SourceAccount ${AWS::AccountId} in the policy",
    check="aws iam get-role --role-name <role> --query Role.AssumeRolePolicyDocument",
)
def trust_of_this_account(_model: Model, statement: Statement) -> Iterator[Fault]:
    if statement.kind == "identity" or not statement.allows() or _names_account(statement):
        return
    verb = "take it" if statement.kind == "trust" else "use it"
    for kind, value in principals_of(statement.body):
        found = DEPUTIES.match(read.written(value)) if kind == "Service" else None
        if found and (found[1] in OF_ROLES or statement.kind == "resource"):
            yield Fault(
                f"{read.written(value)} may {verb} without aws:SourceAccount or aws:SourceArn",
                place=statement.place,
            )


def _names_account(statement: Statement) -> bool:
    """Whether a condition names the account, or something of it; an ARN of any does not."""
    return any(
        name.startswith(SOURCES) and not all(ANY_ACCOUNT.fullmatch(token(v)) for v in values)
        for _, name, values in conditions_of(statement.body)
    )


@About[Statement](lambda model: model.statements).warning(
    "SAGEMAKER-17",
    what="A policy allows everything, or lets its holder grant himself everything.",
    why="Whoever gets into a job, a node or a function with it has the account: it may start "
    "anything with any role, an administrator's too, or write itself more rights.",
    source="IAM User Guide, passing roles and NotAction; pathfinding.cloud iam-001 to iam-020; "
    "SageMaker developer guide, sagemaker-roles; read 2026-11-27",
    fix="write the actions that are needed and the ARNs that they are for; iam:PassRole with "
    "Condition StringEquals iam:PassedToService",
    check="aws iam get-policy-version --policy-arn <policy> --version-id <version>",
)
def no_way_to_everything(model: Model, statement: Statement) -> Iterator[Fault]:
    if statement.kind != "identity" or not statement.allows():
        return
    if listed(statement.body.get("NotAction")):
        yield Fault(f"{statement.path} allows all but {read.shown(statement.body['NotAction'])}")
    whole = [action for action in statement.actions() if action in ("*", "*:*", "iam:*")]
    if whole:
        yield Fault(f"{statement.path} allows {whole[0]}")
        return
    wide = [read.shown(r) for r in statement.resources() if ANY_ROLE.fullmatch(read.written(r))]
    conditions = statement.conditions()
    if statement.names("iam:PassRole") and wide:
        if "iam:passedtoservice" not in conditions:
            yield Fault(f"iam:PassRole on {wide[0]} without iam:PassedToService")
        elif any(SERVICE in dict(role.trusted()) for role in model.roles):
            yield Fault(f"iam:PassRole on {wide[0]}, while the role of the jobs is made here")
    if not conditions.isdisjoint(("iam:permissionsboundary", "iam:policyarn")):
        return
    # The policies of a service-linked role are its service's alone (IAM user guide, 2026-11-27).
    if all(
        ":role/aws-service-role/" in read.written(each) for each in statement.resources() or "*"
    ):
        return
    more = model.once("raising", statement.body, lambda: statement.named(RIGHTS["raising"]))
    if more and (wide or _makes_identities(model, statement)):
        yield Fault(f"{', '.join(more)} on {wide[0] if wide else 'what it may make itself'}")


def _by_place(model: Model) -> Index[Statement]:
    return index(model.statements, lambda statement: [statement.place.key])


def _makes_identities(model: Model, statement: Statement) -> bool:
    """Whether a policy, or another one of its holders, allows making roles or users."""
    every = [*model.cached(_by_place).of(statement.place.key)]
    for owner in statement.owners:
        every += model.statements_by_owner.get(("identity", owner), ())
    return any(each.allows() and each.named(("iam:CreateRole", "iam:CreateUser")) for each in every)


@roles.warning(
    "SAGEMAKER-18",
    what="A role of training jobs or nodes has more permissions than a job needs.",
    why="Code of a job, and everything that it downloads, acts with that role: it reads other "
    "teams' data, or deletes datasets, checkpoints and images.",
    source="SageMaker developer guide, sagemaker-roles; read 2026-11-23",
    fix="remove them, and allow what a job does, by ARN: its bucket, its key, its image, its logs",
    check="aws iam list-attached-role-policies --role-name <role>; "
    "aws iam list-role-policies --role-name <role>",
)
def no_administering_jobs(model: Model, role: Identity) -> Iterator[Fault]:
    services = {service for service, _ in role.trusted()}
    of_jobs = SERVICE in services or role.key in model.roles_of_nodes
    for policy in map(read.written, read.items(role.properties, "ManagedPolicyArns")):
        # Whoever is no job may be meant to administer, but not a service's own role.
        if policy.endswith(ADMINISTRATION) and (of_jobs or services):
            yield Fault(f"managed policy {policy.rpartition('/')[2]}")
    for statement in role.statements if of_jobs else ():
        if not statement.allows() or listed(statement.body.get("NotAction")):
            continue
        if deleting := statement.named(RIGHTS["destroying"]):
            yield Fault(f"{statement.path} allows {deleting[0]}", place=statement.place)
        elif "*" not in statement.resources() or statement.conditions():
            continue
        elif reading := statement.named(RIGHTS["data"]):
            yield Fault(f"{statement.path} allows {reading[0]} on *", place=statement.place)
