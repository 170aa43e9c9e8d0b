"""The machine images of an environment: which its nodes boot, and where AWS names today's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ultracluster.catalogue.images import node_image_parameter, public_parameter

if TYPE_CHECKING:
    from ultracluster.spec.environment import EnvironmentSpec


def images(environment: EnvironmentSpec) -> dict[str, str]:
    """Return every image that nodes boot, by its field."""
    slurm = environment.slurm
    found = {f"{field}.image": nodes.image for field, nodes in environment.fabrics().items()}
    if slurm is None:
        return found
    if slurm.login_instance_type is not None and slurm.login_image is not None:
        found["slurm.login_image"] = slurm.login_image
    return found | {
        f"slurm.node_groups[{index}].image": group.image
        for index, group in enumerate(slurm.node_groups)
        if group.image is not None
    }


def image_parameter(environment: EnvironmentSpec, *, login: bool = False) -> str | None:
    """Return the SSM parameter that names today's image; None where none is known to.

    Args:
        environment: whose nodes boot it.
        login: whether it is the login nodes' image.
    """
    slurm, instance = environment.slurm, environment.nodes.instance
    architecture, nvidia = instance.architecture, instance.accelerator.manufacturer == "NVIDIA"
    if login:
        if slurm is None or slurm.login_instance_type is None:
            return None
        architecture, nvidia = slurm.login_architecture, True
    if environment.node_image is not None and architecture == instance.architecture:
        return node_image_parameter(environment.name)
    return public_parameter(architecture=architecture, slurm=slurm is not None, nvidia=nvidia)
