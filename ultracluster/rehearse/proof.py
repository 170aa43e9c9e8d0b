"""Proof by API calls that what an environment asks for is there."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ultracluster.aws import Cloud, CloudError
from ultracluster.rehearse.deployment import Deployment, Resource
from ultracluster.spec.environment import EnvironmentSpec

LISTED_LIMIT: Final = 3


@dataclass(frozen=True)
class Check:
    """One thing that was asked for, and what the API says of it."""

    subject: str
    wanted: object
    found: object
    ok: bool

    def __str__(self) -> str:
        verdict = "is" if self.ok else "should be"
        line = f"{self.subject} {verdict} {self.wanted}"
        return line if self.ok else f"{line}, and is {self.found}"


def equal(subject: str, wanted: object, found: object) -> Check:
    return Check(subject, wanted, found, ok=wanted == found)


@dataclass
class Evidence:
    """All that a proof reads: the spec, the templates, and the account."""

    spec: EnvironmentSpec
    deployment: Deployment
    cloud: Cloud
    facts: dict[str, Any] = field(default_factory=dict)
    """Figures that checks come across and the summary shows."""


Proof = Callable[[Evidence], Iterator[Check]]


def prove(proofs: dict[str, Proof], evidence: Evidence) -> dict[str, list[Check]]:
    """Return the checks of each area.

    A call that is refused or an answer that lacks what is looked for is a failed check, never an
    exception: the other areas are still proved.
    """
    results: dict[str, list[Check]] = {}
    for area, proof in proofs.items():
        results[area] = []
        try:
            for check in proof(evidence):
                results[area].append(check)
        except CloudError as error:
            results[area].append(Check("the answer of AWS", "an answer", str(error), ok=False))
        except LookupError as error:
            results[area].append(
                Check(f"{error} in the answer of AWS", "there", "missing", ok=False)
            )
    return results


def all_there(what: str, count: int, missing: Sequence[Resource]) -> Check:
    """Return the check that none of so many resources is missing, which names those that are."""
    shown = ", ".join(f"{r.logical_id} ({r.resource_type})" for r in missing[:LISTED_LIMIT])
    return Check(what, count, f"{count - len(missing)}; missing {shown}", ok=not missing)


def every_resource(evidence: Evidence) -> Iterator[Check]:
    """Every resource of every template has an id and is complete: nothing was skipped."""
    resources = evidence.deployment.resources
    yield all_there(
        "resources of the templates that CloudFormation made",
        len(resources),
        [r for r in resources if not r.exists],
    )
    for stack in evidence.deployment.stacks:
        answer = evidence.cloud.ask("cloudformation", "describe_stacks", StackName=stack.name)
        found = answer["Stacks"][0].get("EnableTerminationProtection", False)
        yield equal(f"termination protection of {stack.name}", stack.termination_protection, found)
