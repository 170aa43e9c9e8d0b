"""The types of proofs, and how results are shown."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from rich.text import Text

from ultracluster.aws import Cloud, CloudError
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.prove.deployment import Deployment, Resource, described
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.tables import Column, Rows

LISTED_LIMIT: Final = 3


@dataclass(frozen=True)
class Check:
    """One thing that was asked for, and what the API says of it."""

    subject: str
    wanted: object
    found: object
    ok: bool
    lacks: str = ""
    """The IAM action that the caller lacks: then nothing is known, and `ok` is false."""

    def __str__(self) -> str:
        if self.lacks:
            return f"{self.subject}: not shown; the caller may not {self.lacks}"
        verdict = "is" if self.ok else "should be"
        line = f"{self.subject} {verdict} {self.wanted}"
        return line if self.ok else f"{line}, and is {self.found}"


def equal(subject: str, wanted: object, found: object) -> Check:
    return Check(subject, wanted, found, ok=wanted == found)


def members(answer: Mapping[str, Any], *rows: tuple[str, object, str]) -> Iterator[Check]:
    """Yield a comparison for each subject, wanted value, and member of an answer."""
    for subject, wanted, key in rows:
        yield equal(subject, wanted, answer.get(key))


def unanswered(subject: str, error: CloudError) -> Check:
    """Return that AWS refused to answer, or answered by an error."""
    if error.refused:
        return Check(subject, "shown", "not shown", ok=False, lacks=error.action)
    return Check("the answer of AWS", "an answer", str(error), ok=False)


def present(subject: str, *, there: bool) -> Check:
    return Check(subject, "there", "missing", ok=there)


@dataclass
class Evidence:
    """All that a proof reads: the spec, the templates, and the account."""

    spec: EnvironmentSpec
    deployment: Deployment
    cloud: Cloud
    facts: dict[str, Any] = field(default_factory=dict)
    """Figures that checks come across and the summary shows."""

    def id_at(self, stack: str, path: str) -> str:
        return self.deployment.id_at(stack, path)

    def described(self, stack: str, path: str) -> dict[str, Any]:
        """Return the resource at a construct path as its service describes it."""
        resource = self.deployment.at(stack, path)
        return described(self.cloud, resource.resource_type, str(resource.physical_id))[0]

    def launch_template(self, path: str) -> dict[str, Any]:
        """Return the data of the newest version of a launch template of the cluster stack."""
        answer = self.cloud.ask(
            "ec2",
            "describe_launch_template_versions",
            LaunchTemplateId=self.id_at("Cluster", path),
            Versions=["$Latest"],
        )
        data: dict[str, Any] = answer["LaunchTemplateVersions"][0]["LaunchTemplateData"]
        return data

    def policy_statements(self, arn: str) -> list[dict[str, Any]]:
        """Return the statements of a managed policy's default version."""
        version = described(self.cloud, "AWS::IAM::ManagedPolicy", arn)[0]["DefaultVersionId"]
        answer = self.cloud.ask("iam", "get_policy_version", PolicyArn=arn, VersionId=version)
        policy = document(answer["PolicyVersion"]["Document"])
        statements: list[dict[str, Any]] = policy["Statement"]
        return statements

    def role_statements(self, role: str) -> list[dict[str, Any]]:
        """Return the statements of a role's managed policies; our roles have no inline ones."""
        attached = self.cloud.ask("iam", "list_attached_role_policies", RoleName=role)
        arns = [policy["PolicyArn"] for policy in attached["AttachedPolicies"]]
        return [statement for arn in arns for statement in self.policy_statements(arn)]


def tagged(evidence: Evidence, data: Mapping[str, Any]) -> set[Any]:
    """Return what a launch template launches with the environment's tag: a budget sees no other."""
    own = {"Key": ENVIRONMENT_TAG, "Value": evidence.spec.name}
    stated = data.get("TagSpecifications", [])
    return {each.get("ResourceType") for each in stated if own in each.get("Tags", [])}


def document(value: Any) -> dict[str, Any]:
    """Return a policy document, which IAM answers as text in a URL's encoding."""
    read: dict[str, Any] = json.loads(unquote(value)) if isinstance(value, str) else value
    return read


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


Proof = Callable[[Evidence], Iterator[Check]]
Results = dict[str, list[Check]]
"""Checks by area."""


def prove(proofs: dict[str, Proof], evidence: Evidence) -> Results:
    """Return the checks of each area.

    An error of AWS's or an answer that lacks what is looked for is a failed check, never an
    exception: the other areas are still proved. Where the caller may not ask, the rest of the area
    is not shown.

    Raises:
        CloudError: where nobody answers.
    """
    results: Results = {}
    for area, proof in proofs.items():
        results[area] = []
        try:
            for check in proof(evidence):
                results[area].append(check)
        except CloudError as error:
            if not error.answered:
                raise
            results[area].append(unanswered("this and what follows", error))
        except (LookupError, ValueError) as error:
            missing = Check(f"{error} in the answer of AWS", "there", "missing", ok=False)
            results[area].append(missing)
    return results


def all_there(what: str, count: int, missing: Sequence[Resource]) -> Check:
    """Return the check that none of so many resources is missing, which names those that are."""
    shown = ", ".join(f"{r.logical_id} ({r.resource_type})" for r in missing[:LISTED_LIMIT])
    return Check(what, count, f"{count - len(missing)}; missing {shown}", ok=not missing)


def every_resource(evidence: Evidence) -> Iterator[Check]:
    """Every resource of every template has an id and is complete: nothing was skipped."""
    resources = evidence.deployment.resources
    absent = [each for each in resources if not each.exists]
    yield all_there("resources of the templates that CloudFormation made", len(resources), absent)
    for stack in evidence.deployment.stacks:
        answer = evidence.cloud.ask("cloudformation", "describe_stacks", StackName=stack.name)
        found = answer["Stacks"][0].get("EnableTerminationProtection", False)
        yield equal(f"termination protection of {stack.name}", stack.termination_protection, found)


COLUMNS: Final = (Column("area"), Column("checks", "number"), Column("result"))


def table_of(results: Results, title: str) -> Rows:
    table = Rows(COLUMNS, title=title)
    for area, checks in results.items():
        hidden = sum(bool(check.lacks) for check in checks)
        failed = sum(not check.ok and not check.lacks for check in checks)
        verdict = Text(f"{hidden} not shown", "yellow") if hidden else Text("all true", "green")
        table.add(area, str(len(checks)), Text(f"{failed} failed", "red") if failed else verdict)
    return table


def failures(results: Results) -> Iterator[str]:
    """Yield a line for each check that is not true, or that the caller may not make."""
    for area, checks in results.items():
        yield from (f"{area}: {check}" for check in checks if not check.ok)


def as_document(results: Results) -> dict[str, list[dict[str, Any]]]:
    """Return the checks of each area; `lacks` is the action that the caller may not take."""
    return {
        area: [
            {"check": str(check), "ok": check.ok} | ({"lacks": check.lacks} if check.lacks else {})
            for check in checks
        ]
        for area, checks in results.items()
    }
