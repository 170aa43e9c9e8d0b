"""Delivery of a service's logs: sources, destinations and what joins them, by the API of Logs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ultracluster.emulator import wire
from ultracluster.emulator.ministack import internals
from ultracluster.emulator.ministack.calls import Response, checked, gone_or_here
from ultracluster.emulator.provisioning import Order, Resource

Call = Callable[[dict[str, Any]], Response]


@dataclass(frozen=True)
class LogDelivery:
    """One of the three types: `Ref` is the name, of a delivery the id."""

    put: Call
    remove: Call
    noun: str
    named: tuple[str, ...]
    """Properties that the request names likewise."""
    within: str = ""
    """The member of the request that holds where a destination leads."""
    identifier: str = "name"

    def create(self, order: Order) -> Resource:
        request = wire.camel({name: order.properties[name] for name in self.named})
        if self.within:
            where = order.properties["DestinationResourceArn"]
            request[self.within] = {"destinationResourceArn": where}
        answer = checked("Logs", self.put(request))[self.noun]
        identifier = str(answer[self.identifier])
        return Resource(identifier, {"Arn": answer["arn"], "DeliveryId": identifier})

    def update(self, physical_id: str, order: Order) -> Resource:
        if self.identifier == "id":
            return Resource(physical_id)
        return self.create(order)

    def delete(self, physical_id: str, order: Order) -> None:
        del order
        with gone_or_here():
            checked("Logs", self.remove({self.identifier: physical_id}))


def types() -> dict[str, LogDelivery]:
    """Return the provisioner of each type."""
    logs = internals.cloudwatch_logs
    return {
        "AWS::Logs::DeliverySource": LogDelivery(
            logs._put_delivery_source,
            logs._delete_delivery_source,
            "deliverySource",
            ("Name", "ResourceArn", "LogType"),
        ),
        "AWS::Logs::DeliveryDestination": LogDelivery(
            logs._put_delivery_destination,
            logs._delete_delivery_destination,
            "deliveryDestination",
            ("Name",),
            within="deliveryDestinationConfiguration",
        ),
        "AWS::Logs::Delivery": LogDelivery(
            logs._create_delivery,
            logs._delete_delivery,
            "delivery",
            ("DeliverySourceName", "DeliveryDestinationArn"),
            identifier="id",
        ),
    }
