"""Proof of the policies: each role may do what its template says, and nothing beside it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ultracluster.prove.deployment import Resource
from ultracluster.prove.proof import Check, Evidence, as_list, equal, present

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
        holders = [roles.get((policy.stack, str(role.get("Ref"))), "") for role in _roles(policy)]
        answer = evidence.cloud.ask(
            "iam", "list_entities_for_policy", PolicyArn=str(policy.physical_id)
        )
        attached = [role["RoleName"] for role in answer["PolicyRoles"]]
        yield equal(f"roles with {policy.path}", sorted(holders), sorted(attached))


def _roles(policy: Resource) -> list[dict[str, Any]]:
    roles: list[dict[str, Any]] = policy.properties.get("Roles", [])
    return roles


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
