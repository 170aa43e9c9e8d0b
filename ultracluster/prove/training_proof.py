"""Proofs for training jobs: roles, policies, images and parameters."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ultracluster.prove.cluster_proof import template_path
from ultracluster.prove.proof import Check, Evidence, as_list, document, equal, members, present

SERVICE = "sagemaker.amazonaws.com"


def roles(evidence: Evidence) -> Iterator[Check]:
    """Jobs run as a role that only SageMaker assumes; the launcher passes that role alone."""
    execution = _execution_role(evidence)
    trust = document(execution["AssumeRolePolicyDocument"])["Statement"][0]
    yield equal("who assumes the execution role", {"Service": SERVICE}, trust["Principal"])
    conditions = trust.get("Condition", {})
    yield Check(
        "confused-deputy conditions of the execution role",
        "account and training jobs",
        conditions,
        ok="aws:SourceAccount" in conditions.get("StringEquals", {})
        and ":training-job/" in str(conditions.get("ArnLike", {}).get("aws:SourceArn")),
    )
    for name, path in (("execution", "ExecutionRole"), ("launcher", "LauncherRole")):
        role = evidence.id_at("Training", f"{path}/Resource/Resource")
        statements = evidence.role_statements(role)
        yield present(f"statements of the {name} role", there=bool(statements))
        wide = [s for s in statements if s["Effect"] == "Allow" and "*" in as_list(s["Action"])]
        yield equal(f"statements of the {name} role that allow every action", 0, len(wide))
    # The launcher's are the last that were read.
    yield equal("roles that the launcher may pass", [execution["Arn"]], _passed_roles(statements))


def _execution_role(evidence: Evidence) -> dict[str, Any]:
    return evidence.described("Training", "ExecutionRole/Resource/Resource")


def unattended(evidence: Evidence) -> Iterator[Check]:
    """The state machine starts training jobs, again while there is no capacity, and no others."""
    machine = evidence.described("Training", "Unattended/Resource")
    yield equal("state of the state machine", "ACTIVE", machine["status"])
    role = evidence.id_at("Training", "Unattended/Role/Resource")
    yield equal("role of the state machine", role, machine["roleArn"].rpartition("/")[2])
    states = json.loads(machine["definition"])["States"]
    train = states["Train"]
    yield Check(
        "what the state machine starts",
        "sagemaker:createTrainingJob.sync",
        train["Resource"],
        ok=train["Resource"].endswith(":states:::sagemaker:createTrainingJob.sync"),
    )
    retried = [name for rule in train["Retry"] for name in rule["ErrorEquals"]]
    limit = "SageMaker.ResourceLimitExceededException"
    yield Check("errors that are tried again", limit, retried, ok=limit in retried)
    caught = [rule["Next"] for rule in train["Catch"]]
    yield equal("what follows a job that failed", ["NoCapacity"], caught)
    log = machine.get("loggingConfiguration", {})
    yield equal("log level of the state machine", "ALL", log.get("level"))
    key = evidence.described("Training", "Unattended/LogGroup/Resource").get("kmsKeyId")
    yield Check("key of the state machine's log group", "a key", key, ok=bool(key))
    statements = evidence.role_statements(role)
    execution = _execution_role(evidence)["Arn"]
    yield equal("roles that the state machine may pass", [execution], _passed_roles(statements))
    started = [s for s in statements if "sagemaker:CreateTrainingJob" in as_list(s["Action"])]
    conditions = [s.get("Condition", {}).get("ForAllValues:StringEquals", {}) for s in started]
    lists = ("InstanceTypes", "VpcSecurityGroupIds", "VpcSubnets")
    wanted = [f"sagemaker:{name}" for name in lists]
    yield equal("conditions on what it starts", [wanted], [sorted(each) for each in conditions])


def _passed_roles(statements: list[dict[str, Any]]) -> list[str]:
    return [
        target
        for statement in statements
        if "iam:PassRole" in as_list(statement["Action"])
        for target in as_list(statement["Resource"])
    ]


def images(evidence: Evidence) -> Iterator[Check]:
    """Tags never move and images are scanned."""
    found = evidence.described("Training", "Images/Resource/Resource")
    yield from members(found, ("image tags", "IMMUTABLE", "imageTagMutability"))
    scanning = found.get("imageScanningConfiguration", {})
    yield from members(scanning, ("scan on push", True, "scanOnPush"))


def parameters(evidence: Evidence) -> Iterator[Check]:
    """Each parameter is where jobs look for it, and holds what was deployed."""
    spec = evidence.spec
    path = f"/ultracluster/{spec.name}/"
    found = evidence.cloud.ask("ssm", "get_parameters_by_path", Path=path, Recursive=True)
    values = {entry["Name"].removeprefix(path): entry["Value"] for entry in found["Parameters"]}
    deployment = evidence.deployment
    if spec.slurm is None:  # who launches the nodes
        launching = {"node-group-name": deployment.id_at("Cluster", "Nodes/Resource")}
    else:
        cluster = deployment.id_at("Cluster", "Slurm/Cluster/Resource").rsplit("/", 1)[-1]
        launching = {"slurm-cluster-id": cluster, "slurm-queue": spec.slurm.queue}
    for name, wanted in {
        "availability-zone-id": spec.availability_zone_id,
        "instance-type": spec.nodes.instance_type,
        "data-bucket": deployment.id_at("Storage", "Data/Resource/Resource"),
        "file-system-id": deployment.id_at("Storage", "Lustre/Resource"),
        "launch-template-id": deployment.id_at("Cluster", template_path(spec)),
        **launching,
    }.items():
        yield equal(f"parameter {path}{name}", wanted, values.get(name))
    stacks = ("Cluster", "Training")
    count = sum(len(deployment.of_type("AWS::SSM::Parameter", stack)) for stack in stacks)
    yield equal("parameters", count, len(values))


Allowance = tuple[str, tuple[str, ...], tuple[str, ...], int]
"""Effect, actions, keys of the conditions and number of resources of a statement."""


def policies(evidence: Evidence) -> Iterator[Check]:
    """Every managed policy says what was written, and is attached where it was written."""
    roles = {
        (role.stack, role.logical_id): str(role.physical_id)
        for role in evidence.deployment.of_type("AWS::IAM::Role")
    }
    for policy in evidence.deployment.of_type("AWS::IAM::ManagedPolicy"):
        if policy.physical_id is None:
            yield present(f"policy {policy.path}", there=False)
            continue
        wanted = Counter(map(_allowance, policy.properties["PolicyDocument"]["Statement"]))
        found = Counter(map(_allowance, evidence.policy_statements(str(policy.physical_id))))
        yield Check(
            f"statements of {policy.path}",
            f"{wanted.total()}, as in the template",
            _difference(wanted, found),
            ok=wanted == found,
        )
        given = policy.properties.get("Roles", [])
        holders = [roles.get((policy.stack, str(role.get("Ref"))), "") for role in given]
        asked = {"PolicyArn": str(policy.physical_id)}
        answer = evidence.cloud.ask("iam", "list_entities_for_policy", **asked)
        attached = [role["RoleName"] for role in answer["PolicyRoles"]]
        yield equal(f"roles with {policy.path}", sorted(holders), sorted(attached))


def _allowance(statement: Mapping[str, Any]) -> Allowance:
    """Return what can be compared although a template names resources by reference."""
    conditions = statement.get("Condition", {})
    keys = sorted(f"{operator} {key}" for operator, each in conditions.items() for key in each)
    return (
        statement["Effect"],
        tuple(sorted(as_list(statement["Action"]))),
        tuple(keys),
        len(as_list(statement["Resource"])),
    )


def _difference(wanted: Counter[Allowance], found: Counter[Allowance]) -> str:
    lacking, strange = wanted - found, found - wanted
    parts = [f"{found.total()}"]
    parts += [f"without {', '.join(actions)}" for _, actions, _, _ in lacking]
    parts += [f"with {', '.join(actions)}" for _, actions, _, _ in strange]
    return "; ".join(parts)
