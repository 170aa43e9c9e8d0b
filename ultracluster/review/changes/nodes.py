"""What nodes are launched with: a launch template's new version, and who takes it up when."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ultracluster.catalogue.instances import UnknownInstanceTypeError, find
from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.data import entries, true
from ultracluster.review.changes.sources import (
    METADATA_SERVICE,
    SLURM,
    STOPPED,
    UPDATE_POLICY,
    VERSIONS,
)
from ultracluster.review.changes.verdict import Site, Verdict, at, changed
from ultracluster.review.changes.words import count, known_text, named, quoted
from ultracluster.templates.resolved import ResolvedResource

TEMPLATE: Final = "AWS::EC2::LaunchTemplate"
INSTANCE: Final = "AWS::EC2::Instance"
GROUP: Final = "AWS::AutoScaling::AutoScalingGroup"
NODE_GROUP: Final = "AWS::PCS::ComputeNodeGroup"
EFA: Final = ("efa", "efa-only")
LATER: Final = "only nodes that are launched from now on have it"
FELT: Final = frozenset(
    {
        "CapacityReservationSpecification",
        "CpuOptions",
        "EnclaveOptions",
        "ImageId",
        "InstanceMarketOptions",
        "InstanceRequirements",
        "InstanceType",
        "LaunchTemplateData",
        "NetworkInterfaces",
        "Placement",
        "UserData",
    }
)
"""Parts of a launch template that a job over several nodes needs to be the same on all of them."""
LABELS: Final = ("TagSpecifications", "VersionDescription")


def rollout(site: Site, template: ResolvedResource) -> tuple[Danger, str, str]:
    """Return what a new version does to the nodes that run."""
    users = site.moment.new.users.get((template.place.stack, template.place.logical_id), ())
    for user in users:
        raw = site.update.raw(site.update.after, (user.place.stack, user.place.logical_id))
        policy = raw.get("UpdatePolicy")
        policy = policy if isinstance(policy, Mapping) else {}
        if true(at(policy, ("AutoScalingReplacingUpdate", "WillReplace"))):
            return (
                Danger.REPLACES,
                f"{named(user)} is replaced with all its nodes at once",
                UPDATE_POLICY,
            )
        if "AutoScalingRollingUpdate" in policy:
            batch = count(at(policy, ("AutoScalingRollingUpdate", "MaxBatchSize"))) or 1
            return (
                Danger.INTERRUPTS,
                f"the nodes of {named(user)} end in batches of {batch}, with the jobs on them",
                UPDATE_POLICY,
            )
        if user.resource_type == NODE_GROUP:
            return (
                Danger.INTERRUPTS,
                f"{named(user)} starts nodes with it; those that run must be replaced for it",
                SLURM,
            )
    return Danger.INTERRUPTS, f"{LATER}; running ones must be replaced for it", VERSIONS


@changed(TEMPLATE)
def template_data(site: Site) -> Iterator[Verdict]:
    """Judge a new version of a launch template."""
    if site.path[0] != "LaunchTemplateData":
        if site.path[0] in LABELS:
            yield Verdict(Danger.HARMLESS, "the launch template is labelled otherwise", VERSIONS)
        return
    assert site.new is not None  # noqa: S101  (it is there)
    part = site.path[1] if len(site.path) > 1 else "LaunchTemplateData"
    danger, words, why = rollout(site, site.new)
    if part not in FELT and LATER in words:
        danger, words = Danger.HARMLESS, LATER
    yield Verdict(danger, f"{part} of the nodes changes; {words}", why)
    yield from node_security(site, ("LaunchTemplateData",))
    yield from node_capacity(site, ("LaunchTemplateData",))


@changed(INSTANCE)
def instance_changed(site: Site) -> Iterator[Verdict]:
    """Judge an instance of its own, such as a login node."""
    if site.path[0].startswith("@"):
        return
    yield from node_security(site, ())
    says = {
        "InstanceType": "is stopped and started as another type",
        "EbsOptimized": "is stopped and started",
        "UserData": "is stopped and started; its script runs only at the first boot",
    }
    if site.path[0] in says:
        yield Verdict(
            Danger.INTERRUPTS,
            f"{site.name} {says[site.path[0]]}",
            STOPPED,
        )
    if site.path[0] == "SecurityGroupIds":
        yield Verdict(
            Danger.CANNOT_TELL,
            f"{site.name} is in other security groups: what reaches it is what they let pass",
            "updated in place",
        )
    if site.path[0] == "SourceDestCheck" and known_text(site.now) == "false":
        yield Verdict(
            Danger.LOOSENS_SECURITY, f"{site.name} may pass on traffic of others", VERSIONS
        )
    if site.path[0] == "IamInstanceProfile":
        yield Verdict(
            Danger.LOOSENS_SECURITY,
            f"{site.name} has the rights of another role",
            "updated in place",
        )


def node_security(site: Site, above: tuple[str, ...]) -> Iterator[Verdict]:
    """Yield what makes a node easier to take over or to read."""
    options = (*above, "MetadataOptions")
    if site.touches(*options):
        was, now = (known_text(v) for v in site.both(*options, "HttpTokens"))
        if was == "required" and now != "required":
            yield Verdict(
                Danger.LOOSENS_SECURITY,
                "credentials of the node's role can be read without a session token (IMDSv1)",
                METADATA_SERVICE,
                "keep HttpTokens: required",
            )
        hops = [count(v) or 1 for v in site.both(*options, "HttpPutResponseHopLimit")]
        if hops[1] > hops[0]:
            yield Verdict(
                Danger.LOOSENS_SECURITY,
                f"the node's credentials are reached over {hops[1]} hops instead of {hops[0]}: "
                "also from containers",
                METADATA_SERVICE,
            )
    if site.touches(*above, "BlockDeviceMappings"):
        before, after = (_volumes(v) for v in site.both(*above, "BlockDeviceMappings"))
        plain = [name for name in after if after[name] and not before.get(name, False)]
        if plain:
            yield Verdict(
                Danger.LOOSENS_SECURITY,
                f"volume {', '.join(plain)} is not encrypted",
                "Encrypted is not true in the block device mapping",
            )
    if site.touches(*above, "NetworkInterfaces"):
        was_public, public = (_public(v) for v in site.both(*above, "NetworkInterfaces"))
        if public and not was_public:
            yield Verdict(
                Danger.LOOSENS_SECURITY,
                "nodes have a public address",
                "AssociatePublicIpAddress is true",
            )
    if site.touches(*above, "KeyName") and site.both(*above, "KeyName")[1] is not None:
        yield Verdict(
            Danger.LOOSENS_SECURITY,
            f"whoever has the key {quoted(site.both(*above, 'KeyName')[1])} can log in by SSH",
            "KeyName",
            "log in by Systems Manager",
        )
    if site.touches(*above, "IamInstanceProfile") and above:
        yield Verdict(
            Danger.LOOSENS_SECURITY,
            "nodes have the rights of another role",
            "IamInstanceProfile is another one",
        )


def _volumes(mappings: Any) -> dict[str, bool]:
    """Return whether each volume is plain, by device."""
    return {
        quoted(m.get("DeviceName")): not true(at(m, ("Ebs", "Encrypted")))
        for m in entries(mappings)
        if isinstance(m.get("Ebs"), Mapping)
    }


def _public(interfaces: Any) -> bool:
    return any(true(entry.get("AssociatePublicIpAddress")) for entry in entries(interfaces))


def node_capacity(site: Site, above: tuple[str, ...]) -> Iterator[Verdict]:
    """Yield what makes a node slower or harder to get."""
    if site.touches(*above, "InstanceType"):
        was, now = (known_text(v) for v in site.both(*above, "InstanceType"))
        if was is not None and now is not None and _smaller(was, now):
            yield Verdict(
                Danger.REDUCES_CAPACITY,
                f"a node is a {now} ({_inside(now)}) instead of a {was} ({_inside(was)})",
                "instance catalogue, 2026-11-23",
            )
    if site.touches(*above, "NetworkInterfaces"):
        had, has = (_fabric(v) for v in site.both(*above, "NetworkInterfaces"))
        if has < had:
            yield Verdict(
                Danger.REDUCES_CAPACITY,
                f"a node has {has} EFA devices instead of {had}",
                "NetworkInterfaces of InterfaceType efa or efa-only",
            )
    for part, lost in (
        ("Placement", "nodes are no longer placed close to each other"),
        ("CapacityReservationSpecification", "nodes no longer take the reserved places"),
    ):
        if site.touches(*above, part):
            before, after = site.both(*above, part)
            if before is not None and after is None:
                yield Verdict(Danger.REDUCES_CAPACITY, lost, f"{part} is gone")


def _figures(instance_type: str) -> tuple[int, int, float]:
    """Return accelerators, their memory and Gbps of a node, nothing where they are not known."""
    try:
        found = find(instance_type)
    except UnknownInstanceTypeError:
        return 0, 0, 0
    accelerator = found.accelerator
    memory = accelerator.memory_mib or 0
    return accelerator.count or 0, memory * (accelerator.count or 0), found.network_cards.gbps


def _smaller(was: str, now: str) -> bool:
    """Whether a node of another type has less of anything that a job is cut to."""
    pairs = list(zip(_figures(was), _figures(now), strict=True))
    if not any(after for _, after in pairs):
        return pairs[0][0] > 0
    return any(after < before for before, after in pairs if after)


def _inside(instance_type: str) -> str:
    count, memory, gbps = _figures(instance_type)
    if not count:
        return "no known accelerators"
    name = find(instance_type).accelerator.name
    each = f" of {memory // count // 1024} GiB" if memory else ""
    return f"{count} {name}{each}, {gbps:,.0f} Gbps"


def _fabric(interfaces: Any) -> int:
    return sum(known_text(e.get("InterfaceType")) in EFA for e in entries(interfaces))


@changed(GROUP, NODE_GROUP)
def launched_with(site: Site) -> Iterator[Verdict]:
    """Judge a group that takes another launch template or image."""
    parts = ("LaunchTemplate", "MixedInstancesPolicy", "CustomLaunchTemplate", "AmiId")
    if site.path[0] in parts:
        raw = site.update.raw(site.update.after, site.new_key).get("UpdatePolicy")
        rolling = isinstance(raw, Mapping) and "AutoScalingRollingUpdate" in raw
        whole = true(at(raw, ("AutoScalingReplacingUpdate", "WillReplace")))
        yield Verdict(
            Danger.REPLACES if whole else Danger.INTERRUPTS,
            f"{site.name} launches nodes otherwise: "
            + (
                "all of them are replaced"
                if whole
                else "its nodes are replaced in batches"
                if rolling
                else f"{LATER}; running ones must be replaced for it"
            ),
            UPDATE_POLICY if rolling or whole else VERSIONS,
        )
