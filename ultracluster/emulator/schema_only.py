"""Resource types that nothing emulates: checked against the registry, stored, and reported.

CloudFormation's view of such a resource is real (identifiers, attributes, replacement, rollback);
the service's own API does not show it. `Report.realisations` calls it schema-only.

A type that only other Regions have fails when it is created, with its name. AWS refuses the whole
template instead ("Unrecognized resource types"), as the emulator does for a type of no Region.
"""

from collections.abc import Mapping
from typing import Any

from ultracluster.emulator import schemas
from ultracluster.emulator.attributes import arn, completed
from ultracluster.emulator.ledger import Ledger, Record
from ultracluster.emulator.provisioning import Order, Resource, hexadecimal


class SchemaOnly:
    """A provisioner for any type that the registry knows."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def create(self, order: Order) -> Resource:
        schema = schemas.schema(order.type_name, order.scope.region)
        if schema is None:
            raise ValueError(
                f"Resource type {order.type_name} is not available in {order.scope.region}"
            )
        physical_id = _physical_id(schema, order)
        attributes = completed(schema, order, physical_id, {})
        record = Record(
            order.type_name, physical_id, order.scope, dict(order.properties), attributes
        )
        self._ledger.keep(record)
        return Resource(physical_id, attributes)

    def update(self, physical_id: str, order: Order, previous: Mapping[str, Any]) -> Resource:
        del previous
        record = self._ledger.find(order.scope, order.type_name, physical_id)
        if record is None:
            return self.create(order)
        record.properties = dict(order.properties)
        return Resource(physical_id, record.attributes)

    def delete(self, physical_id: str, order: Order) -> None:
        self._ledger.forget(order.scope, order.type_name, physical_id)


def _physical_id(schema: schemas.Schema, order: Order) -> str:
    parts = [_part(schema, name, order) for name in schema.primary_identifier]
    return "|".join(parts) or order.generated_name


def _part(schema: schemas.Schema, name: str, order: Order) -> str:
    if name in order.properties:
        return str(order.properties[name])
    if name.lower().endswith("arn"):
        named = schema.custom_name and order.properties.get(schema.custom_name)
        return arn(order.type_name, order.scope, str(named or order.generated_name))
    if name.endswith("Id"):
        return f"{order.type_name.split('::')[-1].lower()}-{hexadecimal()}"
    return order.generated_name
