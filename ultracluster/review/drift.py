"""What CloudFormation finds that is no longer as it left it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Drifted:
    """One property that is no longer as CloudFormation left it, or a resource that is gone."""

    stack: str
    resource: str
    """Logical id."""
    resource_type: str
    path: str = ""
    """JSON pointer to the property; empty where the whole resource was deleted."""
    expected: str = ""
    actual: str = ""
    """Values as CloudFormation writes them: JSON where they are no text."""
    kind: str = ""
    """NOT_EQUAL, ADD or REMOVE: how the property differs."""

    def __str__(self) -> str:
        what = f"{self.stack} {self.resource} ({self.resource_type})"
        if not self.path:
            return f"{what}: it was deleted"
        return f"{what}: {self.path}: {self.expected} -> {self.actual}"


def of_answer(stack: str, row: Mapping[str, Any]) -> list[Drifted]:
    """Return what CloudFormation's `StackResourceDrift` says of one resource."""
    which = (stack, str(row["LogicalResourceId"]), str(row["ResourceType"]))
    if row["StackResourceDriftStatus"] == "DELETED":
        return [Drifted(*which)]
    names = ("PropertyPath", "ExpectedValue", "ActualValue", "DifferenceType")
    return [
        Drifted(*which, *(str(each.get(name, "")) for name in names))
        for each in row["PropertyDifferences"]
    ]
