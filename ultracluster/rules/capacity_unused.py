"""CAPACITY rules about reservations that are paid for and not used."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from ultracluster.model.model import Model
from ultracluster.model.nodes import Node
from ultracluster.model.resource import Index, index
from ultracluster.rules.capacity_placement import RESERVATION
from ultracluster.rules.capacity_reservations import DESCRIBE
from ultracluster.rules.rule import About, Fault, first_of, of
from ultracluster.templates import resolved_values as read
from ultracluster.templates.resolved import Place, ResolvedResource
from ultracluster.templates.resolved_values import Key

CAN_FAIL: Final = ("AWS::PCS::Cluster", "AWS::EKS::Cluster", "AWS::FSx::FileSystem")
"""Types whose creation takes minutes and may fail."""


def _by_reservation(model: Model) -> Index[Node]:
    def named(node: Node) -> list[Key]:
        stated = node.reservation()
        return [] if stated is None else [read.key(stated)]

    return index(model.nodes, named)


@of(RESERVATION).info(
    "CAPACITY-20",
    what="Any instance of its type can use a reservation of accelerated instances.",
    why="InstanceMatchCriteria open lets any instance of that type in the account take a place, "
    "also one that nobody thought of, and the job that it was made for finds it full.",
    source="EC2 User Guide, capacity reservations, read 2026-11-23",
    fix="write InstanceMatchCriteria: targeted, and name the reservation in the launch template",
    check=f"{DESCRIBE} --query 'CapacityReservations[].InstanceMatchCriteria'",
)
def targeted_reservation(model: Model, reservation: ResolvedResource) -> Iterator[Fault]:
    # One that some node names: naming it is of no use to the others.
    if (read.text(reservation.properties, "InstanceMatchCriteria") or "open") != "open":
        return
    for _ in model.cached(_by_reservation).of(reservation.place.key):
        yield Fault("InstanceMatchCriteria is open")
        return


class _Late(NamedTuple):
    """A reservation, and the resources that it does not depend on."""

    place: Place
    names: tuple[str, ...]


def _late(model: Model) -> Iterator[_Late]:
    """Yield the reservations that do not depend on a resource that may fail."""
    reservations = {r.place.key: r.place for r in model.of(RESERVATION)}
    can_fail: dict[str, dict[Key, str]] = {}
    behind: dict[Key, set[Key]] = {}
    for other in model.of(*CAN_FAIL) if reservations else ():
        place = other.place
        can_fail.setdefault(place.stack, {})[place.key] = place.logical_id
        for waited in model.dependencies(place.key) & reservations.keys():
            behind.setdefault(waited, set()).add(place.key)
    for key, place in reservations.items():
        of_stack = can_fail.get(place.stack, {})
        rest = model.dependencies(key) | behind.get(key, set())
        names = (name for other, name in of_stack.items() if other not in rest)
        if late := tuple(first_of(names)):
            yield _Late(place, late)


@About(_late).warning(
    "CAPACITY-26",
    what="A capacity reservation is created before other resources of its stack that may fail.",
    why="It is billed from the moment that it is made: a cluster or file system that fails behind "
    "it costs the reserved hours, and the rollback gives the capacity up.",
    source="EC2 User Guide, Capacity Reservation pricing and billing, read 2026-11-27; decision "
    "0010 of this project",
    fix="write DependsOn with everything that does not need the reservation itself",
    check="aws cloudformation describe-stack-events --stack-name <stack>",
)
def reserved_last(_model: Model, late: _Late) -> Iterator[Fault]:
    names = ", ".join(late.names)
    yield Fault(f"it does not wait for {names}", fix=f"write DependsOn: [{names}]")
