"""MiniStack's EC2 as boto3 would call it, and its provisioners with what they leave out."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final

from ultracluster.emulator import wire
from ultracluster.emulator.ministack import internals
from ultracluster.emulator.ministack.handlers import Existing
from ultracluster.emulator.provisioning import Order, Resource, ServiceError

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


Check = Callable[[Order], None]
Addition = Callable[[str, Order], Mapping[str, Any]]


def existing(type_name: str) -> Existing:
    return Existing(internals.provisioners._RESOURCE_HANDLERS[type_name])


@dataclass
class Wrapped:
    """MiniStack's own provisioner of a type, with checks before it and additions after it."""

    type_name: str
    _: KW_ONLY
    given: Callable[[Order], Order] = lambda order: order
    """Returns what MiniStack is told in the place of an order."""
    check: Check = lambda _: None
    """Refuses what the service would refuse, before create and update."""
    create_check: Check = lambda _: None
    """The same, before create alone."""
    created: Callable[[Resource], None] = lambda _: None
    guard: Callable[[str], None] = lambda _: None
    """Refuses a delete while something depends on the resource."""
    addition: Addition = lambda _, __: {}
    """Completes the resource after create and update, and returns attributes."""

    def __post_init__(self) -> None:
        self.inner = existing(self.type_name)

    def create(self, order: Order) -> Resource:
        self.check(order)
        self.create_check(order)
        resource = self.inner.create(self.given(order))
        self.created(resource)
        return self._completed(resource, order)

    def update(self, physical_id: str, order: Order) -> Resource:
        self.check(order)
        return self._completed(self.inner.update(physical_id, self.given(order)), order)

    def delete(self, physical_id: str, order: Order) -> None:
        self.guard(physical_id)
        self.inner.delete(physical_id, order)

    def _completed(self, resource: Resource, order: Order) -> Resource:
        more = self.addition(resource.physical_id, order)
        return Resource(resource.physical_id, {**resource.attributes, **more})
