"""Further node groups of a Slurm cluster, and the images that all nodes boot."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from ultracluster.catalogue import instances
from ultracluster.catalogue.images import PCS_READY_AMI, node_image_parameter, public_parameter
from ultracluster.catalogue.interfaces import InterfaceLayout
from ultracluster.catalogue.slurm import group_name
from ultracluster.problem import Problem
from ultracluster.spec.base import Spec, rule, valid_name
from ultracluster.spec.nodes import IMAGE, NodesSpec
from ultracluster.spec.queues import ENVIRONMENTS_NODES, NAME

if TYPE_CHECKING:
    from ultracluster.spec.environment import EnvironmentSpec

INSTANCE_TYPE: Final = re.compile(r"[a-z][a-z0-9-]*\.(metal(-\d+xl)?|\d*x?large|medium|small)")
GRAVITON: Final = re.compile(r"[a-z]+\d+g[a-z]*\.")
"""Families of arm64 instances have a g behind the generation: m7g, c8gn (EC2, naming)."""
GROUP: Final = re.compile(r"[a-z]([a-z0-9]|-(?=[a-z0-9]))*")
TAKEN: Final = (ENVIRONMENTS_NODES, "login")
"""Names of the groups that every environment has."""
WITH_DISKS: Final = re.compile(r"((i|im|is|d|h)\d|[a-z]+\d+[a-z]*d)[a-z0-9-]*\.")
"""Families whose instances have local NVMe disks: those with a d behind the generation, and the
storage families (EC2, naming of instance types, read 2026-11-27)."""


class _Group(Spec):
    """What all further node groups have in common."""

    name: str
    """Its name for queues, in lower case. In PCS the name is followed by the instance type."""

    least_nodes: Annotated[int, Field(ge=0)] = 0
    """Minimum number of running nodes, also without jobs; each is billed."""

    @property
    def group_name(self) -> str:
        """Its name in PCS; with another instance type it is another group."""
        return group_name(str(vars(self).get("instance_type")), f"{self.name}-")

    @rule
    def _name_is_valid(self) -> Iterator[Problem]:
        if not GROUP.fullmatch(self.name):
            clean = valid_name(self.name, instead="cpu").rstrip("-0123456789")
            fix = f'write lower-case letters, digits and single hyphens: "{clean}"'
            yield self.problem_of("name", fix)
        elif self.name in TAKEN or self.name.startswith("login-"):
            yield self.problem_of("name", 'the name is reserved; write "cpu"')
        elif "instance_type" in vars(self) and not NAME.fullmatch(self.group_name):
            room = 25 - len(group_name(vars(self)["instance_type"], "-"))
            fix = f"with the instance type behind it, it is {self.group_name}, and PCS takes 25 "
            yield self.problem_of("name", f"{fix}characters; write at most {max(room, 1)}")

    @rule
    def _keeps_no_more_than_there_are(self) -> Iterator[Problem]:
        count = vars(self).get("count")
        if count is not None and self.least_nodes > count:
            fix = f"the group has {count} nodes; write at most {count}"
            yield self.problem_of("least_nodes", fix)


class AcceleratedGroupSpec(_Group, NodesSpec):
    """Further accelerated nodes, of another type or capacity, in their own placement group."""

    interface_layout: InterfaceLayout = "address-per-card"
    """PCS supports no other layout."""

    image: Annotated[str, IMAGE] = PCS_READY_AMI
    """AMI id, or SSM parameter that holds one; the image must have Slurm and the PCS agent."""

    root_device_name: Literal["/dev/xvda", "/dev/sda1"] = "/dev/sda1"
    """Root device name of the image."""


class CpuGroupSpec(_Group):
    """Nodes without EFA, for example to prepare data or for tests."""

    instance_type: str
    """EC2 instance type, for example `c7i.8xlarge`."""

    count: Annotated[int, Field(ge=1)]
    """Maximum number of nodes; they are launched on demand."""

    image: Annotated[str | None, IMAGE] = None
    """AMI id or SSM parameter; None uses the image of the environment's nodes."""

    root_volume_gib: Annotated[int, Field(ge=50, le=16384)] = 200
    """Size of the encrypted gp3 root volume, in GiB."""

    @property
    def total(self) -> int:
        """Maximum number of nodes; there are no spare ones."""
        return self.count

    @property
    def has_disks(self) -> bool:
        """Whether the type has local NVMe disks, which are mounted at /scratch."""
        return WITH_DISKS.match(self.instance_type) is not None

    @rule
    def _type_is_known(self) -> Iterator[Problem]:
        try:
            instances.find(self.instance_type)
        except instances.UnknownInstanceTypeError as error:
            if error.lacks is None:
                near = difflib.get_close_matches(self.instance_type, instances.without_fabric(), 1)
                fix = f"no such instance type is known; write {(near or ['c7i.8xlarge'])[0]}"
                yield self.problem_of("instance_type", fix)
        else:
            fix = "that type has accelerators and EFA; use AcceleratedGroupSpec"
            yield self.problem_of("instance_type", fix)


def architecture(instance_type: str) -> str:
    """Return the architecture of a type's instances, as EC2 names it."""
    return "arm64" if GRAVITON.match(instance_type) else "x86_64"


@dataclass(frozen=True)
class PlainNodes:
    """Nodes without EFA: the login nodes, or a CPU node group."""

    what: str
    count: int
    instance_type: str
    type_field: str
    image: str | None
    """Their image; None uses the image of the environment's nodes."""
    image_field: str

    @property
    def architecture(self) -> str:
        return architecture(self.instance_type)


def plain_nodes(environment: "EnvironmentSpec") -> Iterator[PlainNodes]:
    slurm = environment.slurm
    if slurm is None:
        return
    if slurm.login_instance_type is not None:
        own = ("slurm.login_instance_type", slurm.login_image, "slurm.login_image")
        yield PlainNodes("login nodes", slurm.login_nodes, slurm.login_instance_type, *own)
    for index, group in enumerate(slurm.node_groups):
        if isinstance(group, CpuGroupSpec):
            field, what = f"slurm.node_groups[{index}]", f"group {group.name}"
            own = (f"{field}.instance_type", group.image, f"{field}.image")
            yield PlainNodes(what, group.count, group.instance_type, *own)


def images(environment: "EnvironmentSpec") -> dict[str, str]:
    """Return every image that nodes boot, by field path."""
    found = {f"{field}.image": nodes.image for field, nodes in environment.fabrics().items()}
    return found | {each.image_field: each.image for each in plain_nodes(environment) if each.image}


def image_parameter(environment: "EnvironmentSpec", *, login: bool = False) -> str | None:
    """Return the SSM parameter of the nodes' newest image; None if none is known."""
    slurm, instance = environment.slurm, environment.nodes.instance
    architecture, nvidia = instance.architecture, instance.accelerator.is_nvidia
    if login:
        if slurm is None or slurm.login_instance_type is None:
            return None
        architecture, nvidia = slurm.login_architecture, True
    if environment.node_image is not None and architecture == instance.architecture:
        return node_image_parameter(environment.name)
    return public_parameter(architecture=architecture, slurm=slurm is not None, nvidia=nvidia)
