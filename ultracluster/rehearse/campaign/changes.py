"""A change of a template that reaches one resource, so that its update can fail."""

import copy
import json
from collections.abc import Mapping
from typing import Any, Final

from ultracluster.registry.schemas import Schema, schema

TAG: Final = {"Key": "campaign", "Value": "changed"}
DOCUMENTS: Final = ("PolicyDocument", "KeyPolicy", "AssumeRolePolicyDocument")
NAMES: Final = ("Description", "AlarmDescription", "VersionDescription", "DisplayName")
VALUES: Final[Mapping[str, Mapping[str, Any]]] = {
    # Members of a property, where nothing on its surface may change.
    "AWS::Budgets::Budget": {"Budget": {"BudgetLimit": {"Amount": 1, "Unit": "USD"}}},
    "AWS::EC2::CapacityReservation": {"InstanceCount": 2},
    "AWS::FSx::FileSystem": {"LustreConfiguration": {"WeeklyMaintenanceStartTime": "1:05:00"}},
    "AWS::SNS::Subscription": {"RawMessageDelivery": False, "FilterPolicy": {"x": ["y"]}},
}


def changed(
    template: Mapping[str, Any], logical_id: str, region: str
) -> tuple[dict[str, Any], str] | None:
    """Return a template with one resource changed, and what CloudFormation does then to it.

    None where no change of that resource alone is possible: every property needs a new one, whose
    place the old one still takes.
    """
    found = copy.deepcopy(dict(template))
    resource = found["Resources"][logical_id]
    properties = resource.setdefault("Properties", {})
    kind = resource["Type"]
    known = schema(kind, region)
    if kind.startswith("Custom::"):
        properties["Campaign"] = "changed"
        return found, "update"
    if known is None:
        return None
    fixed = {path[0] for path in known.create_only if len(path) == 1}
    change = _change(kind, properties, known, fixed)
    if change is None:
        return None
    name, value = change
    properties[name] = value
    return found, "create" if name in fixed else "update"


def _change(
    kind: str, properties: Mapping[str, Any], known: Schema, fixed: set[str]
) -> tuple[str, Any] | None:
    if kind in VALUES:
        name, value = next(iter(VALUES[kind].items()))
        given = properties.get(name)
        return name, {**given, **value} if isinstance(given, dict) else value
    name, shape = known.tags or ("", "")
    if name and name not in fixed:
        return name, _tagged(properties.get(name), shape)
    possible = known.document["properties"]
    for name in NAMES:
        if name in possible and name not in fixed:
            return name, "Changed by a campaign of faults"
    for name in DOCUMENTS:
        if name in properties and name not in fixed:
            return name, {**properties[name], "Id": "Campaign"}
    return None


def _tagged(tags: Any, shape: str) -> Any:
    """Return tags with one more."""
    if shape == "map":
        return {**(tags or {}), TAG["Key"]: TAG["Value"]}
    more = {"PropagateAtLaunch": True} if "PropagateAtLaunch" in json.dumps(tags) else {}
    return [*(tags or []), {**TAG, **more}]
