"""Drift: differences between resources and what CloudFormation deployed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ultracluster.waiting import until

if TYPE_CHECKING:
    from ultracluster.aws import Cloud

SOON: Final = 1.0
UNCHANGED: Final = ("didn't contain changes", "No updates are to be performed")
"""CloudFormation's status reasons of an empty change set (AWS CloudFormation API,
DescribeChangeSet, StatusReason; aws-cdk 2.1148.1 looks for the same)."""
NAMES: Final = ("PropertyPath", "ExpectedValue", "ActualValue", "DifferenceType")
STACK: Final = "AWS::CloudFormation::Stack"


@dataclass(frozen=True)
class Drifted:
    """A property that differs from the template, or a deleted resource."""

    stack: str
    resource: str
    """Logical id."""
    resource_type: str
    path: str = ""
    """JSON pointer to the property; empty where the whole resource was deleted."""
    expected: str = ""
    actual: str = ""
    """Values as CloudFormation writes them: strings, or JSON."""
    kind: str = ""
    """NOT_EQUAL, ADD or REMOVE: how the property differs."""

    def __str__(self) -> str:
        what = f"{self.stack} {self.resource} ({self.resource_type})"
        if not self.path:
            return f"{what}: it was deleted"
        return f"{what}: {self.path}: {self.expected} -> {self.actual}"


def drift(cloud: "Cloud", name: str) -> list[Drifted]:
    """Return the drift of a stack, one entry for each property.

    CloudFormation compares what templates set, and not every type of resource (AWS CloudFormation
    user guide, "Detect unmanaged configuration changes", read 2026-11-27); `ultracluster prove`
    looks at the rest. A detection that failed for a resource is an entry for the stack.

    Raises:
        CloudError: where AWS refuses or does not answer.
    """
    begun = cloud.ask("cloudformation", "detect_stack_drift", StackName=name)
    asked = {"StackDriftDetectionId": begun["StackDriftDetectionId"]}
    over = finished(cloud, "describe_stack_drift_detection_status", "DetectionStatus", asked)
    rows = cloud.ask(
        "cloudformation",
        "describe_stack_resource_drifts",
        StackName=name,
        StackResourceDriftStatusFilters=["MODIFIED", "DELETED"],
    )["StackResourceDrifts"]
    found = [each for row in rows for each in of_answer(name, row)]
    if over["DetectionStatus"] == "DETECTION_FAILED":
        why = str(over.get("DetectionStatusReason", "it does not say why"))
        found.append(Drifted(name, name, STACK, "drift detection", "complete", why))
    return found


def finished(
    cloud: "Cloud", operation: str, status: str, asked: Mapping[str, str]
) -> dict[str, Any]:
    """Poll until a status says that CloudFormation has finished; return the answer."""
    return until(
        lambda: cloud.ask("cloudformation", operation, **asked),
        lambda found: not found[status].endswith(("_PENDING", "_IN_PROGRESS")),
        pause=SOON,
    )


def of_answer(stack: str, row: Mapping[str, Any]) -> Iterator[Drifted]:
    """Yield the drift in CloudFormation's `StackResourceDrift` of one resource."""
    which = (stack, str(row["LogicalResourceId"]), str(row["ResourceType"]))
    if row["StackResourceDriftStatus"] == "DELETED":
        yield Drifted(*which)
    for each in row.get("PropertyDifferences", ()):
        yield Drifted(*which, *(str(each.get(name, "")) for name in NAMES))
