"""No check of a proof is true whatever AWS answers.

The answers about a deployed environment are kept; then each value in them is another one, alone. A
check that no such answer makes false proves nothing.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from environments.dev import DEV
from environments.staging import STAGING
from environments.ultracluster import ULTRACLUSTER
from tests.rehearse.conftest import Deployer
from ultracluster.aws import Cloud, CloudError
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


CHECKS = {
    "every resource of every stack": (5, 5),
    "every service": (1, 1),
    "network": (12, 12),
    "security groups": (16, 16),
    "launch template": (8, 8),
    "placement and capacity": (3, 9),
    "nodes": (5, 16),
    "Slurm": (1, 21),
    "Lustre": (10, 14),
    "homes": (1, 1, 9),
    "data bucket": (5, 5),
    "roles": (7, 7),
    "policies": (14, 16),
    "image repository": (2, 2),
    "job parameters": (7, 8),
    "unattended training": (9, 9),
    "budget": (8, 8),
    "idle capacity": (1, 7),
    "alarms": (4, 4),
}
"""How many checks of `dev` and of `ultracluster` each area has, and of the storage of `staging`
where it alone has something: nobody misses one that is gone."""


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
    more = {"More": {"Type": "AWS::AutoScaling::AutoScalingGroup"}}
    yield tuple(
        replace(stack, template={"Resources": {**stack.template["Resources"], **more}})
        for stack in stacks
    )


Answered = tuple[EnvironmentSpec, tuple[StackTemplate, ...], Answers]


def checks(given: Answered, area: str) -> list[Check]:
    spec, stacks, cloud = given
    return prove({area: PROOFS[area]}, Evidence(spec, Deployment(cloud, stacks), cloud))[area]


@pytest.fixture(scope="module")
def answered(deployer: Deployer) -> list[Answered]:
    """Environments, deployed once, and all that was answered of them."""
    found = []
    for spec, but, areas in (
        (DEV, "", tuple(PROOFS)),
        (ULTRACLUSTER, "", tuple(PROOFS)),
        (STAGING, "Cluster", ("homes",)),
    ):
        deployed = deployer.deploy(spec, but=but)
        stacks = tuple(stack for stack in deployed.stacks if stack.construct_id != but)
        cloud = Answers(deployed.cloud)
        for area in areas:
            checks((spec, stacks, cloud), area)
        cloud.cloud = None
        found.append((spec, stacks, cloud))
    return found


@pytest.mark.parametrize("area", PROOFS)
def test_every_check_is_false_for_some_answer(answered: list[Answered], area: str):
    """And all of them are true for the answers as they are."""
    never: set[str] = set()
    false: set[str] = set()
    for (spec, stacks, cloud), count in zip(answered, CHECKS[area], strict=False):
        cloud.altered, cloud.asked = None, set()
        as_they_are = checks((spec, stacks, cloud), area)
        assert len(as_they_are) == count
        assert [str(check) for check in as_they_are if not check.ok] == []
        never |= {check.subject for check in as_they_are}
        for templates in other_templates(stacks):
            found = checks((spec, templates, cloud), area)
            false |= {check.subject for check in found if not check.ok}
        for alteration in alterations(cloud):
            if never <= false:
                break
            cloud.altered = alteration
            false |= {
                check.subject for check in checks((spec, stacks, cloud), area) if not check.ok
            }

    assert never - false == set()
