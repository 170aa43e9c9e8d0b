"""How many nodes there are, and whether they are there when a job needs them."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.catalogue.instances import UnknownInstanceTypeError, find
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.money import hourly
from ultracluster.review.changes.routes import lost
from ultracluster.review.changes.sources import (
    MATCHING,
    ORDER,
    RESERVATIONS,
    RESERVED,
    SCALING,
    SLURM,
    SLURM_SIZE,
    SUBNETS_OF_GROUP,
    api,
)
from ultracluster.review.changes.update import Side
from ultracluster.review.changes.verdict import Site, Verdict, at, changed, coming, going
from ultracluster.review.changes.words import count, known_text, quoted
from ultracluster.templates.reading import UndeterminedError, key
from ultracluster.templates.resolved import ResolvedResource

RESERVATION: Final = "AWS::EC2::CapacityReservation"
GROUP: Final = "AWS::AutoScaling::AutoScalingGroup"
NODE_GROUP: Final = "AWS::PCS::ComputeNodeGroup"
KUBERNETES: Final = "AWS::EKS::Nodegroup"


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
def reserved(site: Site) -> Iterator[Verdict]:
    """Judge how many instances are reserved, and until when."""
    assert site.new is not None  # noqa: S101  (it is there)
    kind = site.new.properties.get("InstanceType")
    if site.path == ("InstanceCount",):
        was, now = count(site.was), count(site.now)
        if was is None or now is None:
            yield Verdict(Danger.CANNOT_TELL, "how many are reserved is not known", RESERVATIONS)
        elif now < was:
            yield Verdict(
                Danger.REDUCES_CAPACITY,
                f"{accelerators(kind, was - now)} of {was:,} reserved ones are given back; EC2 "
                "need not have them again",
                RESERVATIONS,
                "keep the reservation until the last job is done",
            )
        else:
            yield Verdict(
                Danger.COSTS_MORE,
                f"{accelerators(kind, now - was)} more are reserved and billed from then on"
                f"{hourly(site, kind, now - was)}, used or not; the update fails where EC2 does "
                "not have them",
                RESERVATIONS,
            )
    if site.path in (("EndDate",), ("EndDateType",)):
        yield from _end(site)
    if site.path == ("InstanceMatchCriteria",):
        opened = known_text(site.now) in (None, "open")
        yield Verdict(
            Danger.REDUCES_CAPACITY if opened else Danger.INTERRUPTS,
            "any matching instance of the account takes a reserved place"
            if opened
            else "only instances that name the reservation take its places",
            f"{MATCHING}; {RESERVATIONS} changes it in place",
        )


def _end(site: Site) -> Iterator[Verdict]:
    kinds = [known_text(v) or "unlimited" for v in site.both("EndDateType")]
    was, now = (known_text(v) for v in site.both("EndDate"))
    if kinds[1] == "unlimited" or (was and now and now > was):
        yield Verdict(
            Danger.COSTS_MORE,
            f"the reservation is billed until {'cancelled' if kinds[1] == 'unlimited' else now}",
            RESERVED,
        )
    else:
        yield Verdict(
            Danger.REDUCES_CAPACITY,
            f"the reservation ends {f'on {now}' if now else 'sooner'} instead of "
            f"{f'on {was}' if was else 'never'}",
            RESERVED,
            "keep it until the last job is done",
        )


@changed(RESERVATION)
def reservation_replaced(site: Site) -> Iterator[Verdict]:
    """Judge a reservation that is made anew: for a while both are needed."""
    if site.schema is None or site.path[0].startswith("@"):
        return
    if any(path[0] == site.path[0] for path in site.schema.create_only):
        nodes = count(at(site.old.properties if site.old else {}, ("InstanceCount",)))
        kind = at(site.old.properties if site.old else {}, ("InstanceType",))
        what = accelerators(kind, nodes) if nodes else "the reserved nodes"
        yield Verdict(
            Danger.REDUCES_CAPACITY,
            f"{what} are reserved a second time before the first reservation is cancelled: "
            "without that capacity the update fails, and what is cancelled need not be had again",
            f"{ORDER}; {RESERVED}",
            "make the second reservation beside the first, and remove the first when it is there",
        )


@coming(RESERVATION)
def reservation_added(site: Site) -> Iterator[Verdict]:
    """Judge a new reservation."""
    assert site.new is not None  # noqa: S101  (it is there)
    nodes = count(site.new.properties.get("InstanceCount")) or 1
    kind = site.new.properties.get("InstanceType")
    yield Verdict(
        Danger.COSTS_MORE,
        f"{accelerators(kind, nodes)} are billed from the moment they are reserved"
        f"{hourly(site, kind, nodes)}, used or not",
        RESERVED,
    )


@going(RESERVATION)
def reservation_removed(site: Site) -> Iterator[Verdict]:
    """Judge capacity that is given back."""
    assert site.old is not None  # noqa: S101  (it was there)
    nodes = count(site.old.properties.get("InstanceCount")) or 1
    yield Verdict(
        Danger.REDUCES_CAPACITY,
        f"{accelerators(site.old.properties.get('InstanceType'), nodes)} are no longer reserved; "
        "EC2 need not have them again",
        RESERVED,
        "keep the reservation until the last job is done",
    )


def instance_type(side: Side, launcher: ResolvedResource | None) -> Any:
    """Return the instance type that something launches, None where it is not known."""
    if launcher is None:
        return None
    own = at(launcher.properties, ("InstanceConfigs",))
    if isinstance(own, list) and len(own) == 1:
        return at(own[0], ("InstanceType",))
    types = launcher.properties.get("InstanceTypes")
    if isinstance(types, list) and len(types) == 1:
        return types[0]
    for path in (("LaunchTemplate", "LaunchTemplateId"), ("CustomLaunchTemplate", "TemplateId")):
        try:
            found = side.resources.get(key(at(launcher.properties, path)))  # type: ignore[arg-type]
        except UndeterminedError:
            continue
        if found:
            return at(found.properties, ("LaunchTemplateData", "InstanceType"))
    return None


SIZES: Final[Mapping[tuple[str, ...], str]] = {
    ("MaxSize",): "at most",
    ("MinSize",): "at least",
    ("DesiredCapacity",): "as many as",
    ("ScalingConfiguration", "MaxInstanceCount"): "at most",
    ("ScalingConfiguration", "MinInstanceCount"): "at least",
    ("ScalingConfig", "MaxSize"): "at most",
    ("ScalingConfig", "MinSize"): "at least",
    ("ScalingConfig", "DesiredSize"): "as many as",
}


GUIDES: Final[Mapping[str, str]] = {
    GROUP: SCALING,
    NODE_GROUP: SLURM_SIZE,
    KUBERNETES: api("EKS", "UpdateNodegroupConfig"),
}


@changed(GROUP, NODE_GROUP, KUBERNETES)
def sizes(site: Site) -> Iterator[Verdict]:
    """Judge how many nodes a group has."""
    for path, words in SIZES.items():
        if site.path not in (path, path[:1]) or not site.differs(*path):
            continue
        was, now = (count(value) for value in site.both(*path))
        yield from _size(site, words, was, now)


def _size(site: Site, words: str, was: int | None, now: int | None) -> Iterator[Verdict]:
    kind = instance_type(site.moment.new, site.new)
    guide = GUIDES[site.type]
    if was is None or now is None:
        yield Verdict(
            Danger.CANNOT_TELL,
            f"how many nodes {site.name} has is not known: {site.path[-1]} goes from "
            f"{quoted(site.was)} to {quoted(site.now)}",
            guide,
        )
    elif now < was:
        yield Verdict(
            Danger.REDUCES_CAPACITY,
            f"{site.name} has {words} {accelerators(kind, now)} instead of {was:,}"
            + ("" if words == "at least" else "; if more run, they are terminated with their jobs"),
            guide,
            "drain the nodes first",
        )
    else:
        yield Verdict(
            Danger.COSTS_MORE,
            f"{site.name} has {words} {accelerators(kind, now)} instead of {was:,}"
            + (f"; {now - was:,} more{money}" if (money := hourly(site, kind, now - was)) else ""),
            guide,
        )


@changed(GROUP)
def group_changed(site: Site) -> Iterator[Verdict]:
    """Judge where a group launches, and for how long."""
    if site.path == ("VPCZoneIdentifier",):
        gone = lost(site.was, site.now)
        yield Verdict(
            Danger.INTERRUPTS if gone else Danger.HARMLESS,
            f"{site.name} launches in other subnets; nodes in those that go end"
            if gone
            else f"{site.name} launches in more subnets",
            SUBNETS_OF_GROUP,
        )
    if site.path == ("MaxInstanceLifetime",) and site.now is not None:
        yield Verdict(
            Danger.INTERRUPTS,
            f"nodes are replaced after {quoted(site.now)} seconds, with the jobs on them",
            f"{SCALING}, maximum instance lifetime",
        )
    if site.path in (("HealthCheckType",), ("HealthCheckGracePeriod",)):
        shorter = (count(site.was) or 0) > (count(site.now) or 0)
        risky = site.path == ("HealthCheckType",) or shorter
        yield Verdict(
            Danger.INTERRUPTS if risky else Danger.HARMLESS,
            f"{site.path[0]} becomes {quoted(site.now)}: "
            + (
                "a node that is slow to start may be replaced before it is ready"
                if risky
                else "a new node is given longer to start"
            ),
            f"{SCALING}, health checks",
        )


@going(GROUP, NODE_GROUP, KUBERNETES)
def group_removed(site: Site) -> Iterator[Verdict]:
    """Judge nodes that go with their group."""
    assert site.old is not None  # noqa: S101  (it was there)
    name = (
        ("MaxSize",)
        if site.old.resource_type == GROUP
        else ("ScalingConfig", "MaxSize")
        if site.old.resource_type == KUBERNETES
        else ("ScalingConfiguration", "MaxInstanceCount")
    )
    most = count(at(site.old.properties, name)) or 0
    nodes = accelerators(instance_type(site.moment.old, site.old), most)
    yield Verdict(
        Danger.INTERRUPTS,
        "its nodes are terminated, with the jobs on them",
        SLURM if site.old.resource_type == NODE_GROUP else GUIDES[site.old.resource_type],
    )
    yield Verdict(Danger.REDUCES_CAPACITY, f"up to {nodes} fewer", "it is in no template any more")


@coming(GROUP, NODE_GROUP, KUBERNETES)
def group_added(site: Site) -> Iterator[Verdict]:
    """Judge nodes that start with their group."""
    assert site.new is not None  # noqa: S101  (it is there)
    found = site.new.properties
    names = [path for path, words in SIZES.items() if words != "at most"]
    least = max((count(at(found, name)) or 0 for name in names), default=0)
    if least:
        kind = instance_type(site.moment.new, site.new)
        yield Verdict(
            Danger.COSTS_MORE,
            f"{accelerators(kind, least)} start at once{hourly(site, kind, least)}",
            SCALING,
        )
