"""How many nodes there are, and whether they are there when a job needs them."""

from collections.abc import Iterator
from typing import Any, Final

from ultracluster.model.model import Model
from ultracluster.model.nodes import catalogued
from ultracluster.registry.schemas import at
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.rules import Edit, Effect, when_added, when_changed, when_removed
from ultracluster.review.known import count, known_text, or_none, read
from ultracluster.review.naming import hourly
from ultracluster.review.resource_types import NodeCounts, resource_type, resource_types
from ultracluster.review.tables import ORDER, RESERVED
from ultracluster.templates.resolved import ResolvedResource

RESERVATION: Final = "AWS::EC2::CapacityReservation"
GROUPS: Final = tuple(name for name, known in resource_types().items() if known.nodes)
KEEP: Final = "keep the reservation until the last job is done"


def accelerators(instance_type: Any, nodes: int) -> str:
    """Return nodes with what is in them: `256 p4d.24xlarge (2,048 A100)`."""
    name = known_text(instance_type)
    if name is None:
        return f"{nodes:,} nodes"
    found = catalogued(name)
    inside = f" ({found.accelerator.total(nodes)})" if found else ""
    return f"{nodes:,} {name}{inside}"


@when_changed(RESERVATION)
def reserved_until(edit: Edit) -> Iterator[Effect]:
    if edit.path not in (("EndDate",), ("EndDateType",)):
        return
    unlimited = (known_text(edit.both("EndDateType")[1]) or "unlimited") == "unlimited"
    was, now = (known_text(value) for value in edit.both("EndDate"))
    if unlimited or (was and now and now > was):
        says = f"the reservation is billed until {'cancelled' if unlimited else now}"
        yield Effect(Danger.COSTS_MORE, says, RESERVED)
    else:
        says = f"the reservation ends {f'on {now}' if now else 'sooner'} instead of "
        says += f"on {was}" if was else "never"
        yield Effect(Danger.REDUCES_CAPACITY, says, RESERVED, KEEP)


@when_changed(RESERVATION)
def reserved_twice(edit: Edit) -> Iterator[Effect]:
    """Judge a reservation that is replaced: for a while both are needed."""
    if edit.schema and any(path[0] == edit.path[0] for path in edit.schema.create_only):
        yield second_reservation(edit)


def second_reservation(edit: Edit) -> Effect:
    """Return what it means that a reservation is made before the first is cancelled."""
    own = edit.old.properties if edit.old else {}
    nodes = count(own.get("InstanceCount"))
    what = accelerators(own.get("InstanceType"), nodes) if nodes else "the reserved nodes"
    return Effect(
        Danger.REDUCES_CAPACITY,
        f"{what} are reserved a second time before the first reservation is cancelled: without "
        "that capacity the update fails, and what is cancelled need not be had again",
        f"{ORDER}; {RESERVED}",
        "make the second reservation beside the first, and remove the first when it is there",
    )


@when_added(RESERVATION)
@when_removed(RESERVATION)
def reservation(edit: Edit) -> Iterator[Effect]:
    own = edit.resource.properties
    nodes, kind = count(own.get("InstanceCount")) or 1, own.get("InstanceType")
    if edit.new:
        says = f"{accelerators(kind, nodes)} are billed from the moment they are reserved"
        yield Effect(
            Danger.COSTS_MORE, f"{says}{hourly(edit.region, kind, nodes)}, used or not", RESERVED
        )
    else:
        says = f"{accelerators(kind, nodes)} are no longer reserved; EC2 need not have them again"
        yield Effect(Danger.REDUCES_CAPACITY, says, RESERVED, KEEP)


def instance_type(model: Model, group: ResolvedResource | None) -> Any:
    """Return the one instance type that a group launches, None where that is not known."""
    if group is None or "InstanceType" in group.properties:
        return group and group.properties["InstanceType"]
    nodes = [*model.nodes, *model.nodes_without_template]
    mine = [node for node in nodes if node.launcher and node.launcher.place == group.place]
    types = {name for node in mine for name in or_none(read(node.type_names)) or ()}
    return types.pop() if len(types) == 1 else None


def _counts(edit: Edit) -> NodeCounts:
    known = resource_type(edit.type).nodes
    assert known is not None  # noqa: S101  (of these types it is written)
    return known


@when_removed(*GROUPS)
def group_removed(edit: Edit) -> Iterator[Effect]:
    most = count(at(edit.resource.properties, _counts(edit).most.split("."))) or 0
    nodes = accelerators(instance_type(edit.pair.old, edit.old), most)
    yield Effect(Danger.REDUCES_CAPACITY, f"up to {nodes} fewer", "it is in no template any more")


@when_added(*GROUPS)
def group_added(edit: Edit) -> Iterator[Effect]:
    known = _counts(edit)
    own = edit.resource.properties
    paths = [name.split(".") for name in (known.least, known.wanted) if name]
    least = max(count(at(own, path)) or 0 for path in paths)
    if least:
        kind = instance_type(edit.pair.new, edit.new)
        says = f"{accelerators(kind, least)} start at once{hourly(edit.region, kind, least)}"
        yield Effect(Danger.COSTS_MORE, says, "they are billed from their start")
