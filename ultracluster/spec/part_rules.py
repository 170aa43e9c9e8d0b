"""Rules about how an environment's file system, Slurm and network fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ultracluster.catalogue import instances, slurm
from ultracluster.catalogue.images import (
    DEEP_LEARNING_AMI,
    EXAMPLE_IMAGE,
    PCS_READY_AMI,
    PCS_READY_AMI_ARM64,
    is_pinned,
)
from ultracluster.problem import Problem, choices
from ultracluster.spec.cidr import network
from ultracluster.spec.network import ExistingNetworkSpec, NetworkSpec
from ultracluster.spec.node_groups import images, plain_nodes

if TYPE_CHECKING:
    import ipaddress
    from collections.abc import Callable, Iterator

    from ultracluster.spec.environment import EnvironmentSpec

BLOCK_OVER_EFA: Final = 16
"""Prefix length of the block that an EFA-enabled file system and its clients must share (FSx for
Lustre User Guide, EFA-enabled file systems, copy read 2026-11-23)."""


def has_clients_over_efa(environment: EnvironmentSpec) -> Iterator[Problem]:
    """An EFA-enabled file system costs money for nothing if no client uses EFA to reach it."""
    instance = environment.nodes.instance
    if environment.storage.efa_enabled and instance.lustre_over_efa is False:
        fix = f"{instance.name} cannot be a client over EFA (Nitro v4 and later can, Trn2 cannot)"
        fix += "; write efa_enabled=False, clients reach the file system over TCP"
        yield environment.problem_of("storage.efa_enabled", fix)


def shares_a_block_with_its_clients(environment: EnvironmentSpec) -> Iterator[Problem]:
    """An existing VPC may have subnets of several blocks; a new one has one /16."""
    spec = environment.network
    if not environment.storage.efa_enabled or not isinstance(spec, ExistingNetworkSpec):
        return
    home = _block(spec.training_subnets[0].cidr)
    for index, subnet in enumerate(spec.training_subnets):
        if _block(subnet.cidr) != home:
            fix = f"the file system lies in {home}, and clients over EFA must be in the same "
            fix += f"/{BLOCK_OVER_EFA}; use a subnet of {home}, or storage without EFA"
            yield Problem(f"network.training_subnets[{index}].cidr", subnet.cidr, fix)


def _block(cidr: str) -> ipaddress.IPv4Network:
    return network(cidr).supernet(new_prefix=BLOCK_OVER_EFA)


def tells_of_what_is_paid_for(environment: EnvironmentSpec) -> Iterator[Problem]:
    """Paid capacity that is idle needs an alarm: AWS Budgets is up to a day late."""
    if environment.pays_for_capacity and not environment.budget.notify:
        fix = "nodes are paid for whether they run or not, and nobody is notified; write "
        fix += 'notify=("team@your-company.com",), or the ARN of an SNS topic'
        yield environment.problem_of("budget.notify", fix)


def is_large_enough(environment: EnvironmentSpec) -> Iterator[Problem]:
    """The Slurm controller's size limits how many nodes and login nodes it manages."""
    if environment.slurm is None:
        return
    needed, given = environment.slurm.instances(environment.nodes.total), environment.slurm.size
    fitting = slurm.size_for(needed)
    groups = [f"{each.total:,} of group {each.name}" for each in environment.slurm.node_groups]
    login = f"{environment.slurm.login_instances} login nodes"
    parts = " + ".join((f"{environment.nodes.total:,} nodes", *groups, login))
    if fitting is None:
        most = max(slurm.SIZES.values())
        rest = max(most - needed + environment.nodes.count, 1)
        fix = f"{parts} are more than the {most:,} instances of the largest PCS cluster; write "
        yield environment.problem_of("nodes.count", f"{fix}{rest} and a second environment")
    elif given is not None and slurm.SIZES[given] < needed:
        fix = f"{given} manages {slurm.SIZES[given]:,} instances, and {parts} are {needed:,}"
        yield Problem("slurm.size", given, f'{fix}; write "{fitting}", or None')


def keeps_no_more_than_there_are(environment: EnvironmentSpec) -> Iterator[Problem]:
    """No more nodes can be kept running than the cluster has."""
    most = environment.nodes.total
    if environment.slurm is not None and (environment.slurm.least_nodes or 0) > most:
        fix = f"the cluster has {most} nodes; write at most {most}"
        yield environment.problem_of("slurm.least_nodes", fix)


def nodes_can_join_slurm(environment: EnvironmentSpec) -> Iterator[Problem]:
    """A node registers with PCS by interfaces of type efa and by the agent on its image."""
    for field, nodes in environment.fabrics().items() if environment.slurm is not None else ():
        layout, own = nodes.interface_layout, "address-per-card"
        if layout != own:
            fix = f'PCS does not support efa-only interfaces; write interface_layout="{own}"'
            yield Problem(f"{field}.interface_layout", layout, fix)
        if nodes.image == DEEP_LEARNING_AMI:
            fix = "that image has neither Slurm nor the PCS agent; write image=PCS_READY_AMI of "
            fix += "ultracluster.spec.slurm, or an image of yours that has both"
            yield Problem(f"{field}.image", nodes.image, fix)


def boots_from_the_images_device(environment: EnvironmentSpec) -> Iterator[Problem]:
    """With another device name the instance would get a second volume."""
    for field, nodes in environment.fabrics().items():
        images = (PCS_READY_AMI, PCS_READY_AMI_ARM64)
        if nodes.image in images and nodes.root_device_name != "/dev/sda1":
            fix = 'Ubuntu images have another root device; write "/dev/sda1"'
            yield Problem(f"{field}.root_device_name", nodes.root_device_name, fix)


def plain_nodes_boot_their_image(environment: EnvironmentSpec) -> Iterator[Problem]:
    """Instances only boot images of their own architecture, which the image's name may show."""
    for each in plain_nodes(environment):
        other = {"x86_64": "arm64", "arm64": "x86_64"}[each.architecture]
        if other in (each.image or environment.nodes.image):
            instead = {"x86_64": "m7g.xlarge", "arm64": "m6i.xlarge"}[each.architecture]
            fix = f"the type is {each.architecture} and its image is not; give it its own image, or"
            yield Problem(each.type_field, each.instance_type, f"{fix} write {instead}")


def images_are_pinned(environment: EnvironmentSpec) -> Iterator[Problem]:
    """An SSM parameter is resolved at each deployment, and a new image replaces every node."""
    keeps = environment.storage.keep_data
    if not keeps and not environment.pays_for_capacity:
        return
    why = "keeps data" if keeps else "reserves capacity"
    for field, image in images(environment).items():
        if is_pinned(image):
            continue
        option = {"nodes.image": "", "slurm.login_image": " --login"}.get(field)
        way = "write an image's id"
        if option is not None:
            command = f"ultracluster image {environment.name}{option} --write"
            way = f'write "{EXAMPLE_IMAGE}", and today\'s id in its place: {command}'
        fix = "any deployment may read another image's id there and replace every node, and this "
        yield Problem(field, image, f"{fix}environment {why}; {way}")


def own_image_is_of_slurm_nodes(environment: EnvironmentSpec) -> Iterator[Problem]:
    """The image pipeline builds images with Slurm, and compares their version to the cluster's."""
    if environment.node_image is not None and environment.slurm is None:
        fix = "it builds images of Slurm nodes; write slurm=SlurmSpec(...), or node_image=None"
        yield Problem("node_image", "a pipeline without slurm", fix)


def is_sold_there(environment: EnvironmentSpec) -> Iterator[Problem]:
    """PCS is not available in every Region."""
    known = environment.region in instances.regions() or environment.region in slurm.REGIONS
    if environment.slurm is not None and known and environment.region not in slurm.REGIONS:
        near = [r for r in sorted(slurm.REGIONS) if r[:3] == environment.region[:3]]
        fix = "AWS PCS is not available in that Region; write slurm=None"
        fix += f", or use {choices(near)}" if near else ""
        yield Problem("slurm", environment.region, fix)


def is_reached_from_a_closed_network(environment: EnvironmentSpec) -> Iterator[Problem]:
    """Nodes call PCS to register, before Slurm can use them."""
    given = environment.network
    if environment.slurm is None or not isinstance(given, NetworkSpec):
        return
    if given.public_subnet_cidr is None and "pcs" not in given.interface_endpoints:
        fix = "nodes call PCS, and without NAT gateway AWS is reached only by endpoints"
        yield environment.problem_of("network.interface_endpoints", f'{fix}; add "pcs"')


def has_gpus_to_diagnose(environment: EnvironmentSpec) -> Iterator[Problem]:
    """PCS's deep checks need NVIDIA GPUs."""
    checks = environment.slurm.health_checks if environment.slurm is not None else None
    if checks is None or checks.deep_profile == "NONE":
        return
    if not any(nodes.instance.accelerator.is_nvidia for nodes in environment.fabrics().values()):
        fix = 'the checks need NVIDIA GPUs, and no node has one; write "NONE"'
        yield environment.problem_of("slurm.health_checks.deep_profile", fix)


PART_RULES: Final[tuple[Callable[[EnvironmentSpec], Iterator[Problem]], ...]] = (
    has_clients_over_efa,
    shares_a_block_with_its_clients,
    tells_of_what_is_paid_for,
    is_large_enough,
    keeps_no_more_than_there_are,
    nodes_can_join_slurm,
    boots_from_the_images_device,
    plain_nodes_boot_their_image,
    images_are_pinned,
    own_image_is_of_slurm_nodes,
    is_sold_there,
    is_reached_from_a_closed_network,
    has_gpus_to_diagnose,
)
