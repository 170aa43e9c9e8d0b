"""CAPACITY rules about what reserved capacity costs: bought too early, or unused."""

from collections.abc import Iterator
from typing import Final

from ultracluster.model.model import Model
from ultracluster.model.nodes import described
from ultracluster.rules.capacity_reservations import DESCRIBE, RESERVATION
from ultracluster.rules.rule import Fault
from ultracluster.rules.subjects import of
from ultracluster.templates.resolved import ResolvedResource
from ultracluster.templates.resolved_values import text

CAN_FAIL: Final = ("AWS::PCS::Cluster", "AWS::EKS::Cluster", "AWS::FSx::FileSystem")
"""What takes minutes to make and fails for reasons of its own."""


@of(RESERVATION).warning(
    "CAPACITY-26",
    what="A reservation is made before something else of its stack that can fail.",
    why="It is billed from the moment that it is made: a cluster or file system that fails behind "
    "it costs the reserved hours, and the rollback gives the capacity up.",
    source="EC2 User Guide, Capacity Reservation pricing and billing, read 2026-11-27; decision "
    "0010 of this project",
    fix="write DependsOn with everything that does not need the reservation itself",
    check="aws cloudformation describe-stack-events --stack-name <stack>",
)
def reserved_last(model: Model, reservation: ResolvedResource) -> Iterator[Fault]:
    waited = model.dependencies(reservation.place.key)
    late = [
        other.place.logical_id
        for other in model.of(*CAN_FAIL)
        if other.place.stack == reservation.place.stack
        and other.place.key not in waited
        and reservation.place.key not in model.dependencies(other.place.key)
    ]
    if late:
        yield Fault(f"it does not wait for {', '.join(late)}", fix=f"write DependsOn: {late}")


@of(RESERVATION).warning(
    "CAPACITY-27",
    what="Nobody names a targeted reservation, and nodes of its type are launched beside it.",
    why="Only instances that name it use it: the nodes are bought on demand, where there is "
    "capacity, and the reservation is billed as well.",
    source="EC2 User Guide, launch into a Capacity Reservation, read 2026-11-27",
    fix="write CapacityReservationSpecification with its id into the launch template",
    check=f"{DESCRIBE} --query 'CapacityReservations[].AvailableInstanceCount'",
)
def targeted_by_its_nodes(model: Model, reservation: ResolvedResource) -> Iterator[Fault]:
    if text(reservation.properties.get("InstanceMatchCriteria")) != "targeted":
        return
    kind = text(reservation.properties.get("InstanceType"))
    # One without an id or a group targets nothing.
    if any(node.reservation_target() for node in model.nodes):
        return
    beside = [
        described(node) for node in model.nodes if node.launcher and kind in node.type_names()
    ]
    if beside:
        yield Fault(f"{', '.join(beside)} launches {kind} without naming it")
