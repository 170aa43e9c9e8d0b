"""SAFETY rules about roles: which service takes them, and whether it may then do its work."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from ultracluster.catalogue.values import table
from ultracluster.model.model import Model
from ultracluster.model.permissions import Question, sample, service
from ultracluster.model.policies import TRUST, Identity, Statement, conditions_of, token
from ultracluster.rules.rule import About, Fault
from ultracluster.rules.safety_policies import names
from ultracluster.templates.resolved import ResolvedResource
from ultracluster.templates.resolved_values import (
    UndeterminedError,
    fields,
    items,
    key,
    links,
    part,
    settled,
    shown,
    text,
    written,
)
from ultracluster.templates.scope import mapping
from ultracluster.templates.texts import document

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
    stated = items(taker.properties.get(TAKERS[taker.resource_type][0]))
    named = [key(value) for value in stated]
    return [role for role in model.roles if role.key in named]


def _trusts(role: Identity, name: str) -> bool:
    for each in items(part(role.properties, TRUST, "Statement")):
        settled(each)
    return Question(ASSUME, service(name)).allowed(role.trust)


def _takers(model: Model) -> Sequence[ResolvedResource | Statement]:
    return [*model.of(*TAKERS), *(each for each in model.statements if each.kind == "identity")]


@About(_takers).error(
    "SAFETY-20",
    what="A role is given to a service that it does not trust.",
    why="Flow logs, a state machine, a function or an instance is refused the role, most of them "
    "only when they first need it.",
    source="IAM user guide, roles for services; VPC user guide, flow logs; read 2026-11-27",
    fix="allow the service sts:AssumeRole in the role's AssumeRolePolicyDocument, or name the "
    "role that does",
    check="aws iam get-role --role-name <role> --query Role.AssumeRolePolicyDocument",
)
def trusted_by_its_role(model: Model, taker: ResolvedResource | Statement) -> Iterator[Fault]:
    if isinstance(taker, ResolvedResource):
        name = TAKERS[taker.resource_type][1]
        for role in _roles_of(model, taker):
            if not _trusts(role, name):
                yield Fault(f"role {role.place.logical_id} does not trust {name}.amazonaws.com")
        return
    if not taker.names(PASSING) or not taker.allows():
        return
    services = [
        token(value).partition(".amazonaws.com")[0]
        for _, name, values in conditions_of(taker.body)
        for value in values
        if name == "iam:passedtoservice"
    ]
    named = {link.key for link in links(taker.resources())}
    for role in (role for role in model.roles if role.key in named):
        if services and not any("<" in s or "*" in s or _trusts(role, s) for s in services):
            yield Fault(
                f"iam:PassRole of {role.place.logical_id} to {', '.join(services)}, which it "
                "does not trust"
            )


def _missing(
    model: Model, role: Identity, actions: Sequence[str], reaches: Callable[[Any], bool | None]
) -> list[str]:
    """Return what a role may not do.

    Raises:
        UndeterminedError: where a policy that is not in the templates may allow it.
    """
    by_name = model.statements_by_owner.get(("identity", str(role.properties.get("RoleName"))), ())
    statements = [*role.statements, *by_name]
    lacking = [a for a in actions if not Question(a, None, reaches).allowed(statements)]
    if lacking and role.outside_policies:
        named = shown(role.outside_policies[0])
        raise UndeterminedError(f"policy {named} is not in the given templates")
    return lacking


def _group_of(model: Model, log: ResolvedResource) -> Callable[[Any], bool | None]:
    """Return whether a resource of a statement is the log group that flow logs go to."""
    stated = log.properties.get("LogGroupName") or log.properties.get("LogDestination")
    found = [model.found(link, "AWS::Logs::LogGroup") for link in links(stated)]
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
    if text(log.properties.get("LogDestinationType")) in ("s3", "kinesis-data-firehose"):
        return
    if not {"DeliverLogsPermissionArn", "DeliverCrossAccountRole"} & set(log.properties):
        yield Fault("no DeliverLogsPermissionArn, with which it would write to a log group")
    for role in _roles_of(model, log):
        if missing := _missing(model, role, WRITING, _group_of(model, log)):
            yield Fault(f"role {role.place.logical_id} allows no {', '.join(missing)} on its group")


def _waited_for(machine: ResolvedResource) -> Iterator[str]:
    """Yield the jobs that a state machine starts and waits for, in the words of Step Functions."""
    stated = machine.properties
    definition = document(
        stated.get("DefinitionString") or stated.get("Definition"),
        mapping(stated.get("DefinitionSubstitutions")),
    )
    for name, value in fields(definition):
        task, _, pattern = written(value).rpartition(":::")[2].partition(".")
        if name == "Resource" and pattern.startswith("sync") and task in WAITING:
            yield task


def _machine_faults(model: Model, machine: ResolvedResource) -> Iterator[Fault]:
    tasks = sorted(set(_waited_for(machine)))
    for role in _roles_of(model, machine):
        for task in tasks:
            missing = _missing(model, role, WAITING[task]["actions"], lambda _: True)
            arn = f"arn:aws:events:r:1:rule/{WAITING[task]['rule']}"
            missing += _missing(model, role, EVENTS, lambda v, a=arn: _is_rule(v, a))  # type: ignore[misc]
            if missing:
                yield Fault(f"role {role.place.logical_id} allows no {', '.join(missing)}")


def _is_rule(value: Any, arn: str) -> bool | None:
    return sample(arn.rpartition(":")[2])(token(value).rpartition(":")[2])


def _workers(model: Model) -> list[ResolvedResource]:
    return list(model.of(FLOW_LOG, MACHINE))


@About(_workers).error(
    "SAFETY-21",
    what="A role lacks rights that its service needs for this very thing.",
    why="Flow logs are never written, or a state machine that waits for a job (.sync) ends with "
    "AccessDenied, some of them after the job has begun to cost money.",
    source="VPC user guide, IAM role for flow logs; Step Functions developer guide, policies for "
    "SageMaker (.sync); read 2026-11-27",
    fix="allow the actions of the message, for flow logs on the ARN of their own log group",
    check="aws iam simulate-principal-policy --policy-source-arn <role> --action-names <action> "
    "--resource-arns <resource>",
)
def rights_of_its_work(model: Model, worker: ResolvedResource) -> Iterator[Fault]:
    if worker.resource_type == FLOW_LOG:
        yield from _flow_log_faults(model, worker)
    else:
        yield from _machine_faults(model, worker)
