"""Nodes: how many there are, what they are launched with, and who takes up a new version when."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ultracluster.catalogue.instances import find
from ultracluster.model.model import Model
from ultracluster.model.nodes import EFA_TYPES, catalogued
from ultracluster.registry.schemas import at
from ultracluster.review import tables as source
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.update import Edit, Effect, when
from ultracluster.review.naming import hourly, named, quoted
from ultracluster.review.resolved import count, entries, known_text, or_none, read, true
from ultracluster.review.resource_types import resource_type, resource_types
from ultracluster.review.tables import NAMES
from ultracluster.templates.resolved import ResolvedResource

RESERVATION: Final = "AWS::EC2::CapacityReservation"
GROUPS: Final = tuple(name for name, known in resource_types().items() if known.nodes)
HEALTH_CHECKS: Final = "AWS PCS user guide, health checks of instances, read 2026-11-26"
KEEP: Final = "keep the reservation until the last job is done"


def accelerators(instance_type: Any, nodes: int) -> str:
    """Return nodes with what is in them: `256 p4d.24xlarge (2,048 A100)`."""
    name = known_text(instance_type)
    if name is None:
        return f"{nodes:,} nodes"
    found = catalogued(name)
    inside = f" ({found.accelerator.total(nodes)})" if found else ""
    return f"{nodes:,} {name}{inside}"


@when("changed", RESERVATION)
def reserved_until(edit: Edit) -> Iterator[Effect]:
    if edit.path not in (("EndDate",), ("EndDateType",)):
        return
    unlimited = (known_text(edit.both("EndDateType")[1]) or "unlimited") == "unlimited"
    was, now = (known_text(value) for value in edit.both("EndDate"))
    if unlimited or (was and now and now > was):
        says = f"the reservation is billed until {'cancelled' if unlimited else now}"
        yield Effect(Danger.COSTS_MORE, says, source.RESERVED)
    else:
        says = f"the reservation ends {f'on {now}' if now else 'sooner'} instead of "
        says += f"on {was}" if was else "never"
        yield Effect(Danger.REDUCES_CAPACITY, says, source.RESERVED, KEEP)


@when("changed", RESERVATION)
def reserved_twice(edit: Edit) -> Iterator[Effect]:
    """Judge a reservation that is replaced: for a while both are needed."""
    if edit.schema and any(path[0] == edit.path[0] for path in edit.schema.create_only):
        yield second_reservation(edit)


def second_reservation(edit: Edit) -> Effect:
    """Return what it means that a reservation is made before the first is cancelled."""
    own = edit.former.properties
    nodes = count(own.get("InstanceCount"))
    what = accelerators(own.get("InstanceType"), nodes) if nodes else "the reserved nodes"
    return Effect(
        Danger.REDUCES_CAPACITY,
        f"{what} are reserved a second time before the first reservation is cancelled: without "
        "that capacity the update fails, and cancelled capacity may not be available again",
        f"{source.ORDER}; {source.RESERVED}",
        "make the second reservation beside the first, and remove the first when it is there",
    )


@when("added", RESERVATION)
@when("removed", RESERVATION)
def reservation(edit: Edit) -> Iterator[Effect]:
    own = edit.resource.properties
    nodes, kind = count(own.get("InstanceCount")) or 1, own.get("InstanceType")
    says, money = accelerators(kind, nodes), hourly(edit.region, kind, nodes)
    if edit.new:
        says += f" are billed from the moment they are reserved{money}, used or not"
        yield Effect(Danger.COSTS_MORE, says, source.RESERVED)
    else:
        says += " are no longer reserved; EC2 may not have them available again"
        yield Effect(Danger.REDUCES_CAPACITY, says, source.RESERVED, KEEP)


def instance_type(model: Model, group: ResolvedResource | None) -> Any:
    """Return the one instance type that a group launches, None where that is not known."""
    if group is None or "InstanceType" in group.properties:
        return group and group.properties["InstanceType"]
    nodes = [*model.nodes, *model.nodes_without_template]
    mine = [node for node in nodes if node.launcher and node.launcher.place == group.place]
    types = {name for node in mine for name in or_none(read(node.type_names)) or ()}
    return types.pop() if len(types) == 1 else None


@when("removed", *GROUPS)
def group_removed(edit: Edit) -> Iterator[Effect]:
    path = resource_type(edit.type).nodes["most"].split(".")
    most = count(at(edit.resource.properties, path)) or 0
    nodes = accelerators(instance_type(edit.pair.old, edit.old), most)
    yield Effect(Danger.REDUCES_CAPACITY, f"up to {nodes} fewer", "it is in no template any more")


@when("added", *GROUPS)
def group_added(edit: Edit) -> Iterator[Effect]:
    own, known = edit.resource.properties, resource_type(edit.type).nodes
    paths = [known[name].split(".") for name in ("least", "wanted") if name in known]
    least = max(count(at(own, path)) or 0 for path in paths)
    if least:
        kind = instance_type(edit.pair.new, edit.new)
        says = f"{accelerators(kind, least)} start at once{hourly(edit.region, kind, least)}"
        yield Effect(Danger.COSTS_MORE, says, "they are billed from their start")


DATA: Final = "LaunchTemplateData"
TEMPLATE: Final = "AWS::EC2::LaunchTemplate"
GROUP: Final = "AWS::AutoScaling::AutoScalingGroup"
NODE_GROUP: Final = "AWS::PCS::ComputeNodeGroup"
LATER: Final = "only nodes that are launched from now on have it"


def _rollout(edit: Edit, template: ResolvedResource) -> tuple[Danger, str, str]:
    """Return what a new version does to the nodes that run."""
    for user in edit.pair.new.users.get(template.place.key, ()):
        if found := _replaced_by_policy(edit, user):
            return found
        if user.resource_type == NODE_GROUP:
            says = f"{named(user)} starts nodes with it; those that run must be replaced for it"
            return Danger.INTERRUPTS, says, source.SLURM
    return Danger.INTERRUPTS, f"{LATER}; running ones must be replaced for it", source.VERSIONS


def _replaced_by_policy(edit: Edit, group: ResolvedResource) -> tuple[Danger, str, str] | None:
    """Return how the UpdatePolicy of a group replaces its nodes, None where it does not."""
    policy = edit.update.after.written(*group.place.key).get("UpdatePolicy")
    if true(at(policy, ("AutoScalingReplacingUpdate", "WillReplace"))):
        says = f"{named(group)} is replaced with all its nodes at once"
        return Danger.REPLACES, says, source.UPDATE_POLICY
    rolling = at(policy, ("AutoScalingRollingUpdate",))
    if rolling is not None:
        size = count(at(rolling, ("MaxBatchSize",))) or 1
        says = f"the nodes of {named(group)} end in batches of {size}, with the jobs on them"
        return Danger.INTERRUPTS, says, source.UPDATE_POLICY
    return None


@when("changed", TEMPLATE)
def template_data(edit: Edit) -> Iterator[Effect]:
    if edit.path[0] != DATA:
        return
    part = edit.path[1] if len(edit.path) > 1 else DATA
    danger, words, why = _rollout(edit, edit.resource)
    if part not in NAMES["same_on_all_nodes"] and LATER in words:
        danger, words = Danger.HARMLESS, LATER
    yield Effect(danger, f"{part} of the nodes changes; {words}", why)
    yield from _security(edit)
    yield from _capacity(edit)


def _interfaces(edit: Edit, wanted: Callable[[Mapping[str, Any]], bool]) -> tuple[int, int]:
    """Return how many network interfaces are as wanted, before and after, where they change."""
    if not edit.touches(DATA, "NetworkInterfaces"):
        return 0, 0
    was, now = (entries(value) for value in edit.both(DATA, "NetworkInterfaces"))
    return sum(map(wanted, was)), sum(map(wanted, now))


def _security(edit: Edit) -> Iterator[Effect]:
    """Yield what makes a node easier to take over or to read."""
    if edit.touches(DATA, "BlockDeviceMappings"):
        before, after = (
            {
                quoted(mapping.get("DeviceName"))
                for mapping in entries(mappings)
                if isinstance(mapping.get("Ebs"), Mapping)
                and not true(at(mapping, ("Ebs", "Encrypted")))
            }
            for mappings in edit.both(DATA, "BlockDeviceMappings")
        )
        if plain := sorted(after - before):
            why = "Encrypted is not true in the block device mapping"
            says = f"volume {', '.join(plain)} is not encrypted"
            yield Effect(Danger.LOOSENS_SECURITY, says, why)
    had, has = _interfaces(edit, lambda entry: true(entry.get("AssociatePublicIpAddress")))
    if has and not had:
        why = "AssociatePublicIpAddress is true"
        yield Effect(Danger.LOOSENS_SECURITY, "nodes have a public address", why)
    if edit.touches(DATA, "KeyName") and (name := edit.both(DATA, "KeyName")[1]) is not None:
        says = f"whoever has the key {quoted(name)} can log in by SSH"
        yield Effect(Danger.LOOSENS_SECURITY, says, "KeyName", "log in by Systems Manager")


def _capacity(edit: Edit) -> Iterator[Effect]:
    """Yield what makes a node slower or harder to get."""
    if edit.touches(DATA, "InstanceType"):
        was, now = (known_text(v) for v in edit.both(DATA, "InstanceType"))
        if was is not None and now is not None and _smaller(was, now):
            says = f"a node is a {now} ({_inside(now)}) instead of a {was} ({_inside(was)})"
            yield Effect(Danger.REDUCES_CAPACITY, says, "instance catalogue, 2026-11-23")
    had, has = _interfaces(edit, lambda e: known_text(e.get("InterfaceType")) in EFA_TYPES)
    if has < had:
        says = f"a node has {has} EFA devices instead of {had}"
        why = "NetworkInterfaces of InterfaceType efa or efa-only"
        yield Effect(Danger.REDUCES_CAPACITY, says, why)
    path = (DATA, "Placement", "GroupName")
    name = known_text(edit.both(*path)[1])
    groups = [group.properties for group in edit.pair.new.of("AWS::EC2::PlacementGroup")]
    made = name is None or name in [known_text(own.get("GroupName")) for own in groups]
    if edit.touches(*path) and edit.differs(*path) and not made:
        says = f"no given template makes the placement group {name}: where there is none, no node "
        why = "EC2 launches nothing into a group that is not there (EC2 RunInstances, placement)"
        yield Effect(Danger.FAILS, f"{says}is launched", why, "refer to the group by Ref")


def _figures(instance_type: str) -> tuple[int, int, float]:
    """Return accelerators, their memory and Gbps of a node, zeros where they are not known."""
    found = catalogued(instance_type)
    if found is None:
        return 0, 0, 0
    accelerators = found.accelerator.count or 0
    memory = (found.accelerator.memory_mib or 0) * accelerators
    return accelerators, memory, found.network_cards.gbps


def _smaller(was: str, now: str) -> bool:
    """Whether a node of another type has less of anything that a job is made for."""
    before, after = _figures(was), _figures(now)
    if not any(after):
        return before[0] > 0
    return any(new < old for old, new in zip(before, after, strict=True) if new)


def _inside(instance_type: str) -> str:
    count, memory, gbps = _figures(instance_type)
    if not count:
        return "no known accelerators"
    name = find(instance_type).accelerator.name
    each = f" of {memory // count // 1024} GiB" if memory else ""
    return f"{count} {name}{each}, {gbps:,.0f} Gbps"


@when("changed", GROUP, NODE_GROUP)
def launched_with(edit: Edit) -> Iterator[Effect]:
    """Judge a group that takes another launch template or image."""
    parts = ("LaunchTemplate", "MixedInstancesPolicy", "CustomLaunchTemplate", "AmiId")
    if edit.path[0] in parts:
        later = f"{LATER}; running ones must be replaced for it"
        found = _replaced_by_policy(edit, edit.resource) or (
            Danger.INTERRUPTS,
            later,
            source.VERSIONS,
        )
        yield Effect(found[0], f"{edit.name} launches nodes in another way: {found[1]}", found[2])


@when("added", "Custom::InstanceHealthChecks")
def checked_from_now_on(edit: Edit) -> Iterator[Effect]:
    says = "PCS checks the instances of the group, and replaces all of them after their jobs"
    yield Effect(Danger.INTERRUPTS, f"{edit.name} is new: {says}", HEALTH_CHECKS)
