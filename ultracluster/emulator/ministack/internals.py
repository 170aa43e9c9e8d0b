"""Every module of MiniStack 1.5.33 that this project relies on, in one place.

They are private and untyped. `tests/emulator/test_contract.py` reads which of their names this
folder uses, and says which of them an upgrade removed and where it is used.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from ministack import app
from ministack.core import responses, router
from ministack.services import (
    autoscaling,
    budgets,
    cloudformation,
    cloudwatch,
    cloudwatch_logs,
    ec2,
    efs,
    iam,
    s3,
    ssm,
    stepfunctions,
    sts,
)
from ministack.services.cloudformation import (
    changesets,
    engine,
    handlers,
    provisioners,
    stacks,
)

from ultracluster.emulator.provisioning import Scope

__all__ = [
    "app",
    "autoscaling",
    "budgets",
    "changesets",
    "cloudformation",
    "cloudwatch",
    "cloudwatch_logs",
    "current_scope",
    "ec2",
    "efs",
    "engine",
    "handlers",
    "iam",
    "provisioners",
    "route",
    "router",
    "s3",
    "ssm",
    "stacks",
    "stepfunctions",
    "sts",
]

VERSION: Final = "1.5.33"
Answer = Callable[[str, bytes], Awaitable[tuple[int, bytes]]]


def route(service: str, target_prefix: str, answer: Answer) -> None:
    """Let requests whose target begins with a prefix be answered, by target and body."""

    async def answered(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query: Any
    ) -> tuple[int, dict[str, str], bytes]:
        del method, path, query
        status, text = await answer(headers.get("x-amz-target", ""), body)
        return status, {"Content-Type": "application/x-amz-json-1.1"}, text

    app.SERVICE_REGISTRY[service] = {"module": "account"}
    app.SERVICE_HANDLERS[service] = answered
    patterns = {"target_prefixes": [f"{target_prefix}."], "host_patterns": []}
    router.SERVICE_PATTERNS[service] = patterns


def current_scope() -> Scope:
    """Return the account and Region of the request, or of the stack operation, that runs."""
    return Scope(str(responses.get_account_id()), str(responses.get_region()))
