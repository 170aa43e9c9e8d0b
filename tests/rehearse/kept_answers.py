"""Answers about a deployed environment that are kept, and each of them with another value."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from ultracluster.aws import Cloud, CloudError
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.prove.deployment import Deployment, StackTemplate
from ultracluster.prove.proof import Check, Evidence, prove
from ultracluster.prove.proofs import PROOFS
from ultracluster.spec.environment import EnvironmentSpec

Call = tuple[str, str]
Path = tuple[str | int, ...]
IN_JSON = "in JSON"
DATA = ("LaunchTemplateVersions", "*", "LaunchTemplateData")
MORE: dict[Path, dict[str, Any]] = {
    ("PolicyVersion", "Document", "Statement"): {
        "Effect": "Allow",
        "Action": "*",
        "Resource": "*",
    },
    (*DATA, "NetworkInterfaces"): {"AssociatePublicIpAddress": True},
    ("SecurityGroups", "*", "IpPermissions"): {"IpProtocol": "-1"},
    ("Policy", IN_JSON, "Statement"): {
        "Effect": "Allow",
        "Action": "elasticfilesystem:ClientMount",
        "Principal": {"AWS": "*"},
    },
    DATA: {
        "CapacityReservationSpecification": {
            "CapacityReservationTarget": {"CapacityReservationId": "cr-another"}
        },
        "Placement": {"GroupName": "another"},
        "NetworkInterfaces": [{"InterfaceType": "efa"}],
    },
    ("Reservations",): {"Instances": [{"InstanceId": "i-another"}]},
    ("queue",): {
        "slurmConfiguration": {
            "slurmCustomSettings": [
                {"parameterName": name, "parameterValue": "another"}
                for name in ("Default", "PriorityTier")
            ]
        }
    },
    ("FileSystems",): {
        "FileSystemId": "fs-another",
        "Tags": [{"Key": ENVIRONMENT_TAG, "Value": name} for name in ("dev", "ultracluster")],
    },
    ("Associations",): {"FileSystemPath": "/another", "DataRepositoryPath": "s3://another/"},
    ("Subscriptions",): {"Endpoint": "stranger@example.com"},
    ("clusters",): {"name": "another"},
    ("cluster", "slurmConfiguration", "slurmCustomSettings"): {
        "parameterName": "AccountingStorageEnforce",
        "parameterValue": "limits",
    },
    ("computeNodeGroup",): {
        "slurmConfiguration": {
            "slurmCustomSettings": [{"parameterName": "Features", "parameterValue": "another"}]
        },
        "instanceHealthChecks": {"healthMonitoring": {"mode": "STANDARD"}},
    },
}
"""Rows and members that no answer has, by the place that might have them."""


class Answers:
    """An account that answers what it answered once, but for one value."""

    def __init__(self, cloud: Cloud | None = None) -> None:
        self.cloud = cloud
        self.known: dict[str, Any] = {}
        self.calls: dict[str, Call] = {}
        self.asked: set[Call] = set()
        self.altered: tuple[Call, Path, Any] | None = None

    def ask(self, service: str, operation: str, **parameters: Any) -> Any:
        self.asked.add((service, operation))
        key = json.dumps([service, operation, parameters], sort_keys=True)
        if key not in self.known and self.cloud is not None:
            self.known[key] = self.cloud.ask(service, operation, **parameters)
            self.calls[key] = service, operation
        if key not in self.known:
            raise CloudError(service, operation, "NotFound", "nobody asked for it before")
        answer = self.known[key]
        if self.altered is None or self.altered[0] != (service, operation):
            return answer
        return changed(answer, *self.altered[1:])


def changed(answer: Any, path: Path, change: Any) -> Any:
    """Return an answer with another value in every place of a path; None takes a member away."""
    if not path:
        return change(answer)
    first, *others = path
    rest = tuple(others)
    if first == IN_JSON:
        return json.dumps(changed(json.loads(answer), rest, change)) if is_json(answer) else answer
    if isinstance(answer, list):
        return [changed(each, rest, change) for each in answer]
    if not isinstance(answer, dict) or first not in answer:
        return answer
    found = changed(answer[first], rest, change)
    kept = {key: each for key, each in answer.items() if key != first}
    return kept if found is None else {**kept, first: found}


def is_json(value: Any) -> bool:
    if not isinstance(value, str) or not value.startswith("{"):
        return False
    with suppress(ValueError):
        json.loads(value)
        return True
    return False


def another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return 100 * value + 1
    return f"another {value} another" if isinstance(value, str) else value


def nothing(value: Any) -> Any:
    return 0 if isinstance(value, int | float) else None


def without_the_last(value: Any) -> Any:
    return value[:-1] if isinstance(value, list) else value


def one_more(value: Any) -> Any:
    return [*value, *value[-1:]] if isinstance(value, list) else value


def paths(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield where values and lists are, those of all rows of a list as one, and a change of it."""
    if is_json(value):
        yield from paths(json.loads(value), (*path, IN_JSON))
    elif isinstance(value, dict):
        if path in MORE:
            yield path, one_more
        for key, each in value.items():
            yield from paths(each, (*path, key))
    elif isinstance(value, list):
        yield from ((path, change) for change in (without_the_last, one_more))
        for each in value:
            yield from paths(each, (*path, "*"))
    else:
        yield from ((path, change) for change in (another, nothing))


def alterations(cloud: Answers) -> list[tuple[Call, Path, Any]]:
    """Return each change of an answer that was asked for, once."""
    found = {
        (cloud.calls[key], path, change)
        for key, answer in cloud.known.items()
        if cloud.calls[key] in cloud.asked
        for path, change in paths(answer)
    }
    more = {
        (call, path, partial(with_row, row))
        for call, path, change in found
        if change is one_more and (row := MORE.get(path))
    }
    return [*sorted(found, key=str), *more]


def with_row(row: dict[str, Any], value: Any) -> Any:
    return {**value, **row} if isinstance(value, dict) else [*value, row]


def other_templates(stacks: tuple[StackTemplate, ...]) -> Iterator[tuple[StackTemplate, ...]]:
    """Yield stacks whose templates lack all of a type, or have one more of an unwanted one."""
    kinds = {each["Type"] for stack in stacks for each in stack.template["Resources"].values()}
    for kind in sorted(kinds):
        yield tuple(
            replace(
                stack,
                template={
                    "Resources": {
                        name: each
                        for name, each in stack.template["Resources"].items()
                        if each["Type"] != kind
                    }
                },
            )
            for stack in stacks
        )
    more = {
        "More": {"Type": "AWS::AutoScaling::AutoScalingGroup"},
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Metadata": {"aws:cdk:path": "any/Cluster/IdleCapacity/Resource"},
        },
    }
    yield tuple(
        replace(stack, template={"Resources": {**stack.template["Resources"], **more}})
        for stack in stacks
    )


Answered = tuple[EnvironmentSpec, tuple[StackTemplate, ...], Answers]


def checks(given: Answered, area: str) -> list[Check]:
    spec, stacks, cloud = given
    return prove({area: PROOFS[area]}, Evidence(spec, Deployment(cloud, stacks), cloud))[area]


def never_false(given: Answered, area: str) -> set[str]:
    """Return the checks of an area that no answer and no template makes false.

    All of them are true for the answers as they are.
    """
    spec, stacks, cloud = given
    cloud.altered, cloud.asked = None, set()
    as_they_are = checks(given, area)
    assert [str(check) for check in as_they_are if not check.ok] == []
    never = {check.subject for check in as_they_are}
    for templates in other_templates(stacks):
        never -= failing(checks((spec, templates, cloud), area))
    for alteration in alterations(cloud):
        if not never:
            break
        cloud.altered = alteration
        never -= failing(checks(given, area))
    cloud.altered = None
    return never


def failing(found: list[Check]) -> set[str]:
    return {check.subject for check in found if not check.ok}
