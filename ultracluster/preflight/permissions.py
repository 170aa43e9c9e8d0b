"""Checks of permissions of the deployer and of CloudFormation, by IAM's policy simulator.

`cdk deploy` takes the roles of the bootstrap stack; CloudFormation then makes everything as
its execution role. One action is asked for each kind of resource, on a name of the right form and
place: enough to see a service that is not allowed at all, or allowed elsewhere. The simulator
reads policies alone: a condition whose value it is not given is said to be open, and never counted
as a refusal.
"""

import tomllib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any, Final

from ultracluster.catalogue.slurm import ROLE_PATH
from ultracluster.preflight.finding import Finding, Situation, check, failed, passed, skipped
from ultracluster.preflight.inquiry import Question, UnansweredError, question
from ultracluster.spec.network import NetworkSpec
from ultracluster.synthesis import qualifier

HEX: Final = "0123456789abcdef0"


NEEDED: Final = tomllib.loads((files("ultracluster.preflight") / "needed.toml").read_text("utf-8"))


def needed(situation: Situation) -> dict[str, list[str]]:
    """Return the actions by the resource that they are asked for on."""
    spec, caller = situation.spec, situation.caller
    has = {
        "every environment": True,
        "a network of its own": isinstance(spec.network, NetworkSpec),
        "a NAT gateway": getattr(spec.network, "public_subnet_cidr", None) is not None,
        "interface endpoints": bool(spec.network.interface_endpoints),
        "a placement group": spec.nodes.placement_group,
        "a reservation": spec.nodes.makes_reservation,
        "an Auto Scaling group": spec.slurm is None,
        "Slurm": spec.slurm is not None,
        "an image of its own": spec.node_image is not None,
        "data repositories": bool(spec.storage.data_repositories),
    }
    names = {"partition": caller.partition, "region": spec.region, "account": caller.account}
    names |= {"name": spec.name, "small": spec.name.lower(), "path": ROLE_PATH}
    grants: dict[str, list[str]] = {}
    for what, actions in NEEDED.items():
        for action, resource in actions.items() if has[what] else ():
            on = resource.format(**names, hex=HEX, short=HEX[:10])
            grants.setdefault(on, []).append(action)
    return grants


DEPLOYING: Final = ("deploy", "file-publishing")
"""Roles of the bootstrap stack that `cdk deploy` takes; the app has no images and no look-ups."""
FEW: Final = 2
NO_ROLE: Final = "NoSuchEntity"
ASSUME: Final = "sts:AssumeRole"
AUTO_SCALING: Final = ("autoscaling.amazonaws.com", "AWSServiceRoleForAutoScaling")
FSX: Final = ("fsx.amazonaws.com", "AWSServiceRoleForAmazonFSx")
"""Its S3 role FSx makes with each file system."""
PCS: Final = ("pcs.amazonaws.com", "AWSServiceRoleForPCS")
"""What PCS manages EC2 as (AWS PCS user guide, service-linked roles, copy read 2026-11-24)."""


@check("deployer-permissions", "The caller may assume the roles of the bootstrap stack")
def _deployer(situation: Situation) -> Iterator[Finding]:
    caller = situation.caller.arn
    kind = caller.split(":", 5)[5]
    subject = f"{ASSUME} of {kind}"
    if kind == "root":
        why = "the root user can be neither simulated nor given a role"
        yield skipped(subject, why, "deploy as a role or user of the account")
        return
    principal = _principal(situation, kind)
    if principal is None:
        yield skipped(subject, f"{kind.split('/')[0]} cannot be simulated")
        return
    roles = [situation.role_arn(_bootstrap_role(situation, use)) for use in DEPLOYING]
    asked = [_simulation(principal, [ASSUME], [role]) for role in roles]
    yield from _judged(situation, subject, asked, "allow these actions to the deployer")


@check("cloudformation-permissions", "CloudFormation may create every resource")
def _cloudformation(situation: Situation) -> Iterator[Finding]:
    role = _bootstrap_role(situation, "cfn-exec")
    subject = f"permissions of {role}"
    principal = situation.role_arn(role)
    wanted = needed(situation).items()
    asked = [_simulation(principal, actions, [resource]) for resource, actions in wanted]
    try:
        yield from _judged(situation, subject, asked, f"allow these actions to {role}")
    except UnansweredError as error:
        if error.code != NO_ROLE:
            raise
        yield skipped(subject, "no such role: bootstrap first, see bootstrap-version")


@check("service-linked-roles", "Service-linked roles exist")
def _service_roles(situation: Situation) -> Iterator[Finding]:
    # PCS launches the nodes of an environment with Slurm, and Auto Scaling those of others.
    launching = AUTO_SCALING if situation.spec.slurm is None else PCS
    for service, name in (launching, FSX):
        asked = question("iam", "get_role", RoleName=name)
        there = situation.ask_unless(asked, NO_ROLE) is not None
        yield passed(name, "there", asked) if there else _missing_role(situation, service, name)


def _missing_role(situation: Situation, service: str, name: str) -> Finding:
    """A service makes its role at its first use, if whoever uses it may."""
    maker = situation.role_arn(_bootstrap_role(situation, "cfn-exec"))
    arn = situation.role_arn(f"aws-service-role/{service}/{name}")
    asked = _simulation(maker, ["iam:CreateServiceLinkedRole"], [arn])
    command = f"aws iam create-service-linked-role --aws-service-name {service}"
    answer = situation.ask_unless(asked, NO_ROLE)
    if answer is None:
        why = "does not exist; it is created at the service's first use by the deployer"
        return skipped(name, why, question=asked)
    if all(r["EvalDecision"] == "allowed" or _open(r) for r in answer["EvaluationResults"]):
        return passed(name, "does not exist; the service creates it at its first use", asked)
    fix = f"create it by hand, or allow iam:CreateServiceLinkedRole to {maker}"
    found = "does not exist, and CloudFormation may not create it"
    return failed(name, found, "there", fix, asked, fix_command=command)


def _judged(
    situation: Situation, subject: str, asked: Sequence[Question], fix: str
) -> Iterator[Finding]:
    answers = situation.inquiry.together(asked)
    results = [
        (row, each)
        for each, answer in zip(asked, answers, strict=True)
        for row in answer["EvaluationResults"]
    ]
    by_decision: dict[str, list[tuple[dict[str, Any], Question]]] = {}
    for row, each in results:
        if row["EvalDecision"] == "allowed":
            continue
        if _open(row):
            keys = ", ".join(row["MissingContextValues"])
            why = f"depends on {keys}, which are known only at the real call"
            yield skipped(row["EvalActionName"], why, question=each)
        else:
            by_decision.setdefault(_decision(row), []).append((row, each))
    # One line for each decision: a role that may do nothing would fill a screen otherwise.
    for decision, refused in by_decision.items():
        # What they were asked for on tells a few apart.
        actions = ", ".join(
            f"{row['EvalActionName']} on {row.get('EvalResourceName', '*')}"
            if len(refused) <= FEW
            else row["EvalActionName"]
            for row, _ in refused
        )
        yield failed(subject, f"{decision}: {actions}", "allowed", fix, refused[0][1])
    if all(row["EvalDecision"] == "allowed" for row, _ in results):
        yield passed(subject, f"{len(results)} actions allowed", asked[0])


def _open(row: dict[str, Any]) -> bool:
    """Whether a refusal may be due to a condition that the simulator could not judge."""
    return row["EvalDecision"] == "implicitDeny" and bool(row.get("MissingContextValues"))


def _decision(row: dict[str, Any]) -> str:
    """Return what the simulator decided, and by whom."""
    organization = row.get("OrganizationsDecisionDetail") or {}
    boundary = row.get("PermissionsBoundaryDecisionDetail") or {}
    whom = ""
    if organization.get("AllowedByOrganizations") is False:
        whom = " by a service control policy"
    elif boundary.get("AllowedByPermissionsBoundary") is False:
        whom = " by the permissions boundary"
    return f"{row['EvalDecision']}{whom}"


def _principal(situation: Situation, kind: str) -> str | None:
    """Return the user or role behind the caller, as the simulator takes it."""
    what, _, rest = kind.partition("/")
    if what == "user":
        return situation.caller.arn
    if what != "assumed-role":
        return None
    # A session's name leaves the role's path out, and the simulator needs it.
    role = question("iam", "get_role", RoleName=rest.split("/")[0])
    arn: str = situation.ask(role)["Role"]["Arn"]
    return arn


def _bootstrap_role(situation: Situation, use: str) -> str:
    account, region = situation.caller.account, situation.spec.region
    return f"cdk-{qualifier()}-{use}-role-{account}-{region}"


def _simulation(principal: str, actions: Sequence[str], resources: Sequence[str]) -> Question:
    return question(
        "iam",
        "simulate_principal_policy",
        PolicySourceArn=principal,
        ActionNames=list(actions),
        ResourceArns=list(resources),
    )
