"""Proof of what training jobs need: roles, images, and the parameters that lead to it all."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from ultracluster.rehearse.cluster_proof import template_path
from ultracluster.rehearse.proof import Check, Evidence, equal
from ultracluster.spec.environment import EnvironmentSpec

SERVICE = "sagemaker.amazonaws.com"


def roles(evidence: Evidence) -> Iterator[Check]:
    """Jobs run as a role that only SageMaker assumes; the launcher passes that role alone."""
    cloud, deployment = evidence.cloud, evidence.deployment
    execution = cloud.ask(
        "iam", "get_role", RoleName=deployment.id_at("Training", "ExecutionRole/Resource/Resource")
    )["Role"]
    trust = _document(execution["AssumeRolePolicyDocument"])["Statement"][0]
    yield equal("who assumes the execution role", {"Service": SERVICE}, trust["Principal"])
    conditions = trust.get("Condition", {})
    yield Check(
        "confused-deputy conditions of the execution role",
        "account and training jobs",
        conditions,
        ok="aws:SourceAccount" in conditions.get("StringEquals", {})
        and ":training-job/" in str(conditions.get("ArnLike", {}).get("aws:SourceArn")),
    )
    for name, path in (
        ("execution", "ExecutionRole"),
        ("launcher", "LauncherRole"),
    ):
        role = deployment.id_at("Training", f"{path}/Resource/Resource")
        statements = _statements(evidence, role)
        yield Check(f"statements of the {name} role", "there", "none", ok=bool(statements))
        wide = [s for s in statements if s["Effect"] == "Allow" and "*" in _list(s["Action"])]
        yield equal(f"statements of the {name} role that allow every action", 0, len(wide))
    launcher = deployment.id_at("Training", "LauncherRole/Resource/Resource")
    passed = [s for s in _statements(evidence, launcher) if "iam:PassRole" in _list(s["Action"])]
    targets = [target for statement in passed for target in _list(statement["Resource"])]
    yield equal("roles that the launcher may pass", [execution["Arn"]], targets)


def unattended(evidence: Evidence) -> Iterator[Check]:
    """The state machine starts training jobs, again while there is no capacity, and no others."""
    cloud, deployment = evidence.cloud, evidence.deployment
    arn = deployment.id_at("Training", "Unattended/Resource")
    machine = cloud.ask("stepfunctions", "describe_state_machine", stateMachineArn=arn)
    yield equal("state of the state machine", "ACTIVE", machine["status"])
    role = deployment.id_at("Training", "Unattended/Role/Resource")
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
    group = deployment.id_at("Training", "Unattended/LogGroup/Resource")
    found = cloud.ask("logs", "describe_log_groups", logGroupNamePrefix=group)["logGroups"]
    yield Check(
        "key of the state machine's log group",
        "a key",
        [row.get("kmsKeyId") for row in found],
        ok=bool(found) and all(row.get("kmsKeyId") for row in found),
    )
    statements = _statements(evidence, role)
    passed = [
        target
        for statement in statements
        if "iam:PassRole" in _list(statement["Action"])
        for target in _list(statement["Resource"])
    ]
    execution = cloud.ask(
        "iam", "get_role", RoleName=deployment.id_at("Training", "ExecutionRole/Resource/Resource")
    )["Role"]["Arn"]
    yield equal("roles that the state machine may pass", [execution], passed)
    started = [s for s in statements if "sagemaker:CreateTrainingJob" in _list(s["Action"])]
    conditions = [s.get("Condition", {}).get("ForAllValues:StringEquals", {}) for s in started]
    wanted = ["sagemaker:VpcSecurityGroupIds", "sagemaker:VpcSubnets"]
    yield equal("conditions on what it starts", [wanted], [sorted(each) for each in conditions])


def _statements(evidence: Evidence, role: str) -> list[dict[str, Any]]:
    """Return the statements of all managed policies of a role; inline policies are refused."""
    cloud = evidence.cloud
    attached = cloud.ask("iam", "list_attached_role_policies", RoleName=role)["AttachedPolicies"]
    statements: list[dict[str, Any]] = []
    for policy in attached:
        arn = policy["PolicyArn"]
        version = cloud.ask("iam", "get_policy", PolicyArn=arn)["Policy"]["DefaultVersionId"]
        answer = cloud.ask("iam", "get_policy_version", PolicyArn=arn, VersionId=version)
        statements += _document(answer["PolicyVersion"]["Document"])["Statement"]
    return statements


def _document(value: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(unquote(value)) if isinstance(value, str) else value
    return document


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def images(evidence: Evidence) -> Iterator[Check]:
    """Tags never move and images are scanned."""
    name = evidence.deployment.id_at("Training", "Images/Resource/Resource")
    found = evidence.cloud.ask("ecr", "describe_repositories", repositoryNames=[name])
    repository = found["repositories"][0]
    yield equal("image tags", "IMMUTABLE", repository.get("imageTagMutability"))
    scanning = repository.get("imageScanningConfiguration", {}).get("scanOnPush")
    yield equal("scan on push", True, scanning)


def parameters(evidence: Evidence) -> Iterator[Check]:
    """Each parameter is where jobs look for it, and holds what was deployed."""
    spec = evidence.spec
    path = parameter_path(spec)
    found = evidence.cloud.ask("ssm", "get_parameters_by_path", Path=path, Recursive=True)
    values = {entry["Name"].removeprefix(path): entry["Value"] for entry in found["Parameters"]}
    deployment = evidence.deployment
    for name, wanted in {
        "availability-zone-id": spec.availability_zone_id,
        "instance-type": spec.nodes.instance_type,
        "data-bucket": deployment.id_at("Storage", "Data/Resource/Resource"),
        "file-system-id": deployment.id_at("Storage", "Lustre/Resource"),
        "launch-template-id": deployment.id_at("Cluster", template_path(spec)),
        **_of_the_nodes(evidence),
    }.items():
        yield equal(f"parameter {path}{name}", wanted, values.get(name))
    wanted_count = sum(
        len(deployment.of_type("AWS::SSM::Parameter", stack)) for stack in ("Cluster", "Training")
    )
    yield equal("parameters", wanted_count, len(values))


def _of_the_nodes(evidence: Evidence) -> dict[str, str]:
    """Return the parameters that say who launches the nodes."""
    slurm, deployment = evidence.spec.slurm, evidence.deployment
    if slurm is None:
        return {"node-group-name": deployment.id_at("Cluster", "Nodes/Resource")}
    cluster = deployment.id_at("Cluster", "Slurm/Cluster/Resource")
    return {"slurm-cluster-id": cluster.rsplit("/", 1)[-1], "slurm-queue": slurm.queue}


def parameter_path(spec: EnvironmentSpec) -> str:
    """Return the path below which an environment's parameters lie."""
    return f"/ultracluster/{spec.name}/"
