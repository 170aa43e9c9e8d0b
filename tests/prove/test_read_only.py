"""What `prove` asks of an account changes nothing: by IAM's own word for each action."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.prove.conftest import Proved
from ultracluster.aws import Cloud, iam_action
from ultracluster.prove.command import ReadOnly
from ultracluster.prove.deployment import CALLS
from ultracluster.prove.proof import Evidence, prove
from ultracluster.prove.proofs import PROOFS
from ultracluster.review.access.statement import Level, level

ROOM = Path(__file__).parents[2] / "ultracluster" / "prove"
NO_PERMISSION = {("sts", "get_caller_identity")}
"""Everybody may ask it (AWS STS API reference, GetCallerIdentity)."""


def written() -> Iterator[tuple[str, str]]:
    """Yield every call that stands in the room's code and in its table."""
    yield from ((service, operation) for service, operation, *_ in CALLS.values())
    for path in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                words = [str(each.value) for each in node.args if isinstance(each, ast.Constant)]
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name == "ask" and len(words) > 1:
                    yield words[0], words[1]
                elif name == "filtered" and words:
                    yield "ec2", words[0]
                elif name == "_listed" and words:
                    yield "pcs", words[0]


class Listening:
    """An account that remembers what it was asked."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.asked: set[tuple[str, str]] = set()

    def ask(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Answer, and remember."""
        self.asked.add((service, operation))
        return self.cloud.ask(service, operation, **parameters)


@pytest.mark.parametrize("call", sorted(set(written()) - NO_PERMISSION), ids=".".join)
def test_every_call_only_reads(call: tuple[str, str]):
    """The service authorization reference says what an action can do at most."""
    assert level(iam_action(*call)) in (Level.READ, Level.LIST)


def test_no_call_is_made_that_is_not_written(proved: Proved):
    """The calls that were judged are those that are made."""
    cloud = Listening(proved.deployed.cloud)
    deployment = type(proved.deployed.deployment)(ReadOnly(cloud), proved.deployed.stacks)

    results = prove(PROOFS, Evidence(proved.deployed.spec, deployment, ReadOnly(cloud)))

    assert all(check.ok for checks in results.values() for check in checks)
    assert cloud.asked <= set(written())


def test_a_call_that_changes_something_is_not_made():
    """Whatever a proof is one day made to do."""
    with pytest.raises(RuntimeError, match="ec2 terminate_instances is no call that only reads"):
        ReadOnly(Listening(None)).ask("ec2", "terminate_instances")  # type: ignore[arg-type]
