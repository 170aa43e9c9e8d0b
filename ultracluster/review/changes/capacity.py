"""How many nodes there are, and whether they are there when a job needs them."""

from collections.abc import Iterator
from typing import Any, Final

from ultracluster.catalogue.instances import UnknownInstanceTypeError, find
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.money import hourly
from ultracluster.review.changes.sources import ORDER, RESERVED
from ultracluster.review.changes.update import Side
from ultracluster.review.changes.verdict import Site, Verdict, at, changed, coming, going
from ultracluster.review.changes.words import count, known_text
from ultracluster.review.resource_types import NodeCounts, resource_type, resource_types
from ultracluster.templates.reading import UndeterminedError, key
from ultracluster.templates.resolved import ResolvedResource

RESERVATION: Final = "AWS::EC2::CapacityReservation"
GROUPS: Final = tuple(name for name, known in resource_types().items() if known.nodes)
KEEP: Final = "keep the reservation until the last job is done"


def accelerators(instance_type: Any, nodes: int) -> str:
    """Return nodes with what is in them: `256 p4d.24xlarge (2,048 A100)`."""
    name = known_text(instance_type)
    if name is None:
        return f"{nodes:,} nodes"
    try:
        found = find(name.removeprefix("ml."))
    except UnknownInstanceTypeError:
        return f"{nodes:,} {name}"
    return f"{nodes:,} {name} ({found.accelerator.total(nodes)})"


@changed(RESERVATION)
def reserved_until(site: Site) -> Iterator[Verdict]:
    if site.path not in (("EndDate",), ("EndDateType",)):
        return
    unlimited = (known_text(site.both("EndDateType")[1]) or "unlimited") == "unlimited"
    was, now = (known_text(value) for value in site.both("EndDate"))
    if unlimited or (was and now and now > was):
        says = f"the reservation is billed until {'cancelled' if unlimited else now}"
        yield Verdict(Danger.COSTS_MORE, says, RESERVED)
    else:
        says = f"the reservation ends {f'on {now}' if now else 'sooner'} instead of "
        says += f"on {was}" if was else "never"
        yield Verdict(Danger.REDUCES_CAPACITY, says, RESERVED, KEEP)


@changed(RESERVATION)
def reserved_twice(site: Site) -> Iterator[Verdict]:
    """Judge a reservation that is replaced: for a while both are needed."""
    if site.schema and any(path[0] == site.path[0] for path in site.schema.create_only):
        yield second_reservation(site)


def second_reservation(site: Site) -> Verdict:
    """Return what it means that a reservation is made before the first is cancelled."""
    own = site.old.properties if site.old else {}
    nodes = count(own.get("InstanceCount"))
    what = accelerators(own.get("InstanceType"), nodes) if nodes else "the reserved nodes"
    return Verdict(
        Danger.REDUCES_CAPACITY,
        f"{what} are reserved a second time before the first reservation is cancelled: without "
        "that capacity the update fails, and what is cancelled need not be had again",
        f"{ORDER}; {RESERVED}",
        "make the second reservation beside the first, and remove the first when it is there",
    )


@coming(RESERVATION)
@going(RESERVATION)
def reservation(site: Site) -> Iterator[Verdict]:
    own = site.resource.properties
    nodes, kind = count(own.get("InstanceCount")) or 1, own.get("InstanceType")
    if site.new:
        says = f"{accelerators(kind, nodes)} are billed from the moment they are reserved"
        yield Verdict(
            Danger.COSTS_MORE, f"{says}{hourly(site, kind, nodes)}, used or not", RESERVED
        )
    else:
        says = f"{accelerators(kind, nodes)} are no longer reserved; EC2 need not have them again"
        yield Verdict(Danger.REDUCES_CAPACITY, says, RESERVED, KEEP)


def instance_type(side: Side, launcher: ResolvedResource | None) -> Any:
    """Return the instance type that something launches, None where it is not known."""
    own = launcher.properties if launcher else {}
    if "InstanceType" in own:
        return own["InstanceType"]
    for types in (own.get("InstanceConfigs"), own.get("InstanceTypes")):
        if isinstance(types, list) and len(types) == 1:
            return at(types[0], ("InstanceType",)) or types[0]
    for path in (("LaunchTemplate", "LaunchTemplateId"), ("CustomLaunchTemplate", "TemplateId")):
        try:
            found = side.resources.get(key(at(own, path)))  # type: ignore[arg-type]
        except UndeterminedError:
            continue
        if found:
            return at(found.properties, ("LaunchTemplateData", "InstanceType"))
    return None


def _counts(site: Site) -> NodeCounts:
    known = resource_type(site.type).nodes
    assert known is not None  # noqa: S101  (of these types it is written)
    return known


@going(*GROUPS)
def group_removed(site: Site) -> Iterator[Verdict]:
    most = count(at(site.resource.properties, _counts(site).most.split("."))) or 0
    nodes = accelerators(instance_type(site.moment.old, site.old), most)
    yield Verdict(Danger.REDUCES_CAPACITY, f"up to {nodes} fewer", "it is in no template any more")


@coming(*GROUPS)
def group_added(site: Site) -> Iterator[Verdict]:
    known = _counts(site)
    own = site.resource.properties
    paths = [name.split(".") for name in (known.least, known.wanted) if name]
    least = max(count(at(own, path)) or 0 for path in paths)
    if least:
        kind = instance_type(site.moment.new, site.new)
        says = f"{accelerators(kind, least)} start at once{hourly(site, kind, least)}"
        yield Verdict(Danger.COSTS_MORE, says, "they are billed from their start")
