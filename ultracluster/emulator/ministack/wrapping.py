"""MiniStack's own provisioners, with what they leave out put around them."""

from collections.abc import Callable, Mapping
from typing import Any

from ultracluster.emulator.ministack import internals
from ultracluster.emulator.ministack.handlers import Existing
from ultracluster.emulator.provisioning import Order, Provisioner, Resource

Check = Callable[[Order], None]
Guard = Callable[[str], None]
Addition = Callable[[str, Order], Mapping[str, Any]]


def existing(type_name: str) -> Existing:
    return Existing(internals.provisioners._RESOURCE_HANDLERS[type_name])


class Wrapped:
    """A provisioner with checks before it and additions after it."""

    def __init__(
        self,
        inner: Provisioner,
        *,
        check: Check | None = None,
        create_check: Check | None = None,
        guard: Guard | None = None,
        addition: Addition | None = None,
    ) -> None:
        """Wrap a provisioner.

        Args:
            inner: does the work.
            check: refuses what the service would refuse, before create and update.
            create_check: the same before create, instead of `check`.
            guard: refuses a delete while something depends on the resource.
            addition: completes the resource after create and update, and returns attributes.
        """
        self._inner = inner
        self._check = check
        self._create_check = create_check or check
        self._guard = guard
        self._addition = addition

    def create(self, order: Order) -> Resource:
        if self._create_check:
            self._create_check(order)
        return _completed(self._inner.create(order), order, self._addition)

    def update(self, physical_id: str, order: Order, previous: Mapping[str, Any]) -> Resource:
        if self._check:
            self._check(order)
        return _completed(self._inner.update(physical_id, order, previous), order, self._addition)

    def delete(self, physical_id: str, order: Order) -> None:
        if self._guard:
            self._guard(physical_id)
        self._inner.delete(physical_id, order)


class NamedByAttribute:
    """A provisioner whose `Ref` is a name although MiniStack's is the ARN."""

    def __init__(self, inner: Provisioner, arn_of: Callable[[str], str]) -> None:
        self._inner = inner
        self._arn_of = arn_of

    def create(self, order: Order) -> Resource:
        return _named(self._inner.create(order))

    def update(self, physical_id: str, order: Order, previous: Mapping[str, Any]) -> Resource:
        return _named(self._inner.update(self._arn_of(physical_id), order, previous))

    def delete(self, physical_id: str, order: Order) -> None:
        self._inner.delete(self._arn_of(physical_id), order)


def _named(resource: Resource) -> Resource:
    return Resource(resource.physical_id.rsplit("/", 1)[-1], resource.attributes)


def _completed(resource: Resource, order: Order, addition: Addition | None) -> Resource:
    if addition is None:
        return resource
    more = addition(resource.physical_id, order)
    return Resource(resource.physical_id, {**resource.attributes, **more})
