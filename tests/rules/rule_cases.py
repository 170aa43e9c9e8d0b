"""Changes to good templates, and what the rules say of them."""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.rules.cluster_templates import CLUSTER, LUSTRE, STORAGE, att, ref, resource
from tests.rules.service_templates import CONTAINERS, HYPERPOD, JOB, PCS, trust
from ultracluster.rules.engine import Verdict, judge
from ultracluster.templates.resolution import Template, resolved_group

GONE: Final = object()
"""In place of a value: nothing is written."""

Changes = Mapping[str, Any]
"""New values by path: logical id and properties, or `@Id.Attribute` for an attribute beside
`Properties`; a whole resource where there is only its id."""


def changed(base: Mapping[str, Any], changes: Changes) -> dict[str, Any]:
    """Return a template whose resources are a base with changes."""
    resources: dict[str, Any] = copy.deepcopy(dict(base))
    for path, value in changes.items():
        name, *inner = re.split(r"\.", path.removeprefix("@"))
        place: Any = resources
        steps: list[str] = [name]
        if inner:
            steps += inner if path.startswith("@") else ["Properties", *inner]
        for step in steps[:-1]:
            place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
        last = steps[-1]
        if value is GONE:
            del place[int(last) if isinstance(place, list) else last]
        elif isinstance(place, list):
            place[int(last)] = copy.deepcopy(value)
        else:
            place[last] = copy.deepcopy(value)
    return {"Resources": resources}


REGISTERING: Final = "NodeRole.Policies.0.PolicyDocument.Statement.0.Action"
WATCHED: Final = changed(
    CLUSTER,
    {
        "Template.LaunchTemplateData.IamInstanceProfile": {"Arn": att("Seen", "Arn")},
        "Seen": resource("AWS::IAM::InstanceProfile", {"Roles": [ref("SeenRole")]}),
        "SeenRole": resource(
            "AWS::IAM::Role",
            {
                "AssumeRolePolicyDocument": trust("ec2.amazonaws.com"),
                "ManagedPolicyArns": [
                    {"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/CloudWatchAgentServerPolicy"}
                ],
            },
        ),
        "Idle": resource(
            "AWS::CloudWatch::Alarm",
            {
                "Namespace": "AWS/EC2CapacityReservations",
                "MetricName": "InstanceUtilization",
                "Dimensions": [{"Name": "CapacityReservationId", "Value": ref("Reservation")}],
                "ComparisonOperator": "LessThanThreshold",
                "EvaluationPeriods": 2,
                "Threshold": 50,
            },
        ),
    },
)["Resources"]
BASES: Final[Mapping[str, dict[str, Any]]] = {
    "cluster": WATCHED,
    "storage": STORAGE,
    "both": {**WATCHED, **LUSTRE, "Reservation": {**WATCHED["Reservation"], "DependsOn": "Lustre"}},
    "job": JOB,
    "hyperpod": HYPERPOD,
    "pcs": changed(
        PCS, {REGISTERING: ["pcs:RegisterComputeNodeGroupInstance", "cloudwatch:PutMetricData"]}
    )["Resources"],
    "containers": CONTAINERS,
}


def verdict(
    *templates: Mapping[str, Any],
    region: str | None = "us-east-1",
    protected: bool | None = None,
    **parameters: str,
) -> Verdict:
    """Return what all rules say of templates that are deployed together."""
    named = [
        Template(f"stack{index}", body, protected=protected) for index, body in enumerate(templates)
    ]
    return judge(resolved_group(named, parameters, region, every_value=True))


def said(judged: Verdict) -> set[str]:
    """Return the rules that found something."""
    return {finding.rule for finding in judged.findings}


@dataclass(frozen=True)
class Case:
    """The two fixtures of a rule: a change of a base that it finds, and one that it lets pass."""

    rule: str
    base: str
    bad: Changes
    good: Changes = field(default_factory=dict)
    """The nearest thing that is right; nothing changed where the base itself is that."""
    region: str = "us-east-1"
    protected: bool | None = None
    """Whether the stack has termination protection; None where nobody says."""
    words: str = ""
    """Part of the message: the value as it was given."""

    def failing(self) -> dict[str, Any]:
        """Return the template with the fault."""
        return changed(BASES[self.base], self.bad)

    def passing(self) -> dict[str, Any]:
        """Return the template with the nearest right thing."""
        return changed(BASES[self.base], self.good)
