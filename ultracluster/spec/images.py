"""The machine images of an environment: which its nodes boot, and where AWS names today's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ultracluster.catalogue.images import node_image_parameter, public_parameter
from ultracluster.spec.node_groups import plain_nodes

if TYPE_CHECKING:
    from ultracluster.spec.environment import EnvironmentSpec


def images(environment: EnvironmentSpec) -> dict[str, str]:
    """Return every image that nodes boot, by its field."""
    found = {f"{field}.image": nodes.image for field, nodes in environment.fabrics().items()}
    return found | {each.image_field: each.image for each in plain_nodes(environment) if each.image}


def image_parameter(environment: EnvironmentSpec, *, login: bool = False) -> str | None:
    """Return the SSM parameter that names today's image of nodes; None where none is known to."""
    slurm, instance = environment.slurm, environment.nodes.instance
    architecture, nvidia = instance.architecture, instance.accelerator.manufacturer == "NVIDIA"
    if login:
        if slurm is None or slurm.login_instance_type is None:
            return None
        architecture, nvidia = slurm.login_architecture, True
    if environment.node_image is not None and architecture == instance.architecture:
        return node_image_parameter(environment.name)
    return public_parameter(architecture=architecture, slurm=slurm is not None, nvidia=nvidia)
