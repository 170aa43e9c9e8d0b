"""CloudFormation's drift, as deliveries and the acceptance read it."""

from typing import Any

from ultracluster import drift as module
from ultracluster.drift import drift


class Cloud:
    """Answers a detection: in progress once, then over; one resource has drifted, one is gone."""

    def __init__(self, **over: str) -> None:
        self._statuses = [{"DetectionStatus": "DETECTION_IN_PROGRESS"}, over]

    def ask(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Answer one call."""
        del service, parameters
        if operation == "detect_stack_drift":
            return {"StackDriftDetectionId": "1"}
        if operation == "describe_stack_drift_detection_status":
            return self._statuses.pop(0)
        row = {"LogicalResourceId": "Logs", "ResourceType": "AWS::Logs::LogGroup"}
        values = {"ExpectedValue": "7", "ActualValue": "3", "DifferenceType": "NOT_EQUAL"}
        changed = {"PropertyDifferences": [{"PropertyPath": "/RetentionInDays", **values}]}
        rows = [
            {**row, "StackResourceDriftStatus": "MODIFIED", **changed},
            # Without the empty list, as AWS may leave it out.
            {**row, "LogicalResourceId": "Gone", "StackResourceDriftStatus": "DELETED"},
        ]
        return {"StackResourceDrifts": rows}


FOUND = [
    "dev-Network Logs (AWS::Logs::LogGroup): /RetentionInDays: 7 -> 3",
    "dev-Network Gone (AWS::Logs::LogGroup): it was deleted",
]


def test_each_property_that_drifted_is_a_line(monkeypatch):
    """And each resource that is gone."""
    monkeypatch.setattr(module, "SOON", 0.0)
    cloud = Cloud(DetectionStatus="DETECTION_COMPLETE")
    assert [str(each) for each in drift(cloud, "dev-Network")] == FOUND


def test_a_detection_that_failed_is_no_pass(monkeypatch):
    """Where CloudFormation may not read a resource, nobody knows whether it drifted."""
    monkeypatch.setattr(module, "SOON", 0.0)
    why = "Failed to detect drift on resources [Key]"
    cloud = Cloud(DetectionStatus="DETECTION_FAILED", DetectionStatusReason=why)
    *found, last = (str(each) for each in drift(cloud, "dev-Network"))
    assert found == FOUND
    assert last.endswith(f"drift detection: complete -> {why}")
