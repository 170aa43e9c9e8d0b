"""Delivery of a service's logs: sources, destinations and what joins them, by the API of Logs."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ultracluster.emulator.ministack import internals
from ultracluster.emulator.provisioning import Order, Resource, ServiceError

Call = Callable[[dict[str, Any]], tuple[int, dict[str, str], bytes]]
Given = Mapping[str, Any]

FIRST_ERROR: Final = 400


@dataclass(frozen=True)
class LogDelivery:
    """One of the three types: `Ref` is the name, of a delivery the id."""

    put: Call
    remove: Call
    noun: str
    identifier: str
    request: Callable[[Given], dict[str, Any]]

    def create(self, order: Order) -> Resource:
        answer = _answer(self.put(self.request(order.properties)))[self.noun]
        identifier = str(answer[self.identifier])
        return Resource(identifier, {"Arn": answer["arn"], "DeliveryId": identifier})

    def update(self, physical_id: str, order: Order, previous: Given) -> Resource:
        del previous
        if self.identifier == "id":
            return Resource(physical_id)
        return self.create(order)

    def delete(self, physical_id: str, order: Order) -> None:
        del order
        try:
            _answer(self.remove({self.identifier: physical_id}))
        except ServiceError as error:
            if "NotFound" not in error.code:
                raise


def types() -> dict[str, LogDelivery]:
    """Return the provisioner of each type."""
    logs = internals.cloudwatch_logs
    return {
        "AWS::Logs::DeliverySource": LogDelivery(
            logs._put_delivery_source,
            logs._delete_delivery_source,
            "deliverySource",
            "name",
            lambda given: {
                "name": given["Name"],
                "resourceArn": given["ResourceArn"],
                "logType": given["LogType"],
            },
        ),
        "AWS::Logs::DeliveryDestination": LogDelivery(
            logs._put_delivery_destination,
            logs._delete_delivery_destination,
            "deliveryDestination",
            "name",
            lambda given: {
                "name": given["Name"],
                "deliveryDestinationConfiguration": {
                    "destinationResourceArn": given["DestinationResourceArn"]
                },
            },
        ),
        "AWS::Logs::Delivery": LogDelivery(
            logs._create_delivery,
            logs._delete_delivery,
            "delivery",
            "id",
            lambda given: {
                "deliverySourceName": given["DeliverySourceName"],
                "deliveryDestinationArn": given["DeliveryDestinationArn"],
            },
        ),
    }


def _answer(response: tuple[int, dict[str, str], bytes]) -> dict[str, Any]:
    status, _, body = response
    answer: dict[str, Any] = json.loads(body or b"{}")
    if status >= FIRST_ERROR:
        raise ServiceError("Logs", str(answer.get("__type")), str(answer.get("message")))
    return answer
