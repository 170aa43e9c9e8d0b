"""No check of a proof is true whatever AWS answers.

The answers about a deployed environment are kept; then each value in them is another one, alone. A
check that no such answer makes false proves nothing.
"""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from environments.dev import DEV
from environments.ultracluster import ULTRACLUSTER
from tests.rehearse.conftest import Deployer
from ultracluster.aws import Cloud, CloudError
from ultracluster.prove.deployment import Deployment, StackTemplate
from ultracluster.prove.proof import Evidence, Results, prove
from ultracluster.prove.proofs import PROOFS
from ultracluster.spec.environment import EnvironmentSpec

Call = tuple[str, str]
Path = tuple[str | int, ...]
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
STATED = ("PolicyVersion", "Document", "Statement")


class Answers:
    """An account that answers what it answered once, but for one value."""

    def __init__(self, cloud: Cloud | None = None) -> None:
        self._cloud = cloud
        self.known: dict[str, Any] = {}
        self.calls: dict[str, Call] = {}
        self.asked: set[Call] = set()
        self.altered: tuple[Call, Path, Any] | None = None

    def ask(self, service: str, operation: str, **parameters: Any) -> Any:
        self.asked.add((service, operation))
        key = json.dumps([service, operation, parameters], sort_keys=True)
        if key not in self.known and self._cloud is not None:
            self.known[key] = self._cloud.ask(service, operation, **parameters)
            self.calls[key] = service, operation
        if key not in self.known:
            raise CloudError(service, operation, "NotFound", "nobody asked for it before")
        answer = self.known[key]
        if self.altered is None or self.altered[0] != (service, operation):
            return answer
        return changed(answer, *self.altered[1:])


def changed(answer: Any, path: Path, value: Any) -> Any:
    """Return an answer with another value in every place of a path; None takes a member away."""
    if not path:
        return value(answer)
    first, *rest = path
    if isinstance(answer, list):
        return [changed(each, tuple(rest), value) for each in answer]
    if not isinstance(answer, dict) or first not in answer:
        return answer
    found = changed(answer[first], tuple(rest), value)
    kept = {key: each for key, each in answer.items() if key != first}
    return kept if found is None else {**kept, first: found}


def another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"another {value}" if isinstance(value, str) else value


def nothing(_: Any) -> None:
    return None


def without_the_last(value: Any) -> Any:
    return value[:-1] if isinstance(value, list) else value


def one_more(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [*value, copy.deepcopy(value[-1]) if value else EVERYTHING]


def everything(value: Any) -> Any:
    return [*value, EVERYTHING] if isinstance(value, list) else value


def paths(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield where values and lists are, those of all rows of a list as one."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from paths(each, (*path, key))
    elif isinstance(value, list):
        yield path, without_the_last
        yield path, one_more
        if path == STATED:
            yield path, everything
        for each in value:
            yield from paths(each, (*path, "*"))
    else:
        yield path, another
        yield path, nothing


def results(
    spec: EnvironmentSpec, stacks: tuple[StackTemplate, ...], cloud: Answers, area: str
) -> Results:
    return prove({area: PROOFS[area]}, Evidence(spec, Deployment(cloud, stacks), cloud))


@pytest.fixture(scope="module", params=[DEV, ULTRACLUSTER], ids=lambda spec: spec.name)
def answered(
    request: pytest.FixtureRequest, deployer: Deployer
) -> tuple[EnvironmentSpec, tuple[StackTemplate, ...], Answers]:
    """An environment, deployed once, and all that was answered of it."""
    deployed = deployer.deploy(request.param)
    cloud = Answers(deployed.cloud)
    for area in PROOFS:
        results(deployed.spec, deployed.stacks, cloud, area)
    replayed = Answers()
    replayed.known, replayed.calls = cloud.known, cloud.calls
    return deployed.spec, deployed.stacks, replayed


@pytest.mark.parametrize("area", PROOFS)
def test_every_check_is_false_for_some_answer(
    answered: tuple[EnvironmentSpec, tuple[StackTemplate, ...], Answers], area: str
):
    """And all of them are true for the answers as they are."""
    spec, stacks, cloud = answered
    cloud.altered, cloud.asked = None, set()
    checks = results(spec, stacks, cloud, area)[area]
    assert [str(check) for check in checks if not check.ok] == []

    never = {check.subject for check in checks}
    tried = {
        (cloud.calls[key], path, change)
        for key, answer in cloud.known.items()
        if cloud.calls[key] in cloud.asked
        for path, change in paths(answer)
    }
    for alteration in sorted(tried, key=str):
        cloud.altered = alteration
        found = results(spec, stacks, cloud, area)[area]
        never -= {check.subject for check in found if not check.ok}
        if not never:
            break

    assert never == set()
