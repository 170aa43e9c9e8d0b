"""MiniStack's EC2 called as boto3 would call it, without a network between."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from ultracluster.emulator import wire
from ultracluster.emulator.ministack import internals
from ultracluster.emulator.provisioning import ServiceError

Response = tuple[int, dict[str, str], bytes]
Action = Callable[[wire.Flat], Response]
Handler = Callable[[Mapping[str, Any]], Mapping[str, Any]]

FIRST_ERROR: Final = 400
XML: Final = {"Content-Type": "text/xml;charset=UTF-8"}


def ec2(operation: str, **arguments: Any) -> dict[str, Any]:
    """Call an EC2 operation and return its answer's members.

    Raises:
        ServiceError: where EC2 refuses.
    """
    internals.ec2._ensure_defaults_initialized()
    action: Action = internals.ec2._ACTION_MAP[operation]
    status, _, body = action(wire.ec2_request(operation, arguments))
    return wire.ec2_result(operation, status, body)


def checked(service: str, response: Response) -> dict[str, Any]:
    """Return what one of MiniStack's JSON services answered.

    Raises:
        ServiceError: where it refuses.
    """
    status, _, body = response
    answer: dict[str, Any] = json.loads(body or b"{}")
    if status >= FIRST_ERROR:
        message = str(answer.get("message") or answer.get("Message"))
        raise ServiceError(service, str(answer.get("__type", "ClientException")), message)
    return answer


@contextmanager
def gone_or_here() -> Iterator[None]:
    """Let a delete of what is gone already pass."""
    try:
        yield
    except ServiceError as error:
        if "NotFound" not in error.code:
            raise


def offer(operation: str, handler: Handler) -> None:
    def action(flat: wire.Flat) -> Response:
        try:
            result = handler(wire.ec2_arguments(operation, flat))
        except ServiceError as error:
            return 400, dict(XML), wire.ec2_error(error)
        return 200, dict(XML), wire.ec2_answer(operation, result)

    internals.ec2._ACTION_MAP[operation] = action


def tags(resource_id: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = internals.ec2._tags.get(resource_id) or []
    return [dict(tag) for tag in found]


def apply_tags(
    resource_id: str, properties: Mapping[str, Any], previous: Mapping[str, Any] | None = None
) -> None:
    internals.provisioners._ec2_apply_tags(resource_id, properties, previous)
