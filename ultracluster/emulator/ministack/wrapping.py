"""MiniStack's own provisioners, with what they leave out put around them."""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from ultracluster.emulator.ministack import internals
from ultracluster.emulator.ministack.handlers import Existing
from ultracluster.emulator.provisioning import Order, Resource

Check = Callable[[Order], None]
Addition = Callable[[str, Order], Mapping[str, Any]]


def existing(type_name: str) -> Existing:
    return Existing(internals.provisioners._RESOURCE_HANDLERS[type_name])


@dataclass
class Wrapped:
    """MiniStack's own provisioner of a type, with checks before it and additions after it."""

    type_name: str
    _: KW_ONLY
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
        resource = self.inner.create(order)
        self.created(resource)
        return self._completed(resource, order)

    def update(self, physical_id: str, order: Order) -> Resource:
        self.check(order)
        return self._completed(self.inner.update(physical_id, order), order)

    def delete(self, physical_id: str, order: Order) -> None:
        self.guard(physical_id)
        self.inner.delete(physical_id, order)

    def _completed(self, resource: Resource, order: Order) -> Resource:
        more = self.addition(resource.physical_id, order)
        return Resource(resource.physical_id, {**resource.attributes, **more})


class NamedByAttribute:
    """A provisioner whose `Ref` is a name although MiniStack's is the ARN."""

    def __init__(self, type_name: str, arn_of: Callable[[str], str]) -> None:
        self._inner = existing(type_name)
        self._arn_of = arn_of

    def create(self, order: Order) -> Resource:
        return _named(self._inner.create(order))

    def update(self, physical_id: str, order: Order) -> Resource:
        return _named(self._inner.update(self._arn_of(physical_id), order))

    def delete(self, physical_id: str, order: Order) -> None:
        self._inner.delete(self._arn_of(physical_id), order)


def _named(resource: Resource) -> Resource:
    return Resource(resource.physical_id.rsplit("/", 1)[-1], resource.attributes)
